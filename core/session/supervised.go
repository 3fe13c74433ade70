package session

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch/metadata"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/sockets"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what core does in the agent's place in tier B.

// supervision is what it does that with.
type supervision struct {
	sockets        *sockets.Sockets
	endSupervision context.CancelFunc
}

// openSockets opens what the agent's connections lead to.
func (r *run) openSockets() error {
	if !slices.Contains(r.plan.Supervised, base.MadeConnect) {
		return nil
	}
	s, err := sockets.Open(sockets.Options{
		Listeners: r.plan.Listeners, Names: r.plan.Names, Serves: r.plan.Served(),
		Connects: r.connects(),
	})
	r.sockets = s
	return err
}

// connects decides about a Unix socket as the policy does about reading it: what could be seen in
// tier A could be connected to. The session's own lie where it writes what is temporary, and none
// of nono's is for the agent.
func (r *run) connects() func(at string) bool {
	decide := policy.NewDecider(&r.policy)
	own, scratch := r.req.Dirs.All(), r.directories.Temporary
	return func(at string) bool {
		if scratch != "" && policy.Within(at, scratch) {
			return true
		}
		for _, dir := range own {
			if policy.Within(at, dir) {
				return false
			}
		}
		return decide.Path(at, policy.OpRead).Allowed
	}
}

// supervise answers the agent's calls from now on, until nobody is left who could make one. Where
// that fails they fail, and so the run ends.
func (r *run) supervise(listener *os.File) {
	if listener == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	r.endSupervision = stop
	handlers := metadata.Handlers(r.plan.Changeable())
	if r.sockets != nil {
		maps.Copy(handlers, r.sockets.Handlers())
	}
	go func() {
		if err := supervise.Serve(ctx, listener, handlers); err != nil {
			r.lose(diag.Errorf("core cannot make the agent's calls any more: %v", err))
		}
	}()
}

// letSocketsGo closes what is left of them.
func (r *run) letSocketsGo() {
	if r.endSupervision != nil {
		r.endSupervision()
	}
	if r.sockets != nil {
		r.sockets.Close()
	}
}
