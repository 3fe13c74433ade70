package landlock

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// What the steps make of a path must be what the policy decides about it, whatever the tree and the rules are. The kernel is played by
// a few lines: the deepest mount shows a path, and Landlock unites what is given above it.
func TestViewIsThePolicysDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		p := drawRules(t, tree)
		req := ada(p)
		req.dir = rapid.SampledFrom(directories(tree)).Draw(t, "current directory")
		req.landlock = true
		got := compile(tree, req)
		sim := simulate(got.Fragment.Steps)

		sim.checkMountable(t, tree)
		sim.checkPins(t, tree, p)
		for _, path := range slices.Sorted(maps.Keys(tree)) {
			sim.checkDecision(t, p, path)
		}
		checkCovered(t, p, got.Coverage)
	})
}

// drawTree makes a small tree beneath the places that matter: the home, a system directory, the temporary ones.
func drawTree(t *rapid.T) fakeTree {
	lines := []string{"/home/ada/", "/tmp/", "/usr/", "/srv/"}
	for range rapid.IntRange(0, 14).Draw(t, "entries") {
		line := drawPath(t, "entry")
		if rapid.Bool().Draw(t, "directory") {
			line += "/"
		}
		lines = append(lines, line)
	}
	// What has something beneath it is a directory, whatever was drawn.
	slices.SortFunc(lines, func(a, b string) int { return len(b) - len(a) })
	tree := fakeTree{}
	maps.Copy(tree, newTree(lines...))
	return tree
}

// drawPath makes paths of few names, so that they often meet.
func drawPath(t *rapid.T, label string) string {
	path := rapid.SampledFrom([]string{"/home/ada", "/home/ada", "/usr", "/tmp", "/srv", "/"}).Draw(t, label)
	for range rapid.IntRange(0, 4).Draw(t, label+" depth") {
		if path != "/" {
			path += "/"
		}
		path += rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, label)
	}
	if path == "/" {
		return "/srv"
	}
	return path
}

func drawRules(t *rapid.T, tree fakeTree) *policy.Policy {
	var lines []string
	existing := slices.Sorted(maps.Keys(tree))
	for range rapid.IntRange(0, 8).Draw(t, "rules") {
		line := rapid.SampledFrom([]string{"allow", "read", "write", "deny", "protect", "default read", "default deny", "default protect"}).Draw(t, "access")
		if rapid.IntRange(0, 9).Draw(t, "missing") == 0 {
			line += " " + drawPath(t, "rule")
		} else {
			line += " " + rapid.SampledFrom(existing).Draw(t, "rule")
		}
		lines = append(lines, line)
	}
	return rules(tree, lines...)
}

func directories(tree fakeTree) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(tree)), func(p string) bool { return !tree[p].node.isDirectory() })
}

// simulation is the part of the kernel that matters here.
type simulation struct {
	mounts   map[string]fragment.Mount
	landlock map[string][]fragment.Right
}

func simulate(steps []fragment.Step) simulation {
	s := simulation{mounts: map[string]fragment.Mount{}, landlock: map[string][]fragment.Right{}}
	for _, step := range steps {
		switch step := step.(type) {
		case fragment.Mount:
			if old, ok := s.mounts[step.At()]; ok {
				panic(fmt.Sprintf("two mounts at one path: %v and %v", old, step))
			}
			s.mounts[step.At()] = step
		case fragment.Landlock:
			s.landlock[step.Path] = step.Rights
		}
	}
	return s
}

// shows is the mount that shows path, or nil.
func (s simulation) shows(path string) fragment.Mount {
	for _, p := range append([]string{path}, ancestors(path)...) {
		if m, ok := s.mounts[p]; ok {
			return m
		}
	}
	return nil
}

// host is what the mounts let the agent do with the host's file at path.
func (s simulation) host(path string) rights {
	b, ok := s.shows(path).(fragment.Bind)
	if !ok {
		return rights{}
	}
	return rights{true, b.Writable, !b.NoExec}
}

func (s simulation) given(path string) rights {
	var r rights
	for _, p := range append([]string{path}, ancestors(path)...) {
		r.read = r.read || slices.Contains(s.landlock[p], fragment.RightRead)
		r.write = r.write || slices.Contains(s.landlock[p], fragment.RightWrite)
		r.execute = r.execute || slices.Contains(s.landlock[p], fragment.RightExecute)
	}
	return r
}

func (s simulation) checkDecision(t *rapid.T, p *policy.Policy, path string) {
	want := (&compiler{decide: policy.NewDecider(p)}).rights(path)
	got, landlock := s.host(path), s.given(path)
	// A temporary directory that is only readable is the session's own instead, so that there is a place to write.
	if tmp, ok := s.shows(path).(fragment.Tmpfs); ok && policy.Within(tmp.Path, "/tmp") && !want.write {
		want = rights{}
	}
	if got != want {
		t.Errorf("%s: the view gives %+v, the policy %+v", path, got, want)
	}
	if (want.read && !landlock.read) || (want.write && !landlock.write) || (want.execute && !landlock.execute) {
		t.Errorf("%s: Landlock gives %+v, the policy %+v", path, landlock, want)
	}
	granted := func(a ...policy.Access) bool {
		return slices.ContainsFunc(p.Filesystem, func(r policy.PathRule) bool { return slices.Contains(a, r.Access) && policy.Within(path, r.Path) })
	}
	private := policy.Within(path, "/home/ada") || policy.Within(path, "/tmp") || policy.Within(path, "/var/tmp")
	if landlock.write && !private && !granted(policy.Allow, policy.Write) {
		t.Errorf("%s: Landlock lets it be written, and no rule does", path)
	}
	if landlock.execute && !private && !granted(policy.Allow, policy.Read) {
		t.Errorf("%s: Landlock lets it be executed, and no rule does", path)
	}
}

// checkMountable: a mount needs something to stand on, which in what is the host's must be there already.
func (s simulation) checkMountable(t *rapid.T, tree fakeTree) {
	for path, m := range s.mounts {
		if path == "/" {
			continue
		}
		n := tree[path].node
		switch above := s.shows(ancestors(path)[0]).(type) {
		case fragment.Bind:
			if !n.exists() {
				t.Errorf("%v: nothing is there to mount on", m)
			}
		case fragment.Mask:
			t.Errorf("%v lies beneath %v", m, above)
		case fragment.Tmpfs:
			if above.Mode&0o200 == 0 {
				t.Errorf("%v lies in a directory that cannot be written: %v", m, above)
			}
		}
		switch m := m.(type) {
		case fragment.Bind:
			if m.Inode != n.inode || m.Inode == 0 {
				t.Errorf("%v: inode %d, want %d", m, m.Inode, n.inode)
			}
		case fragment.Mask:
			if m.Directory != n.isDirectory() {
				t.Errorf("%v: stands for a %s", m, n.kind)
			}
		case fragment.Tmpfs:
			if n.exists() && !n.isDirectory() {
				t.Errorf("%v: stands for a %s", m, n.kind)
			}
		}
	}
}

// checkPins: what a rule takes away cannot come back by renaming a directory above it, for a mount point is not renamed.
func (s simulation) checkPins(t *rapid.T, tree fakeTree, p *policy.Policy) {
	for _, r := range p.Filesystem {
		if r.Access.Grants() || !tree[r.Path].node.exists() {
			continue
		}
		for _, a := range append([]string{r.Path}, ancestors(r.Path)...) {
			if a == "/" || !s.host(ancestors(a)[0]).write {
				continue
			}
			if _, ok := s.mounts[a]; !ok {
				t.Errorf("%s can be renamed, and %s %s means something else then", a, r.Access, r.Path)
			}
		}
	}
}

func checkCovered(t *rapid.T, p *policy.Policy, coverage []sdk.Coverage) {
	if len(coverage) != len(p.Filesystem) {
		t.Errorf("%d rules, %d answers", len(p.Filesystem), len(coverage))
	}
	for i, c := range coverage {
		if c.Rule != p.Filesystem[i].ID || c.Held != sdk.Enforced || c.By == "" {
			t.Errorf("rule %s: %+v", p.Filesystem[i].ID, c)
		}
	}
}
