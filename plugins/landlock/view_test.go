package landlock

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// rules builds a policy from lines such as "allow /home/ada/proj", with "default" in front for a default rule and "as NAME" behind
// for a path that was asked for by another name. The id is the line's access and number: "allow.0".
func rules(t fakeTree, lines ...string) *policy.Policy {
	var p policy.Policy
	for i, line := range lines {
		words := strings.Fields(line)
		source := policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: i + 1, Column: 1}
		if words[0] == "default" {
			source, words = policy.Source{Origin: policy.OriginDefault}, words[1:]
		}
		r := policy.PathRule{
			ID: policy.RuleID(fmt.Sprintf("%s.%d", words[0], i)), Source: source,
			Access: policy.Access(words[0]), Path: words[1], Type: policy.Missing,
		}
		if n, err := t.Lstat(r.Path); err == nil && n.exists() {
			r.Type = n.kind
		}
		if len(words) == 4 {
			r.Name = words[3]
		}
		p.Filesystem = append(p.Filesystem, r)
	}
	return &p
}

// ada is the request of a user in her project, without Landlock: the view alone.
func ada(p *policy.Policy) request {
	return request{policy: p, home: "/home/ada", dir: "/home/ada/proj", privateSize: 64 << 20}
}

// show writes a step in a line.
func show(s fragment.Step) string {
	flags := func(parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
	}
	when := func(on bool, s string) string {
		if on {
			return s
		}
		return ""
	}
	for_ := ""
	if s.Rule() != "" {
		for_ = "(" + string(s.Rule()) + ")"
	}
	switch s := s.(type) {
	case fragment.Bind:
		return flags("bind", s.Path, when(s.Writable, "writable"), when(s.NoExec, "noexec"), when(s.Devices, "devices"), for_)
	case fragment.Mask:
		return flags("mask", s.Path, when(s.Directory, "directory"), when(s.Readable, "readable"), for_)
	case fragment.Tmpfs:
		return flags("tmpfs", s.Path, fmt.Sprint(s.Mode), when(s.Report, "report"), for_)
	case fragment.Link:
		return flags("link", s.Path, "->", s.Target, for_)
	case fragment.Landlock:
		return flags("landlock", s.Path, strings.Join(strings.Fields(fmt.Sprint(s.Rights)), ","), for_)
	}
	return fmt.Sprintf("%T", s)
}

// What every session of ada's has of its own.
const (
	privateHome = "tmpfs /home/ada -rwx------ report"
	privateTmp  = "tmpfs /tmp trwxrwxrwx"
	privateVar  = "tmpfs /var/tmp trwxrwxrwx"
)

func TestView(t *testing.T) {
	tree := newTree(
		"/bin -> usr/bin", "/usr/bin/", "/usr/local/etc/", "/etc/hosts", "/dev/kvm!", "/dev/null!", "/dev/dri/", "/proc/cpuinfo",
		"/etc/localtime -> /usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/UTC",
		"/tmp/x/proj/", "/var/tmp/",
		"/data/out/", "/home/ada/code -> /data",
		"/home/ada/.ssh/id", "/home/ada/.aws -> /data/aws", "/data/aws/", "/home/ada/.npmrc", "/home/ada/.config/gcloud/", "/home/ada/.config/x",
		"/home/ada/proj/.git/hooks/", "/home/ada/proj/.git/config", "/home/ada/proj/.env", "/home/ada/proj/a/b/c/d", "/home/ada/proj/out/",
		"/home/ada/proj/bin/run",
	)
	tests := []struct {
		name  string
		rules []string
		want  []string
		// the request, where it is not ada's usual one
		dir, home, tmpdir string
	}{
		{
			name: "an empty policy has an empty home, a temporary directory and an empty current directory",
			want: []string{privateHome, "tmpfs /home/ada/proj -r-xr-xr-x", privateTmp, privateVar},
		},
		{
			name:  "each grant is bound with its own rights",
			rules: []string{"read /usr", "allow /home/ada/proj", "write /data/out"},
			want:  []string{"bind /data/out writable noexec (write.2)", privateHome, "bind /home/ada/proj writable (allow.1)", privateTmp, "bind /usr (read.0)", privateVar},
		},
		{
			name:  "a grant that adds nothing to the one above it has no mount",
			rules: []string{"allow /home/ada/proj", "read /home/ada/proj/a", "allow /home/ada/proj/a/b", "read /home/ada/proj/bin/run"},
			want:  []string{privateHome, "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "nested grants unite",
			rules: []string{"read /home/ada/proj", "write /home/ada/proj/a", "write /data", "read /data/out"},
			want: []string{
				"bind /data writable noexec (write.2)", "bind /data/out writable (read.3)", privateHome, "bind /home/ada/proj (read.0)",
				"bind /home/ada/proj/a writable (write.1)", privateTmp, privateVar,
			},
		},
		{
			name:  "a file is granted alone",
			rules: []string{"read /etc/hosts", "allow /home/ada/proj"},
			want:  []string{"bind /etc/hosts (read.0)", privateHome, "bind /home/ada/proj writable (allow.1)", privateTmp, privateVar},
		},
		{
			name:  "what is missing is left out, granted or denied or protected",
			rules: []string{"allow /home/ada/proj", "read /nowhere", "deny /home/ada/proj/none", "protect /home/ada/proj/nothing/at/all", "default deny /home/ada/.gnupg"},
			want:  []string{privateHome, "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "a link to what is granted works, unless a bind shows it",
			rules: []string{"read /usr as /bin", "read /usr/share/zoneinfo/UTC as /etc/localtime", "allow /data/out as /home/ada/code/out", "allow /home/ada/proj"},
			want: []string{
				"bind /data/out writable (allow.2)", privateHome, "bind /home/ada/proj writable (allow.3)", privateTmp, "bind /usr (read.0)", privateVar,
				"link /bin -> usr/bin (read.0)", "link /etc/localtime -> /usr/share/zoneinfo/UTC (read.1)", "link /home/ada/code -> /data (allow.2)",
			},
		},
		{
			name:  "granting the home gives the real one",
			rules: []string{"allow /home/ada"},
			want:  []string{"bind /home/ada writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "a denial inside a grant is a mask: readable for a default file, without rights for the user's own; what is above it is pinned",
			rules: []string{"allow /home/ada", "default deny /home/ada/.npmrc", "default deny /home/ada/.ssh", "deny /home/ada/proj/.env", "default deny /home/ada/.config/gcloud"},
			want: []string{
				"bind /home/ada writable (allow.0)", "bind /home/ada/.config writable (deny.4)", "mask /home/ada/.config/gcloud directory (deny.4)",
				"mask /home/ada/.npmrc readable (deny.1)", "mask /home/ada/.ssh directory (deny.2)",
				"bind /home/ada/proj writable (deny.3)", "mask /home/ada/proj/.env (deny.3)", privateTmp, privateVar,
			},
		},
		{
			name: "outside every grant a directory denied by default is a stub, and everything else is not there",
			rules: []string{
				"allow /home/ada/proj", "default deny /home/ada/.ssh", "default deny /home/ada/.npmrc", "deny /home/ada/.config",
				"default deny /data/aws as /home/ada/.aws",
			},
			want: []string{
				"mask /data/aws directory (deny.4)", privateHome, "mask /home/ada/.ssh directory (deny.1)", "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar,
				"link /home/ada/.aws -> /data/aws (deny.4)",
			},
		},
		{
			name:  "the user's own denial of what is denied by default keeps the stub",
			rules: []string{"allow /home/ada/proj", "default deny /home/ada/.ssh", "deny /home/ada/.ssh"},
			want:  []string{privateHome, "mask /home/ada/.ssh directory (deny.2)", "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "a denial beats a deeper grant, and a protection beneath it is dropped",
			rules: []string{"allow /home/ada", "deny /home/ada/proj", "allow /home/ada/proj/a", "protect /home/ada/proj/.git"},
			want:  []string{"bind /home/ada writable (allow.0)", "mask /home/ada/proj directory (deny.1)", privateTmp, privateVar},
			dir:   "/home/ada",
		},
		{
			name:  "a denial outside every grant beats a deeper grant",
			rules: []string{"deny /data", "allow /data/out", "allow /home/ada/proj"},
			want:  []string{privateHome, "bind /home/ada/proj writable (allow.2)", privateTmp, privateVar},
		},
		{
			name:  "a protected path is bound read-only, and what lies between it and the grant is pinned",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj/.git/hooks", "protect /home/ada/proj/a/b/c/d"},
			want: []string{
				privateHome, "bind /home/ada/proj writable (allow.0)", "bind /home/ada/proj/.git writable (protect.1)", "bind /home/ada/proj/.git/hooks (protect.1)",
				"bind /home/ada/proj/a writable (protect.2)", "bind /home/ada/proj/a/b writable (protect.2)", "bind /home/ada/proj/a/b/c writable (protect.2)",
				"bind /home/ada/proj/a/b/c/d (protect.2)", privateTmp, privateVar,
			},
		},
		{
			name:  "a protection keeps writing from a deeper grant, and execution from one that has none",
			rules: []string{"write /home/ada/proj", "protect /home/ada/proj/a", "write /home/ada/proj/a/b"},
			want:  []string{privateHome, "bind /home/ada/proj writable noexec (write.0)", "bind /home/ada/proj/a noexec (protect.1)", privateTmp, privateVar},
		},
		{
			name:  "a protection at the grant itself",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj"},
			want:  []string{privateHome, "bind /home/ada/proj (protect.1)", privateTmp, privateVar},
		},
		{
			name:  "a protection where nothing is writable needs nothing",
			rules: []string{"read /home/ada/proj", "protect /home/ada/proj/.git/hooks", "protect /data"},
			want:  []string{privateHome, "bind /home/ada/proj (read.0)", privateTmp, privateVar},
		},
		{
			name:  "a pin reaches past a grant in between, which a rename above it would move",
			rules: []string{"write /home/ada/proj", "read /home/ada/proj/a/b", "protect /home/ada/proj/a/b/c"},
			want: []string{
				privateHome, "bind /home/ada/proj writable noexec (write.0)", "bind /home/ada/proj/a writable noexec (protect.2)",
				"bind /home/ada/proj/a/b writable (protect.2)", "bind /home/ada/proj/a/b/c (protect.2)", privateTmp, privateVar,
			},
		},
		{
			name:  "a mask beneath a protection",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj/.git", "deny /home/ada/proj/.git/config"},
			want: []string{
				privateHome, "bind /home/ada/proj writable (allow.0)", "bind /home/ada/proj/.git (protect.1)", "mask /home/ada/proj/.git/config (deny.2)",
				privateTmp, privateVar,
			},
		},
		{
			name:  "the whole root, to read: the home is the real one, and there is still a place to write",
			rules: []string{"read /", "allow /home/ada/proj", "default deny /usr/local/etc", "default deny /home/ada/.ssh"},
			want: []string{
				"bind / (read.0)", "mask /home/ada/.ssh directory (deny.3)", "bind /home/ada/proj writable (allow.1)", privateTmp,
				"mask /usr/local/etc directory (deny.2)", privateVar,
			},
			tmpdir: "/run/user/1000/missing",
		},
		{
			name:  "the whole root, to write",
			rules: []string{"allow /", "default deny /home/ada/.ssh"},
			want:  []string{"bind / writable (allow.0)", "bind /home writable (deny.1)", "bind /home/ada writable (deny.1)", "mask /home/ada/.ssh directory (deny.1)"},
		},
		{
			name:  "a granted /tmp is the host's",
			rules: []string{"allow /tmp", "read /var/tmp", "allow /home/ada/proj"},
			want:  []string{privateHome, "bind /home/ada/proj writable (allow.2)", "bind /tmp writable (allow.0)", "bind /var/tmp (read.1)"},
		},
		{
			name:  "a project in /tmp, a home in it, and a TMPDIR beneath it",
			rules: []string{"allow /tmp/x/proj"},
			want:  []string{privateTmp, "tmpfs /tmp/x/home -rwx------ report", "bind /tmp/x/proj writable (allow.0)", "tmpfs /tmp/x/t -rwx------", privateVar},
			dir:   "/tmp/x/proj", home: "/tmp/x/home", tmpdir: "/tmp/x/t",
		},
		{
			name:  "a TMPDIR that a grant makes writable is left alone, and one that is nonsense too",
			rules: []string{"allow /home/ada/proj"}, tmpdir: "/home/ada/proj/out",
			want: []string{privateHome, "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{name: "a relative TMPDIR", rules: []string{"allow /home/ada/proj"}, tmpdir: "tmp", want: []string{privateHome, "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar}},
		{name: "TMPDIR is /dev/shm", rules: []string{"allow /home/ada/proj"}, tmpdir: "/dev/shm", want: []string{privateHome, "bind /home/ada/proj writable (allow.0)", privateTmp, privateVar}},
		{
			name: "a home behind a link", home: "/home/ada/code", dir: "/data/out",
			want: []string{"tmpfs /data -rwx------ report", "tmpfs /data/out -r-xr-xr-x", privateTmp, privateVar, "link /home/ada/code -> /data"},
		},
		{
			name: "a current directory that leads to a grant exists already", rules: []string{"allow /home/ada/proj/a/b"},
			want: []string{privateHome, "bind /home/ada/proj/a/b writable (allow.0)", privateTmp, privateVar},
		},
		{name: "a current directory in /proc", dir: "/proc", want: []string{privateHome, privateTmp, privateVar}},
		{name: "the root as current directory", dir: "/", want: []string{privateHome, privateTmp, privateVar}},
		{
			name:  "devices: those that are asked for; what core makes is left to core",
			rules: []string{"allow /dev/kvm", "read /dev/dri", "default read /dev/null", "read /proc/cpuinfo", "allow /dev", "allow /home/ada/proj"},
			want:  []string{"bind /dev/dri writable devices (read.1)", "bind /dev/kvm writable devices (allow.0)", privateHome, "bind /home/ada/proj writable (allow.5)", privateTmp, privateVar},
		},
		{
			name:  "a device that is denied is masked, for core may have put it there",
			rules: []string{"deny /dev/null", "allow /home/ada/proj"},
			want:  []string{"mask /dev/null (deny.0)", privateHome, "bind /home/ada/proj writable (allow.1)", privateTmp, privateVar},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := ada(rules(tree, test.rules...))
			for _, set := range []struct {
				field *string
				value string
			}{{&req.dir, test.dir}, {&req.home, test.home}, {&req.tmpdir, test.tmpdir}} {
				if set.value != "" {
					*set.field = set.value
				}
			}
			got := compile(tree, req)
			var lines []string
			for _, s := range got.Fragment.Steps {
				lines = append(lines, show(s))
			}
			if d := cmp.Diff(test.want, lines); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
			for _, d := range got.Diagnostics {
				if d.Severity == sdk.SeverityError {
					t.Errorf("unexpected error: %+v", d)
				}
			}
		})
	}
}

// A bind carries what the layer looked at, so that nono-init can refuse to bind anything else.
func TestBindsCarryDeviceAndInode(t *testing.T) {
	tree := newTree("/home/ada/proj/a/b")
	got := compile(tree, ada(rules(tree, "allow /home/ada/proj", "protect /home/ada/proj/a/b")))
	binds := 0
	for _, s := range got.Fragment.Steps {
		b, ok := s.(fragment.Bind)
		if !ok {
			continue
		}
		binds++
		want := tree[b.Path].node
		if b.Device != want.device || b.Inode != want.inode || b.Inode == 0 {
			t.Errorf("%s: device %d, inode %d; want %d, %d", b.Path, b.Device, b.Inode, want.device, want.inode)
		}
	}
	if binds != 3 { // the grant, the pin, the protection
		t.Errorf("%d binds, want 3", binds)
	}
}

func TestLandlockRules(t *testing.T) {
	tree := newTree("/usr/bin/", "/dev/kvm!", "/home/ada/proj/.git/hooks/", "/home/ada/proj/a/", "/data/out/bin/", "/home/ada/.ssh/")
	p := rules(tree, "read /usr", "allow /home/ada/proj", "read /home/ada/proj/a", "protect /home/ada/proj/.git/hooks", "write /data/out",
		"read /data/out/bin", "allow /dev/kvm", "default deny /home/ada/.ssh", "allow /home/ada/.ssh")
	req := ada(p)
	req.landlock = true
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
	for _, s := range compile(tree, req).Fragment.Steps {
		if _, ok := s.(fragment.Landlock); ok {
			got = append(got, show(s))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Landlock rules (-want +got):\n%s", d)
	}

	req.landlock = false
	without := compile(tree, req)
	for _, s := range without.Fragment.Steps {
		if _, ok := s.(fragment.Landlock); ok {
			t.Errorf("a kernel without Landlock is given %s", show(s))
		}
	}
	if len(without.Diagnostics) == 0 || !strings.Contains(without.Diagnostics[len(without.Diagnostics)-1].Summary, "no Landlock") {
		t.Errorf("nobody says that the kernel has no Landlock: %v", without.Diagnostics)
	}
}

func TestDiagnostics(t *testing.T) {
	tree := newTree(
		"/home/ada/proj/.env *2", "/home/ada/proj/settings.json *2", "/home/ada/proj/lone", "/home/ada/.netrc *2", "/home/ada/.ssh/id",
		"/home/ada/proj/shut/ closed", "/home/ada/proj/shut/key", "/root/ closed", "/root/file", "/home/ada/proj/swapped -> /etc", "/proc/cpuinfo",
	)
	tests := []struct {
		name  string
		rules []string
		want  []string
	}{
		{"nothing to say", []string{"allow /home/ada/proj", "deny /home/ada/proj/lone", "protect /home/ada/proj/lone"}, nil},
		{
			"another name of a denied file",
			[]string{"allow /home/ada/proj", "deny /home/ada/proj/.env"},
			[]string{"warning deny.1: /home/ada/proj/.env has another name (a hard link), under which it can be read or changed if that lies in a grant"},
		},
		{
			"another name of a protected file",
			[]string{"allow /home/ada/proj", "protect /home/ada/proj/settings.json"},
			[]string{"warning protect.1: /home/ada/proj/settings.json has another name (a hard link), under which it can be changed if that lies in a grant"},
		},
		{"another name of what no grant shows", []string{"allow /home/ada/proj", "default deny /home/ada/.netrc"}, nil},
		{
			"a grant beneath a denial",
			[]string{"allow /home/ada/proj", "default deny /home/ada/.ssh", "read /home/ada/.ssh/id"},
			[]string{"warning read.2: the grant of /home/ada/.ssh/id gives nothing: /home/ada/.ssh is denied by default"},
		},
		{
			"a denied path inside a grant that cannot be looked at",
			[]string{"allow /home/ada/proj", "deny /home/ada/proj/shut/key"},
			[]string{"error deny.1: cannot hide or protect what cannot be looked at: lstat /home/ada/proj/shut/key: permission denied"},
		},
		{"a denied path outside every grant that cannot be looked at", []string{"allow /home/ada/proj", "deny /root/file", "default deny /root/.ssh"}, nil},
		{
			"a granted path that cannot be looked at",
			[]string{"allow /home/ada/proj", "read /root/file", "default read /root/lib"},
			[]string{"warning read.1: cannot grant what cannot be looked at: lstat /root/file: permission denied"},
		},
		{
			"a path that became a link",
			[]string{"allow /home/ada/proj", "protect /home/ada/proj/swapped"},
			[]string{"error protect.1: the path became a symbolic link while the plan was made: /home/ada/proj/swapped"},
		},
		{
			"what is core's",
			[]string{"allow /home/ada/proj", "read /proc/cpuinfo"},
			[]string{"warning read.1: /proc/cpuinfo is not the host's inside: the session has its own"},
		},
		{"a current directory that is denied", []string{"deny /home/ada"}, []string{"error deny.0: cannot start in /home/ada/proj: it is denied"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := ada(rules(tree, test.rules...))
			req.landlock = true
			var got []string
			for _, d := range compile(tree, req).Diagnostics {
				got = append(got, fmt.Sprintf("%s %s: %s", d.Severity, d.Rule, d.Summary))
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("diagnostics (-want +got):\n%s", d)
			}
		})
	}

	t.Run("a grant that became something else", func(t *testing.T) {
		p := rules(tree, "allow /home/ada/proj", "read /home/ada/proj/lone")
		p.Filesystem[1].Type = policy.Directory
		got := compile(tree, ada(p)).Diagnostics
		if len(got) == 0 || got[0].Severity != sdk.SeverityError || got[0].Rule != "read.1" {
			t.Errorf("%+v, want an error at read.1", got)
		}
	})
}

func TestCoverage(t *testing.T) {
	tree := newTree("/usr/", "/data/", "/home/ada/proj/.git/hooks/", "/home/ada/proj/.env", "/home/ada/proj/set.json", "/home/ada/.ssh/", "/home/ada/.npmrc", "/proc/cpuinfo")
	p := rules(tree, "read /usr", "allow /home/ada/proj", "write /data", "read /missing", "deny /home/ada/proj/.env", "default deny /home/ada/.ssh",
		"default deny /home/ada/.npmrc", "deny /gone", "protect /home/ada/proj/.git/hooks", "protect /home/ada/proj/set.json", "protect /home/ada/proj/none",
		"deny /proc/cpuinfo", "default read /dev/null")
	p.Filesystem = append(p.Filesystem, policy.PathRule{ID: "odd.13", Access: "odd", Path: "/usr/odd"})
	req := ada(p)
	req.landlock = true
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
	if d := cmp.Diff(want, compile(tree, req).Coverage); d != "" {
		t.Errorf("coverage (-want +got):\n%s", d)
	}
}
