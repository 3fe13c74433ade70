package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/policy"
)

// A member is one layer's part in a run.
type member struct {
	block       config.Layer
	plugin      config.Plugin // only a name where no block names it
	binary      *layerhost.Binary
	digest      string
	layer       *layerhost.Layer // once it is here
	beside      *beside          // how that comes, where its answer is known
	number      int              // among the layers of the run
	dir         string           // its own, for this session
	description sdk.Description
	settings    []byte
	known       sdk.Run                       // what every call of the run is told
	sent        atomic.Pointer[policy.Policy] // the policy in it, for whoever hears of the rules
	share       *sdk.PlanResponse
	listeners   map[string]host.Listener
	memory      memory

	// armed says that Start was called, so that Finish is owed; state is what Start returned, and
	// finished says that all was released. told is known as it is stored.
	armed    bool
	state    []byte
	finished bool
	told     []byte
}

// program is the name of the program that is a block's layer; empty if there is none.
func program(block config.Layer) string {
	if kind, ok := kinds.Of(block.Kind); ok && block.Plugin == "" {
		return kind.BuiltIn(runtime.GOOS)
	}
	return block.Plugin
}

// checkPrograms refuses two blocks with one program: a layer's name is whose secrets, listeners and
// steps something is, so a program is one layer of a run.
func checkPrograms(blocks []config.Layer) error {
	var problems diag.Problems
	first := map[string]config.Layer{}
	for _, b := range blocks {
		name := program(b)
		other, twice := first[name]
		if name == "" || !twice {
			first[name] = b
			continue
		}
		where := ""
		if other.Source != (policy.Source{}) {
			where = ", at " + other.Source.String()
		}
		problems = append(problems, diag.Errorf("layer %q is the program %s, and so is layer %q%s",
			b.Name, name, other.Name, where).
			At(cmp.Or(b.PluginSource, b.Source)).
			Try("a program is one layer of a run: put what both blocks say into one of them"))
	}
	return problems.Err()
}

func findLayer(block config.Layer, cfg *config.Config, places layerhost.Places) (*member, error) {
	name := program(block)
	if name == "" {
		return nil, diag.Errorf("nono has no %s layer of its own on %s", block.Name, runtime.GOOS).
			At(block.Source).
			Try("name a program in a block layer %q: plugin = \"VENDOR/NAME\"; "+
				"or run without one: --disable %s", block.Name, block.Name)
	}
	m := &member{block: block, plugin: cfg.Plugin(name), listeners: map[string]host.Listener{}}
	var err error
	m.binary, err = findBinary(m.plugin, places)
	return m, err
}

// start runs the layer, has it describe itself, and opens its session, unless what it would say is
// remembered.
func (m *member) start(ctx context.Context, r *run, number int) error {
	m.number = number
	if m.recall(r) {
		return nil
	}
	layer, description, err := m.launch(ctx, r)
	if err != nil {
		return err
	}
	m.layer, m.description = layer, description
	if err := r.awaitPlace(); err != nil {
		return err
	}
	return m.openSession(ctx, r, layer)
}

// makeDir makes the directory that is the layer's own for this session. One that has something to
// clean up finds it again when core is killed.
func (m *member) makeDir(r *run) (err error) {
	if m.description.Lifetime != sdk.Ephemeral && !r.dry {
		m.dir, err = r.stored.LayerDir(m.description.Name)
		return storeProblem(err)
	}
	m.dir = filepath.Join(r.dir.Path, strconv.Itoa(m.number))
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of layer %s: %w", m.binary.Name, err)
	}
	return nil
}

// launch starts a process of the layer and checks who it is.
func (m *member) launch(
	ctx context.Context, r *run,
) (*layerhost.Layer, sdk.Description, error) {
	layer, err := layerhost.Start(ctx, m.spec(r))
	if err != nil {
		return nil, sdk.Description{}, m.problem(err)
	}
	d, err := layer.Describe(ctx)
	if err == nil && !m.plugin.Accepts(d.Version) {
		err = diag.Errorf("layer %s has version %s, and %s is wanted",
			d.Name, d.Version, m.plugin.Version).At(m.plugin.Source)
	}
	if err != nil {
		layer.Close()
		return nil, sdk.Description{}, m.problem(err)
	}
	return layer, d, nil
}

// openSession opens the session of a layer that has one, in any of its processes.
func (m *member) openSession(ctx context.Context, r *run, layer *layerhost.Layer) error {
	if m.description.Lifetime == sdk.Ephemeral {
		return nil
	}
	return m.problem(layer.OpenSession(ctx, &handler{run: r, member: m, log: r.log}))
}

// makeShare asks the layer for its share of the plan. An ephemeral layer is not needed after that,
// and nobody waits for its end.
func (m *member) makeShare(ctx context.Context, r *run, facts []fact.Fact) error {
	if err := m.makeDir(r); err != nil {
		return err
	}
	m.known = sdk.Run{
		SessionID:     r.dir.ID,
		Host:          r.host,
		Command:       r.command(),
		Policy:        r.policy,
		Settings:      m.settings,
		Facts:         facts,
		HostVariables: map[string]string{},
		Dir:           m.dir,
	}
	m.sent.Store(&m.known.Policy)
	for _, name := range m.description.HostVariables {
		if value, ok := r.req.Lookup(name); ok {
			m.known.HostVariables[name] = value
		}
	}
	if m.description.ConfigDir {
		m.known.ConfigDir = r.req.Dirs.LayerConfig(m.description.Name)
	}
	if m.description.StateDir {
		m.known.StateDir = r.req.Dirs.Layer(m.description.Name)
		if !r.dry {
			if err := r.req.Dirs.MakeLayer(m.description.Name); err != nil {
				return m.problem(err)
			}
		}
	}
	req := &sdk.PlanRequest{
		Run: m.known, Documents: r.req.Config.Documents,
		DryRun: r.dry && !repeats(m.description), // one that asks nobody has no use for it
	}
	if m.block.Kind == policy.KindFilesystem {
		req.Places = r.places
	}
	if hearsOfUpstream(m.block.Kind) {
		req.UpstreamAuth = r.req.Config.UpstreamAuth
	}
	if m.block.Kind == policy.KindCredentials {
		req.HostVariables = r.withKeys(req.HostVariables)
	}
	share, err := m.answer(ctx, r, req)
	if err != nil {
		return err
	}
	m.share = share
	if m.digest, err = m.binary.Digest(); err != nil {
		return m.problem(err)
	}
	if m.description.Lifetime == sdk.Ephemeral {
		m.release()
	}
	return nil
}

// hearsOfUpstream reports whether a layer of the kind is told how to log in at the upstream proxy.
func hearsOfUpstream(k policy.Kind) bool {
	return k == policy.KindNetwork || k == policy.KindCredentials
}

// release ends the process of a layer that is not needed any more, and does not wait for it.
func (m *member) release() {
	if m.beside != nil {
		m.beside.cancel()
		go func() {
			<-m.beside.done
			if m.layer != nil {
				m.layer.Release()
			}
		}()
		return
	}
	if m.layer != nil {
		m.layer.Release()
	}
}

// withKeys adds the user's variables that the policy names as sources of keys. They are told to the
// credentials' Plan alone: no other layer, and no later call, has a use for them.
func (r *run) withKeys(variables map[string]string) map[string]string {
	variables = maps.Clone(variables)
	for _, name := range r.policy.KeySources() {
		if value, ok := r.req.Lookup(name); ok {
			variables[name] = value
		}
	}
	return variables
}

// planShare is the layer as the plan knows it.
func (m *member) planShare(cfg *config.Config) plan.Share {
	return plan.Share{
		Layer: plan.Layer{
			Kind:    m.block.Kind,
			Name:    m.description.Name,
			Version: m.description.Version,
			Path:    m.binary.Path,
			Digest:  m.digest,
			BuiltIn: m.binary.Builtin,
			Why:     m.why(cfg),

			Remembered: m.memory.used,
		},
		Response:      m.share,
		HostVariables: m.description.HostVariables,
		Source:        m.block.Source,
		Setting: func(attribute string) policy.Source {
			at, _ := cfg.SettingSource(m.block.Name, attribute)
			return at
		},
	}
}

func (m *member) why(cfg *config.Config) string {
	switch at := cfg.Needs(m.block.Kind); {
	case m.block.Source != (policy.Source{}):
		return "named by " + m.block.Source.String()
	case at != (policy.Source{}):
		return "needed for " + at.String()
	}
	return "always"
}

const (
	// mostLingering bounds what a bracket layer does when Start has returned: what takes longer, it
	// does in Finish.
	mostLingering = 5 * time.Minute
	// moment is how long its process is kept after that. A run that is over by then needs no other.
	moment = time.Second
)

// arm calls Start. From then on the loss of a resident layer ends the run.
func (m *member) arm(ctx context.Context, r *run) error {
	m.armed = true
	req := &sdk.StartRequest{Run: m.known, Secrets: m.share.Secrets}
	answer, err := m.layer.Start(ctx, req, m.listeners)
	m.closeListeners() // the layer has its own by now
	if err != nil {
		return m.problem(err)
	}
	if m.state = answer.State; m.state != nil { // all else is kept already
		if err := m.keep(r.stored); err != nil {
			return storeProblem(err)
		}
	}
	switch {
	case answer.Lingers:
		m.layer.Linger(mostLingering, moment)
		return nil
	case m.description.Lifetime == sdk.Bracket:
		m.layer.Release()
		return nil
	}
	go func() {
		<-m.layer.Lost()
		r.lose(m.problem(m.layer.Err()))
	}()
	return nil
}

// finish calls Finish: in the process that was armed if it is still there, in a fresh one
// otherwise.
func (m *member) finish(
	ctx context.Context, r *run, end sdk.End,
) (*sdk.FinishResponse, error) {
	req := &sdk.FinishRequest{Run: m.known, End: end, Secrets: m.share.Secrets, State: m.state}
	resident := m.description.Lifetime == sdk.Resident
	if m.isLost() || !resident && !m.layer.Resume() {
		return m.finishAfresh(ctx, r, req)
	}
	answer, err := m.layer.Finish(ctx, req)
	if err == nil {
		m.layer.Release() // its Rest, if that still goes on, is over with the run
	}
	if err == nil || ctx.Err() != nil {
		return answer, err
	}
	answer, freshErr := m.finishAfresh(ctx, r, req)
	if freshErr != nil {
		r.req.Log.Debug("the layer failed before, in the process that was armed",
			"layer", m.binary.Name, "error", err)
		return nil, freshErr
	}
	if !resident {
		return answer, nil
	}
	// All was released, but a layer that died in the last moment may have left the agent without
	// it.
	told := problemOf(err, m.block.PluginSource)
	told.Severity = diag.Warning
	r.req.Out.Problem(told)
	return answer, nil
}

func (m *member) finishAfresh(
	ctx context.Context, r *run, req *sdk.FinishRequest,
) (*sdk.FinishResponse, error) {
	fresh, _, err := m.launch(ctx, r)
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	r.noteFinisher(r.stored, fresh, m.description.Name)
	if err := m.openSession(ctx, r, fresh); err != nil {
		return nil, err
	}
	answer, err := fresh.Finish(ctx, req)
	if err != nil {
		return nil, m.problem(err)
	}
	return answer, nil
}

func (m *member) isLost() bool {
	select {
	case <-m.layer.Lost():
		return true
	default:
		return false
	}
}

func (m *member) closeListeners() {
	for name, l := range m.listeners {
		_ = l.File.Close()
		delete(m.listeners, name)
	}
}

func (m *member) close() {
	m.closeListeners()
	if m.beside != nil {
		m.beside.cancel()
		<-m.beside.done
	}
	if m.layer != nil {
		m.layer.Close()
	}
	_ = m.binary.Close()
}

// closeBinaries closes the programs of those that were found.
func closeBinaries(members []*member) {
	for _, m := range members {
		if m != nil {
			_ = m.binary.Close()
		}
	}
}

// problem shows a layer's failure at the line that names the layer, where there is one.
func (m *member) problem(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return problemOf(err, m.block.PluginSource)
}
