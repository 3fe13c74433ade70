package places_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// ada is a user in her project.
func ada(tree hosttest.Tree, rules ...string) places.Input {
	return places.Input{
		Policy: tree.Policy(rules...), Home: "/home/ada", Dir: "/home/ada/proj",
		Lookup: lookup("", ""), Look: tree.Look,
	}
}

// lookup is an environment of one variable.
func lookup(name, value string) func(string) (string, bool) {
	return func(asked string) (string, bool) { return value, asked == name && name != "" }
}

// show writes each place and each link in a line.
func show(v places.View) []string {
	var lines []string
	for _, p := range v.Places {
		words := []string{string(p.Shows), p.Path}
		when := func(on bool, word string) {
			if on {
				words = append(words, word)
			}
		}
		host := p.Shows == places.Host
		when(p.Rights.Write, "writable")
		when(host && !p.Rights.Execute, "noexec")
		when(p.Devices, "devices")
		when(p.Shows == places.Hidden && p.Type == policy.Directory, "directory")
		when(p.Readable, "readable")
		when(p.Shows == places.Private, fmt.Sprint(p.Mode))
		when(p.Report, "report")
		when(p.Rule != "", "("+string(p.Rule)+")")
		lines = append(lines, strings.Join(words, " "))
	}
	for _, l := range v.Links {
		line := "link " + l.Path + " -> " + l.Target
		if l.Rule != "" {
			line += " (" + string(l.Rule) + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// What every session of ada's has of its own.
const (
	privateHome = "private /home/ada -rwx------ report"
	privateTmp  = "private /tmp trwxrwxrwx"
	privateVar  = "private /var/tmp trwxrwxrwx"
)

func TestView(t *testing.T) {
	tree := hosttest.New(
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
			want: []string{privateHome, "empty /home/ada/proj", privateTmp, privateVar},
		},
		{
			name:  "each grant is bound with its own rights",
			rules: []string{"read /usr", "allow /home/ada/proj", "write /data/out"},
			want:  []string{"host /data/out writable noexec (write.2)", privateHome, "host /home/ada/proj writable (allow.1)", privateTmp, "host /usr (read.0)", privateVar},
		},
		{
			name:  "a grant that adds nothing to the one above it has no mount",
			rules: []string{"allow /home/ada/proj", "read /home/ada/proj/a", "allow /home/ada/proj/a/b", "read /home/ada/proj/bin/run"},
			want:  []string{privateHome, "host /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "nested grants unite",
			rules: []string{"read /home/ada/proj", "write /home/ada/proj/a", "write /data", "read /data/out"},
			want: []string{
				"host /data writable noexec (write.2)", "host /data/out writable (read.3)", privateHome, "host /home/ada/proj (read.0)",
				"host /home/ada/proj/a writable (write.1)", privateTmp, privateVar,
			},
		},
		{
			name:  "a file is granted alone",
			rules: []string{"read /etc/hosts", "allow /home/ada/proj"},
			want:  []string{"host /etc/hosts (read.0)", privateHome, "host /home/ada/proj writable (allow.1)", privateTmp, privateVar},
		},
		{
			name:  "what is missing is left out, granted or denied or protected",
			rules: []string{"allow /home/ada/proj", "read /nowhere", "deny /home/ada/proj/none", "protect /home/ada/proj/nothing/at/all", "default deny /home/ada/.gnupg"},
			want:  []string{privateHome, "host /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "a link to what is granted works, unless a bind shows it",
			rules: []string{"read /usr as /bin", "read /usr/share/zoneinfo/UTC as /etc/localtime", "allow /data/out as /home/ada/code/out", "allow /home/ada/proj"},
			want: []string{
				"host /data/out writable (allow.2)", privateHome, "host /home/ada/proj writable (allow.3)", privateTmp, "host /usr (read.0)", privateVar,
				"link /bin -> usr/bin (read.0)", "link /etc/localtime -> /usr/share/zoneinfo/UTC (read.1)", "link /home/ada/code -> /data (allow.2)",
			},
		},
		{
			name:  "granting the home gives the real one",
			rules: []string{"allow /home/ada"},
			want:  []string{"host /home/ada writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "a denial inside a grant is a mask: readable for a default file, without rights for the user's own; what is above it is pinned",
			rules: []string{"allow /home/ada", "default deny /home/ada/.npmrc", "default deny /home/ada/.ssh", "deny /home/ada/proj/.env", "default deny /home/ada/.config/gcloud"},
			want: []string{
				"host /home/ada writable (allow.0)", "host /home/ada/.config writable (deny.4)", "hidden /home/ada/.config/gcloud directory (deny.4)",
				"hidden /home/ada/.npmrc readable (deny.1)", "hidden /home/ada/.ssh directory (deny.2)",
				"host /home/ada/proj writable (deny.3)", "hidden /home/ada/proj/.env (deny.3)", privateTmp, privateVar,
			},
		},
		{
			name: "outside every grant a directory denied by default is a stub, and everything else is not there",
			rules: []string{
				"allow /home/ada/proj", "default deny /home/ada/.ssh", "default deny /home/ada/.npmrc", "deny /home/ada/.config",
				"default deny /data/aws as /home/ada/.aws",
			},
			want: []string{
				"hidden /data/aws directory (deny.4)", privateHome, "hidden /home/ada/.ssh directory (deny.1)", "host /home/ada/proj writable (allow.0)", privateTmp, privateVar,
				"link /home/ada/.aws -> /data/aws (deny.4)",
			},
		},
		{
			name:  "the user's own denial of what is denied by default keeps the stub",
			rules: []string{"allow /home/ada/proj", "default deny /home/ada/.ssh", "deny /home/ada/.ssh"},
			want:  []string{privateHome, "hidden /home/ada/.ssh directory (deny.2)", "host /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "what is lifted out of a denial and granted is there, and nothing else that is denied",
			rules: []string{"allow /home/ada/proj", "default deny /home/ada/.config but /home/ada/.config/x", "read /home/ada/.config"},
			want: []string{
				privateHome, "private /home/ada/.config -rwx------ report (deny.1)", "host /home/ada/.config/x (read.2)",
				"host /home/ada/proj writable (allow.0)", privateTmp, privateVar,
			},
		},
		{
			name:  "the same in a grant of what lies above, which keeps its rights",
			rules: []string{"allow /home/ada", "default deny /home/ada/.config but /home/ada/.config/x"},
			want: []string{
				"host /home/ada writable (allow.0)", "private /home/ada/.config -rwx------ report (deny.1)",
				"host /home/ada/.config/x writable (allow.0)", privateTmp, privateVar,
			},
		},
		{
			name:  "a lift alone gives nothing: the denial is the same stub",
			rules: []string{"allow /home/ada/proj", "default deny /home/ada/.config but /home/ada/.config/x"},
			want:  []string{privateHome, "hidden /home/ada/.config directory (deny.1)", "host /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{
			name:  "what the user denies beneath what is lifted stays hidden",
			rules: []string{"allow /home/ada", "default deny /home/ada/proj but /home/ada/proj/a", "deny /home/ada/proj/a/b"},
			want: []string{
				"host /home/ada writable (allow.0)", "private /home/ada/proj -rwx------ report (deny.1)", "host /home/ada/proj/a writable (allow.0)",
				"hidden /home/ada/proj/a/b directory (deny.2)", privateTmp, privateVar,
			},
			dir: "/home/ada",
		},
		{
			name:  "a denial beats a deeper grant, and a protection beneath it is dropped",
			rules: []string{"allow /home/ada", "deny /home/ada/proj", "allow /home/ada/proj/a", "protect /home/ada/proj/.git"},
			want:  []string{"host /home/ada writable (allow.0)", "hidden /home/ada/proj directory (deny.1)", privateTmp, privateVar},
			dir:   "/home/ada",
		},
		{
			name:  "a denial outside every grant beats a deeper grant",
			rules: []string{"deny /data", "allow /data/out", "allow /home/ada/proj"},
			want:  []string{privateHome, "host /home/ada/proj writable (allow.2)", privateTmp, privateVar},
		},
		{
			name:  "a protected path is bound read-only, and what lies between it and the grant is pinned",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj/.git/hooks", "protect /home/ada/proj/a/b/c/d"},
			want: []string{
				privateHome, "host /home/ada/proj writable (allow.0)", "host /home/ada/proj/.git writable (protect.1)", "host /home/ada/proj/.git/hooks (protect.1)",
				"host /home/ada/proj/a writable (protect.2)", "host /home/ada/proj/a/b writable (protect.2)", "host /home/ada/proj/a/b/c writable (protect.2)",
				"host /home/ada/proj/a/b/c/d (protect.2)", privateTmp, privateVar,
			},
		},
		{
			name:  "a protection keeps writing from a deeper grant, and execution from one that has none",
			rules: []string{"write /home/ada/proj", "protect /home/ada/proj/a", "write /home/ada/proj/a/b"},
			want:  []string{privateHome, "host /home/ada/proj writable noexec (write.0)", "host /home/ada/proj/a noexec (protect.1)", privateTmp, privateVar},
		},
		{
			name:  "a protection at the grant itself",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj"},
			want:  []string{privateHome, "host /home/ada/proj (protect.1)", privateTmp, privateVar},
		},
		{
			name:  "a protection where nothing is writable needs nothing",
			rules: []string{"read /home/ada/proj", "protect /home/ada/proj/.git/hooks", "protect /data"},
			want:  []string{privateHome, "host /home/ada/proj (read.0)", privateTmp, privateVar},
		},
		{
			name:  "a pin reaches past a grant in between, which a rename above it would move",
			rules: []string{"write /home/ada/proj", "read /home/ada/proj/a/b", "protect /home/ada/proj/a/b/c"},
			want: []string{
				privateHome, "host /home/ada/proj writable noexec (write.0)", "host /home/ada/proj/a writable noexec (protect.2)",
				"host /home/ada/proj/a/b writable (protect.2)", "host /home/ada/proj/a/b/c (protect.2)", privateTmp, privateVar,
			},
		},
		{
			name:  "a mask beneath a protection",
			rules: []string{"allow /home/ada/proj", "protect /home/ada/proj/.git", "deny /home/ada/proj/.git/config"},
			want: []string{
				privateHome, "host /home/ada/proj writable (allow.0)", "host /home/ada/proj/.git (protect.1)", "hidden /home/ada/proj/.git/config (deny.2)",
				privateTmp, privateVar,
			},
		},
		{
			name:  "the whole root, to read: the home is the real one, and there is still a place to write",
			rules: []string{"read /", "allow /home/ada/proj", "default deny /usr/local/etc", "default deny /home/ada/.ssh"},
			want: []string{
				"host / (read.0)", "hidden /home/ada/.ssh directory (deny.3)", "host /home/ada/proj writable (allow.1)", privateTmp,
				"hidden /usr/local/etc directory (deny.2)", privateVar,
			},
			tmpdir: "/run/user/1000/missing",
		},
		{
			name:  "the whole root, to write",
			rules: []string{"allow /", "default deny /home/ada/.ssh"},
			want:  []string{"host / writable (allow.0)", "host /home writable (deny.1)", "host /home/ada writable (deny.1)", "hidden /home/ada/.ssh directory (deny.1)"},
		},
		{
			name:  "a granted /tmp is the host's",
			rules: []string{"allow /tmp", "read /var/tmp", "allow /home/ada/proj"},
			want:  []string{privateHome, "host /home/ada/proj writable (allow.2)", "host /tmp writable (allow.0)", "host /var/tmp (read.1)"},
		},
		{
			name:  "a project in /tmp, a home in it, and a TMPDIR beneath it",
			rules: []string{"allow /tmp/x/proj"},
			want:  []string{privateTmp, "private /tmp/x/home -rwx------ report", "host /tmp/x/proj writable (allow.0)", "private /tmp/x/t -rwx------", privateVar},
			dir:   "/tmp/x/proj", home: "/tmp/x/home", tmpdir: "/tmp/x/t",
		},
		{
			name:  "a TMPDIR that a grant makes writable is left alone, and one that is nonsense too",
			rules: []string{"allow /home/ada/proj"}, tmpdir: "/home/ada/proj/out",
			want: []string{privateHome, "host /home/ada/proj writable (allow.0)", privateTmp, privateVar},
		},
		{name: "a relative TMPDIR", rules: []string{"allow /home/ada/proj"}, tmpdir: "tmp", want: []string{privateHome, "host /home/ada/proj writable (allow.0)", privateTmp, privateVar}},
		{name: "TMPDIR is /dev/shm", rules: []string{"allow /home/ada/proj"}, tmpdir: "/dev/shm", want: []string{privateHome, "host /home/ada/proj writable (allow.0)", privateTmp, privateVar}},
		{
			name: "a home behind a link", home: "/home/ada/code", dir: "/data/out",
			want: []string{"private /data -rwx------ report", "empty /data/out", privateTmp, privateVar, "link /home/ada/code -> /data"},
		},
		{
			name: "a current directory that leads to a grant exists already", rules: []string{"allow /home/ada/proj/a/b"},
			want: []string{privateHome, "host /home/ada/proj/a/b writable (allow.0)", privateTmp, privateVar},
		},
		{name: "a current directory in /proc", dir: "/proc", want: []string{privateHome, privateTmp, privateVar}},
		{name: "the root as current directory", dir: "/", want: []string{privateHome, privateTmp, privateVar}},
		{
			name:  "devices: those that are asked for; what core makes is left to core",
			rules: []string{"allow /dev/kvm", "read /dev/dri", "default read /dev/null", "read /proc/cpuinfo", "allow /dev", "allow /home/ada/proj"},
			want:  []string{"host /dev/dri writable devices (read.1)", "host /dev/kvm writable devices (allow.0)", privateHome, "host /home/ada/proj writable (allow.5)", privateTmp, privateVar},
		},
		{
			name:  "a device that is denied is masked, for core may have put it there",
			rules: []string{"deny /dev/null", "allow /home/ada/proj"},
			want:  []string{"hidden /dev/null (deny.0)", privateHome, "host /home/ada/proj writable (allow.1)", privateTmp, privateVar},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := ada(tree, test.rules...)
			if test.dir != "" {
				in.Dir = test.dir
			}
			if test.home != "" {
				in.Home = test.home
			}
			if test.tmpdir != "" {
				in.Policy.Environment = append(in.Policy.Environment, policy.EnvRule{
					Action: policy.EnvPass, Name: "TMPDIR", Source: policy.Source{Origin: policy.OriginDefault},
				})
				in.Lookup = lookup("TMPDIR", test.tmpdir)
			}
			got, problems := places.Compute(in)
			if d := cmp.Diff(test.want, show(got)); d != "" {
				t.Errorf("places (-want +got):\n%s", d)
			}
			for _, p := range problems {
				if p.Fatal {
					t.Errorf("unexpected problem: %+v", p)
				}
			}
		})
	}
}

// A place says which file it is, so that nothing else is shown there.
func TestIdentity(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/a/b")
	view, _ := places.Compute(ada(tree, "allow /home/ada/proj", "protect /home/ada/proj/a/b"))
	found := 0
	for _, p := range view.Places {
		if p.Shows != places.Host {
			continue
		}
		found++
		want := tree[p.Path]
		if p.Device != want.Device || p.Inode != want.Inode || p.Inode == 0 || p.Type != want.Type {
			t.Errorf("%+v; want %+v", p, want)
		}
	}
	if found != 3 { // the grant, the pin, the protection
		t.Errorf("%d places of the host's own, want 3", found)
	}
}

// A directory that was entered through a link is found by the name that was used, granted or not.
func TestDirThroughALink(t *testing.T) {
	tree := hosttest.New(
		"/home/ada/work -> /data/work", "/data/work/proj/", "/home/ada/proj/here -> sub", "/home/ada/proj/sub/", "/srv/up -> /home/ada",
	)
	for _, test := range []struct {
		name, dir, dirName string
		rules              []string
		want               []places.Link
	}{
		{"granted", "/data/work/proj", "/home/ada/work/proj", []string{"allow /data/work/proj"}, []places.Link{{Path: "/home/ada/work", Target: "/data/work"}}},
		{"not granted", "/data/work/proj", "/home/ada/work/proj", nil, []places.Link{{Path: "/home/ada/work", Target: "/data/work"}}},
		{"by its own path", "/data/work/proj", "/data/work/proj", nil, nil},
		{"the name is not known", "/data/work/proj", "", nil, nil},
		{"the link is shown by a grant", "/home/ada/proj/sub", "/home/ada/proj/here", []string{"allow /home/ada/proj"}, nil},
		{"outside the home", "/home/ada/proj/sub", "/srv/up/proj/sub", []string{"allow /home/ada/proj"}, []places.Link{{Path: "/srv/up", Target: "/home/ada"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := ada(tree, test.rules...)
			in.Dir, in.DirName = test.dir, test.dirName
			view, problems := places.Compute(in)
			if d := cmp.Diff(test.want, view.Links); d != "" || len(problems) > 0 {
				t.Errorf("links (-want +got):\n%s%v", d, problems)
			}
		})
	}
}

// A pin names the rule that needs it, also where a grant makes the place for reasons of its own.
func TestPins(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/a/b/c")
	view, _ := places.Compute(ada(tree, "write /home/ada/proj", "read /home/ada/proj/a/b", "protect /home/ada/proj/a/b/c"))
	pins := map[string]policy.RuleID{}
	for _, p := range view.Places {
		if p.Pin != "" {
			pins[p.Path] = p.Pin
		}
	}
	want := map[string]policy.RuleID{"/home/ada/proj/a": "protect.2", "/home/ada/proj/a/b": "protect.2"}
	if d := cmp.Diff(want, pins); d != "" {
		t.Errorf("pins (-want +got):\n%s", d)
	}
}

func TestProblems(t *testing.T) {
	tree := hosttest.New(
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
			[]string{"fatal deny.1: cannot hide or protect what cannot be looked at: /home/ada/proj/shut/key: permission denied"},
		},
		{"a denied path outside every grant that cannot be looked at", []string{"allow /home/ada/proj", "deny /root/file", "default deny /root/.ssh"}, nil},
		{
			"a granted path that cannot be looked at",
			[]string{"allow /home/ada/proj", "read /root/file", "default read /root/lib"},
			[]string{"warning read.1: cannot grant what cannot be looked at: /root/file: permission denied"},
		},
		{
			"a path that became a link",
			[]string{"allow /home/ada/proj", "protect /home/ada/proj/swapped"},
			[]string{"fatal protect.1: the path became a symbolic link while the plan was made: /home/ada/proj/swapped"},
		},
		{
			"what is core's",
			[]string{"allow /home/ada/proj", "read /proc/cpuinfo"},
			[]string{"warning read.1: /proc/cpuinfo is not the host's inside: the session has its own"},
		},
		{"a current directory that is denied", []string{"deny /home/ada"}, []string{"fatal deny.0: cannot start in /home/ada/proj: it is denied"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, problems := places.Compute(ada(tree, test.rules...))
			var got []string
			for _, p := range problems {
				severity := "warning"
				if p.Fatal {
					severity = "fatal"
				}
				got = append(got, fmt.Sprintf("%s %s: %s", severity, p.Rule, p.Summary))
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}

	// What to do about a grant that gives nothing depends on whose the denial is.
	for denial, want := range map[string]string{
		"deny /home/ada/.ssh":         "a denial beats every grant, at any depth: remove the line, or deny less",
		"default deny /home/ada/.ssh": "to lift it, write lift = [...] with that path into the filesystem block, or give --lift /home/ada/.ssh",
	} {
		_, problems := places.Compute(ada(tree, denial, "read /home/ada/.ssh/id"))
		if len(problems) != 1 || problems[0].Detail != want {
			t.Errorf("%s: %+v", denial, problems)
		}
	}

	t.Run("a grant that became something else", func(t *testing.T) {
		in := ada(tree, "allow /home/ada/proj", "read /home/ada/proj/lone")
		in.Policy.Filesystem[1].Type = policy.Directory
		_, got := places.Compute(in)
		if len(got) == 0 || !got[0].Fatal || got[0].Rule != "read.1" {
			t.Errorf("%+v, want a fatal problem at read.1", got)
		}
	})
}

func TestRules(t *testing.T) {
	tree := hosttest.New("/usr/", "/data/", "/home/ada/proj/.git/hooks/", "/home/ada/proj/.env", "/home/ada/proj/set.json",
		"/home/ada/.ssh/id", "/home/ada/.npmrc", "/proc/cpuinfo")
	in := ada(tree, "read /usr", "allow /home/ada/proj", "write /data", "read /missing", "deny /home/ada/proj/.env",
		"default deny /home/ada/.ssh", "default deny /home/ada/.npmrc", "deny /gone", "protect /home/ada/proj/.git/hooks",
		"protect /home/ada/proj/set.json", "protect /home/ada/proj/none", "deny /proc/cpuinfo", "default read /dev/null",
		"read /home/ada/.ssh/id", "protect /home/ada/.npmrc")
	lifted := ada(hosttest.New("/home/ada/proj/", "/home/ada/.kube/config", "/home/ada/.kube/cache"),
		"default deny /home/ada/.kube but /home/ada/.kube/config", "read /home/ada/.kube/config", "read /home/ada/.kube/cache")
	in.Policy.Filesystem = append(in.Policy.Filesystem, policy.PathRule{ID: "odd.15", Access: "odd", Path: "/usr/odd"})
	rule := func(id policy.RuleID, path string, is places.Standing) places.Rule {
		return places.Rule{ID: id, Path: path, Is: is}
	}
	of := func(r places.Rule, gives places.Rights) places.Rule { r.Rights = gives; return r }
	file := func(r places.Rule) places.Rule { r.Replaceable = true; return r }
	want := []places.Rule{
		of(rule("read.0", "/usr", places.Shown), places.Rights{Read: true, Execute: true}),
		of(rule("allow.1", "/home/ada/proj", places.Shown), places.Rights{Read: true, Write: true, Execute: true}),
		of(rule("write.2", "/data", places.Shown), places.Rights{Read: true, Write: true}),
		rule("read.3", "/missing", places.Absent),
		file(rule("deny.4", "/home/ada/proj/.env", places.Masked)),
		rule("deny.5", "/home/ada/.ssh", places.Stub),
		rule("deny.6", "/home/ada/.npmrc", places.Unseen),
		rule("deny.7", "/gone", places.Absent),
		rule("protect.8", "/home/ada/proj/.git/hooks", places.ReadOnly),
		file(rule("protect.9", "/home/ada/proj/set.json", places.ReadOnly)),
		rule("protect.10", "/home/ada/proj/none", places.Absent),
		rule("deny.11", "/proc/cpuinfo", places.Kept),
		rule("read.12", "/dev/null", places.Own),
		rule("read.13", "/home/ada/.ssh/id", places.Overruled),
		rule("protect.14", "/home/ada/.npmrc", places.Overruled),
		rule("odd.15", "/usr/odd", places.Unknown),
	}
	view, _ := places.Compute(in)
	if d := cmp.Diff(want, view.Rules); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	want = []places.Rule{
		rule("deny.0", "/home/ada/.kube", places.Stub),
		of(rule("read.1", "/home/ada/.kube/config", places.Shown), places.Rights{Read: true, Execute: true}),
		rule("read.2", "/home/ada/.kube/cache", places.Overruled),
	}
	view, _ = places.Compute(lifted)
	if d := cmp.Diff(want, view.Rules); d != "" {
		t.Errorf("with a lift (-want +got):\n%s", d)
	}
}

// TMPDIR is what the agent will see, not what the user has.
func TestTemporary(t *testing.T) {
	tree := hosttest.New("/home/ada/proj/", "/run/user/1/tmp/", "/scratch/")
	pass := policy.EnvRule{Action: policy.EnvPass, Name: "TMPDIR", Source: policy.Source{Origin: policy.OriginDefault}}
	set := policy.EnvRule{Action: policy.EnvSet, Name: "TMPDIR", Value: "/scratch", Source: policy.Source{Origin: policy.OriginFile}}
	tests := []struct {
		rules []policy.EnvRule
		want  []string
	}{
		{nil, nil},
		{[]policy.EnvRule{pass}, []string{"/run/user/1/tmp"}},
		{[]policy.EnvRule{pass, set}, []string{"/scratch"}},
	}
	for _, test := range tests {
		in := ada(tree, "allow /home/ada/proj")
		in.Policy.Environment, in.Lookup = test.rules, lookup("TMPDIR", "/run/user/1/tmp")
		view, _ := places.Compute(in)
		var got []string
		for _, p := range view.Places {
			if p.Shows == places.Private && p.Path != "/home/ada" && p.Path != "/tmp" && p.Path != "/var/tmp" {
				got = append(got, p.Path)
			}
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%v: private directories (-want +got):\n%s", test.rules, d)
		}
	}
}
