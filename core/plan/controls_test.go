package plan_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

func TestControlsAreHidden(t *testing.T) {
	input := func() plan.Input {
		host := plantest.Machine()
		host.Put("/home/ada/proj/chroot/proc", "dir")
		in := plantest.Input(host)
		in.Controls = []string{"/home/ada/proj/chroot/proc", "/home/ada/proj/gone", "/srv/chroot/proc"}
		return in
	}
	in := input()
	if m := plantest.MountAt(plantest.Make(t, in), "/home/ada/proj/chroot/proc"); m != (fragment.Mask{For: base.RuleProc, Path: "/home/ada/proj/chroot/proc", Directory: true}) {
		t.Errorf("in a grant stands %#v", m)
	}

	in = input()
	host := in.Look
	e, _ := host("/home/ada/proj/chroot")
	in.Layers = append(in.Layers, plantest.Custom("acme/x", fragment.Bind{Path: "/mnt/x", From: "/home/ada/proj/chroot", Writable: true, Device: e.Device, Inode: e.Inode}))
	if _, ok := plantest.MountAt(plantest.Make(t, in), "/mnt/x/proc").(fragment.Mask); !ok {
		t.Error("shown elsewhere it is not hidden")
	}

	in = input()
	in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem}}
	in.Layers = nil
	in.Own.Documents = nil
	if _, ok := plantest.MountAt(plantest.Make(t, in), "/home/ada/proj/chroot/proc").(fragment.Mask); !ok {
		t.Error("without a filesystem layer it is not hidden")
	}

	in = input()
	in.Controls = []string{"/home/ada/proj"}
	if got := plantest.Refused(t, in); !strings.Contains(got, "/home/ada/proj cannot be shown inside") || !strings.Contains(got, "agent.hcl:4:3") {
		t.Error(got)
	}
}
