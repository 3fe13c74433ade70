package layertest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
	"github.com/nono-run/nono/sdk/fragment"
)

// Options fit the suite to a layer.
type Options struct {
	// Settings are the layer's settings in each call; needed where it requires some.
	Settings map[string]any
}

// Conformance holds a layer to the contract, as far as that can be seen in the test's own process.
// Each call of newLayer makes a layer as a fresh process would have it.
//
// The deep half is `nono plugin verify PROGRAM`: whether core can merge the answer with those of
// other layers, holds each rule with it and finds nothing in it that was not granted, and what the
// layer's process prints, leaves behind and does at its end.
func Conformance(t *testing.T, newLayer func() sdk.Layer, o Options) {
	if isSealedChild() {
		planSealed(t, newLayer(), o)
	}
	Suite(t, conformance.Subject{
		Connect:  func(context.Context) (Host, error) { return connect(newLayer()) },
		Settings: encode(o.Settings),
	})
	t.Run("a layer that calls itself pure opens no file", func(t *testing.T) {
		holdSealed(t, newLayer)
	})
}

// Suite holds any subject to the contract.
func Suite(t *testing.T, s conformance.Subject) {
	for _, check := range conformance.Checks() {
		t.Run(check.Says, func(t *testing.T) {
			s := s
			s.Dir = t.TempDir()
			err := check.Hold(t.Context(), s)
			var nothing *conformance.Nothing
			switch {
			case err == nil:
			case !errors.As(err, &nothing):
				t.Errorf("%v\nthe contract: %s", err, check.Contract)
			case nothing.Untried:
				t.Skip(nothing.Why)
			}
		})
	}
}

// Listeners opens the sockets of a fragment's listener steps, on a port of the loopback that is
// free, as nono-init would inside.
func Listeners(t testing.TB, f fragment.Fragment) map[string]*os.File {
	t.Helper()
	sockets, err := conformance.Open(f)
	must(t, err)
	t.Cleanup(sockets.Close)
	return sockets
}
