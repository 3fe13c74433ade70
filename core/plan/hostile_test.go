package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A layer has the user's rights, and its fragment has not: what it sends must not give the agent
// what no rule gives.

func TestTheHostsProcIsNeverShown(t *testing.T) {
	host := plantest.Machine()
	host.Put("/proc/sys/kernel/core_pattern", "file")
	host.Put("/srv/chroot/proc", "dir")
	look := func(name string) (hostfile.Entry, error) {
		e, err := host.Look(name)
		if policy.Within(name, "/proc") || policy.Within(name, "/srv/chroot/proc") {
			e.Device = 99 // the same instance, mounted twice
		}
		return e, err
	}
	bind := func(from string) fragment.Step {
		e, _ := look(from)
		return fragment.Bind{Path: "/mnt/x", From: from, Writable: true, Device: e.Device, Inode: e.Inode}
	}
	for _, from := range []string{"/proc", "/proc/sys", "/proc/sys/kernel/core_pattern", "/srv/chroot/proc"} {
		in := plantest.Input(host)
		in.Look = look
		in.Layers = append(in.Layers, plantest.Custom("acme/x", bind(from)))
		if got := plantest.Refused(t, in); !strings.Contains(got, "layer acme/x: bind step: "+from+" shows the host's processes") {
			t.Errorf("%s: %s", from, got)
		}
	}
	in := plantest.Input(host) // the control
	plantest.Permit(&in, policy.Allow, "/home/ada/data")
	in.Look = look
	in.Layers = append(in.Layers, plantest.Custom("acme/x", bind("/home/ada/data")))
	plantest.Make(t, in)
}

// The root is the filesystem layer's: a mount there gives its Landlock rights to all that lies
// beneath it.
func TestNoOtherLayerMountsTheRoot(t *testing.T) {
	host := plantest.Machine()
	project := host.Bind("", "/home/ada/data", true)
	project.From, project.Path = project.Path, "/"
	for name, step := range map[string]fragment.Step{
		"a bind":  project,
		"a tmpfs": fragment.Tmpfs{Path: "/", Size: 1 << 20, Mode: 0o755},
	} {
		in := plantest.Input(host)
		plantest.Permit(&in, policy.Allow, "/home/ada/data")
		in.Layers = append(in.Layers, plantest.Custom("acme/x", step))
		want := "only the filesystem layer may put something in the place of the root"
		if got := plantest.Refused(t, in); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A layer whose every step is flawed has one flaw, and one that shows a thousand files elsewhere has
// too many.
func TestOneFlawOfALayerIsTold(t *testing.T) {
	host := plantest.Machine()
	elsewhere := func(n int) []fragment.Step {
		var steps []fragment.Step
		for i := range n {
			b := host.Bind("", "/home/ada/data", false)
			b.From, b.Path = b.Path, fmt.Sprintf("/mnt/%d", i)
			steps = append(steps, b)
		}
		return steps
	}
	input := func(steps []fragment.Step) plan.Input {
		in := plantest.Input(host)
		plantest.Permit(&in, policy.Read, "/home/ada/data")
		in.Layers = append(in.Layers, plantest.Custom("acme/x", steps...))
		return in
	}
	var flawed []fragment.Step
	for range 1000 {
		flawed = append(flawed, fragment.Tmpfs{Path: "mnt"})
	}
	if got := plantest.Refused(t, input(flawed)); strings.Count(got, "error:") != 1 {
		t.Errorf("flawed steps:\n%s", got)
	}
	want := "it shows 257 files at other paths than their own, and 256 are the limit"
	if got := plantest.Refused(t, input(elsewhere(257))); !strings.Contains(got, want) {
		t.Errorf("files elsewhere:\n%s", got)
	}
	plantest.Make(t, input(elsewhere(256)))
}

// What a layer cannot do, however it is spelt. That each of these is refused for its own reason is
// what other tests hold; here they stand side by side, as one who writes a layer to get at
// something would try them.
func TestHostileFragments(t *testing.T) {
	host := plantest.Machine()
	bind := func(from, at string, writable bool) fragment.Bind {
		b := host.Bind("", from, writable)
		b.From, b.Path = from, at
		return b
	}
	for name, steps := range map[string][]fragment.Step{
		"a proc of its own":                 {fragment.Pseudo{Path: "/mnt/proc", Type: fragment.Procfs}},
		"a devpts of its own":               {fragment.Pseudo{Path: "/mnt/pts", Type: fragment.Devpts}},
		"something in /proc":                {fragment.Tmpfs{Path: "/proc/sys", Size: 1 << 20, Mode: 0o755}},
		"a file in /proc":                   {fragment.File{Path: "/proc/version", Mode: 0o444, Content: []byte("x")}},
		"a mask over all of /proc":          {fragment.Mask{Path: "/proc", Directory: true}},
		"a link as the root":                {fragment.Link{Path: "/", Target: "/home"}},
		"a path that goes up":               {bind("/home/ada/data", "/mnt/../home/ada/.config/nono", true)},
		"a relative path":                   {bind("/home/ada/data", "mnt", true)},
		"a file of it":                      {bind("/home/ada/.config/nono/config.hcl", "/mnt/x", false)},
		"two mounts that disagree":          {bind("/home/ada/data", "/mnt/x", false), bind("/usr/lib", "/mnt/x", false)},
		"a mount beneath a link":            {fragment.Link{Path: "/mnt/x", Target: "/home/ada"}, bind("/home/ada/data", "/mnt/x/.config", true)},
		"a link over a grant":               {fragment.Link{Path: "/home/ada/proj", Target: "/home/ada/data"}},
		"a tmpfs without a limit":           {fragment.Tmpfs{Path: "/mnt/x", Mode: 0o755}},
		"a setuid file":                     {fragment.File{Path: "/mnt/x", Mode: 0o755 | 1<<23}},
		"PATH":                              {fragment.Env{Name: "PATH", Value: fragment.Text("/mnt")}},
		"a variable with = in its name":     {fragment.Env{Name: "A=B", Value: fragment.Text("x")}},
		"another layer's secret":            {fragment.Env{Name: "A", Value: fragment.Value{fragment.SecretValue("env.TOKEN")}}},
		"the base fragment's rule":          {fragment.Tmpfs{For: base.RuleProc, Path: "/mnt/x", Size: 1 << 20, Mode: 0o755}},
		"a rule that does not exist":        {fragment.Tmpfs{For: "filesystem.allow.99", Path: "/mnt/x", Size: 1 << 20, Mode: 0o755}},
		"a listener at no address":          {fragment.Listener{Name: "l", Network: fragment.TCP, Address: "example.com"}},
		"a listener of two names":           {fragment.Listener{Name: "l", Network: fragment.TCP}, fragment.Listener{Name: "l", Network: fragment.TCP, Port: 80}},
		"a range that is none":              {fragment.Listener{Name: "l", Network: fragment.UDP, LocalPrefix: "198.18.0.1/15"}},
		"a dialer to port 0":                {fragment.Dialer{Ports: []uint16{0}}},
		"a call that only seems to be made": {fragment.Seccomp{Syscalls: []string{"setuid"}, Errno: "EDONE"}},
		"an error that does not exist":      {fragment.Seccomp{Syscalls: []string{"read"}, Errno: "ENOTHING"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := plantest.Input(host)
			in.Layers = append(in.Layers, plantest.Custom("acme/x", steps...))
			_ = plantest.Refused(t, in)
		})
	}
}

// One of nono's own directories that a layer shows at another place is hidden there as well.
func TestOwnDirectoryShownElsewhereIsHidden(t *testing.T) {
	host := plantest.Machine()
	b := host.Bind("", "/home/ada/.config/nono", false)
	b.From, b.Path = b.Path, "/mnt/x"
	in := plantest.Input(host)
	in.Layers = append(in.Layers, plantest.Custom("acme/x", b))
	if m, ok := plantest.MountAt(plantest.Make(t, in), "/mnt/x").(fragment.Mask); !ok {
		t.Errorf("at /mnt/x stands %#v", m)
	}
}

// A layer answers for its own kind's rules, and the base fragment for its own.
func TestCoverageForTheRulesOfOthers(t *testing.T) {
	for _, id := range []policy.RuleID{"filesystem.deny.0", "environment.pass.0", base.RuleProc, "network.allow.0", ""} {
		in := plantest.Input(plantest.Machine())
		share := plantest.Custom("acme/x")
		share.Response.Coverage = []sdk.Coverage{{Rule: id, Held: sdk.Enforced}}
		in.Layers = append(in.Layers, share)
		if got := plantest.Refused(t, in); !strings.Contains(got, "layer acme/x") {
			t.Errorf("%q: %s", id, got)
		}
	}
}
