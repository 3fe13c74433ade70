package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	lentDir    = "/home/ada/.cache/nono/build/1/go-build"
	lentInside = "/home/ada/.cache/go-build"
)

// lending is a run that is lent a build cache.
func lending(host plantest.Tree, access policy.Access, path string) plan.Input {
	in := plantest.Input(host)
	if path != "" {
		in = plantest.Grant(host, access, path)
	}
	in.Lent = []base.Lent{{Dir: lentDir, Inside: lentInside}}
	in.Own.Lent = []string{lentDir}
	return in
}

// A build cache is in a private home, and nowhere else.
func TestLent(t *testing.T) {
	host := plantest.Machine()
	host.Put(lentDir, "dir")
	there := plantest.Machine()
	there.Put("/home/ada/.cache/go-build", "dir")
	there.Put(lentDir, "dir")
	off := lending(host, "", "")
	off.Layers, off.Policy.Disabled = nil, []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
	tests := []struct {
		name string
		in   plan.Input
		want bool
		make []string
	}{
		{"in a private home", lending(host, "", ""), true, nil},
		{
			"not made yet", lending(plantest.Machine(), "", ""), true,
			[]string{"/home/ada/.cache/nono", "/home/ada/.cache/nono/build", "/home/ada/.cache/nono/build/1", lentDir},
		},
		{"not where the home is the host's", lending(host, policy.Allow, "/home/ada"), false, nil},
		{"nor where the place is", lending(there, policy.Read, "/home/ada/.cache/go-build"), false, nil},
		{"nor without a filesystem layer", off, false, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := plantest.Make(t, test.in)
			b, ok := plantest.MountAt(p, lentInside).(fragment.Bind)
			lent := ok && b.Source() == lentDir && b.Writable
			listed := slices.ContainsFunc(p.Rules, func(r plan.Rule) bool { return r.ID == base.RuleCaches })
			if lent != test.want || listed != test.want {
				t.Errorf("there is %v, and the rule is listed: %v", plantest.MountAt(p, lentInside), listed)
			}
			if test.want && !slices.Equal(p.Make, test.make) {
				t.Errorf("to be made: %v, want %v", p.Make, test.make)
			}
		})
	}
}

// What is lent opens nothing else of nono's own: not the directory above, in which other projects'
// caches are, not one beside it, not to a layer, and not where nobody lent it.
func TestLentIsAllThatIsSeen(t *testing.T) {
	host := plantest.Machine()
	host.Put(lentDir, "dir")
	host.Put("/home/ada/.cache/nono/build/2/go-build", "dir")
	show := func(from string) fragment.Bind {
		b := host.Bind("", from, false)
		b.Path, b.From = "/mnt/x", from
		return b
	}
	for _, from := range []string{"/home/ada/.cache/nono/build/1", "/home/ada/.cache/nono/build", "/home/ada/.cache/nono", "/home/ada/.cache/nono/build/2/go-build", lentDir} {
		in := lending(host, "", "")
		in.Layers = append(in.Layers, plantest.Custom("acme/x", show(from)))
		p, err := plan.Make(in)
		if err == nil {
			_, masked := plantest.MountAt(p, "/mnt/x").(fragment.Mask)
			if !masked {
				t.Errorf("a layer shows %s", from)
			}
		}
		if from == lentDir {
			continue // the proof asks what is seen, and authorize who may show it
		}
		// The proof, which knows nothing of layers.
		p = plantest.Make(t, lending(host, "", ""))
		p.Mounts = append(p.Mounts, view.Mount{Mount: show(from)})
		if err := p.Prove(lending(host, "", "").Own, host.Look); err == nil {
			t.Errorf("the proof holds with %s shown", from)
		}
	}
	p := plantest.Make(t, lending(host, "", ""))
	own := lending(host, "", "").Own
	if err := p.Prove(own, host.Look); err != nil {
		t.Errorf("the control: %v", err)
	}
	own.Lent = nil
	if err := p.Prove(own, host.Look); err == nil || !strings.Contains(err.Error(), "can be read at "+lentInside) {
		t.Errorf("what nobody lent: %v", err)
	}
	in := lending(host, "", "")
	in.Own = proof.Own{Directories: in.Own.Directories}
	if _, err := plan.Make(in); err == nil {
		t.Error("a plan shows what the proof was not told of")
	}
}
