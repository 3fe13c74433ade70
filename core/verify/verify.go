// Package verify holds the program of a layer, in any language, to the contract.
//
//	report, err := verify.Program(ctx, verify.Request{Program: "./nono-layer-motd", ...})
//	if err != nil {
//		return err // it could not be tried
//	}
//	for _, check := range report.Checks { ... }
//
// It is what layertest cannot be: the layer is a process as in a run, started by core/layerhost,
// and after the checks that package conformance makes by calling it, real runs are made with it.
// They go through all of core, so its answers are merged with those of the other layers, its
// coverage is held against the policy, and what it shows against what was granted; and a shell
// inside tries what each policy says. In the end no process of the layer's may be left.
//
// The runs have a home directory of their own, with nothing in it but a few files, and a current
// directory in that. What the user has is not looked at, but for the program and its settings. A
// layer is native code with the user's rights all the same: what it does elsewhere is not seen
// here.
package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/pluginlock"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
)

// Request is which layer to verify, and as whom.
type Request struct {
	// Program is the path of a program, which begins with "/", "./" or "../", or the name of a
	// layer that is built in or installed.
	Program string
	// File is a policy that has the layer's block, for its settings; empty: it has none.
	File string
	// Dir is the current directory, to which both are relative.
	Dir      string
	Dirs     dirs.Dirs
	UID, GID int
	// Lookup reads the user's environment; Environ is all of it.
	Lookup  func(string) (string, bool)
	Environ []string
	// Deadlines bound each of the layer's calls; zero means layerhost's own.
	Deadlines layerhost.Deadlines
	Log       hclog.Logger
}

// Report is what was found.
type Report struct {
	Layer  session.InstalledLayer `json:"layer"`
	Checks []Result               `json:"checks"`
	// Texts are the policies that were read, for whoever prints an error.
	Texts diag.Texts `json:"-"`
}

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	OK           Outcome = "ok"
	Failed       Outcome = "failed"
	Untried      Outcome = "not tried"
	Inapplicable Outcome = "does not apply"
)

// Result is one check.
type Result struct {
	Says    string  `json:"says"`
	Outcome Outcome `json:"outcome"`
	// Why is what is wrong, or why nothing was tried.
	Why string `json:"why,omitempty"`
	// Contract is what the contract says, of a check that failed.
	Contract string `json:"contract,omitempty"`
}

// Count is how many checks ended so.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, c := range r.Checks {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// Program verifies a layer. The error is for what could not even be tried; there is a report then,
// too, for its texts.
func Program(ctx context.Context, req Request) (*Report, error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if req.Deadlines == (layerhost.Deadlines{}) {
		req.Deadlines = layerhost.DefaultDeadlines()
	}
	req.Deadlines.Beat.Interval = beat
	v := &verifier{Request: req, at: &arena{}}
	err := v.try(ctx)
	if err == nil && ctx.Err() != nil {
		err = diag.Errorf("verifying %s was interrupted", req.Program)
	}
	v.report.Texts = v.at.texts
	return &v.report, err
}

// beat is how often a beat is sent: often enough for a call of a second to be answered many.
const beat = 50 * time.Millisecond

func find(req Request) (*layerhost.Binary, error) {
	for _, start := range []string{"/", "./", "../"} {
		if strings.HasPrefix(req.Program, start) {
			path := req.Program
			if !filepath.IsAbs(path) {
				path = filepath.Join(req.Dir, path)
			}
			return layerhost.Open(path)
		}
	}
	b, err := findNamed(req, req.Program)
	if _, statErr := os.Stat(filepath.Join(req.Dir, req.Program)); err != nil && statErr == nil {
		return nil, diag.Errorf("there is no layer %s", req.Program).
			Try("for the program in the current directory write ./%s", req.Program)
	}
	return b, err
}

func findNamed(req Request, name string) (*layerhost.Binary, error) {
	bin, err := layerhost.Locate()
	if err != nil {
		return nil, err
	}
	permit, _ := pluginlock.Gate(req.Dirs)
	return layerhost.Find(name, layerhost.Places{
		Builtin: bin, Plugins: req.Dirs.Plugins(), Permit: permit,
	})
}

// A verifier is one verification under way.
type verifier struct {
	Request
	binary *layerhost.Binary
	at     *arena
	is     sdk.Description
	// block is how a policy names the layer, and layer what its block is called.
	block, layer string
	// tier is this host's.
	tier   sdk.Tier
	report Report
}

// try makes all checks, from the first process of the layer to what is left of them.
func (v *verifier) try(ctx context.Context) error {
	var err error
	if v.binary, err = find(v.Request); err != nil {
		return err
	}
	defer func() { _ = v.binary.Close() }()
	if err := v.binary.Permitted(); err != nil {
		return err
	}
	if v.at, err = makeArena(v.Request); err != nil {
		return err
	}
	defer v.at.remove()
	left, err := adopt()
	if err != nil {
		return err
	}
	defer left.release()
	if !v.note(introduction, v.introduce(ctx)) {
		return nil // there is nobody to ask
	}
	settings, err := v.configure()
	if err != nil {
		return err
	}
	if err := v.tryWithout(ctx); err != nil {
		return err
	}
	sound := v.conform(ctx, settings)
	v.note(ending, v.end(ctx))
	for _, t := range trials {
		check := conformance.Check{Says: "a run with " + t.name, Contract: t.contract}
		if !sound {
			v.note(check, &conformance.Nothing{Why: "it has failed before", Untried: true})
			continue
		}
		v.note(check, v.runTrial(ctx, t))
	}
	v.note(leftovers, left.check())
	return nil
}

var (
	introduction = conformance.Check{
		Says: "it starts, and says who it is",
		Contract: "a layer prints one line when it serves, at a Unix socket in its own directory, and " +
			"whatever else it prints does no harm; its name is VENDOR/NAME, for one without a slash is " +
			"nono's own",
	}
	ending = conformance.Check{
		Says: "its process ends when its lifeline does",
		Contract: "when a read from the lifeline ends, the host is gone or is done with the layer: it " +
			"exits at once",
	}
	leftovers = conformance.Check{
		Says: "it leaves no process behind",
		Contract: "a layer's whole process group is killed when it ends, and what it starts stays in " +
			"that group or ends with it",
	}
)

// note adds a check to the report, and reports whether nothing is wrong.
func (v *verifier) note(c conformance.Check, err error) bool {
	r := Result{Says: c.Says, Outcome: OK}
	var nothing *conformance.Nothing
	switch {
	case err == nil:
	case errors.As(err, &nothing):
		r.Outcome, r.Why = Inapplicable, nothing.Why
		if nothing.Untried {
			r.Outcome = Untried
		}
	default:
		r.Outcome, r.Why, r.Contract = Failed, v.at.explain(err), c.Contract
	}
	v.report.Checks = append(v.report.Checks, r)
	return r.Outcome != Failed
}

// start runs a fresh process of the layer.
func (v *verifier) start(ctx context.Context) (*layerhost.Layer, error) {
	return layerhost.Start(ctx, layerhost.Spec{
		Kind: v.is.Kind, Name: v.binary.Name, Binary: v.binary, Dir: v.at.sockets,
		Deadlines: v.Deadlines, Build: sdk.Build, Logger: v.Log,
	})
}

// introduce asks the layer who it is.
func (v *verifier) introduce(ctx context.Context) error {
	v.report.Layer = session.InstalledLayer{
		Name: v.binary.Name, Path: v.binary.Path, BuiltIn: v.binary.Builtin, Script: v.binary.Script,
	}
	var err error
	if v.report.Layer.Digest, err = v.binary.Digest(); err != nil {
		return err
	}
	layer, err := v.start(ctx)
	if err != nil {
		return err
	}
	defer layer.Close()
	if v.is, err = layer.Describe(ctx); err != nil {
		return err
	}
	v.report.Layer.Name, v.report.Layer.Kind = v.is.Name, v.is.Kind
	v.report.Layer.Version, v.report.Layer.Lifetime = v.is.Version, v.is.Lifetime
	if strings.Contains(v.is.Name, "/") {
		v.binary.Name, v.binary.Nameless = v.is.Name, false
		return v.lock()
	}
	own, err := findNamed(v.Request, v.is.Name)
	if err != nil || own.Path != v.binary.Path {
		return fmt.Errorf("it calls itself %q, which only a layer of nono's own can", v.is.Name)
	}
	_ = v.binary.Close()
	v.binary, v.report.Layer.BuiltIn, v.report.Layer.Digest = own, true, ""
	return nil
}

// lock puts the program into the lock of the arena's user: the runs are with what was begun with.
func (v *verifier) lock() error {
	return pluginlock.Change(v.at.dirs, func(l *pluginlock.Lock) error {
		l.Put(pluginlock.Program{
			Name: v.is.Name, Path: v.binary.Path, SHA256: v.report.Layer.Digest, Script: v.binary.Script,
		})
		return nil
	})
}

// conform makes the checks that need no core. It reports whether the others make sense.
func (v *verifier) conform(ctx context.Context, settings []byte) bool {
	subject := conformance.Subject{
		Connect:  func(ctx context.Context) (conformance.Host, error) { return v.start(ctx) },
		Settings: settings, Lookup: v.Lookup, Dir: v.at.files,
	}
	sound := true
	for _, c := range conformance.Checks() {
		if !sound {
			v.note(c, &conformance.Nothing{Why: "it has failed before", Untried: true})
			continue
		}
		sound = v.note(c, c.Hold(ctx, subject)) || !c.Basic
	}
	return sound
}

// end ends the layer as core does.
func (v *verifier) end(ctx context.Context) error {
	layer, err := v.start(ctx)
	if err != nil {
		return err
	}
	defer layer.Close()
	if _, err := layer.Describe(ctx); err != nil {
		return err
	}
	layer.Close()
	if layer.Clung() {
		return errors.New("it went on, and had to be killed")
	}
	return nil
}
