package plan

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// checkInput refuses what this version cannot make a plan for.
func (m *maker) checkInput() {
	for what, p := range map[string]string{
		"home directory": m.in.Host.Home, "current directory": m.in.Command.Dir,
	} {
		if err := fragment.CheckPath(p); err != nil {
			m.problem(diag.Errorf("cannot use the %s: %s", what, err), policy.Source{})
		}
	}
}

// checkLayers holds what the layers returned against the contract. What is wrong here is a flaw of
// the layer, so the message names it.
func (m *maker) checkLayers() {
	names := map[string]bool{Core: true}
	holds := map[policy.Kind]string{}
	for _, s := range m.layers {
		if names[s.Name] {
			m.flaw(s.Name, "", "there are two layers of this name")
		}
		names[s.Name] = true
		_, known := kinds.Of(s.Kind)
		switch {
		case !known:
			m.flaw(s.Name, "", "%q is no kind of layer", s.Kind)
		case m.disabled(s.Kind):
			m.flaw(s.Name, "", "it was started although %s is disabled", s.Kind)
		case s.Kind != policy.KindCustom && holds[s.Kind] != "":
			m.flaw(s.Name, "", "%s is the %s layer already", holds[s.Kind], s.Kind)
		}
		holds[s.Kind] = s.Name
		if s.Response == nil {
			m.flaw(s.Name, "", "it answered with nothing")
			continue
		}
		m.checkSteps(s)
	}
	for _, k := range kinds.Own() {
		if k.Always && holds[k.Name] == "" && !m.disabled(k.Name) {
			m.problem(diag.Errorf("no %s layer runs", k.Name).
				Try("install one, or run without it: --disable %s", k.Name), policy.Source{})
		}
	}
}

// maxElsewhere bounds the binds of one layer that show a file at another path than its own: each is
// one more place at which every denial could be undone.
const maxElsewhere = 256

// checkSteps tells of a layer's first flawed step: the next ones are mostly the same flaw.
func (m *maker) checkSteps(s Share) {
	elsewhere := 0
	for i, step := range s.Response.Fragment.Steps {
		if step == nil {
			m.flaw(s.Name, "", "step %d is nil", i)
			return
		}
		err := m.checkStep(s, step)
		var beyond unmountableStep
		if errors.As(err, &beyond) {
			m.problem(diag.Errorf("layer %s cannot be used here: %s step: %s",
				s.Name, fragment.Kind(step), beyond).
				Try("run it where user namespaces work (`nono doctor` says what that takes), or without it"),
				cmp.Or(m.sourceOf(step.Rule()), s.Source))
			return
		}
		if err != nil {
			m.flaw(s.Name, step.Rule(), "%s step: %s", fragment.Kind(step), err)
			return
		}
		if b, ok := step.(fragment.Bind); ok && b.Source() != b.Path {
			elsewhere++
		}
	}
	if elsewhere > maxElsewhere {
		m.flaw(s.Name, "", "it shows %d files at other paths than their own, and %d are the limit",
			elsewhere, maxElsewhere)
	}
}

// unmountableStep is a step that this host has no way to carry out. It is no flaw of the layer's.
type unmountableStep string

func (e unmountableStep) Error() string { return string(e) }

// flaw is a layer's mistake, told at the line of the rule that it was about.
func (m *maker) flaw(layer string, rule policy.RuleID, format string, args ...any) {
	m.problem(diag.Errorf("layer %s: %s", layer, fmt.Sprintf(format, args...)).
		Try("this is a flaw of the layer; report it to its author, or swap the layer"), m.sourceOf(rule))
}

// checkStep holds a step against what only core knows: the policy, the host, and what is core's
// own. What can be said of the step alone, package fragment says.
func (m *maker) checkStep(s Share, step fragment.Step) error {
	if err := fragment.Check(step); err != nil {
		return err
	}
	if err := m.checkRule(step.Rule()); err != nil {
		return err
	}
	if m.in.Host.Tier == sdk.TierB {
		if err := m.unmountable(step); err != nil {
			return err
		}
	}
	switch step := step.(type) {
	case fragment.Env:
		return m.checkEnv(s, step)
	case fragment.Bind:
		if err := m.checkBind(step); err != nil {
			return err
		}
	case fragment.Copy:
		bind := fragment.Bind{Path: step.Path, Device: step.Device, Inode: step.Inode}
		if err := m.checkBind(bind); err != nil {
			return err
		}
	case fragment.Mask:
		if at := step.Path; at == "/" || at == "/proc" || at == "/dev" {
			return fmt.Errorf("%s cannot be hidden: it is nono's own, and holds nothing of the host's", at)
		}
	case fragment.Seccomp:
		if step.Errno == filter.Done {
			return errors.New("only nono itself may have a call answered that is not made")
		}
		// Here, so that what the assembler refuses is told with the layer's name and line.
		return filter.Check(step)
	case fragment.Hold, fragment.Pseudo:
		return errors.New("only nono itself may send it")
	case fragment.Link, fragment.Tmpfs, fragment.File, fragment.Landlock, fragment.Listener,
		fragment.Dialer:
	}
	// Landlock rights at the root would reach everything beneath it.
	if mount, ok := step.(fragment.Mount); ok && mount.At() == "/" && s.Kind != policy.KindFilesystem {
		return errors.New("only the filesystem layer may put something in the place of the root")
	}
	return nil
}

// checkRule accepts a rule of the policy, or none. The base fragment's rules are core's.
func (m *maker) checkRule(id policy.RuleID) error {
	if id == "" {
		return nil
	}
	if _, ok := m.rules[id]; !ok {
		return fmt.Errorf("there is no rule %q", id)
	}
	if strings.HasPrefix(string(id), string(policy.KindBase)+".") {
		return fmt.Errorf("the rule %q is nono's own", id)
	}
	return nil
}

func (m *maker) checkBind(b fragment.Bind) error {
	if b.SHA256 != "" {
		return errors.New("only nono itself may ask for one content of a file")
	}
	// The host's processes and the kernel's settings, wherever the layer would have them shown. It
	// may be mounted at other places, too.
	host, err := m.in.Look("/proc")
	elsewhere := err == nil && host.Type == policy.Directory && host.Device == b.Device &&
		host.Device != m.rootDevice()
	if policy.Within(b.Source(), "/proc") || elsewhere {
		return fmt.Errorf("%s shows the host's processes: /proc is the session's own", b.Source())
	}
	return nil
}

// rootDevice is the device of the host's root; where /proc has the same, nothing is mounted there.
func (m *maker) rootDevice() uint64 {
	e, err := m.in.Look("/")
	if err != nil {
		return 0
	}
	return e.Device
}

func (m *maker) checkEnv(s Share, e fragment.Env) error {
	if e.Name == "PATH" {
		return errors.New("PATH is composed by nono; no layer sets it")
	}
	for _, part := range e.Value {
		if _, ok := s.Response.Secrets[part.Secret]; part.Secret != "" && !ok {
			return fmt.Errorf("%s uses the secret %q, which the layer did not return", e.Name, part.Secret)
		}
	}
	return nil
}

// checkDirectory holds the filesystem layer to a current directory that exists, which is one of the
// places that it was told.
func (m *maker) checkDirectory(v view.View) {
	dir := m.in.Command.Dir
	in, empty := v.Cover(dir).Mount.(fragment.Tmpfs)
	gone := empty && in.Path != dir && !v.AnyBeneath(dir)
	if files, ok := m.layer(policy.KindFilesystem); ok && gone {
		m.flaw(files.Name, "", "the current directory %s does not exist in what it shows", dir)
	}
}
