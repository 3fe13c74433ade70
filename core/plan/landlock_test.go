package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

func TestNoLandlockWithoutALayerThatUsesIt(t *testing.T) {
	if p := plantest.Make(t, plantest.Input(plantest.Machine())); p.Landlock != nil {
		t.Errorf("grants: %+v", p.Landlock)
	}
}

// Once a layer uses Landlock, all others need grants for what they mount, core among them; the layer's own mounts get none but its own.
func TestLandlock(t *testing.T) {
	host := plantest.Machine()
	host.Put("/home/ada/data/sub", "dir")
	in := plantest.Input(host)
	noexec := host.Bind("", "/home/ada/data", true)
	noexec.NoExec = true
	land := func(p string, rights ...fragment.Right) fragment.Landlock {
		return fragment.Landlock{Path: p, Rights: rights}
	}
	in.Layers = append(in.Layers,
		plantest.Custom("a/a",
			land("/usr", fragment.RightWrite), land("/usr", fragment.RightDevice), // unite with what the bind gives
			land("/home/ada/.ssh/x", fragment.RightRead), // beneath a mask: nothing to open
			fragment.Tmpfs{Path: "/own", Size: 1, Mode: 0o700}),
		plantest.Custom("b/b", noexec, fragment.Mask{Path: "/home/ada/data/sub", Directory: true}, fragment.Link{Path: "/l", Target: "usr"},
			host.Bind("", "/dev/null", true), host.Bind("", "/dev", true)))
	got := map[string]string{}
	for _, g := range plantest.Make(t, in).Landlock {
		got[g.Path] = rightsOf(g.Rights)
	}
	want := map[string]string{
		"/usr":           "read execute write device",
		"/home/ada":      "read execute write",
		"/home/ada/data": "read write",
		"/home/ada/proj": "read execute write",
		"/tmp":           "read execute write",
		"/proc":          "read write",
		"/dev":           "read",
		"/dev/pts":       "read write device",
		"/dev/shm":       "read execute write",
		"/dev/null":      "read write device",
		"/dev/zero":      "read write device",
		"/dev/tty":       "read write device",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
}

// With the filesystem layer off the root is the host's, and another layer's Landlock must not close it.
func TestLandlockOfAnOpenRoot(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
	in.Layers = []plan.Share{plantest.Custom("a/a", fragment.Landlock{Path: "/usr", Rights: []fragment.Right{fragment.RightRead}})}
	p := plantest.Make(t, in)
	if g := p.Landlock[0]; g.Path != "/" || !strings.Contains(rightsOf(g.Rights), "read execute write") {
		t.Errorf("grants: %+v", p.Landlock)
	}
}

// rightsOf is the rights in the words of a plan.
func rightsOf(rights []fragment.Right) string {
	out := make([]string, len(rights))
	for i, r := range rights {
		out[i] = string(r)
	}
	return strings.Join(out, " ")
}
