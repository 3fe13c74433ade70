package landlock

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, New, layertest.Options{})
}

// One plan over the real tree and the real contract: the table tests play the tree.
func TestPlan(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(home, "proj")
	if err := os.Mkdir(project, 0o700); err != nil {
		t.Fatal(err)
	}
	req := &sdk.PlanRequest{Run: sdk.Run{
		Host:    sdk.Host{Tier: sdk.TierA, LandlockABI: 7, Home: home},
		Command: sdk.Command{Dir: project},
		Policy: policy.Policy{Filesystem: []policy.PathRule{{
			ID: "filesystem.allow.0", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"},
			Access: policy.Allow, Path: project, Type: policy.Directory,
		}}},
	}}
	response := layertest.New(t, New()).Plan(req)
	found := false
	for _, s := range response.Fragment.Steps {
		if b, ok := s.(fragment.Bind); ok && b.Path == project {
			found = b.Writable && b.Inode != 0
		}
	}
	if !found {
		t.Errorf("no writable bind of %s: %v", project, response.Fragment.Steps)
	}

	// Places that a view is composed from would give what is denied, where nothing can hide it.
	req.Host.Tier = sdk.TierB
	req.Places.Places = []places.Place{{Path: project, Shows: places.Host, Type: policy.Directory}}
	if _, err := New().Plan(t.Context(), req); err == nil || !strings.Contains(err.Error(), `tier "B"`) {
		t.Errorf("without user namespaces: %v, want a refusal that names the tier", err)
	}
}

func TestSizes(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		settings string
		want     sizes
		problem  string
	}{
		{``, sizes{512 * mib, 1024 * mib}, ""},
		{`{}`, sizes{512 * mib, 1024 * mib}, ""},
		{`{"private_size": 64}`, sizes{64 * mib, 1024 * mib}, ""},
		{`{"private_size": 1.5, "tmp_size": 3}`, sizes{3 << 19, 3 * mib}, ""},
		{`{"private_size": 0}`, sizes{}, "private_size must be at least 1 MiB, and is 0"},
		{`{"tmp_size": -1}`, sizes{}, "tmp_size must be at least 1 MiB, and is -1"},
		{`{"private_size": 1e300}`, sizes{}, "at least 1 MiB"},
		{`{"private_size": "big"}`, sizes{}, "cannot read"},
	}
	for _, test := range tests {
		got, problems := readSizes([]byte(test.settings))
		switch {
		case test.problem == "" && (len(problems) > 0 || got != test.want):
			t.Errorf("%s: %d, %+v; want %d", test.settings, got, problems, test.want)
		case test.problem != "" && (len(problems) != 1 || problems[0].Severity != sdk.SeverityError || !strings.Contains(problems[0].Summary, test.problem)):
			t.Errorf("%s: %+v, want an error with %q", test.settings, problems, test.problem)
		}
	}
}

// show writes a step in a line.
func show(s fragment.Step) string {
	when := func(on bool, word string) string {
		if on {
			return " " + word
		}
		return ""
	}
	var line string
	switch s := s.(type) {
	case fragment.Bind:
		line = "bind " + s.Path + when(s.Writable, "writable") + when(s.NoExec, "noexec") + when(s.Devices, "devices")
	case fragment.Mask:
		line = "mask " + s.Path + when(s.Directory, "directory") + when(s.Readable, "readable")
	case fragment.Tmpfs:
		line = fmt.Sprintf("tmpfs %s %v %d%s", s.Path, s.Mode, s.Size, when(s.Report, "report"))
	case fragment.Link:
		line = "link " + s.Path + " -> " + s.Target
	case fragment.Landlock:
		line = "landlock " + s.Path + " " + strings.Join(strings.Fields(fmt.Sprint(s.Rights)), ",")
	default:
		line = fmt.Sprintf("%T", s)
	}
	return line + when(s.Rule() != "", "("+string(s.Rule())+")")
}

// Each place is a mount, and each link a link. Which places there are is not the layer's business.
func TestMounts(t *testing.T) {
	rw := places.Rights{Read: true, Write: true}
	view := places.View{
		Places: []places.Place{
			{Path: "/dev/kvm", Shows: places.Host, Rule: "r.1", Type: policy.Special, Rights: rw, Devices: true},
			{Path: "/etc/hosts", Shows: places.Host, Rule: "r.2", Type: policy.Regular, Rights: places.Rights{Read: true}},
			{Path: "/home/ada", Shows: places.Private, Mode: 0o700, Report: true},
			{Path: "/home/ada/.netrc", Shows: places.Hidden, Rule: "r.3", Type: policy.Regular, Readable: true},
			{Path: "/home/ada/.ssh", Shows: places.Hidden, Rule: "r.4", Type: policy.Directory},
			{Path: "/srv", Shows: places.Empty, Type: policy.Missing},
			{Path: "/usr", Shows: places.Host, Rule: "r.5", Type: policy.Directory, Rights: places.Rights{Read: true, Execute: true}},
		},
		Links: []places.Link{{Path: "/bin", Target: "usr/bin", Rule: "r.6"}},
	}
	want := []string{
		"bind /dev/kvm writable noexec devices (r.1)", "bind /etc/hosts noexec (r.2)", "tmpfs /home/ada -rwx------ 4096000 report",
		"mask /home/ada/.netrc readable (r.3)", "mask /home/ada/.ssh directory (r.4)", "tmpfs /srv -r-xr-xr-x 4096", "bind /usr (r.5)",
		"link /bin -> usr/bin (r.6)",
	}
	var got []string
	for _, s := range mounts(view, sizes{4096000, 4096000}) {
		got = append(got, show(s))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	strange := mounts(places.View{Places: []places.Place{{Path: "/x", Shows: "?", Type: policy.Regular}}}, sizes{})
	if _, ok := strange[0].(fragment.Mask); !ok {
		t.Errorf("what nobody knows is shown: %v", strange)
	}
}

func TestLandlockRules(t *testing.T) {
	tree := hosttest.New("/usr/bin/", "/dev/kvm!", "/home/ada/proj/.git/hooks/", "/home/ada/proj/a/", "/data/out/bin/", "/home/ada/.ssh/")
	p := tree.Policy("read /usr", "allow /home/ada/proj", "read /home/ada/proj/a", "protect /home/ada/proj/.git/hooks", "write /data/out",
		"read /data/out/bin", "allow /dev/kvm", "default deny /home/ada/.ssh", "allow /home/ada/.ssh")
	want := []string{
		"landlock / [list]",
		"landlock /data/out [read,write] (write.4)",
		"landlock /data/out/bin [read,execute] (read.5)",
		"landlock /dev/kvm [read,execute,write,device] (allow.6)",
		"landlock /home/ada [read,execute,write]",
		"landlock /tmp [read,execute,write]",
		"landlock /usr [read,execute] (read.0)",
		"landlock /var/tmp [read,execute,write]",
	}
	var got []string
	for _, s := range plan(t, tree, p, "/home/ada/proj").Fragment.Steps {
		if _, ok := s.(fragment.Landlock); ok {
			got = append(got, show(s))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Landlock rules (-want +got):\n%s", d)
	}

	req := request(tree, p, "/home/ada/proj")
	req.Host.LandlockABI = 0
	without, err := New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range without.Fragment.Steps {
		if _, ok := s.(fragment.Landlock); ok {
			t.Errorf("a kernel without Landlock is given %s", show(s))
		}
	}
	if len(without.Diagnostics) == 0 || !strings.Contains(without.Diagnostics[len(without.Diagnostics)-1].Summary, "no Landlock") {
		t.Errorf("nobody says that the kernel has no Landlock: %v", without.Diagnostics)
	}
}

func TestCoverage(t *testing.T) {
	tree := hosttest.New("/usr/", "/data/", "/home/ada/proj/.git/hooks/", "/home/ada/proj/.env", "/home/ada/proj/set.json", "/home/ada/.ssh/", "/home/ada/.npmrc", "/proc/cpuinfo")
	p := tree.Policy("read /usr", "allow /home/ada/proj", "write /data", "read /missing", "deny /home/ada/proj/.env", "default deny /home/ada/.ssh",
		"default deny /home/ada/.npmrc", "deny /gone", "protect /home/ada/proj/.git/hooks", "protect /home/ada/proj/set.json", "protect /home/ada/proj/none",
		"deny /proc/cpuinfo", "default read /dev/null")
	p.Filesystem = append(p.Filesystem, policy.PathRule{ID: "odd.13", Access: "odd", Path: "/usr/odd"})
	want := []sdk.Coverage{
		{Rule: "read.0", Held: sdk.Enforced, By: "read-only bind mount, Landlock"},
		{Rule: "allow.1", Held: sdk.Enforced, By: "bind mount, Landlock"},
		{Rule: "write.2", Held: sdk.Enforced, By: "no-exec bind mount, Landlock"},
		{Rule: "read.3", Held: sdk.Enforced, By: "nothing is there"},
		{Rule: "deny.4", Held: sdk.Enforced, By: "masked", Why: "held against the agent; if a program outside replaces the file by rename meanwhile, its new content is seen"},
		{Rule: "deny.5", Held: sdk.Enforced, By: "a stub without rights in its place"},
		{Rule: "deny.6", Held: sdk.Enforced, By: "not in the view"},
		{Rule: "deny.7", Held: sdk.Enforced, By: "nothing is there"},
		{Rule: "protect.8", Held: sdk.Enforced, By: "read-only bind mount"},
		{Rule: "protect.9", Held: sdk.Enforced, By: "read-only bind mount", Why: "held against the agent; if a program outside replaces the file by rename meanwhile, the new one is not protected"},
		{Rule: "protect.10", Held: sdk.Enforced, By: "nothing is there"},
		{Rule: "deny.11", Held: sdk.Unavailable, Why: "every session has its own /proc/cpuinfo, which this layer cannot take away"},
		{Rule: "read.12", Held: sdk.Enforced, By: "the session's own"},
		{Rule: "odd.13", Held: sdk.Unavailable, Why: "the layer does not know this kind of rule"},
	}
	if d := cmp.Diff(want, plan(t, tree, p, "/home/ada/proj").Coverage); d != "" {
		t.Errorf("coverage (-want +got):\n%s", d)
	}
}
