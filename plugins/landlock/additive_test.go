package landlock

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// own is where nono's files are in the trees of these tests.
const own = "/home/ada/ab/a"

// Without user namespaces the rules alone must make of a path what the policy decides about it. The
// kernel is played by a few lines: rules unite what they give at a path with all above it.
func TestRulesAreThePolicysDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		p := drawRules(t, tree)
		view, response := planOn(t, tree, p)
		given := simulate(response.Fragment.Steps)
		if len(given.mounts) > 0 {
			t.Errorf("mounts: %v", given.mounts)
		}
		decide := policy.NewDecider(unprotected(p))
		for _, name := range slices.Sorted(maps.Keys(tree)) {
			checkAdditive(t, tree, decide, given, name)
		}
		checkOpened(t, p, view, response)
	})
}

func planOn(t failer, tree hosttest.Tree, p *policy.Policy) (places.View, *sdk.PlanResponse) {
	view, _ := places.Compute(places.Input{
		Policy: p, Home: "/home/ada", Look: tree.Look,
		Lookup:   func(string) (string, bool) { return "", false },
		Additive: &places.Additive{List: tree.List, Hidden: []string{own}},
	})
	response, err := New().Plan(context.Background(), &sdk.PlanRequest{Places: view, Run: sdk.Run{
		Host: sdk.Host{Tier: sdk.TierB, LandlockABI: 7, Home: "/home/ada"}, Policy: *p,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return view, response
}

// unprotected is the policy without the protections that are kept aside: those in a grant for
// writing.
func unprotected(p *policy.Policy) *policy.Policy {
	held := *p
	held.Filesystem = slices.DeleteFunc(slices.Clone(p.Filesystem), func(r policy.PathRule) bool {
		return r.Access == policy.Protect && r.Source.BuiltIn() &&
			slices.ContainsFunc(p.Filesystem, func(g policy.PathRule) bool {
				return g.Access.Writable() && policy.Within(path.Dir(r.Path), g.Path)
			})
	})
	return &held
}

// checkAdditive holds what the rules give of one path against the decision. Less is only given of a
// directory, and only where something in it may have less.
func checkAdditive(
	t *rapid.T, tree hosttest.Tree, decide *policy.Decider, given simulation, name string,
) {
	may := func(p string) places.Rights {
		if policy.Within(p, own) {
			return places.Rights{}
		}
		may := func(op policy.Op) bool { return decide.Path(p, op).Allowed }
		return places.Rights{Read: may(policy.OpRead), Write: may(policy.OpWrite), Execute: may(policy.OpExecute)}
	}
	want, got := may(name), given.given(name)
	lists := tree[name].Type == policy.Directory && (got.Read || given.lists(name))
	if got.Read && !want.Read || got.Write && !want.Write || got.Execute && !want.Execute || lists && !want.Read {
		t.Errorf("%s: the rules give %+v (lists: %v), and the policy %+v", name, got, lists, want)
	}
	if got == want {
		return
	}
	inside := want // what all that lies in it has in common
	for _, p := range append(slices.Collect(maps.Keys(tree)), own, "/proc", "/dev") {
		if policy.Within(p, name) {
			has := may(p)
			if p == "/proc" || p == "/dev" {
				has = places.Rights{}
			}
			inside.Read, inside.Write, inside.Execute = inside.Read && has.Read, inside.Write && has.Write, inside.Execute && has.Execute
		}
	}
	if got != inside {
		t.Errorf("%s: the rules give %+v, and the policy %+v, and of all that lies in it %+v", name, got, want, inside)
	}
}

// lists reports whether the rules let names be listed there.
func (s simulation) lists(name string) bool {
	for _, p := range append([]string{name}, ancestors(name)...) {
		if slices.Contains(s.landlock[p], fragment.RightList) {
			return true
		}
	}
	return false
}

// checkOpened: each rule is answered for, and less than enforced only where that is told: a grant
// for writing that was opened up, and what is kept aside.
func checkOpened(t *rapid.T, p *policy.Policy, view places.View, response *sdk.PlanResponse) {
	for i, c := range response.Coverage {
		r, is := p.Filesystem[i], view.Rules[i]
		less := is.Is == places.Aside || is.Opened != "" && is.Rights.Write
		if less != (c.Held == sdk.Partial) || !less && c.Held != sdk.Enforced || c.By == "" || less && c.Why == "" {
			t.Errorf("%+v, which stands %+v: %+v", r, is, c)
		}
		if is.Is == places.Aside && !r.Source.BuiltIn() {
			t.Errorf("%+v is the user's, and kept aside", r)
		}
	}
}

// The words are those of the kernel's version.
func TestAdditiveCoverage(t *testing.T) {
	rw, ro := places.Rights{Read: true, Write: true}, places.Rights{Read: true}
	tests := []struct {
		rule places.Rule
		abi  int
		held sdk.Held
		says string
	}{
		{places.Rule{Is: places.Shown, Rights: rw}, 7, sdk.Enforced, "Landlock|"},
		{places.Rule{Is: places.Shown, Rights: rw}, 1, sdk.Enforced, "Landlock|this kernel's Landlock lets no file be moved from one directory to another"},
		{places.Rule{Is: places.Shown, Rights: ro}, 2, sdk.Enforced, "Landlock, and the system-call filter against truncating|"},
		{places.Rule{Is: places.Shown, Rights: ro, Path: "/a", Opened: "/a/b/c"}, 7, sdk.Enforced, "Landlock|what is made in /a and down to /a/b meanwhile is not granted, because of /a/b/c"},
		{places.Rule{Is: places.Shown, Rights: ro, Path: "/a", Opened: "/a/b", Unlisted: true}, 7, sdk.Enforced, "Landlock|/a cannot be listed, because of /a/b; what is made there meanwhile is not granted"},
		{places.Rule{Is: places.Shown, Rights: rw, Path: "/a", Opened: "/a/b"}, 7, sdk.Partial, "Landlock|nothing can be made, renamed or removed in /a, because of /a/b"},
		{places.Rule{Is: places.ReadOnly}, 7, sdk.Enforced, "Landlock gives no writing there|"},
		{places.Rule{Is: places.ReadOnly}, 2, sdk.Enforced, "Landlock and the system-call filter give no writing there|"},
		{places.Rule{Is: places.Spared}, 7, sdk.Enforced, "Landlock: what lies beside it is granted by name|"},
		{places.Rule{Is: places.Kept, Path: "/proc"}, 7, sdk.Unavailable, "|every session has /proc"},
		{places.Rule{Is: places.Masked}, 7, sdk.Unavailable, "|the layer does not know"},
		{places.Rule{Is: "new"}, 7, sdk.Unavailable, "|the layer does not know"},
	}
	for _, test := range tests {
		c := coverAdditive(test.rule, test.abi)
		if c.Held != test.held || !strings.HasPrefix(c.By+"|"+c.Why, test.says) {
			t.Errorf("%+v with version %d: %+v, want %s, %q", test.rule, test.abi, c, test.held, test.says)
		}
	}
}

// A rule says which file is meant, and a kernel without Landlock holds nothing.
func TestAdditivePlan(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/a", "/home/ada/proj/.env")
	view, response := planOn(t, tree, tree.Policy("read /home/ada/proj", "deny /home/ada/proj/.env"))
	var got []string
	for _, s := range response.Fragment.Steps {
		got = append(got, show(s))
		if l := s.(fragment.Landlock); l.Inode != tree[l.Path].Inode || l.Device == 0 {
			t.Errorf("%+v does not say which file it is", l)
		}
	}
	if d := cmp.Diff([]string{"landlock /home/ada/proj [list] (read.0)", "landlock /home/ada/proj/a [read,execute] (read.0)"}, got); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	req := &sdk.PlanRequest{Places: view, Run: sdk.Run{Host: sdk.Host{Tier: sdk.TierB}}}
	if _, err := New().Plan(t.Context(), req); err == nil || !strings.Contains(err.Error(), "neither user namespaces nor Landlock") {
		t.Errorf("without Landlock: %v", err)
	}
	req.Host.LandlockABI, req.Settings = 7, sdk.Settings(`{"tmp_size": 64}`)
	told, err := New().Plan(t.Context(), req)
	if err != nil || len(told.Diagnostics) != 1 || told.Diagnostics[0].Attribute != "tmp_size" {
		t.Errorf("a size that bounds nothing: %+v, %v", told, err)
	}
}
