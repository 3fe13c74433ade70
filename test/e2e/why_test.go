//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// whyReport is the stable form of `nono why --json`, as far as scripts have use for it.
type whyReport struct {
	Version int
	Answers []struct {
		Path, Real, Op, By, Why, Note string
		Allowed, Missing              bool
		Rule                          *struct {
			ID, Says string
			Source   struct {
				Origin, File, Flag string
				Line               int
			}
		}
		Changes []struct {
			Do, Attribute, Path string
			Rule                *struct{ ID string }
		}
	}
}

func (u *user) why(code int, args ...string) whyReport {
	u.t.Helper()
	r := u.nono(append([]string{"why", "--json"}, args...)...)
	var report whyReport
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || r.Code != code || report.Version != 1 {
		u.t.Fatalf("want %d and an answer: %v\n%s", code, err, r)
	}
	return report
}

// What `nono why` says for people, and its exit codes.
func TestWhy(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("main.py", "")
	u.write(".env", "KEY=1")
	u.write("~/.ssh/id", "")
	u.write("~/data/x", "")
	u.write("agent.hcl", "command = [\"true\"]\nfilesystem {\n  allow = [\".\"]\n  deny  = [\".env\"]\n}\n")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--path main.py --op write", "~/proj/main.py\n  write allowed: granted\n    by agent.hcl:3:12: allow ~/proj\n       3 |   allow = [\".\"]\n", 0},
		{"--path .env --op read", "~/proj/.env\n  read denied: denied\n    by agent.hcl:4:12: deny ~/proj/.env\n       4 |   deny  = [\".env\"]\n" +
			"    inside it is hidden: a file without rights\n    to allow it: take it out of agent.hcl:4:12, or let that line say less\n", 1},
		{"--path ~/data/x --op read --op write", "~/data/x\n  read denied: no rule grants it\n    inside, ~ is the session's own, gone when it ends\n" +
			"    to allow it: --read ~/data/x, or in a file: filesystem { read = [\"~/data/x\"] }\n" +
			"  write denied: no rule grants it\n    inside, ~ is the session's own, gone when it ends\n" +
			"    to allow it: --write ~/data/x, or in a file: filesystem { write = [\"~/data/x\"] }\n", 1},
	} {
		r := u.nono(append([]string{"why", "-c", "agent.hcl"}, strings.Fields(c.args)...)...)
		if r.Code != c.code || r.Stdout != c.want || r.Stderr != "" {
			t.Errorf("why %s: want %d and\n%s\n%s", c.args, c.code, c.want, r)
		}
	}
	u.refused(u.nono("why", "--path", "x", "--deny", "x", "-c", "missing.hcl"), "cannot read missing.hcl")
	// It is what the run would do that is asked, and not what a run without the command would.
	if a := u.why(0, "--path", "/usr/bin/env", "--op", "execute").Answers[0]; a.Rule == nil || a.Rule.Source.Origin != "default" {
		t.Errorf("%+v", a)
	}
	if a := u.why(1, "--path", "~/.ssh/id", "--op", "read").Answers[0]; a.Path != u.path("~/.ssh/id") || a.By != "policy" {
		t.Errorf("%+v", a)
	}
	// A name that a stranger chose is printed escaped.
	u.write("a\x1b[31mb", "")
	if r := u.nono("why", "--allow-cwd", "--path", "a\x1b[31mb", "--op", "read"); strings.Contains(r.Stdout, "\x1b") || r.Code != 0 {
		t.Errorf("%q", r.Stdout)
	}
}

// The changes that it names, made, allow what was denied: nothing more is needed, and without one
// of them it stays denied.
func TestWhatWhyAdvisesHelps(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, file := range []string{
		"~/data/x", "~/.ssh/id", "~/.netrc", ".git/config", ".git/hooks/x", "~/proj/.git/HEAD", "~/sub/dir/x", "~/it's \"here\"/x",
	} {
		u.write(file, "")
	}
	u.mkdir("~/sub/empty")
	u.mkdir("/tmp/why")
	t.Cleanup(func() { _ = os.RemoveAll("/tmp/why") })
	for _, c := range []struct{ flags, op, path string }{
		{"", "read", "~/data/x"},
		{"", "write", "~/data/x"},
		{"", "create", "~/data/y"},
		{"", "delete", "~/data/x"},
		{"", "create", "~/new"},
		{"", "read", "~/.ssh/id"},
		{"", "create", "~/.ssh/new"},
		{"", "write", "~/.netrc"},
		{"--allow-cwd", "write", ".git/config"},
		{"--allow-cwd", "create", ".git/hooks/y"},
		{"--read ~/sub", "write", "~/sub/dir/x"},
		{"--read ~/sub", "create", "~/sub/empty/x"},
		{"--write ~/sub", "execute", "~/sub/dir"},
		{"--allow ~/sub/dir", "delete", "~/sub/dir"},
		{"--read /", "list", "/tmp/why"},
		{"", "read", "~/it's \"here\"/x"},
	} {
		path := u.path(c.path)
		ask := func(code int, flags []string, op string) whyReport {
			return u.why(code, slices.Concat(flags, []string{"--path", path, "--op", op})...)
		}
		flags := strings.Fields(strings.ReplaceAll(c.flags, "~", u.Home))
		changes := ask(1, flags, c.op).Answers[0].Changes
		if len(changes) == 0 {
			t.Errorf("%q: nothing would help to %s %s", flags, c.op, path)
			continue
		}
		op := c.op
		for _, change := range changes {
			switch change.Do {
			case "make":
				u.write(change.Path, "")
				op = "write"
				if got := ask(1, flags, op).Answers[0]; got.Allowed {
					t.Errorf("%q: %s %s is allowed before the last change", flags, op, path)
				}
			case "add":
				if got := ask(1, flags, op).Answers[0]; got.Allowed {
					t.Errorf("%q: %s %s is allowed before the last change", flags, op, path)
				}
				flags = append(flags, "--"+change.Attribute, change.Path)
			default:
				t.Errorf("%q: no flag removes a line: %+v", flags, change)
			}
		}
		if got := ask(0, flags, op).Answers[0]; !got.Allowed {
			t.Errorf("%q: %s %s is denied still: %+v", flags, op, path, got)
		}
	}
}

// Inside, the kernel says what may be done, and the session knows the lines behind what it sees.
func TestWhyInside(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("main.py", "")
	u.write(".env", "")
	u.write(".git/config", "")
	u.write("~/.netrc", "")
	u.write("~/.ssh/id", "")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny  = [\".env\"]\n}\n")
	inside := func(args ...string) result {
		return u.nono(slices.Concat([]string{"run", "-c", "agent.hcl", "--read", u.Programs, "--", u.Programs + "/nono", "why"}, args)...)
	}
	for _, c := range []struct {
		op, path  string
		allowed   bool
		rule, add string
	}{
		{"write", "main.py", true, "agent.hcl:2", ""},
		{"create", "new", true, "agent.hcl:2", ""},
		{"delete", "main.py", true, "agent.hcl:2", ""},
		{"read", ".env", false, "agent.hcl:3", ""},
		{"delete", ".env", false, "agent.hcl:3", ""},
		{"write", ".git/config", false, "default.hcl", "write"},
		{"read", "~/.ssh", false, "default.hcl", "lift"},
		{"create", "~/own", true, "", ""},
		{"read", "~/.netrc", false, "", "read"}, // as what is not there at all
		{"read", "~/nothing", false, "", "read"},
		{"execute", "/usr/bin/env", true, "default.hcl", ""},
	} {
		r := inside("--self", "--json", "--path", u.path(c.path), "--op", c.op)
		var report whyReport
		if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || len(report.Answers) != 1 {
			t.Fatalf("%s %s: %v\n%s", c.op, c.path, err, r)
		}
		a := report.Answers[0]
		rule, add := "", ""
		if a.Rule != nil {
			rule = a.Rule.Source.File
			if rule == "agent.hcl" {
				rule = fmt.Sprintf("%s:%d", rule, a.Rule.Source.Line)
			}
		}
		if len(a.Changes) > 0 {
			add = a.Changes[0].Attribute
		}
		if a.Allowed != c.allowed || a.By != "kernel" || rule != c.rule || add != c.add || (r.Code == 0) != c.allowed {
			t.Errorf("%s %s: want %+v\n%s", c.op, c.path, c, r)
		}
	}
	r := u.nono("run", "--disable", "filesystem", "--", u.Programs+"/nono", "why", "--self", "--path", "~/x", "--op", "create")
	if r.Code != 0 || !strings.Contains(r.Stdout, "create allowed: no path is restricted: --disable filesystem\n") {
		t.Errorf("nothing is restricted\n%s", r)
	}
	if u.exists("new") || !u.exists("main.py") {
		t.Error("a question has changed something")
	}
	for _, c := range []struct{ args, want string }{
		{"--path x", "no plan can be made inside a sandbox"},
		{"--self --path x --allow-cwd", "--self is about the session that one is in"},
	} {
		if r := inside(strings.Fields(c.args)...); r.Code != 125 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("why %s: want %s\n%s", c.args, c.want, r)
		}
	}
	u.refused(u.nono("why", "--self", "--path", "x"), "this is not inside a sandbox of nono's")
}

// What a session is told of itself does not tell what is there that it does not see.
func TestTheSessionLearnsNoName(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.config/nono/config.hcl", "filesystem {\n  deny = [\"~/diary\", \"$WORKDIR/secret\"]\n}\n")
	told := func() string {
		r := u.succeeds(u.nono("run", "--allow-cwd", "--deny", "hidden", "--", "cat", "/dev/nono.json"))
		if !strings.Contains(r.Stdout, u.Project) {
			t.Fatalf("the session is told nothing\n%s", r)
		}
		return r.Stdout
	}
	told() // which makes directories of nono's own, whose stand-ins are seen
	before := told()
	for _, name := range []string{"~/.npmrc", "~/.netrc", "~/diary", "~/.bash_history"} {
		u.write(name, "")
	}
	after := told()
	if before != after {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if strings.Contains(after, "diary") || strings.Contains(after, "config.hcl") || strings.Contains(after, "hidden") {
		t.Errorf("a name is told\n%s", after)
	}
	// The control: what it does see is told, and so would be a name that leaks.
	u.write("secret", "")
	if seen := told(); seen == after || !strings.Contains(seen, u.path("secret")) {
		t.Errorf("a denied name that is seen is not told\n%s", seen)
	}
	// It cannot be changed from inside.
	script := "echo x >/dev/nono.json || rm /dev/nono.json || mv /dev/nono.json /tmp/x || ln -sf /tmp/x /dev/nono.json"
	if r := u.nono("run", "--allow-cwd", "--allow", "/dev", "--", "sh", "-c", script); r.Code == 0 {
		t.Errorf("the file was changed\n%s", r)
	}
}
