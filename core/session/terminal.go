package session

import (
	"syscall"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/terminal"
)

// ofTerminal are the signals that are about the user's terminal, where there is one: what they mean
// to the agent it hears from its own.
func (req *Request) ofTerminal() []syscall.Signal {
	if req.Terminal == nil {
		return nil
	}
	return []syscall.Signal{syscall.SIGCONT, syscall.SIGWINCH}
}

// checkTerminals refuses a terminal as a stream that is not the one that nono was started from: the
// agent gets one terminal, and what is written to it appears on one.
func (r *run) checkTerminals() error {
	for n, s := range r.streams {
		if r.dry || s.Kind != recipe.TerminalStream || r.req.Terminal.Is(s.File) {
			continue
		}
		return diag.Errorf("stream %d is another terminal than the one that nono is started from", n).
			Try("pass it through a program: `cat < TERMINAL | nono run ...`, " +
				"`nono run ... | cat > TERMINAL`")
	}
	return nil
}

// adoptTerminal takes over the session's terminal, which nono-init has opened.
func (r *run) adoptTerminal(ready *launch.Ready) error {
	if r.req.Terminal == nil {
		return nil
	}
	return r.req.Terminal.Adopt(ready.Terminal)
}

// yieldTerminal gives the terminal to the agent that is about to start: nobody is asked anything,
// and no line of nono's comes between the agent's. It reports whether the agent begins in the
// foreground.
func (r *run) yieldTerminal() (foreground bool) {
	r.asker.Yield("the agent has the terminal")
	if r.req.Terminal == nil {
		return false
	}
	if r.streams[2].Kind == recipe.TerminalStream {
		r.req.Lines.Hold()
	}
	return r.req.Terminal.Begin()
}

// serveTerminal serves the agent, which runs by now.
func (r *run) serveTerminal(sig *signals) error {
	if r.req.Terminal == nil {
		return nil
	}
	return r.req.Terminal.Serve(r.init, terminal.Options{
		Keeper: r.bin + "/nono-init",
		Hangup: sig.HangUp,
		Warn: func(doing string, err error) {
			r.req.Log.Warn(doing, "error", err)
		},
	})
}

// takeTerminalBack is called when everything inside has ended. What nono has to say, it says now. A
// terminal that did not take the agent's last output is not waited for with nono's either.
func (r *run) takeTerminalBack() {
	if r.req.Terminal == nil {
		return
	}
	const patience = 2 * time.Second
	if r.req.Terminal.Close() {
		r.req.Lines.Release(0)
	} else {
		r.req.Lines.Release(patience)
	}
}
