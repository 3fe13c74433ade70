package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "test/binds", Version: "1.0.0", Kind: policy.KindFilesystem, Lifetime: sdk.Ephemeral,
		HostVariables: []string{"TMPDIR"},
	}
}

// Plan implements sdk.Layer.
func (layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	v := view{policy: &req.Policy, decide: policy.NewDecider(&req.Policy), mounts: map[string]fragment.Mount{}}
	// The order matters: what comes later takes the place of what came before at the same path.
	v.private(req.Host.Home, "/tmp", "/var/tmp", req.HostVariables["TMPDIR"])
	for _, pass := range []func(policy.PathRule, entry){v.grant, v.protect, v.deny} {
		for _, r := range v.policy.Filesystem {
			if e, ok := v.look(r); ok {
				pass(r, e)
			}
		}
	}
	v.links()
	v.currentDirectory(req.Command.Dir)

	var response sdk.PlanResponse
	for _, m := range v.mounts {
		response.Fragment.Steps = append(response.Fragment.Steps, m)
	}
	slices.SortFunc(response.Fragment.Steps, func(a, b fragment.Step) int {
		return cmp.Compare(a.(fragment.Mount).At(), b.(fragment.Mount).At())
	})
	for _, r := range v.policy.Filesystem {
		response.Coverage = append(response.Coverage, v.covers(r))
	}
	response.Diagnostics = v.diagnostics
	return &response, nil
}

// view is what the agent will see, a mount a path.
type view struct {
	policy      *policy.Policy
	decide      *policy.Decider
	mounts      map[string]fragment.Mount
	diagnostics []sdk.Diagnostic
}

// entry is what stands at a path of the host.
type entry struct {
	mode          fs.FileMode
	device, inode uint64
}

// look says what a rule is about. Nothing there: nothing to do. What cannot be looked at could be anything, so it stops the run, unless
// no grant could show it.
func (v *view) look(r policy.PathRule) (entry, bool) {
	e, err := stat(r.Path)
	switch {
	case err == nil && r.Access.Grants() && r.Type == policy.Missing:
		return entry{}, false // it gave nothing when the policy was read, and gives nothing now
	case err == nil && (e.mode&fs.ModeSymlink != 0 || r.Access.Grants() && e.mode.IsDir() != (r.Type == policy.Directory)):
		err = fmt.Errorf("%s changed while the plan was made", r.Path)
	case err == nil:
		return e, true
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return entry{}, false
	case !v.may(filepath.Dir(r.Path), policy.OpRead):
		return entry{}, false
	}
	problem := sdk.Diagnostic{Severity: sdk.SeverityError, Rule: r.ID, Summary: "cannot look at what the rule is about: " + err.Error()}
	if !slices.Contains(v.diagnostics, problem) {
		v.diagnostics = append(v.diagnostics, problem)
	}
	return entry{}, false
}

func stat(path string) (entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return entry{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	return entry{info.Mode(), uint64(st.Dev), st.Ino}, nil //nolint:unconvert // the width differs between systems
}

func (v *view) may(path string, op policy.Op) bool { return v.decide.Path(path, op).Allowed }

// above is the mount that shows what lies at path, leaving out one at path itself; nil is the empty root.
func (v *view) above(path string) fragment.Mount {
	for path != "/" {
		path = filepath.Dir(path)
		if m, ok := v.mounts[path]; ok {
			return m
		}
	}
	return nil
}

// showsHost reports whether the host's own files are to be seen at path.
func (v *view) showsHost(path string) bool {
	_, ok := v.above(path).(fragment.Bind)
	return ok
}

// private gives the session empty directories of its own, where no grant gives the host's.
func (v *view) private(home string, temporary ...string) {
	for i, name := range append([]string{home}, temporary...) {
		if !filepath.IsAbs(name) {
			continue
		}
		dir, err := filepath.EvalSymlinks(name)
		if err != nil {
			dir = filepath.Clean(name)
		}
		home, shown := i == 0, v.may(dir, policy.OpRead)
		e, _ := stat(dir)
		switch {
		case dir == "/" || core(dir), v.may(dir, policy.OpWrite):
			continue
		case shown && (home || !e.mode.IsDir()): // a temporary directory is private even where the whole root can be read
			continue
		}
		t := fragment.Tmpfs{Path: dir, Size: 1 << 30, Mode: fs.ModeSticky | 0o777}
		if home {
			t.Mode, t.Report = 0o700, true
		}
		v.mounts[dir] = t
	}
}

// core reports what core makes itself for every session.
func core(path string) bool {
	return policy.Within(path, "/proc") || path == "/dev" ||
		slices.ContainsFunc([]string{"/dev/shm", "/dev/pts", "/dev/fd"}, func(p string) bool { return policy.Within(path, p) })
}

// grant binds what is granted, with all that the policy gives there.
func (v *view) grant(r policy.PathRule, e entry) {
	if r.Access.Grants() && !core(r.Path) && v.may(r.Path, policy.OpRead) {
		v.bind(r.ID, r.Path, e)
	}
}

func (v *view) bind(rule policy.RuleID, path string, e entry) {
	v.mounts[path] = fragment.Bind{
		For: rule, Path: path, Writable: v.may(path, policy.OpWrite), NoExec: !v.may(path, policy.OpExecute),
		Devices: policy.Within(path, "/dev"), Device: e.device, Inode: e.inode,
	}
}

// protect binds what is protected: the policy no longer gives writing there.
func (v *view) protect(r policy.PathRule, e entry) {
	if r.Access == policy.Protect && v.showsHostAt(r.Path) && v.may(r.Path, policy.OpRead) {
		v.bind(r.ID, r.Path, e)
		v.pin(r)
	}
}

func (v *view) showsHostAt(path string) bool {
	_, bound := v.mounts[path].(fragment.Bind)
	return bound || v.showsHost(path)
}

// pin keeps every directory above the rule's path from being renamed, as far up as the agent may change anything.
func (v *view) pin(r policy.PathRule) {
	for dir := filepath.Dir(r.Path); dir != "/"; dir = filepath.Dir(dir) {
		if _, ok := v.mounts[dir]; ok || !v.may(filepath.Dir(dir), policy.OpWrite) {
			continue
		}
		e, err := stat(dir)
		if err != nil || !e.mode.IsDir() {
			v.diagnostics = append(v.diagnostics, sdk.Diagnostic{Severity: sdk.SeverityError, Rule: r.ID, Summary: "a directory above the path is gone: " + dir})
			return
		}
		v.bind(r.ID, dir, e)
	}
}

// deny hides what is denied: where a grant would show it, and where a directory is denied by default. What lies beneath it goes.
func (v *view) deny(r policy.PathRule, e entry) {
	if r.Access != policy.Deny || core(r.Path) {
		return
	}
	_, beneathMask := v.above(r.Path).(fragment.Mask)
	stub := e.mode.IsDir() && !r.Source.Asked()
	device := policy.Within(r.Path, "/dev") && r.Source.Asked()
	if beneathMask || !(v.showsHost(r.Path) || stub || device) {
		return
	}
	mask := fragment.Mask{For: r.ID, Path: r.Path, Directory: e.mode.IsDir(), Readable: !e.mode.IsDir() && !r.Source.Asked()}
	if old, ok := v.mounts[r.Path].(fragment.Mask); ok { // denied twice: the user's own word is the stricter one
		mask.Readable = mask.Readable && old.Readable
	}
	if v.showsHost(r.Path) {
		v.pin(r)
	}
	for path := range v.mounts {
		if policy.Within(path, r.Path) {
			delete(v.mounts, path)
		}
	}
	v.mounts[r.Path] = mask
}

// links makes one link for each name that a rule's path is known by, straight to the path.
func (v *view) links() {
	for _, r := range v.policy.Filesystem {
		_, there := v.mounts[r.Name]
		if r.Name == "" || r.Name == r.Path || there || core(r.Name) || policy.Within(r.Name, "/dev") || !v.visible(r.Path) {
			continue
		}
		switch v.above(r.Name).(type) {
		case nil, fragment.Tmpfs: // else the link is shown as it is, or lies beneath another one
			v.mounts[r.Name] = fragment.Link{For: r.ID, Path: r.Name, Target: r.Path}
		}
	}
	for path, m := range v.mounts { // a longer name was made before the shorter one that leads there as well
		if _, ok := v.above(path).(fragment.Link); ok {
			if _, ok := m.(fragment.Link); ok {
				delete(v.mounts, path)
			}
		}
	}
}

// visible reports whether something of the view stands at path.
func (v *view) visible(path string) bool {
	_, ok := v.mounts[path]
	return ok || v.showsHost(path)
}

// currentDirectory is an empty directory where nothing else is.
func (v *view) currentDirectory(dir string) {
	if !filepath.IsAbs(dir) || v.showsHost(dir) || core(dir) || policy.Within(dir, "/dev") || dir == "/" {
		return
	}
	for path := range v.mounts {
		if policy.Within(path, dir) {
			return
		}
	}
	v.mounts[dir] = fragment.Tmpfs{Path: dir, Size: 4096, Mode: 0o555}
}

// covers says how a rule is held. A mount holds or nono-init refuses, so there is nothing in between.
func (v *view) covers(r policy.PathRule) sdk.Coverage {
	c := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "not in the view"}
	switch m := v.mounts[r.Path].(type) {
	case fragment.Bind:
		c.By = "bind mount"
		if !m.Writable {
			c.By = "read-only bind mount"
		}
	case fragment.Mask:
		c.By = "mask"
	default:
		if core(r.Path) && r.Access == policy.Deny && r.Source.Asked() {
			return sdk.Coverage{Rule: r.ID, Held: sdk.Unavailable, Why: "every session has its own " + r.Path}
		}
		if v.showsHost(r.Path) {
			c.By = "as what lies above it"
		}
	}
	return c
}

// Interface guard.
var _ sdk.Layer = layer{}
