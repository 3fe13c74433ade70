//go:build linux

package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
)

// walledUser is a user on a host without user namespaces.
func walledUser(t *testing.T) *user {
	t.Helper()
	u := newUser(t)
	u.Host = &hosts.Host{NoNamespaces: true}
	return u
}

// A verified file in a grant for writing cannot be held there. So the first change of it ends the
// run, whoever makes it, and it can be put back; the agent may do what it likes with its neighbour.
func TestVerifiedFileInTierB(t *testing.T) {
	t.Parallel()
	u := walledUser(t)
	u.write("CLAUDE.md", "be kind\n")
	u.write("PLAIN.md", "plain\n")
	u.hasKey()
	u.succeeds(u.nono("trust", "sign", "CLAUDE.md"))
	u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "cat CLAUDE.md && echo evil > PLAIN.md && mv PLAIN.md x && mv x PLAIN.md"))
	for _, change := range []string{"echo evil > CLAUDE.md", "mv PLAIN.md CLAUDE.md", ": >> CLAUDE.md"} {
		r := u.nono("run", "--allow-cwd", "--", "sh", "-c", change+"; exec sleep 60")
		u.refused(r, "CLAUDE.md was replaced or changed, from outside or by the agent, so the agent would read what was not verified")
		if change == ": >> CLAUDE.md" {
			continue // nothing was written
		}
		if !strings.Contains(r.Stderr, "CLAUDE.md (changed)") {
			t.Errorf("%s: it is not told\n%s", change, r)
		}
		u.succeeds(u.nono("session", "restore"))
		if got := u.read("CLAUDE.md"); got != "be kind\n" {
			t.Errorf("%s: what was put back is %q", change, got)
		}
		u.write("PLAIN.md", "plain\n")
	}
}

// What the agent changes of what nono would have protected is told, also where its nono was killed,
// and put back without following what the agent planted.
func TestKeptAside(t *testing.T) {
	t.Parallel()
	u := walledUser(t)
	u.write(".git/config", "[core]\n")
	u.write(".git/hooks/pre-commit", "#!/bin/sh\n")
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	u.write("~/victim", "the user's\n")
	const evil = "echo evil > .git/config; echo evil > .git/hooks/post-checkout; rm .git/hooks/pre-commit; " +
		"ln -s \"$HOME/victim\" .git/hooks/pre-commit; echo '# more' >> agent.hcl"
	back := func() {
		t.Helper()
		u.succeeds(u.nono("session", "restore"))
		for name, want := range map[string]string{
			".git/config": "[core]\n", ".git/hooks/pre-commit": "#!/bin/sh\n", "~/victim": "the user's\n",
			"agent.hcl": "filesystem {\n  allow = [\".\"]\n}\n",
		} {
			if got := u.read(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if u.exists(".git/hooks/post-checkout") {
			t.Error("what was made is still there")
		}
	}
	told := func(r result) {
		t.Helper()
		for _, want := range []string{
			"a policy file of this run was changed in it: ~/proj/agent.hcl (changed)", "~/proj/.git/config (changed)",
			"~/proj/.git/hooks/post-checkout (new)", "~/proj/.git/hooks/pre-commit (a link, and was a file)", "nono session restore ",
		} {
			if !strings.Contains(r.Stderr, want) {
				t.Errorf("it does not say %q\n%s", want, r)
			}
		}
	}
	told(u.succeeds(u.nono("run", "-c", "agent.hcl", "--", "sh", "-c", evil)))
	back()

	r := u.start("", "run", "-c", "agent.hcl", "--", "sh", "-c", evil+"; touch running; exec sleep 60")
	u.await("running")
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	u.finish(r)
	told(u.succeeds(u.nono("run", "--read", "~/victim", "--", "true")))
	back()
}

// Whatever an agent does with names, it gets at nothing that is denied in what it may read, nor out
// of what it may write. Each way works where nothing is denied, or in what is granted.
func TestNamesInTierB(t *testing.T) {
	t.Parallel()
	u := walledUser(t)
	u.write("key/k", "KEY\n")
	u.write(".env", "ENV\n")
	u.write("src/a", "A\n")
	u.write("out/o", "O\n")
	u.write("~/outside", "OUTSIDE\n")
	if err := os.Symlink("../key", u.path("src/link")); err != nil {
		t.Fatal(err)
	}
	python := func(program string) string { return "python3 -c '" + program + "'" }
	u.tries([]string{"--read", ".", "--deny", "key", "--deny", ".env", "--write", "out"},
		"yes: cat src/a", "yes: echo x > out/new && mv out/new out/newer && ln out/newer out/third && mkdir out/d && mv out/newer out/d",
		"no: cat key/k", "no: cat src/link/k", "no: ls key", "no: cat .env", "no: ls .",
		"no: mv key other", "no: mv src other", "no: mv key out/key", "no: ln .env out/env", "no: ln key/k out/k",
		"no: ln src/a out/a", "no: mv src/a out/a", "no: mkdir made", "no: echo x > made", "no: rm .env",
		"no: echo x > src/a", "no: ln ~/outside out/outside", "no: cat ~/outside",
		"yes: ln -s ../.env out/link && ln -s ../key out/keys", "no: cat out/link", "no: cat out/keys/k",
		// A descriptor that gives nothing is no way around: it is opened again by its name.
		"no: "+python(`import os; f = os.open("key/k", os.O_PATH); os.open(f"/proc/self/fd/{f}", os.O_RDONLY)`),
		"no: "+python(`import os; d = os.open("key", os.O_PATH); os.open("k", os.O_RDONLY, dir_fd=d)`),
		"no: "+python(`import os; d = os.open("key", os.O_PATH); os.listdir(f"/proc/self/fd/{d}")`),
		"yes: "+python(`import os; f = os.open("src/a", os.O_PATH); os.open(f"/proc/self/fd/{f}", os.O_RDONLY)`),
		"no: "+python(`import ctypes, os; libc = ctypes.CDLL(None); exit(libc.renameat2(-100, b"out/o", -100, b"src/a", 2) != 0)`),
		"no: "+python(`import ctypes, os; libc = ctypes.CDLL(None); exit(libc.renameat2(-100, b"out", -100, b"key", 2) != 0)`),
		"yes: touch out/p && "+python(`import ctypes, os; libc = ctypes.CDLL(None); exit(libc.renameat2(-100, b"out/o", -100, b"out/p", 2) != 0)`),
	)
}

// A rule is about the directory that stood there: it goes with it where somebody outside moves it,
// and what takes its name later is not granted.
func TestRulesGoWithTheFileInTierB(t *testing.T) {
	t.Parallel()
	u := walledUser(t)
	u.write("part/file", "PART\n")
	u.write("other/file", "OTHER\n")
	u.write("key/k", "KEY\n")
	const waits = "cat part/file; touch out/running; while [ ! -e out/go ]; do sleep 0.01; done; cat part/file; cat ../moved/file"
	u.mkdir("out")
	r := u.start("", "run", "--read", ".", "--deny", "key", "--write", "out", "--", "sh", "-c", waits)
	u.await("out/running")
	for _, names := range [][2]string{{"part", "~/moved"}, {"other", "part"}} {
		if err := os.Rename(u.path(names[0]), u.path(names[1])); err != nil {
			t.Fatal(err)
		}
	}
	u.write("part/file", "REPLACED\n") // the directory other, which has a rule of its own
	u.mkdir("fresh")
	u.write("out/go", "")
	if got := u.succeeds(u.finish(r)).Stdout; got != "PART\nREPLACED\nPART\n" {
		t.Errorf("it read %q", got)
	}
	u.write("key/k", "KEY\n")
	if err := os.Remove(u.path("out/go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(u.path("out/running")); err != nil {
		t.Fatal(err)
	}
	const meets = "touch out/running; while [ ! -e out/go ]; do sleep 0.01; done; cat new/file"
	r = u.start("", "run", "--read", ".", "--deny", "key", "--write", "out", "--", "sh", "-c", meets)
	u.await("out/running")
	u.write("new/file", "NEW\n")
	u.write("out/go", "")
	if got := u.finish(r); got.Code == 0 || strings.Contains(got.Stdout, "NEW") {
		t.Errorf("what was made later was read\n%s", got)
	}
}
