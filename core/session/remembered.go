package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/pluginlock"
	"github.com/nono-run/nono/core/remembered"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

// This file is about a layer whose answer cannot differ: it is not started if core remembers what
// it answered to the very same request.

// memory is what a member has to do with what is remembered.
type memory struct {
	at      remembered.Place
	program remembered.Program
	request remembered.Digest
	// answer is the one that may do; there is no process then.
	answer *remembered.Answer
	// used says that it did.
	used bool
	// described and planned are what the layer said this time, to be remembered.
	described, planned []byte
}

// recall looks for an answer of the layer's that may do. Then the plan does not wait for the layer,
// and one that is ephemeral is perhaps never started.
func (m *member) recall(r *run) bool {
	known := remembered.In(r.req.Dirs)
	m.memory.at = remembered.Place{Layer: m.binary.Name, Situation: r.situation}
	if r.req.Fresh || r.tellsSecret(m) || !known.Has(m.memory.at) {
		return false
	}
	if err := m.binary.Permitted(); err != nil {
		return false // it is told where the layer is started
	}
	program, err := m.program()
	if err != nil {
		return false
	}
	answer, err := known.Answer(m.memory.at, program)
	if err != nil {
		r.req.Log.Debug("not known from before", "layer", m.binary.Name, "reason", err)
		return false
	}
	spec, d := m.spec(r), answer.Description
	if !repeats(d) || spec.Meant(d) != nil || !m.plugin.Accepts(d.Version) {
		return false
	}
	m.description, m.memory.answer = d, answer
	return true
}

// program is what the layer's program is now.
func (m *member) program() (remembered.Program, error) {
	if m.binary.Builtin {
		return remembered.ProgramAt(m.binary.Path)
	}
	digest, err := m.binary.Digest()
	return remembered.Program{Path: m.binary.Path, Digest: digest, Build: sdk.Build}, err
}

// repeats reports whether a layer answers the same to the same request, and all that it reads is in
// that: nothing secret among it. A state directory it has for its other calls.
func repeats(d sdk.Description) bool {
	secret := slices.ContainsFunc(d.Settings, isSensitive)
	return d.Pure && !secret && !d.ConfigDir && len(d.HostVariables) == 0
}

// tellsSecret reports whether the layer's request has a secret in it.
func (r *run) tellsSecret(m *member) bool {
	return hearsOfUpstream(m.block.Kind) && len(r.req.Config.UpstreamAuth.Reveal()) > 0
}

func isSensitive(s sdk.Setting) bool {
	return s.Sensitive || slices.ContainsFunc(s.Settings, isSensitive)
}

// situated is a digest of what is known when the layers would be started. Two runs in one situation
// ask a layer the same, unless the host's files have changed, or another layer says something else.
func (r *run) situated() remembered.Digest {
	sum := sha256.New()
	say := func(words ...string) {
		for _, w := range words {
			fmt.Fprintf(sum, "%d %s\n", len(w), w)
		}
	}
	say(r.bin, r.req.Dir, r.req.DirName, r.tool.Executable)
	say(r.req.Args...)
	for _, d := range r.req.Config.Documents {
		say(d.Path, string(d.SHA256[:]))
	}
	for _, rule := range r.policy.Rules() {
		say(string(rule.ID), rule.Says)
	}
	return remembered.Digest(sum.Sum(nil))
}

// answer is the layer's share of the plan: as it is remembered, else from its process, which is
// started if it was not yet.
func (m *member) answer(
	ctx context.Context, r *run, req *sdk.PlanRequest,
) (*sdk.PlanResponse, error) {
	again := repeats(m.description) && !r.tellsSecret(m)
	if again {
		var err error
		if m.memory.request, err = host.Same(req); err != nil {
			return nil, fmt.Errorf("asking layer %s: %w", m.binary.Name, err)
		}
	}
	if m.memory.answer != nil {
		share, err := m.memory.answer.To(m.memory.request)
		if err == nil {
			m.memory.used = true
			return share, nil
		}
		r.req.Log.Debug("not known from before", "layer", m.binary.Name, "reason", err)
		if err := m.here(ctx, r); err != nil {
			return nil, err
		}
	}
	share, err := m.layer.Plan(ctx, req)
	if err != nil {
		return nil, m.problem(err)
	}
	if again {
		m.note(req)
	}
	return share, nil
}

// notAsked adds to the problems of a plan that there was an answer in it that nobody gave now.
func (r *run) notAsked(err error) error {
	var problems diag.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for _, m := range r.members {
		if m.memory.used {
			problems = append(problems, diag.Warningf(
				"layer %s was not asked: it answered the same request before", m.binary.Name).
				Try("--fresh asks it, if its answer is what is wrong"))
		}
	}
	return problems
}

// beside is a layer on its way: it is started while the plan is made from what it answered before,
// and waited for where it is needed.
type beside struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// startBeside starts a layer that nobody waits for yet.
func (m *member) startBeside(ctx context.Context, r *run) {
	ctx, cancel := context.WithCancel(ctx)
	b := &beside{cancel: cancel, done: make(chan struct{})}
	m.beside = b
	go func() {
		defer close(b.done)
		b.err = m.startLate(ctx, r)
	}()
}

// here returns when the layer's process is there, which is started for it if it was not yet.
func (m *member) here(ctx context.Context, r *run) error {
	if m.beside == nil {
		return m.startLate(ctx, r)
	}
	<-m.beside.done
	return m.beside.err
}

// layersHere returns when all layers are there that were started beside.
func (r *run) layersHere(ctx context.Context) error {
	for _, m := range r.members {
		if m.beside == nil {
			continue
		}
		if err := m.here(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// startLate starts a layer of which only the description was known.
func (m *member) startLate(ctx context.Context, r *run) error {
	layer, d, err := m.launch(ctx, r)
	if err != nil {
		return err
	}
	m.layer = layer
	if said, err := layer.Said(); err != nil || !host.Describes(said, m.description) {
		return diag.Errorf("layer %s says something else of itself than it did before (version %s)",
			m.binary.Name, d.Version).
			Try("a layer says the same each time; run with --fresh, and tell whoever makes it")
	}
	if err := r.awaitPlace(); err != nil {
		return err
	}
	return m.openSession(ctx, r, layer)
}

// note takes down what the layer has said, to be remembered. An answer that names the session would
// be wrong in another one.
func (m *member) note(req *sdk.PlanRequest) {
	program, err := m.program()
	said, saidErr := m.layer.Said()
	planned, plannedErr := m.layer.Planned()
	if errors.Join(err, saidErr, plannedErr) != nil ||
		bytes.Contains(planned, []byte(req.SessionID)) || bytes.Contains(planned, []byte(req.Dir)) {
		return
	}
	m.memory.program, m.memory.described, m.memory.planned = program, said, planned
}

// patience is how long the end of a run waits until the copy of a program lies on the disk. Where
// it does not, a later run makes it.
const patience = 2 * time.Second

// remember writes down what layers said in this run, and keeps the copies of their programs, for
// the next one. It is done beside the agent: nobody waits for it but the run's end.
func (r *run) remember() func() {
	said, copied := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(said)
		known := remembered.In(r.req.Dirs)
		for _, m := range r.members {
			if m.memory.planned == nil {
				continue
			}
			say := &m.memory
			err := known.Keep(say.at, say.program, say.request, say.described, say.planned)
			if err != nil {
				r.req.Log.Debug("remembering what a layer said", "layer", m.binary.Name, "error", err)
			}
		}
	}()
	go func() {
		defer close(copied)
		for _, m := range r.members {
			if err := pluginlock.Keep(r.req.Dirs, m.binary); err != nil {
				r.req.Log.Debug("keeping a copy of a layer", "layer", m.binary.Name, "error", err)
			}
		}
	}()
	return func() {
		<-said
		select {
		case <-copied:
		case <-time.After(patience):
		}
	}
}

// spec is how the layer is started.
func (m *member) spec(r *run) layerhost.Spec {
	return layerhost.Spec{
		Kind:      m.block.Kind,
		Name:      m.binary.Name,
		Binary:    m.binary,
		Dir:       r.dir.Path,
		Deadlines: r.req.Deadlines,
		Build:     sdk.Build,
		Logger:    r.req.Log,
	}
}
