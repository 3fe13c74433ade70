package session

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/remains"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/hostfile"
)

// prepare makes the sandbox stand, all but the agent.
func (r *run) prepare(ctx context.Context) error {
	if err := errors.Join(r.plan.MakeOwn(), r.plan.WriteOwn()); err != nil {
		return err
	}
	secrets := plan.Secrets{plan.Core: r.req.Secrets}
	for _, m := range r.members {
		own := map[string][]byte{}
		for name, secret := range m.share.Secrets {
			own[name] = secret.Reveal()
		}
		secrets[m.description.Name] = own
	}
	if err := r.openSockets(); err != nil {
		return err
	}
	todo, err := r.plan.Recipe(secrets, r.req.Lookup, hostfile.Host)
	if err != nil {
		return err
	}
	todo.Umask, todo.OpenFiles = r.req.Umask, r.req.Config.Limits.OpenFiles
	if r.noProcessLimit() == "" {
		todo.Processes = r.req.Config.Limits.Processes
	}
	todo.Terminal = r.req.Terminal != nil
	ready, err := r.init.Prepare(ctx, todo)
	if err != nil {
		return r.stepProblem(err)
	}
	r.supervise(ready.Notify)
	if err := r.adoptTerminal(ready); err != nil {
		return err
	}
	for dir, f := range ready.Reports {
		p, err := remains.LookInside(dir, f)
		if err != nil {
			return fmt.Errorf("looking at the private directory %s: %w", dir, err)
		}
		r.private = append(r.private, p)
	}
	if err := r.keepCopies(ready.Copies); err != nil {
		return err
	}
	if r.sockets != nil {
		return r.hand(r.sockets.Listeners())
	}
	return r.hand(ofInit(ready.Listeners))
}

// hand gives each layer the sockets of its own listener steps, and core its one.
func (r *run) hand(listeners map[string]host.Listener) error {
	for _, l := range r.plan.Listeners {
		if l.Layer == plan.Core {
			names, err := answerNames(listeners[l.ID()].File, r.log.tellAtWill)
			if err != nil {
				return err
			}
			r.names = names
			continue
		}
		for _, m := range r.members {
			given, opened := listeners[l.ID()]
			if m.description.Name == l.Layer && opened {
				m.listeners[l.Name] = given
			}
		}
	}
	return nil
}

// startLayers arms the layers that have something to arm, while the agent is held at the gate. The
// others are gone by now.
func (r *run) startLayers(ctx context.Context) error {
	var starts []func() error
	for _, m := range r.members {
		if m.description.Lifetime != sdk.Ephemeral {
			starts = append(starts, func() error { return m.arm(ctx, r) })
		}
	}
	return atOnce(starts)
}

// ofInit are sockets that nono-init opened inside.
func ofInit(files map[string]*os.File) map[string]host.Listener {
	all := map[string]host.Listener{}
	for name, f := range files {
		all[name] = host.Listener{File: f}
	}
	return all
}
