package session

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

// This file is what a run writes of itself, so that the next start can finish it if its core is
// killed. What each layer's Finish needs is on disk before the layer's Start is called, what Start
// returned before the gate opens.

// storing is what a run knows of that.
type storing struct {
	stored *store.Session // nil in a dry run
	// placed is closed when the place of it, and of the log, is there or cannot be.
	placed   chan struct{}
	hasPlace bool
	recorded bool        // the session exists, and is to be finished
	planHash events.Hash // of the plan as it is stored
	// over says how the run ended, once it is over, and ending the same for the log.
	over   *store.End
	ending map[string]string
}

// openStored makes the run's place among the stored sessions, and begins its log. Layers are
// started beside that, and wait for it before they may report anything.
func (r *run) openStored() (err error) {
	defer close(r.placed)
	if !r.dry {
		if r.stored, err = store.In(r.req.Dirs).Create(r.dir.ID); err == nil {
			err = r.openJournal()
		}
	}
	r.hasPlace = err == nil
	return storeProblem(err)
}

// awaitPlace waits for that.
func (r *run) awaitPlace() error {
	<-r.placed
	if !r.hasPlace {
		return context.Canceled // why is told by what made the place
	}
	return nil
}

// store writes what is to be known of the session. The layers' processes are part of that.
func (r *run) store(ctx context.Context) error {
	if err := r.keep(); err != nil {
		return err
	}
	if err := r.layersHere(ctx); err != nil {
		return err
	}
	return r.record()
}

// keep stores the plan, and what each layer that will be armed was told.
func (r *run) keep() error {
	writes := []func() error{func() (err error) {
		r.planHash, err = r.stored.WritePlan(r.plan)
		return err
	}}
	for _, m := range r.members {
		if m.description.Lifetime != sdk.Ephemeral {
			writes = append(writes, func() error { return m.keep(r.stored) })
		}
	}
	for _, write := range writes {
		if err := write(); err != nil {
			return storeProblem(err)
		}
	}
	return nil
}

// record says who takes part, and to whom Finish is going to be owed.
func (r *run) record() error {
	var files []store.File
	for _, d := range r.req.Config.Documents {
		files = append(files, store.File{Path: d.Path, SHA256: hex.EncodeToString(d.SHA256[:])})
	}
	var layers []store.Layer
	for _, m := range r.members {
		layers = append(layers, store.Layer{
			Kind: m.block.Kind, Name: m.description.Name, Version: m.description.Version,
			Lifetime: m.description.Lifetime, BuiltIn: m.binary.Builtin,
			Path: m.plugin.Path, Digest: m.digest, Owed: m.description.Lifetime != sdk.Ephemeral,
		})
	}
	processes, err := r.processes()
	if err == nil {
		err = r.stored.Update(func(rec *store.Record) {
			rec.Nono, rec.Name, rec.Created = sdk.Version, r.req.Name, r.created.UTC()
			rec.Dir, rec.Command, rec.Files = r.req.Dir, r.req.Args, files
			rec.Tier, rec.Processes, rec.Layers = r.host.Tier, processes, layers
			rec.Trees = r.trees()
			for _, p := range r.policy.Snapshot.Paths {
				rec.Recorded = append(rec.Recorded, p.Path)
			}
			for i := range r.policy.Credentials {
				rec.Services = append(rec.Services, r.policy.Credentials[i].Service)
			}
			for _, s := range r.policy.Secrets() {
				rec.Secrets = append(rec.Secrets, s.Name+" from "+s.From.String())
			}
		})
	}
	return storeProblem(err)
}

// recordKeeper adds the process that brings files back, which is started when all stands.
func (r *run) recordKeeper() error {
	if r.keeper == nil {
		return nil
	}
	p, err := store.ProcessOf("the keeper of files", r.keeper.PID())
	if errors.Is(err, os.ErrNotExist) {
		return nil // it is gone, which somebody else is about to notice
	}
	if err == nil {
		err = r.stored.Update(func(rec *store.Record) { rec.Processes = append(rec.Processes, p) })
	}
	return storeProblem(err)
}

// processes are the session's. They end when nono does; whoever finishes it waits for that.
func (r *run) processes() ([]store.Process, error) {
	var processes []store.Process
	var problems []error
	add := func(is string, pid int) {
		p, err := store.ProcessOf(is, pid)
		switch {
		case errors.Is(err, os.ErrNotExist): // it is gone, which somebody else is about to notice
		case err != nil:
			problems = append(problems, err)
		default:
			processes = append(processes, p)
		}
	}
	add("nono", os.Getpid())
	add("nono-init", r.init.PID())
	for _, m := range r.members {
		if m.description.Lifetime != sdk.Ephemeral {
			add("layer "+m.description.Name, m.layer.PID())
		}
	}
	return processes, errors.Join(problems...)
}

// noteFinisher stores that a layer is being finished, by a process that began after the others. The
// layer is finished even where that cannot be stored.
func (r *run) noteFinisher(s *store.Session, layer *layerhost.Layer, name string) {
	p, err := store.ProcessOf("layer "+name, layer.PID())
	if err == nil {
		err = s.Update(func(rec *store.Record) { rec.Processes = append(rec.Processes, p) })
	}
	if err != nil {
		r.req.Log.Warn("storing who finishes a layer", "layer", name, "error", err)
	}
}

// keep stores what the layer's Finish needs, with the state that its Start has returned, if it has.
func (m *member) keep(stored *store.Session) error {
	if m.told == nil {
		known := m.known
		var err error
		if known.Settings, err = withoutSensitive(m.settings, m.description.Settings); err != nil {
			return err
		}
		if m.told, err = host.Store(&known); err != nil {
			return err
		}
	}
	return stored.Keep(m.description.Name, store.Kept{Run: m.told, State: m.state})
}

// withoutSensitive is a layer's settings without those that nobody is to see.
func withoutSensitive(settings []byte, declared []sdk.Setting) ([]byte, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(settings, &values); err != nil {
		return nil, err
	}
	for _, s := range declared {
		value, given := values[s.Name]
		switch {
		case s.Sensitive:
			delete(values, s.Name)
		case given && s.Type == sdk.SettingObject && string(value) != "null":
			inner, err := withoutSensitive(value, s.Settings)
			if err != nil {
				return nil, err
			}
			values[s.Name] = inner
		}
	}
	return json.Marshal(values)
}

// mostKept is about how many bytes of what remains are stored.
const mostKept = 256 << 10

// conclude says how the run ended, with nono's own exit code or error.
func (r *run) conclude(of end, code int, err error) {
	if err != nil {
		code = CodeOf(err)
	}
	left := r.left.Bounded(mostKept)
	r.over = &store.End{
		Reason: of.reason, ExitCode: &code, Report: r.lines, Remains: &left,
		Credentials: r.totals.list(&r.policy),
	}
	r.ending = map[string]string{"reason": string(of.reason), "code": strconv.Itoa(code)}
	if err != nil {
		r.ending["why"] = err.Error()
	}
	if of.reason == sdk.EndExited || of.reason == sdk.EndSignalled {
		r.over.Agent = &store.Exit{Code: of.exit.Code, Signal: int(of.exit.Signal)}
	}
}

// settle stores how the session ended. Where a layer could not finish, the next start tries again.
func (r *run) settle() {
	if !r.recorded {
		_ = r.log.close(new(store.Record), EventFinished, r.ending) // it goes with the session
		if err := r.stored.Discard(); err != nil {
			r.req.Out.Problem(unsettled(err))
		}
		return
	}
	var logged error
	finished, err := r.stored.End(func(rec *store.Record) {
		last := EventFinished
		for i := range rec.Layers {
			rec.Layers[i].Owed = slices.ContainsFunc(r.members, func(m *member) bool {
				return m.description.Name == rec.Layers[i].Name && m.armed && !m.finished
			})
			if rec.Layers[i].Owed {
				last = eventUnfinished
			}
		}
		logged = r.log.close(rec, last, r.ending)
		rec.End, rec.Started, rec.Ended = r.over, r.began.UTC(), r.ended.UTC()
	})
	if err != nil {
		r.req.Out.Problem(unsettled(err))
	}
	if logged != nil {
		r.req.Out.Problem(logProblem(r.stored.ID(), logged))
	}
	if finished && logged == nil {
		r.sign(r.stored.Record())
	} else {
		r.signing.drop()
	}
}

// endOf is how a session ended, as its layers are told.
func endOf(rec *store.Record) sdk.End {
	end := sdk.End{Reason: sdk.EndCoreLost, Started: rec.Started, Ended: rec.Ended}
	if known := rec.End; known != nil {
		end.Reason = known.Reason
		if known.Agent != nil {
			end.ExitCode, end.Signal = known.Agent.Code, syscall.Signal(known.Agent.Signal)
		}
	}
	return end
}

func unsettled(err error) diag.Problem {
	return diag.Warningf("storing how the session ended: %v", err).
		Try("the next start takes it for one whose nono was killed, and finishes it")
}

// storeProblem is about a session that cannot be stored.
func storeProblem(err error) error {
	if err == nil {
		return nil
	}
	return diag.Errorf("%v", err).
		Try("nono keeps there what it needs to clean up after itself; " +
			"set XDG_STATE_HOME to a directory of your own with space left for another one")
}
