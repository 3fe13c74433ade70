package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

func TestNoLandlockWithoutALayerThatUsesIt(t *testing.T) {
	if p := plantest.Make(t, plantest.Input(plantest.Machine())); p.Landlock != nil {
		t.Errorf("grants: %+v", p.Landlock)
	}
}

// Once a layer uses Landlock, all others need grants for what they mount, core among them; the
// layer's own mounts get none but its own. No grant gives more than the mount that is seen there.
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
			land("/", fragment.RightList),                   // the names of mount points, which the session has of its own
			land("/usr", fragment.RightList),                // unites with what the bind gives
			land("/home/ada/data/x", fragment.RightExecute), // granted, and not by the mount that is seen there
			land("/home/ada/.ssh/x", fragment.RightRead),    // beneath a mask: nothing to open
			land("/own", fragment.RightRead),                // its own, and less than the directory gives
			fragment.Tmpfs{Path: "/own", Size: 1, Mode: 0o700}),
		plantest.Custom("b/b", noexec, fragment.Mask{Path: "/home/ada/data/sub", Directory: true}, fragment.Link{Path: "/l", Target: "usr"},
			host.Bind("", "/dev/null", true), host.Bind("", "/dev", true)))
	plantest.Permit(&in, policy.Allow, "/home/ada/data")
	p := plantest.Make(t, in)
	got := map[string]string{}
	for _, g := range p.Landlock {
		got[g.Path] = merge.Words(g.Rights) + ": " + strings.Join(g.Layers, " ")
	}
	want := map[string]string{
		"/":                "list: a/a",
		"/etc/resolv.conf": "read: nono",
		"/usr":             "list read execute: a/a binds",
		"/own":             "read: a/a",
		"/home/ada":        "read execute write: binds",
		"/home/ada/data":   "read write: b/b",
		"/home/ada/proj":   "read execute write: binds",
		"/tmp":             "read execute write: binds",
		"/proc":            "read write: nono",
		"/dev":             "read: nono",
		"/dev/pts":         "read write device: nono",
		"/dev/shm":         "read execute write: nono",
		"/dev/null":        "read write device: nono",
		"/dev/zero":        "read write device: nono",
		"/dev/tty":         "read write device: nono",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	var lost []string
	for _, l := range p.Lost {
		lost = append(lost, l.Of+": "+l.Lost.What+", "+l.Lost.Layer+"; "+l.To.What+", "+l.To.Layer)
	}
	wantLost := []string{
		"/dev: the host's, writable, b/b; an empty directory in memory, up to 64 KiB, nono",
		"/dev/null: the host's, writable, b/b; the host's, writable, no programs, nono",
		"/home/ada/.ssh/x: Landlock: read, a/a; hidden: a directory without rights, binds",
		"/home/ada/data/x: Landlock: execute, a/a; the host's, writable, no programs, b/b",
	}
	if diff := cmp.Diff(wantLost, lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

// With the filesystem layer off the root is the host's, and another layer's Landlock must not close
// it.
func TestLandlockOfAnOpenRoot(t *testing.T) {
	in := plantest.Input(plantest.Machine())
	in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
	in.Layers = []plan.Share{plantest.Custom("a/a", fragment.Landlock{Path: "/usr", Rights: []fragment.Right{fragment.RightRead}})}
	p := plantest.Make(t, in)
	if g := p.Landlock[0]; g.Path != "/" || !strings.Contains(merge.Words(g.Rights), "read execute write") {
		t.Errorf("grants: %+v", p.Landlock)
	}
}
