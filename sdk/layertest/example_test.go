package layertest_test

import (
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

// t stands for what a test function gets.
var t *testing.T

func ExampleNew() {
	kit := layertest.New(t, &layer{})
	resp := kit.Plan(layertest.Request(map[string]any{"port": 8080}))
	if len(resp.Diagnostics) > 0 {
		t.Errorf("the layer complains: %+v", resp.Diagnostics)
	}
}

func ExampleConformance() {
	layertest.Conformance(t, func() sdk.Layer { return &layer{} }, layertest.Options{
		Settings: map[string]any{"port": 8080},
	})
}
