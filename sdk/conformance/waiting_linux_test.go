package conformance

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk/fragment"
)

// What comes in at a listener is seen waiting until somebody takes it.
func TestWaiting(t *testing.T) {
	for _, n := range []fragment.Network{fragment.TCP, fragment.UDP} {
		step := fragment.Listener{Name: "l", Network: n}
		sockets, err := Open(fragment.Fragment{Steps: []fragment.Step{step}})
		if err != nil {
			t.Fatal(err)
		}
		defer sockets.Close()
		if is, err := waiting(sockets["l"], n); err != nil || is {
			t.Errorf("%s: before anything came in: %v, %v", n, is, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err = (&trial{ctx: ctx}).knock(sockets["l"], n)
		if err == nil || !strings.Contains(err.Error(), "nobody takes what comes in") {
			t.Errorf("%s: %v", n, err)
		}
	}
}
