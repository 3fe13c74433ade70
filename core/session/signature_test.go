package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nono-run/nono/sdk/loghead"
)

// Whatever becomes of the process, nobody waits for it without an end.
func TestSigning(t *testing.T) {
	signs := func(_ context.Context, head io.Reader, signed *loghead.Signed) error {
		var read loghead.Head
		if err := loghead.Read(head, &read); err != nil {
			return err
		}
		signed.Bundle = []byte(read.Session)
		return nil
	}
	fails := func(context.Context, io.Reader, *loghead.Signed) error {
		return errors.New("it cannot be started")
	}
	hangs := func(ctx context.Context, _ io.Reader, _ *loghead.Signed) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	readsAndHangs := func(ctx context.Context, head io.Reader, _ *loghead.Signed) error {
		_, _ = io.Copy(io.Discard, head)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	for name, c := range map[string]struct {
		run         func(context.Context, io.Reader, *loghead.Signed) error
		bundle, why string
	}{
		"it signs":                   {run: signs, bundle: "abc"},
		"it fails before it reads":   {run: fails, why: "cannot be started"},
		"it hangs and reads no head": {run: hangs, why: "more than 2s"},
		"it hangs with the head":     {run: readsAndHangs, why: "more than 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signed := newSigning(c.run).sign(loghead.Head{Session: "abc"})
				if string(signed.Bundle) != c.bundle || !strings.Contains(signed.Why, c.why) ||
					(c.why == "") != (signed.Why == "") {
					t.Errorf("%q signed, because %q", signed.Bundle, signed.Why)
				}
				newSigning(c.run).drop() // the bubble ends when nothing of either runs any more
			})
		})
	}
	var none *signing
	none.drop()
}
