package plan_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Where nothing can be mounted, what nono protects by itself may be kept aside; what the user
// protects is held, or there is no run.
func TestWhoseProtectionMayBeKeptAside(t *testing.T) {
	const hooks = "/home/ada/proj/.git/hooks"
	for name, test := range map[string]struct {
		source policy.Source
		want   string
	}{
		"the default profile's":  {plantest.ByDefault, ""},
		"a built-in profile's":   {policy.Source{Origin: policy.OriginProfile, File: "claude-code.hcl", Line: 1}, ""},
		"of a verified file":     {policy.Source{Origin: policy.OriginCommand, Flag: "verified by the trust layer"}, ""},
		"of a file of the user":  {plantest.At(7), "cannot be held"},
		"of a profile of theirs": {policy.Source{Origin: policy.OriginProfile, File: "/home/ada/p.hcl", Line: 1}, "cannot be held"},
	} {
		t.Run(name, func(t *testing.T) {
			host := plantest.Machine()
			in := plantest.Walled(host)
			r := policy.PathRule{
				ID: "filesystem.protect.90", Source: test.source, Access: policy.Protect, Path: hooks, Type: policy.Directory,
			}
			in.Policy.Filesystem = append(in.Policy.Filesystem, r)
			in.Layers = []plan.Share{plantest.Walls(in.Policy)}
			if test.want != "" {
				if got := plantest.Refused(t, in); !strings.Contains(got, test.want) {
					t.Errorf("the message lacks %q:\n%s", test.want, got)
				}
				return
			}
			for _, rule := range plantest.Make(t, in).Rules {
				if rule.ID == r.ID && rule.Held != sdk.Partial {
					t.Errorf("%+v", rule)
				}
			}
		})
	}
}

// Which file a rule means goes as far as the recipe.
func TestRuleSaysWhichFile(t *testing.T) {
	in := plantest.Walled(plantest.Machine())
	in.Layers = []plan.Share{plantest.Walls(in.Policy)}
	steps := in.Layers[0].Response.Fragment.Steps
	for i, s := range steps {
		l := s.(fragment.Landlock)
		l.Device, l.Inode = 1, uint64(i+1)
		steps[i] = l
	}
	p := plantest.Make(t, in)
	known := 0
	for _, g := range p.Landlock {
		if g.Inode != 0 {
			known++
		}
	}
	if known != len(steps) {
		t.Errorf("%d of %d rules say which file they mean: %+v", known, len(steps), p.Landlock)
	}

	other := steps[0].(fragment.Landlock)
	other.Inode = 99
	in.Layers[0].Response.Fragment.Steps = append(steps, other)
	if got := plantest.Refused(t, in); !strings.Contains(got, "which file "+other.Path+" is") {
		t.Errorf("two rules that mean two files at one path: %s", got)
	}
}
