package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/prompt"
)

// A handler is core's end of one layer's session.
type handler struct {
	run    *run
	member *member
	log    journal // of the session that the layer is in
}

func (h *handler) name() string { return h.member.binary.Name }

// Event implements host.Handler. Events go into the log, and are shown with -v.
func (h *handler) Event(e sdk.Event) {
	h.log.Add(h.told(e))
	if h.log.Log == h.run.log.Log { // not another, dead session's
		if h.member.block.Kind == policy.KindNetwork {
			h.run.denied.add(e)
		}
		if h.member.block.Kind == policy.KindCredentials {
			h.run.totals.add(e, h.member.sent.Load())
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		b.WriteString(" " + k + "=" + e.Fields[k])
	}
	if e.Rule != "" {
		b.WriteString(" (" + string(e.Rule) + ")")
	}
	if e.Count > 1 {
		fmt.Fprintf(&b, " (%d times)", e.Count)
	}
	h.run.req.Out.Detail("[%s] %s%s", h.name(), e.Name, b.String())
}

// Progress implements host.Handler.
func (h *handler) Progress(text string, done, total uint64) {
	h.run.req.Progress.Show(text, done, total)
	if total > 0 {
		h.run.req.Out.Detail("[%s] %s: %d of %d", h.name(), text, done, total)
		return
	}
	h.run.req.Out.Detail("[%s] %s", h.name(), text)
}

// Ask implements host.Handler.
func (h *handler) Ask(ctx context.Context, text string, hidden bool) (string, error) {
	return h.run.asker.Ask(ctx, h.name(), text, prompt.Echo(!hidden))
}

// Dial implements host.Handler: nono-init connects inside, to a port of the layer's own dialer
// step.
func (h *handler) Dial(ctx context.Context, port uint16) (*os.File, error) {
	select {
	case <-h.run.opened:
	default:
		// At the gate nono-init takes one message, and nothing serves inside that could be reached.
		// Not waited for: the layer may be in its Start, and that is what the gate waits for.
		return nil, errors.New("the agent does not run yet")
	}
	for _, d := range h.run.plan.Dialers {
		if d.Layer == h.name() && slices.Contains(d.Ports, port) {
			if h.run.sockets != nil {
				return h.run.sockets.Dial(ctx, port)
			}
			return h.run.init.Dial(ctx, port)
		}
	}
	return nil, errors.New("no dialer step of this layer names the port")
}

// Stop implements host.Handler. Before the gate is opened it calls the start off.
func (h *handler) Stop(reason string) {
	h.log.tellAtWill(eventStop, map[string]string{"layer": h.name(), "why": reason})
	var problem error = diag.Errorf("layer %s ended the run: %s", h.name(), reason)
	select {
	case <-h.run.opened:
	default:
		problem = h.member.problem(
			diag.Errorf("layer %s refused to let the run begin: %s", h.name(), reason))
		h.run.refuse(problem)
	}
	select {
	case h.run.stops <- problem:
	default:
	}
}
