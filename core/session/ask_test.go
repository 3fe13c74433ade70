package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/prompt"
)

// TestQuestionsAreAskedOneAfterAnother, each with its layer's name.
func TestQuestionsAreAskedOneAfterAnother(t *testing.T) {
	a := newAsker(nil, nil, false)
	var open, most atomic.Int32
	a.ask = func(_ context.Context, question string, _ prompt.Echo) (string, error) {
		most.Store(max(most.Load(), open.Add(1)))
		defer open.Add(-1)
		return question, nil
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			layer := fmt.Sprintf("acme/%d", i)
			got, err := a.Ask(t.Context(), layer, "well?\x1b[2J", prompt.Shown)
			want := "nono: layer " + layer + ` asks: well?\x1b[2J` + "\nnono: your answer to layer " + layer + ": "
			if err != nil || got != want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d were open at once", most.Load())
	}
}

// TestYieldEndsQuestions: the one that is open and those that wait; and there are none until the
// terminal is taken back.
func TestYieldEndsQuestions(t *testing.T) {
	a := newAsker(nil, nil, false)
	asked, restored := make(chan struct{}, 1), false
	a.ask = func(ctx context.Context, _ string, _ prompt.Echo) (string, error) {
		asked <- struct{}{}
		<-ctx.Done()
		restored = true
		return "", context.Cause(ctx)
	}
	errs := make(chan error)
	for range 3 {
		go func() {
			_, err := a.Ask(t.Context(), "acme/x", "?", prompt.Hidden)
			errs <- err
		}()
	}
	<-asked
	a.Yield("the agent has the terminal")
	if !restored {
		t.Error("the terminal was given away while a question was open")
	}
	_, after := a.Ask(t.Context(), "acme/x", "?", prompt.Hidden)
	for _, err := range []error{<-errs, <-errs, <-errs, after} {
		if !errors.Is(err, sdk.ErrNobody) || !strings.Contains(err.Error(), "the agent has") {
			t.Errorf("got %v", err)
		}
	}
	a.ask = func(context.Context, string, prompt.Echo) (string, error) { return "yes", nil }
	a.TakeBack()
	if answer, err := a.Ask(t.Context(), "acme/x", "?", prompt.Shown); answer != "yes" {
		t.Errorf("afterwards: %q, %v", answer, err)
	}
}

// TestNoQuestionAfterYield: not even one that was on its way when the terminal was given away.
func TestNoQuestionAfterYield(t *testing.T) {
	for range 100 {
		a := newAsker(nil, nil, false)
		a.ask = func(context.Context, string, prompt.Echo) (string, error) {
			t.Error("a question is shown at the agent's terminal")
			return "", nil
		}
		ctx := yielding{t.Context(), sync.OnceFunc(func() { a.Yield("the agent has the terminal") })}
		if _, err := a.Ask(ctx, "acme/x", "?", prompt.Shown); !errors.Is(err, sdk.ErrNobody) {
			t.Fatalf("got %v", err)
		}
	}
}

// yielding gives the terminal away when it is looked at: Ask has found by then that it may ask.
type yielding struct {
	context.Context
	yield func()
}

func (y yielding) Done() <-chan struct{} {
	y.yield()
	return y.Context.Done()
}

func TestNobodyIsAskedInADryRun(t *testing.T) {
	a := newAsker(nil, nil, true)
	if _, err := a.Ask(t.Context(), "acme/x", "?", prompt.Shown); !errors.Is(err, sdk.ErrNobody) {
		t.Errorf("got %v", err)
	}
}
