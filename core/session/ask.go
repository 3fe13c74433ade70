package session

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/prompt"
)

// An asker puts the layers' questions to the user, one after another. Before the gate is opened and
// after the end the terminal is nono's; in between it is the agent's, and a question would be
// answered by whoever types for the agent, or by the agent.
type asker struct {
	// ask puts one question; tests have users of their own.
	ask  func(ctx context.Context, question string, echo prompt.Echo) (string, error)
	turn chan struct{} // holds a token while nobody asks

	mu sync.Mutex
	// why says why nobody can be asked now; empty where somebody can.
	why string
	// phase ends the questions that are open, with the reason.
	phase context.Context
	end   context.CancelCauseFunc
}

func newAsker(stdin, stderr *os.File, dry bool) *asker {
	a := &asker{turn: make(chan struct{}, 1)}
	a.ask = func(ctx context.Context, question string, echo prompt.Echo) (string, error) {
		tty, err := prompt.Open(stdin, stderr)
		if err != nil {
			return "", nobody(err.Error())
		}
		defer tty.Close()
		return tty.Ask(ctx, question, echo)
	}
	a.turn <- struct{}{}
	a.phase, a.end = context.WithCancelCause(context.Background())
	if dry {
		a.why = "nothing is going to be run"
	}
	return a
}

// Ask gets an answer, when it is the layer's turn.
func (a *asker) Ask(ctx context.Context, layer, text string, echo prompt.Echo) (string, error) {
	a.mu.Lock()
	why, phase := a.why, a.phase
	a.mu.Unlock()
	if why != "" {
		return "", nobody(why)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(phase, func() { cancel(context.Cause(phase)) })()

	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	// The turn may have come by because somebody took the terminal away, and gave the turn on.
	if phase.Err() != nil {
		return "", context.Cause(phase)
	}
	return a.ask(ctx, question(layer, text), echo)
}

// question is what is shown. The line that the user answers in is nono's own: a layer that fills
// the line of its question with blanks could else have the next one read as somebody else's prompt.
func question(layer, text string) string {
	return fmt.Sprintf("nono: layer %s asks: %s\nnono: your answer to layer %[1]s: ",
		layer, policy.Printable(text))
}

// Yield gives the terminal away. When it returns no question is open, the terminal is as it was,
// and nobody can be asked, for the reason given.
func (a *asker) Yield(why string) {
	a.refuse(why)
	<-a.turn
	a.turn <- struct{}{}
}

// Interrupt ends the question that is open, if one is; there will be no other.
func (a *asker) Interrupt() { a.refuse("the user interrupted the questions") }

// TakeBack takes the terminal back, when the agent is gone. A question that was open when the start
// was called off is not.
func (a *asker) TakeBack() {
	a.Yield("the start was called off")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why = ""
	a.phase, a.end = context.WithCancelCause(context.Background())
}

func (a *asker) refuse(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why = why
	a.end(nobody(why))
}

func nobody(why string) error { return fmt.Errorf("%w: %s", sdk.ErrNobody, why) }
