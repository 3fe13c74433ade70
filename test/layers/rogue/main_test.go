package main

import (
	"testing"

	"github.com/nono-run/nono/plugins/landlock"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

// Left alone it is an honest layer: what goes wrong with it in a test is what the test asked for.
func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return layer{landlock.New()} }, layertest.Options{})
}
