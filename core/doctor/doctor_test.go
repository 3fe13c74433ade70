package doctor_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/doctor"
	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// machine is a host with these files, and some that every one has.
func machine(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	all := map[string]string{
		"proc/sys/kernel/osrelease":            "6.12.0\n",
		"proc/sys/user/max_user_namespaces":    "15000\n",
		"proc/1/comm":                          "systemd\n",
		"proc/self/status":                     "Name:\tnono\nCapPrm:\t0000000000000000\nCapBnd:\t000001ffffffffff\nSeccomp:\t0\n",
		"proc/self/attr/current":               "unconfined\n",
		"proc/self/cgroup":                     "0::/user.slice/user-1000.slice/session-2.scope\n",
		"sys/kernel/security/lsm":              "lockdown,capability,landlock,yama,apparmor",
		"etc/os-release":                       "NAME=x\nPRETTY_NAME=\"Some Linux 1\"\n",
		"proc/self/mountinfo":                  "22 1 0:20 / /proc rw - proc proc rw\n30 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs a rw\n",
		"proc/sys/kernel/yama/ptrace_scope":    "1\n",
		"proc/sys/kernel/core_pattern":         "|/usr/lib/systemd/systemd-coredump %P\n",
		"sys/fs/cgroup/user.slice/cgroup.type": "",
	}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if content != "gone" {
			root[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	return root
}

func look(files map[string]string, uid int, variables ...string) doctor.Host {
	return doctor.Look(machine(files), doctor.Env{
		UID: uid,
		Lookup: func(name string) (string, bool) {
			for _, v := range variables {
				if n, value, _ := strings.Cut(v, "="); n == name {
					return value, true
				}
			}
			return "", false
		},
		MayWrite: func(string) bool { return false },
	})
}

func TestLook(t *testing.T) {
	plain := func(change func(*doctor.Host)) doctor.Host {
		h := doctor.Host{
			Kernel: "6.12.0", Distribution: "Some Linux 1", UID: 1000,
			Modules: []string{"lockdown", "capability", "landlock", "yama", "apparmor"},
			Settings: map[string]string{
				doctor.SettingLimit: "15000", doctor.SettingYama: "1",
				doctor.SettingCore: "|/usr/lib/systemd/systemd-coredump %P",
			},
			Group: "/user.slice/user-1000.slice/session-2.scope",
		}
		change(&h)
		return h
	}
	contained := map[string]string{
		".dockerenv":          "",
		"proc/self/status":    "CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\nSeccomp:\t2\n",
		"proc/self/mountinfo": "1 0 0:2 / / rw - overlay o rw\n2 1 0:3 / /proc rw - proc p rw\n3 2 0:4 /null /proc/kcore rw - tmpfs t rw\n",
	}
	for name, c := range map[string]struct {
		got  doctor.Host
		want func(*doctor.Host)
	}{
		"a distribution": {look(nil, 1000), func(*doctor.Host) {}},
		"of which AppArmor is": {
			look(map[string]string{
				"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n", "proc/self/attr/current": "snap.code (enforce)\n\x00",
			}, 1000),
			func(h *doctor.Host) {
				h.Settings[doctor.SettingAppArmor], h.Profile = "1", "snap.code (enforce)"
			},
		},
		"docker": {look(contained, 0), func(h *doctor.Host) {
			h.Container, h.NoCapabilities, h.Filtered, h.UID = "docker", true, true, 0
			h.Covered = []string{"/proc/kcore"}
		}},
		"a pod": {look(nil, 1000, "KUBERNETES_SERVICE_HOST=10.0.0.1"), func(h *doctor.Host) { h.Container = "kubernetes" }},
		"podman": {look(map[string]string{"run/.containerenv": ""}, 1000), func(h *doctor.Host) {
			h.Container = "podman"
		}},
		"LXC":                 {look(nil, 1000, "container=lxc"), func(h *doctor.Host) { h.Container = "lxc" }},
		"another container":   {look(nil, 1000, "container=\x1b[31m"), func(h *doctor.Host) { h.Container = "container" }},
		"systemd's":           {look(map[string]string{"run/systemd/container": "systemd-nspawn\n"}, 1000), func(h *doctor.Host) { h.Container = "systemd-nspawn" }},
		"WSL":                 {look(map[string]string{"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2\n"}, 1000), func(h *doctor.Host) { h.Kernel, h.WSL = "5.15.90.1-microsoft-standard-WSL2", 2 }},
		"WSL 1":               {look(map[string]string{"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}, 1000), func(h *doctor.Host) { h.Kernel, h.WSL = "4.4.0-19041-Microsoft", 1 }},
		"a runner":            {look(nil, 1000, "GITHUB_ACTIONS=true"), func(h *doctor.Host) { h.Runner = "github" }},
		"a sandbox of nono's": {look(map[string]string{"proc/1/comm": "nono-init\n"}, 1000), func(h *doctor.Host) { h.Inside = true }},
		"another of nono's":   {look(nil, 1000, "NONO_SESSION_FILE=/x"), func(h *doctor.Host) { h.Inside = true }},
		"a service": {look(map[string]string{"proc/self/cgroup": "0::/system.slice/agent.service\n"}, 1000), func(h *doctor.Host) {
			h.Group, h.Service = "/system.slice/agent.service", "agent.service"
		}},
		"nothing to be read": {
			doctor.Look(fstest.MapFS{}, doctor.Env{UID: 1, Lookup: func(string) (string, bool) { return "", false }}),
			func(h *doctor.Host) { *h = doctor.Host{UID: 1, Settings: map[string]string{}} },
		},
	} {
		if diff := cmp.Diff(plain(c.want), c.got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// TestRemedies: each locked-down host is told what would unlock it, and a host that holds
// everything is told nothing.
func TestRemedies(t *testing.T) {
	whole, less := doctor.Sandbox{Tier: sdk.TierA}, doctor.Sandbox{Tier: sdk.TierB, Why: "refused"}
	none := doctor.Sandbox{Why: "refused", Refused: true}
	has := doctor.Known(7)
	set := func(name, value string) doctor.Host {
		return doctor.Host{UID: 1000, Kernel: "6.8.0", Settings: map[string]string{name: value}}
	}
	walled := func(container, runner string) doctor.Host {
		return doctor.Host{UID: 1000, Kernel: "6.8.0", Container: container, Runner: runner, Filtered: true}
	}
	runner := set(doctor.SettingAppArmor, "1")
	runner.Runner = "github"
	inner := set(doctor.SettingDebian, "0")
	inner.Container = "lxc"
	for name, c := range map[string]struct {
		host     doctor.Host
		sandbox  doctor.Sandbox
		landlock doctor.Landlock
		want     []string // in this order
	}{
		"nothing refused":      {set(doctor.SettingAppArmor, "1"), whole, has, nil},
		"not the host's fault": {set(doctor.SettingLimit, "0"), doctor.Sandbox{Why: "another build"}, has, nil},
		"AppArmor": {set(doctor.SettingAppArmor, "1"), less, has, []string{
			"nono doctor --apparmor | sudo tee /etc/apparmor.d/nono", "sudo apparmor_parser -r /etc/apparmor.d/nono",
		}},
		"AppArmor on a runner": {runner, less, has, []string{"as a step of the job", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}},
		"the limit":            {set(doctor.SettingLimit, "0"), less, has, []string{"sudo sysctl -w user.max_user_namespaces=15000", "/etc/sysctl.d/"}},
		"Debian's setting":     {set(doctor.SettingDebian, "0"), less, has, []string{"sudo sysctl -w kernel.unprivileged_userns_clone=1"}},
		"a container's host":   {inner, less, has, []string{"on the container's host: sudo sysctl -w kernel.unprivileged_userns_clone=1"}},
		"docker":               {walled("docker", ""), less, has, []string{"docker run --security-opt seccomp=unconfined", "systempaths=unconfined"}},
		"podman":               {walled("podman", ""), less, has, []string{"podman run", "unmask=ALL"}},
		"a pod":                {walled("kubernetes", ""), less, has, []string{"hostUsers: false", "procMount: Unmasked"}},
		"LXC":                  {walled("lxc", ""), less, has, []string{"security.nesting true"}},
		"nspawn":               {walled("systemd-nspawn", ""), less, has, []string{"--private-users=pick"}},
		"another container":    {walled("container", ""), less, has, []string{"its /proc whole"}},
		"GitHub's container":   {walled("docker", "github"), less, has, []string{"container:", "options: --security-opt"}},
		"GitLab's container":   {walled("docker", "gitlab"), less, has, []string{"[runners.docker]", "security_opt"}},
		"a service": {
			doctor.Host{Service: "agent.service"},
			less, has,
			[]string{"agent.service", "RestrictNamespaces=no", "ProtectKernelTunables=no"},
		},
		"root without capabilities": {doctor.Host{NoCapabilities: true}, less, has, []string{"ordinary user"}},
		"nono in nono":              {doctor.Host{Inside: true}, less, has, []string{"run the command itself"}},
		"WSL 1":                     {doctor.Host{WSL: 1}, none, doctor.Known(0), []string{"wsl --set-version"}},
		"an old kernel":             {doctor.Host{Kernel: "5.10.0"}, none, doctor.Known(0), []string{"5.13"}},
		"booted without Landlock": {
			doctor.Host{Kernel: "6.1.0", Modules: []string{"capability", "yama"}},
			none, doctor.Known(0),
			[]string{"lsm=landlock,capability,yama"},
		},
		"Landlock off":           {doctor.Host{Kernel: "6.1.0", Filtered: true}, none, doctor.Landlock{Off: true}, []string{"lsm=landlock,..."}},
		"Landlock filtered":      {doctor.Host{Kernel: "6.1.0", Filtered: true}, none, doctor.Known(0), []string{"landlock_create_ruleset"}},
		"built without Landlock": {doctor.Host{Kernel: "6.1.0"}, none, doctor.Known(0), []string{"CONFIG_SECURITY_LANDLOCK"}},
	} {
		var text strings.Builder
		for _, r := range doctor.Remedies(c.host, c.sandbox, c.landlock) {
			text.WriteString(r.What + "\n" + strings.Join(r.Do, "\n") + "\n")
		}
		rest := text.String()
		for _, part := range c.want {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%s: %q is not in, or not there in\n%s", name, part, text.String())
			}
			rest = after
		}
		if len(c.want) == 0 && text.Len() > 0 {
			t.Errorf("%s: \n%s", name, text.String())
		}
	}
}

// TestJudge: what a plan says of the sample's rules is what is told, in the order of the meanings,
// and nothing of where the sample lay.
func TestJudge(t *testing.T) {
	rule := func(id, path string, held sdk.Held, by string) plan.Rule {
		return plan.Rule{ID: policy.RuleID(id), Path: path, Says: "deny " + path, Held: held, By: by}
	}
	p := &plan.Plan{Host: sdk.Host{Tier: sdk.TierA}, Rules: []plan.Rule{
		rule("filesystem.read.0", "/usr", sdk.Enforced, "x"),
		rule("filesystem.deny.0", "/tmp/s/project/denied", sdk.Partial, "masked"),
		rule("filesystem.allow.0", "/tmp/s/project", sdk.Enforced, "bind"),
		rule("credentials.sample", "", sdk.Enforced, "a token for file:///tmp/s/key"),
		{ID: "base.proc", Says: "a fresh /proc", Held: sdk.Enforced, By: "mount", Source: policy.Source{Origin: policy.OriginBase}},
	}}
	want := doctor.Sandbox{Tier: sdk.TierA, Restrictions: []doctor.Restriction{
		{ID: "filesystem.allow.0", Says: "a directory that you grant, of which you deny something", Held: sdk.Enforced, By: "bind"},
		{ID: "filesystem.deny.0", Says: "a file that you deny in it", Held: sdk.Partial, By: "masked"},
		{ID: "credentials.sample", Says: "a key that the agent uses and does not have", Held: sdk.Enforced, By: "a token for file://key"},
		{ID: "base.proc", Says: "a fresh /proc", Held: sdk.Enforced, By: "mount"},
	}}
	got := doctor.Judge(p, nil, "/tmp/s")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.Host.Tier, p.Fallback = sdk.TierB, &plan.Fallback{Reason: "no namespaces", Try: "make some"}
	want.Tier, want.Why, want.Try, want.Refused = sdk.TierB, "no namespaces", "make some", true
	if diff := cmp.Diff(want, doctor.Judge(p, nil, "/tmp/s")); diff != "" {
		t.Errorf("in tier B: (-want +got)\n%s", diff)
	}
	if holes := holes(got); len(holes) != 1 || holes[0].ID != "filesystem.deny.0" {
		t.Errorf("the holes are %v", holes)
	}
}

func TestJudgeARefusal(t *testing.T) {
	host := session.HostProblem(&launch.UnavailableError{Reason: "no namespaces", Try: "make some"})
	var problem diag.Problem
	if !errors.As(host, &problem) {
		t.Fatal(host)
	}
	for _, c := range []struct {
		err  error
		want doctor.Sandbox
	}{
		{host, doctor.Sandbox{Why: "no namespaces", Try: "make some", Refused: true}},
		{diag.Problems{problem}, doctor.Sandbox{Why: "no namespaces", Try: "make some", Refused: true}},
		{diag.Errorf("another build").Try("install"), doctor.Sandbox{Why: "another build", Try: "install"}},
		{errors.New("lost"), doctor.Sandbox{Why: "lost"}},
	} {
		if diff := cmp.Diff(c.want, doctor.Judge(nil, c.err, "/x")); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", c.err, diff)
		}
	}
}

// TestNotes: what nobody may trace takes from a run is more where core would look into the agent.
func TestNotes(t *testing.T) {
	const calls = "nor can nono make calls for the agent"
	for _, c := range []struct {
		scope string
		tier  sdk.Tier
		want  []string
		not   string
	}{
		{"1", sdk.TierB, nil, "ptrace_scope"},
		{"2", sdk.TierA, []string{"ptrace_scope is 2", "debuggers do not work"}, calls},
		{"2", sdk.TierB, []string{"ptrace_scope is 2", "debuggers do not work", calls}, "until the machine"},
		{"3", sdk.TierB, []string{"ptrace_scope is 3, until the machine starts again", calls}, "is 2"},
	} {
		h := doctor.Host{Settings: map[string]string{doctor.SettingYama: c.scope}, Delegated: true}
		notes := strings.Join(doctor.Notes(h, c.tier), "\n")
		for _, want := range c.want {
			if !strings.Contains(notes, want) {
				t.Errorf("%s, %s: %q is not in %q", c.scope, c.tier, want, notes)
			}
		}
		if strings.Contains(notes, c.not) {
			t.Errorf("%s, %s: %q is in %q", c.scope, c.tier, c.not, notes)
		}
	}
}

// TestWithout: where nothing can be reached, all that is about it is said not to be held.
func TestWithout(t *testing.T) {
	s := doctor.Sandbox{Tier: sdk.TierB, Restrictions: []doctor.Restriction{{ID: "filesystem.deny.0", Held: sdk.Enforced}}}
	s.Without(diag.Errorf("there is a listener already"))
	var ids []string
	for _, r := range holes(s) {
		ids = append(ids, r.ID)
		if r.Why != "there is a listener already" || r.Says == "" {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"network.allow", "network.loopback", "network.listen", "credentials"}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
}

func TestCode(t *testing.T) {
	held := doctor.Restriction{Held: sdk.Enforced}
	for want, reports := range map[int][]doctor.Report{
		doctor.Whole: {{Sandbox: doctor.Sandbox{Tier: sdk.TierA, Restrictions: []doctor.Restriction{held}}}},
		doctor.Less: {
			{Sandbox: doctor.Sandbox{Tier: sdk.TierB, Restrictions: []doctor.Restriction{held}}},
			{Sandbox: doctor.Sandbox{Tier: sdk.TierA, Restrictions: []doctor.Restriction{held, {Held: sdk.Partial}}}},
		},
		doctor.None: {{}, {Sandbox: doctor.Sandbox{Tier: sdk.TierA}, Wrong: "a line"}},
	} {
		for _, r := range reports {
			if got := r.Code(); got != want {
				t.Errorf("%+v: %d, want %d", r, got, want)
			}
		}
	}
}

// TestNext: the last line is what brings one further on this host.
func TestNext(t *testing.T) {
	none := doctor.Sandbox{Why: "refused", Refused: true}
	limited := doctor.Host{Settings: map[string]string{doctor.SettingLimit: "0"}}
	whole := doctor.Sandbox{Tier: sdk.TierA}
	codex := []doctor.Tool{{Name: "claude"}, {Name: "codex", Inside: true}}
	for want, c := range map[string]struct {
		report doctor.Report
		agent  bool
	}{
		"nono run --allow-cwd -- python3 my_agent.py":   {report: doctor.Report{Sandbox: whole}},
		"nono run --profile codex --allow-cwd -- codex": {report: doctor.Report{Sandbox: whole, Tools: codex}},
		"nono plan -c agent.hcl":                        {doctor.Report{Sandbox: whole, Tools: codex}, true},
		"sudo sysctl -w user.max_user_namespaces=15000": {doctor.Report{Sandbox: none, Host: limited, Landlock: doctor.Known(7)}, true},
		"nono help doctor":                              {report: doctor.Report{Sandbox: none, Landlock: doctor.Known(7)}},
		"nono help agent.hcl":                           {doctor.Report{Sandbox: whole, Wrong: "a line"}, true},
		"nono why --self --path . --op write":           {doctor.Report{Sandbox: whole, Host: doctor.Host{Inside: true}}, true},
	} {
		if c.report.Conclude(c.agent); c.report.Next != want {
			t.Errorf("%q, want %q", c.report.Next, want)
		}
	}
}

// TestHeardOf: what the layer says of the keyring.
func TestHeardOf(t *testing.T) {
	for _, c := range []struct {
		ended      bool
		out, wrong string
		want       doctor.Keyring
	}{
		{true, `{"keys":["openai","x"]}`, "", doctor.Keyring{Reachable: true, Keys: 2}},
		{false, "", "nono: credproxy: there is no session bus\n", doctor.Keyring{Why: "there is no session bus"}},
		{false, "", "something else\n", doctor.Keyring{Why: "something else"}},
		{false, "", "", doctor.Keyring{Why: "it does not say why"}},
	} {
		if got := doctor.HeardOf(c.ended, c.out, c.wrong); got != c.want {
			t.Errorf("%q, %q: %+v, want %+v", c.out, c.wrong, got, c.want)
		}
	}
	if k := doctor.HeardOf(true, "no JSON", ""); k.Reachable {
		t.Error("what is no JSON was understood")
	}
}

// TestFeatures: the versions follow each other, and each is lacked until the kernel has it.
func TestFeatures(t *testing.T) {
	for i, f := range doctor.Features() {
		if f.ABI != i+1 {
			t.Errorf("version %d stands at %d", f.ABI, i+1)
		}
	}
	lacks := doctor.Known(5).Lacks
	if !slices.ContainsFunc(lacks, func(f doctor.Feature) bool { return f.ABI == 6 }) || lacks[0].ABI != 6 {
		t.Errorf("version 5 lacks %v", lacks)
	}
}

// TestDocumented: the table in docs/hosts.md is this one.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range doctor.Features() {
		row := fmt.Sprintf("| %d | %s | %s | %s | %s |\n", f.ABI, f.Kernel, f.Can, f.WithoutA, f.WithoutB)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/hosts.md has no line\n%s", row)
		}
	}
}

// TestPrint: what is not held says why, whatever is printed can be a line of a terminal, and the
// last line is what to type next.
func TestPrint(t *testing.T) {
	r := &doctor.Report{
		Host:     look(map[string]string{"proc/sys/kernel/core_pattern": "@/run/\x1b[31mcrash"}, 1000),
		Landlock: doctor.Known(4), Keyring: doctor.Keyring{Why: "there is no session bus"},
		Tools: []doctor.Tool{
			{Name: "claude", Path: "/home/ada/bin/claude", Inside: true},
			{Name: "go", Path: "/opt/go/bin/go", Why: "/opt/go is not granted", Try: "--read /opt/go"},
		},
		Directories: []doctor.Directory{{For: "settings", Path: "/home/ada/.config/nono", From: "XDG_CONFIG_HOME", Why: "you may not write in /home/ada"}},
		Sandbox: doctor.Sandbox{Tier: sdk.TierB, Why: "user namespaces are switched off", Restrictions: []doctor.Restriction{
			{Says: "a file that you deny", Held: sdk.Enforced, By: "Landlock"},
			{Says: "other processes", Held: sdk.Partial, By: "scopes", Why: "their command lines are seen"},
			{Says: "a network of its own", Held: sdk.Unavailable, Why: "there is none"},
		}},
	}
	r.Conclude(false)
	var out strings.Builder
	if err := doctor.Print(&out, r, "/home/ada", false); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"  kernel                    6.12.0, Some Linux 1\n", "  Landlock                  version 4\n",
		"  sandbox                   tier B, without namespaces: user namespaces are switched off\n",
		"not to be had: there is no session bus; keys can be in a file",
		"  held      a file that you deny  Landlock\n",
		"  in part   other processes       scopes\n            their command lines are seen\n",
		"  not held  a network of its own\n            there is none\n",
		"  Linux 6.12  signals and abstract Unix sockets kept within  the agent can signal your other processes\n",
		"  claude  ~/bin/claude    works inside\n", "does not, by itself: /opt/go is not granted; --read /opt/go\n",
		"  ~/.config/nono  settings  by XDG_CONFIG_HOME; you may not write in /home/ada\n",
		"a crash inside is handed to this machine's handler",
		"\nnext: nono run --profile claude-code --allow-cwd -- claude\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in", want)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("what the host says reaches the terminal raw")
	}
	if t.Failed() {
		t.Log("\n" + text)
	}
}

// holes are the restrictions that are not held whole.
func holes(s doctor.Sandbox) []doctor.Restriction {
	return slices.DeleteFunc(slices.Clone(s.Restrictions), func(r doctor.Restriction) bool {
		return r.Held == sdk.Enforced
	})
}
