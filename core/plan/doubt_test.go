package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// secretInput is a run in a project, of which one directory is denied and another one protected.
func secretInput() (plantest.Tree, plan.Input) {
	host := plantest.Machine()
	for _, dir := range []string{"/home/ada/proj/a/secret", "/home/ada/proj/a/deploy", "/home/ada/proj/b"} {
		host.Put(dir, "dir")
	}
	in := plantest.Input(host)
	in.Policy.Filesystem = append(in.Policy.Filesystem,
		plantest.Rule("filesystem.deny.1", plantest.At(5), policy.Deny, "/home/ada/proj/a/secret"),
		plantest.Rule("filesystem.protect.0", plantest.At(6), policy.Protect, "/home/ada/proj/a/deploy"),
	)
	layer := plantest.Binds(host, in.Policy)
	layer.Response.Fragment.Steps = append(layer.Response.Fragment.Steps, host.Bind("", "/home/ada/proj/a", true)) // the pin
	in.Layers = []plan.Share{layer}
	return host, in
}

// without drops the layer's steps at a path.
func without(s plan.Share, at string) plan.Share {
	var steps []fragment.Step
	for _, step := range s.Response.Fragment.Steps {
		if m, ok := step.(fragment.Mount); !ok || m.At() != at {
			steps = append(steps, step)
		}
	}
	s.Response.Fragment.Steps = steps
	return s
}

// A layer that holds nothing of what it says is told so in a few messages.
func TestDoubtsAreCounted(t *testing.T) {
	host, in := secretInput()
	for i := range 50 {
		p := fmt.Sprintf("/home/ada/proj/b/%d", i)
		host.Put(p, "dir")
		id := policy.RuleID(fmt.Sprintf("filesystem.deny.%d", 10+i))
		in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule(id, plantest.At(10+i), policy.Deny, p))
		in.Layers[0].Response.Coverage = append(in.Layers[0].Response.Coverage, sdk.Coverage{Rule: id, Held: sdk.Enforced, By: "word"})
	}
	got := plantest.Refused(t, in)
	if n := strings.Count(got, "is enforced, and it is not"); n != 10 || !strings.Contains(got, "and 40 more rules are said to be enforced, and are not") {
		t.Errorf("%d are told one by one:\n%s", n, got)
	}
}

func TestALayerThatClaimsTooMuchIsRefused(t *testing.T) {
	if _, in := secretInput(); plantest.Make(t, in) == nil {
		t.Fatal("the control failed")
	}
	shown := func(host plantest.Tree, from string, writable bool) plan.Share {
		b := host.Bind("", from, writable)
		b.From, b.Path = from, "/mnt/x"
		return plantest.Custom("acme/x", b)
	}
	for _, tt := range []struct {
		name string
		spin func(host plantest.Tree, in *plan.Input)
		want string // in the refusal; none if the plan is made
	}{
		{
			"it forgot the mask", func(_ plantest.Tree, in *plan.Input) { in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a/secret") },
			`layer binds says that "deny /home/ada/proj/a/secret" is enforced, and it is not`,
		},
		{
			"it forgot the protection", func(_ plantest.Tree, in *plan.Input) { in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a/deploy") },
			`layer binds says that "protect /home/ada/proj/a/deploy" is enforced, and it is not`,
		},
		{
			"it forgot to pin what lies above", func(_ plantest.Tree, in *plan.Input) { in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a") },
			"/home/ada/proj/a, on the way to /home/ada/proj/a/secret, denied, can be replaced",
		},
		{"another layer shows the denied directory elsewhere", func(host plantest.Tree, in *plan.Input) {
			in.Layers = append(in.Layers, shown(host, "/home/ada/proj/a/secret", false))
		}, "can be read at /mnt/x"},
		{"another layer shows what lies above it elsewhere", func(host plantest.Tree, in *plan.Input) {
			in.Layers = append(in.Layers, shown(host, "/home/ada/proj", false))
		}, "can be read at /mnt/x/a/secret"},
		{"another layer shows the protected directory elsewhere, to be written", func(host plantest.Tree, in *plan.Input) {
			in.Layers = append(in.Layers, shown(host, "/home/ada/proj/a/deploy", true))
		}, "can be changed at /mnt/x"},
		{"another layer shows the protected directory elsewhere, to be read", func(host plantest.Tree, in *plan.Input) {
			in.Layers = append(in.Layers, shown(host, "/home/ada/proj/a/deploy", false))
		}, ""},
		{"another layer shows a default denial elsewhere", func(host plantest.Tree, in *plan.Input) {
			in.Layers = append(in.Layers, shown(host, "/home/ada/.ssh", false))
		}, "can be read at /mnt/x"},
		{"a denial that is held by Landlock alone", func(_ plantest.Tree, in *plan.Input) {
			in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a/secret")
			for _, p := range []string{"/home/ada/proj/b", "/home/ada/proj/a/deploy"} {
				in.Layers[0].Response.Fragment.Steps = append(in.Layers[0].Response.Fragment.Steps,
					fragment.Landlock{Path: p, Rights: []fragment.Right{fragment.RightRead}})
			}
		}, ""},
		{"a protection that is held by Landlock alone", func(_ plantest.Tree, in *plan.Input) {
			in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a/deploy")
			in.Layers[0].Response.Fragment.Steps = append(in.Layers[0].Response.Fragment.Steps,
				fragment.Landlock{Path: "/home/ada/proj/b", Rights: []fragment.Right{fragment.RightRead, fragment.RightWrite}},
				fragment.Landlock{Path: "/home/ada/proj/a/deploy", Rights: []fragment.Right{fragment.RightRead}})
		}, `"protect /home/ada/proj/a/deploy" is enforced, and it is not`},
		{"a claim that is not made need not be true", func(_ plantest.Tree, in *plan.Input) {
			in.Layers[0] = without(in.Layers[0], "/home/ada/proj/a/secret")
			for i, c := range in.Layers[0].Response.Coverage {
				if c.Rule == "filesystem.deny.1" {
					in.Layers[0].Response.Coverage[i] = sdk.Coverage{Rule: c.Rule, Held: sdk.Partial, Why: "forgotten"}
				}
			}
			in.BestEffort = true
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host, in := secretInput()
			tt.spin(host, &in)
			if tt.want == "" {
				plantest.Make(t, in)
				return
			}
			if got := plantest.Refused(t, in); !strings.Contains(got, tt.want) {
				t.Errorf("got\n%swant %q", got, tt.want)
			}
		})
	}
}
