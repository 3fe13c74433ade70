package main

import (
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

// A layer that asks for too much keeps the contract all the same: what it asks for is data.
func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return layer{} }, layertest.Options{})
}
