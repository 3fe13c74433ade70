package netfilter_test

import (
	"testing"

	"github.com/nono-run/nono/plugins/netfilter"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return netfilter.Unconfined() }, layertest.Options{})
}
