package landlock

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// What the steps make of a path must be what the policy decides about it, whatever the tree and the
// rules are. The kernel is played by a few lines: the deepest mount shows a path, and Landlock
// unites what is given above it.
func TestViewIsThePolicysDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		p := drawRules(t, tree)
		got := plan(t, tree, p, rapid.SampledFrom(directories(tree)).Draw(t, "current directory"))
		sim := simulate(got.Fragment.Steps)

		sim.checkMountable(t, tree)
		sim.checkPins(t, tree, p)
		for _, path := range slices.Sorted(maps.Keys(tree)) {
			sim.checkDecision(t, p, path)
		}
		checkCovered(t, p, got.Coverage)
	})
}

// drawTree makes a small tree beneath the places that matter: the home, a system directory, the
// temporary ones.
func drawTree(t *rapid.T) hosttest.Tree {
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
	return hosttest.New(lines...)
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

func drawRules(t *rapid.T, tree hosttest.Tree) *policy.Policy {
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
	return tree.Policy(lines...)
}

// plan is the layer's answer about a tree.
func plan(t failer, tree hosttest.Tree, p *policy.Policy, dir string) *sdk.PlanResponse {
	response, err := New().Plan(context.Background(), request(tree, p, dir))
	if err != nil {
		t.Fatal(err)
	}
	return response
}

type failer interface{ Fatal(args ...any) }

// request is that of a user ada, as core would make it.
func request(tree hosttest.Tree, p *policy.Policy, dir string) *sdk.PlanRequest {
	view, _ := places.Compute(places.Input{
		Policy: p, Home: "/home/ada", Dir: dir, Look: tree.Look,
		Lookup: func(string) (string, bool) { return "", false },
	})
	return &sdk.PlanRequest{Places: view, Run: sdk.Run{
		Host:    sdk.Host{Tier: sdk.TierA, LandlockABI: 7, Home: "/home/ada"},
		Command: sdk.Command{Dir: dir}, Policy: *p,
	}}
}

func exists(n hosttest.Node) bool { return n.Type != "" }

// ancestors lists the directories strictly above p, nearest first, ending with "/".
func ancestors(p string) []string {
	var above []string
	for p != "/" {
		p = path.Dir(p)
		above = append(above, p)
	}
	return above
}

func directories(tree hosttest.Tree) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(tree)), func(p string) bool { return tree[p].Type != policy.Directory })
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
func (s simulation) host(path string) places.Rights {
	b, ok := s.shows(path).(fragment.Bind)
	if !ok {
		return places.Rights{}
	}
	return places.Rights{Read: true, Write: b.Writable, Execute: !b.NoExec}
}

func (s simulation) given(path string) places.Rights {
	var r places.Rights
	for _, p := range append([]string{path}, ancestors(path)...) {
		r.Read = r.Read || slices.Contains(s.landlock[p], fragment.RightRead)
		r.Write = r.Write || slices.Contains(s.landlock[p], fragment.RightWrite)
		r.Execute = r.Execute || slices.Contains(s.landlock[p], fragment.RightExecute)
	}
	return r
}

func (s simulation) checkDecision(t *rapid.T, p *policy.Policy, path string) {
	decide := policy.NewDecider(p)
	may := func(op policy.Op) bool { return decide.Path(path, op).Allowed }
	want := places.Rights{Read: may(policy.OpRead), Write: may(policy.OpWrite), Execute: may(policy.OpExecute)}
	got, landlock := s.host(path), s.given(path)
	// A temporary directory that is only readable is the session's own instead, so that there is a
	// place to write.
	if tmp, ok := s.shows(path).(fragment.Tmpfs); ok && policy.Within(tmp.Path, "/tmp") && !want.Write {
		want = places.Rights{}
	}
	if got != want {
		t.Errorf("%s: the view gives %+v, the policy %+v", path, got, want)
	}
	if (want.Read && !landlock.Read) || (want.Write && !landlock.Write) || (want.Execute && !landlock.Execute) {
		t.Errorf("%s: Landlock gives %+v, the policy %+v", path, landlock, want)
	}
	granted := func(a ...policy.Access) bool {
		return slices.ContainsFunc(p.Filesystem, func(r policy.PathRule) bool { return slices.Contains(a, r.Access) && policy.Within(path, r.Path) })
	}
	private := policy.Within(path, "/home/ada") || policy.Within(path, "/tmp") || policy.Within(path, "/var/tmp")
	if landlock.Write && !private && !granted(policy.Allow, policy.Write) {
		t.Errorf("%s: Landlock lets it be written, and no rule does", path)
	}
	if landlock.Execute && !private && !granted(policy.Allow, policy.Read) {
		t.Errorf("%s: Landlock lets it be executed, and no rule does", path)
	}
}

// checkMountable: a mount needs something to stand on, which in what is the host's must be there
// already.
func (s simulation) checkMountable(t *rapid.T, tree hosttest.Tree) {
	for path, m := range s.mounts {
		if path == "/" {
			continue
		}
		n := tree[path]
		switch above := s.shows(ancestors(path)[0]).(type) {
		case fragment.Bind:
			if !exists(n) {
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
			if m.Inode != n.Inode || m.Inode == 0 {
				t.Errorf("%v: inode %d, want %d", m, m.Inode, n.Inode)
			}
		case fragment.Mask:
			if m.Directory != (n.Type == policy.Directory) {
				t.Errorf("%v: stands for a %s", m, n.Type)
			}
		case fragment.Tmpfs:
			if exists(n) && !(n.Type == policy.Directory) {
				t.Errorf("%v: stands for a %s", m, n.Type)
			}
		}
	}
}

// checkPins: what a rule takes away cannot come back by renaming a directory above it, for a mount
// point is not renamed.
func (s simulation) checkPins(t *rapid.T, tree hosttest.Tree, p *policy.Policy) {
	for _, r := range p.Filesystem {
		if r.Access.Grants() || !exists(tree[r.Path]) {
			continue
		}
		for _, a := range append([]string{r.Path}, ancestors(r.Path)...) {
			if a == "/" || !s.host(ancestors(a)[0]).Write {
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
