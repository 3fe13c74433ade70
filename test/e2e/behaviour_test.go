//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shell runs a shell script in the project.
func (u *user) shell(script string, flags ...string) result {
	u.t.Helper()
	return u.nono(append(append([]string{"run"}, flags...), "--", "sh", "-c", script)...)
}

// tries has the agent try one command after the other, in one run. Each is written with what is to
// come of it: "yes: COMMAND" or "no: COMMAND". It returns what else the run said.
func (u *user) tries(flags []string, tries ...string) result {
	u.t.Helper()
	script := "exec 3>&1\n"
	for _, try := range tries {
		_, command, ok := strings.Cut(try, ": ")
		if !ok {
			u.t.Fatalf("%q says nothing about what is to come of it", try)
		}
		script += "if ( " + command + " ) </dev/null >/dev/null 2>&1 3>&-; then echo yes >&3; else echo no >&3; fi\n"
	}
	r := u.succeeds(u.shell(script, flags...))
	said := strings.Fields(r.Stdout)
	if len(said) != len(tries) {
		u.t.Fatalf("%d commands gave %d answers\n%s", len(tries), len(said), r)
	}
	for i, try := range tries {
		if want, command, _ := strings.Cut(try, ": "); said[i] != want {
			u.t.Errorf("%s: want %s, got %s\n%s", command, want, said[i], r.Stderr)
		}
	}
	return r
}

// errors has the agent open each path for reading, and returns the names of the errors; "" where
// there is none.
func (u *user) errors(flags []string, paths ...string) []string {
	u.t.Helper()
	u.write("~/probe/probe.py", `
import errno, os, sys
for p in sys.argv[1:]:
    try:
        os.listdir(p) if os.path.isdir(p) else open(p).read()
        print("-")
    except OSError as e:
        print(errno.errorcode[e.errno])
`)
	args := append(append([]string{"run", "--read", u.path("~/probe")}, flags...), "--", "/usr/bin/python3", u.path("~/probe/probe.py"))
	for _, p := range paths {
		args = append(args, u.path(p))
	}
	said := strings.Fields(u.succeeds(u.nono(args...)).Stdout)
	for i, s := range said {
		said[i] = strings.Trim(s, "-")
	}
	return said
}

// says fails the test unless one of nono's own lines is this one.
func (u *user) says(r result, line string) {
	u.t.Helper()
	for have := range strings.Lines(r.Stderr) {
		if strings.TrimSuffix(have, "\n") == line {
			return
		}
	}
	u.t.Errorf("no line is %q\n%s", line, r)
}

// quiet fails the test if one of nono's own lines holds this.
func (u *user) quiet(r result, text string) {
	u.t.Helper()
	if strings.Contains(r.Stderr, text) {
		u.t.Errorf("it speaks of %q\n%s", text, r)
	}
}

var allowCwd = []string{"--allow-cwd"}

// host runs a program outside any sandbox, as the user.
func (u *user) host(name string, args ...string) string {
	u.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = u.Project, u.command().Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// repository makes the project a git repository with one commit.
func (u *user) repository() {
	u.t.Helper()
	u.write("a.txt", "one\n")
	u.host("git", "init", "-q", "-b", "main")
	u.host("git", "add", ".")
	u.host("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-qm", "one")
}

func TestAllowCwd(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("in.txt", "in")
	u.write("old.txt", "old")
	u.write("~/other/data.txt", "other")
	r := u.tries(allowCwd,
		"yes: cat in.txt",
		"yes: echo new > made.txt",
		"yes: echo more >> in.txt",
		"yes: mkdir -p deep/er && echo x > deep/er/f",
		"yes: mv old.txt renamed.txt",
		"yes: rm -r deep",
		"yes: ln -s in.txt link && cat link",
		"yes: cp /bin/true tool && ./tool",
		"yes: printf '#!/bin/sh\\nexit 0\\n' > script && chmod +x script && ./script",
		"no: cat ../other/data.txt",
		"no: ls ../other",
		"no: echo x > /usr/made",
		"no: echo x > /etc/made",
		"no: rm /etc/passwd",
	)
	u.says(r, "nono: rw ~/proj; network closed; home private; tier A")
	u.quiet(r, "warning")
	if got := u.read("made.txt") + u.read("in.txt"); got != "new\ninmore\n" || u.exists("deep") || u.exists("old.txt") || !u.exists("renamed.txt") {
		t.Errorf("the host does not have what the agent did: %q", got)
	}
}

// The directory is what is granted, and not the way that led to it.
func TestAllowCwdThroughALink(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if err := os.Symlink(u.Project, u.path("~/way")); err != nil {
		t.Fatal(err)
	}
	cmd := u.command("run", "--allow-cwd", "--", "sh", "-c", "pwd -P; echo x > made")
	cmd.Dir = u.path("~/way")
	cmd.Env = append(cmd.Env, "PWD="+cmd.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nono: rw ~/proj;") || !u.exists("made") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWideGrantsAreNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, says string }{
		{"~", "nono: warning: this grants your whole home directory, but for what is denied by default"},
		{"/", "nono: warning: this grants /, and your whole home directory in it, but for what is denied by default"},
	} {
		u := newUser(t)
		u.Project = u.Home
		if c.dir == "/" {
			u.Project = "/"
		}
		r := u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
		u.says(r, c.says)
		u.says(r, "  --allow-cwd")
		if !strings.Contains(r.Stderr, "home shared") {
			t.Errorf("the start line calls the home private\n%s", r)
		}
	}
}

// git needs its own directory, and says something misleading where that is not granted.
func TestGitDirectoryElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("worktree", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		u.repository()
		u.host("git", "worktree", "add", "-q", u.path("~/tree"))
		main := u.path("~/proj/.git")
		u.Project = u.path("~/tree")
		r := u.nono("run", "--allow-cwd", "--", "git", "status")
		u.says(r, "nono: warning: the git directory of ~/tree is ~/proj/.git, which is not granted; --allow ~/proj/.git grants it")
		if r.Code != 128 {
			t.Errorf("git works without its directory, and so the test shows nothing\n%s", r)
		}
		r = u.succeeds(u.nono("run", "--allow-cwd", "--allow", main, "--", "sh", "-c", "git status && echo two > b && git add b && git -c user.name=A -c user.email=a@b commit -qm two"))
		u.quiet(r, "warning")
	})
	t.Run("subdirectory", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		u.repository()
		u.mkdir("sub")
		root := u.Project
		u.Project = u.path("sub")
		r := u.nono("run", "--allow-cwd", "--", "git", "status")
		u.says(r, "nono: warning: the git directory of ~/proj/sub is ~/proj/.git, which is not granted, and git needs what lies between as well: "+
			"--allow ~/proj grants both")
		if r.Code != 128 {
			t.Errorf("git works without its directory, and so the test shows nothing\n%s", r)
		}
		u.quiet(u.succeeds(u.nono("run", "--allow", root, "--", "git", "status")), "warning")
	})
}

func TestMissingPaths(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"secret\"]\n  protect = [\"deploy\"]\n}\n")
	before := u.host("ls", "-A")
	r := u.succeeds(u.nono("run", "-c", "agent.hcl", "--read", "/etc/ssl/no-such.pem", "--", "true"))
	for _, line := range []string{
		"nono: warning: /etc/ssl/no-such.pem does not exist; the run goes on without it",
		"  --read /etc/ssl/no-such.pem",
		"nono: warning: ~/proj/secret does not exist; there is nothing to deny yet",
		"  agent.hcl:3:11",
		"     3 |   deny = [\"secret\"]",
		"nono: warning: ~/proj/deploy does not exist; there is nothing to protect yet",
		"nono: rw ~/proj; network closed; home private; tier A",
	} {
		u.says(r, line)
	}
	u.mkdir("~/reports")
	u.refused(u.nono("run", "--allow-cwd", "--allow", "~/repots", "--", "touch", "ran"),
		"~/repots does not exist: there is nothing to allow", "--allow ~/repots", "did you mean ~/reports?")
	u.refused(u.nono("run", "--allow-cwd", "--write", "out/log", "--", "touch", "ran"),
		"~/proj/out/log does not exist: there is nothing to write", "make it first")
	if after := u.host("ls", "-A"); after != before {
		t.Errorf("the host had %q and has %q", before, after)
	}
}

func TestCommandOfAFile(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", "command = [\"echo\", \"the file's\"]\narguments = [\"more\"]\nfilesystem {\n  allow = [\".\"]\n}\n")
	u.write("quiet.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	u.write("arguments.hcl", "arguments = [\"rm\"]\n")
	for _, c := range []struct {
		args []string
		out  string
	}{
		{[]string{"run", "-c", "agent.hcl"}, "the file's more\n"},
		{[]string{"run", "-c", "agent.hcl", "--", "echo", "another"}, "another more\n"},
		{[]string{"run", "-c", "agent.hcl", "echo", "-n", "no dashes needed"}, "no dashes needed more"},
		{[]string{"run", "-c", "quiet.hcl", "--", "echo", "mine"}, "mine\n"},
		{[]string{"run", "--allow-cwd", "--", "sh", "-c", "echo -- \"$@\"", "sh", "--allow", "/"}, "-- --allow /\n"},
	} {
		if r := u.succeeds(u.nono(c.args...)); r.Stdout != c.out {
			t.Errorf("%q: want %q\n%s", c.args, c.out, r)
		}
	}
	u.refused(u.nono("run"), "nothing to run", "no file is picked up by itself; did you mean `nono run -c agent.hcl`?")
	u.refused(u.nono("plan"), "did you mean `nono plan -c agent.hcl`?")
	u.refused(u.nono("run", "agent.hcl"), "did you mean `nono run -c agent.hcl`?")
	u.refused(u.nono("run", "-c", "quiet.hcl"), "quiet.hcl has no `command`")
	u.refused(u.nono("run", "-c", "arguments.hcl"), "arguments.hcl has no `command`")
	u.write("wrong.hcl", "\ncommand = [\"no-such-command\"]\n")
	if r := u.nono("run", "-c", "wrong.hcl"); r.Code != 127 ||
		r.Stderr != "nono: error: cannot find the command no-such-command in PATH\n  wrong.hcl:2:1\n     2 | command = [\"no-such-command\"]\n" {
		t.Errorf("want 127 and the line\n%s", r)
	}
	u.Project = u.path("~/empty")
	u.mkdir(u.Project)
	u.quiet(u.refused(u.nono("run"), "nothing to run"), "agent.hcl")
}

func TestCurrentDirectoryNotGranted(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/p/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	u.write("~/p/data", "data")
	u.write("mine.txt", "mine")
	r := u.tries([]string{"-c", u.path("~/p/agent.hcl")},
		"yes: cat ~/p/data",
		"yes: test \"$PWD\" = "+u.Project,
		"yes: test -z \"$(ls -A)\"",
		"no: echo x > lost.txt", // it would be, without a word
	)
	u.says(r, "nono: rw ~/p; network closed; home private; current directory empty; tier A")

	// Something in it is granted: then it is not empty, and not granted either.
	r = u.tries([]string{"--read", "mine.txt"}, "yes: test \"$(ls -A)\" = mine.txt", "no: echo x > mine.txt")
	u.says(r, "nono: ro ~/proj/mine.txt; network closed; home private; current directory not granted; tier A")
}

func TestHomeIsPrivate(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/notes.txt", "notes")
	u.write("~/.config/tool/settings", "settings")
	u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n\tsigningkey = KEY\n[url \"ssh://elsewhere\"]\n\tinsteadOf = https://\n[alias]\n\tst = !evil\n")
	r := u.tries(allowCwd,
		"yes: test $HOME = "+u.Home,
		"no: cat ~/notes.txt",
		"no: cat ~/.config/tool/settings",
		"yes: test \"$(git config user.name)\" = Ada",
		"yes: test \"$(git config user.email)\" = ada@example.com",
		"no: git config user.signingkey",
		"no: git config alias.st",
		"no: grep -q elsewhere ~/.gitconfig",
		"no: echo x > ~/.gitconfig",
		"yes: mkdir -p ~/.cache/tool ~/out && echo x > ~/.cache/tool/c && echo x > ~/out/1 && echo x > ~/report",
		"yes: cat ~/report",
	)
	u.says(r, "nono: ~ is private: 3 files left there are gone: ~/.cache/tool/c (4 KiB), ~/out/1 (4 KiB), ~/report (4 KiB)")
	for _, name := range []string{"~/report", "~/out", "~/.cache/tool"} {
		if u.exists(name) {
			t.Errorf("%s is on the host", name)
		}
	}
	u.quiet(u.succeeds(u.nono("run", "--allow-cwd", "--", "true")), "is private:")

	// A limit in memory holds for it, and for the other private directories.
	u.write("agent.hcl", "layer \"filesystem\" {\n  private_size = 1\n  tmp_size = 2\n}\n")
	small := []string{"-c", "agent.hcl", "--approve"}
	u.tries(small, "yes: head -c 900000 /dev/zero > ~/big", "no: head -c 2000000 /dev/zero > ~/bigger")
	u.tries(small, "yes: head -c 1800000 /dev/zero > /tmp/big", "no: head -c 3000000 /dev/zero > /tmp/bigger")
	u.tries(small, "yes: head -c 1800000 /dev/zero > /var/tmp/big", "no: head -c 3000000 /dev/zero > /var/tmp/bigger")
	// And for the number of files: those that are empty take memory too.
	u.tries(small, "yes: cd ~ && seq 1000 | xargs touch", "no: cd ~ && mkdir d && cd d && seq 1200 | xargs touch")
}

func TestDotEnvIsNamed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write(".env", "KEY=1\n")
	r := u.tries(allowCwd, "yes: grep -q KEY .env")
	u.says(r, "nono: warning: ~/proj/.env can be read inside; filesystem { deny = [\"~/proj/.env\"] } would hide it")
	u.write("agent.hcl", "filesystem {\n  deny = [\"~/proj/.env\"]\n}\n")
	u.quiet(u.tries([]string{"--allow-cwd", "-c", "agent.hcl"}, "no: cat .env"), "can be read inside")
}

func TestTemporaryDirectoriesArePrivate(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	own, err := os.MkdirTemp("/tmp", "ntt-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(own)
	u.write(own+"/x", "the host's")
	mark := filepath.Base(own)
	u.Env = []string{"TMPDIR=" + u.path("~/tmp")}
	u.mkdir("~/tmp")
	u.write("~/tmp/y", "the host's")
	u.tries(allowCwd,
		"no: cat "+own+"/x",
		"yes: test -z \"$(ls -A /tmp)\" || ! ls /tmp | grep -q "+mark,
		"yes: test $TMPDIR = "+u.path("~/tmp")+" && test -z \"$(ls -A $TMPDIR)\"",
		"yes: for d in /tmp /var/tmp /dev/shm $TMPDIR; do echo x > $d/"+mark+".new || exit 1; done",
		"yes: cp /bin/true /tmp/t && /tmp/t",
	)
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", u.path("~/tmp")} {
		if _, err := os.Lstat(filepath.Join(dir, mark+".new")); err == nil {
			t.Errorf("what the agent wrote in %s is on the host", dir)
		}
	}
	// It can be granted, like any directory.
	u.tries([]string{"--read", own}, "yes: cat "+own+"/x", "no: echo x > "+own+"/z", "yes: echo x > /tmp/new")
}

func TestEnvironmentByAllowlist(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.Env = []string{
		"LD_PRELOAD=/x.so", "LD_LIBRARY_PATH=/x", "BASH_ENV=/x", "PYTHONPATH=/x", "NODE_OPTIONS=--x", "GIT_SSH_COMMAND=x", "GIT_CONFIG_COUNT=0",
		"SSH_AUTH_SOCK=/x", "DBUS_SESSION_BUS_ADDRESS=x", "AWS_SECRET_ACCESS_KEY=x", "MY_TOKEN=x", "NONO_X=x",
		"LC_TIME=C", "TZ=UTC", "EDITOR=vi", "GOPATH=/gopath", "PASSED=yes",
	}
	names := func(r result) []string {
		var names []string
		for line := range strings.Lines(r.Stdout) {
			name, _, _ := strings.Cut(line, "=")
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	usual := []string{
		"CARGO_NET_RETRY", "EDITOR", "GOPATH", "HOME", "LANG", "LC_TIME", "PATH", "PIP_RETRIES", "TERM", "TMPDIR", "TZ",
		"npm_config_fetch_retries",
	}
	if got := names(u.succeeds(u.nono("run", "--", "env"))); !slices.Equal(got, usual) {
		t.Errorf("got  %q\nwant %q", got, usual)
	}
	// An exact name wins over the list of those that no pattern passes.
	u.write("agent.hcl", "environment {\n  pass = [\"PASSED\", \"LD_*\", \"MY_*\"]\n  deny = [\"EDITOR\"]\n  set = { CI = \"1\", LC_TIME = \"de_DE\" }\n}\n")
	r := u.succeeds(u.nono("run", "--approve", "-c", "agent.hcl", "--env", "PYTHONPATH", "--env", "ADDED=a=b", "--env", "TZ=CET", "--", "env"))
	want := slices.Concat(usual, []string{"ADDED", "CI", "MY_TOKEN", "PASSED", "PYTHONPATH"})
	want = slices.DeleteFunc(want, func(s string) bool { return s == "EDITOR" })
	slices.Sort(want)
	if got := names(r); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, line := range []string{"ADDED=a=b", "TZ=CET", "LC_TIME=de_DE", "PYTHONPATH=/x", "PASSED=yes"} {
		if !strings.Contains(r.Stdout, line+"\n") {
			t.Errorf("there is no %q in\n%s", line, r.Stdout)
		}
	}
	u.says(u.nono("run", "--env", "NO_SUCH", "--", "true"), "nono: warning: NO_SUCH is not set here, so there is nothing to pass")
}

// Which error an agent gets decides how it goes on: a shell starts without its start-up file, and
// stops where it may not read it.
func TestDefaultDenials(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.ssh/id", "key")
	u.write("~/.aws/credentials", "key")
	u.write("~/.npmrc", "token")
	u.write("~/.bashrc", "exit 3\n")
	paths := []string{"~/.ssh", "~/.ssh/id", "~/.aws/credentials", "~/.npmrc", "~/.bashrc", "~/.netrc"}
	got := u.errors(allowCwd, paths...)
	if want := []string{"EACCES", "EACCES", "EACCES", "ENOENT", "ENOENT", "ENOENT"}; !slices.Equal(got, want) {
		t.Errorf("in a private home: got %q, want %q", got, want)
	}
	// Inside a grant a name cannot be taken away: the directory has no rights, and the file is empty.
	got = u.errors([]string{"--allow", u.Home}, paths...)
	if want := []string{"EACCES", "EACCES", "EACCES", "", "", "ENOENT"}; !slices.Equal(got, want) {
		t.Errorf("in a granted home: got %q, want %q", got, want)
	}
	u.tries([]string{"--allow", u.Home},
		"yes: test ! -s ~/.npmrc", "no: echo x >> ~/.npmrc", "no: rm ~/.npmrc", "no: mv ~/.ssh ~/s", "no: chmod 700 ~/.ssh", "no: rmdir ~/.ssh",
		"no: mkdir ~/.ssh/new", "yes: bash -i -c exit", "yes: echo x > ~/.netrc", "no: umount ~/.ssh")
	if u.read("~/.npmrc") != "token" || u.read("~/.ssh/id") != "key" {
		t.Error("what is denied was changed")
	}
	// A grant does not lift a denial, and nono does not pretend that it did.
	r := u.nono("run", "--allow", u.path("~/.ssh"), "--", "cat", u.path("~/.ssh/id"))
	if r.Code != 1 || !strings.Contains(r.Stderr, "gives nothing") || strings.Contains(r.Stderr, "rw ~/.ssh") {
		t.Errorf("want a warning and no promise\n%s", r)
	}
}

func TestDenials(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("secret/deep/key", "key")
	u.write("conf/key.pem", "key")
	u.write("conf/open.txt", "open")
	u.write("free.txt", "free")
	if err := os.Symlink("secret/deep/key", u.path("way")); err != nil {
		t.Fatal(err)
	}
	u.write("agent.hcl", `filesystem {
  allow = [".", "secret/deep"]
  read  = ["secret/deep/key"]
  deny  = ["secret", "conf/key.pem"]
}
`)
	flags := []string{"-c", "agent.hcl", "--allow-cwd", "--read", "secret/deep/key"}
	got := u.errors(flags, "secret", "secret/deep", "secret/deep/key", "way", "conf/key.pem", "conf/open.txt", "free.txt")
	if want := []string{"EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	u.tries(flags,
		"no: echo x > secret/new", "no: mv secret s", "no: rm -rf secret", "no: chmod 700 secret",
		"no: echo x > conf/key.pem", "no: rm conf/key.pem", "no: mv conf/key.pem k", "no: ln conf/key.pem k", "no: mv conf c",
		"yes: echo x > conf/new", "yes: mv conf/open.txt conf/o", "yes: rm free.txt",
	)
	if u.read("secret/deep/key") != "key" || u.read("conf/key.pem") != "key" {
		t.Error("what is denied was changed")
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a/b/deploy/run.sh", "run")
	u.write("a/rules.txt", "rules")
	u.write("a/free.txt", "free")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  protect = [\"a/b/deploy\", \"a/rules.txt\"]\n}\n")
	u.tries([]string{"-c", "agent.hcl"},
		"yes: cat a/b/deploy/run.sh a/rules.txt",
		"no: echo x >> a/b/deploy/run.sh", "no: echo x > a/b/deploy/new", "no: rm a/b/deploy/run.sh", "no: mv a/b/deploy d",
		"no: mv a/b c", "no: mv a c", "no: rm -rf a/b",
		"no: echo x > a/rules.txt", "no: rm a/rules.txt", "no: mv a/rules.txt r", "no: ln a/rules.txt r", "no: mv -f a/free.txt a/rules.txt",
		"no: chmod 777 a/rules.txt", "no: touch -d 2001-01-01 a/rules.txt",
		"yes: echo x > a/free.txt", "yes: mkdir a/b/beside", "yes: mv a/free.txt f",
	)
	if u.read("a/b/deploy/run.sh") != "run" || u.read("a/rules.txt") != "rules" {
		t.Error("what is protected was changed")
	}
}

// What git runs or obeys outside is kept from the agent; the rest of git works.
func TestGitIsProtected(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n")
	u.repository()
	u.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n")
	u.write(".git/info/attributes", "*.x text\n")
	u.write(".mcp.json", "{}")
	u.write(".claude/settings.json", "{}")
	config := u.read(".git/config")
	r := u.tries(allowCwd,
		"yes: echo two > b.txt && git add b.txt && git commit -qm two",
		"yes: git checkout -q -b side && git commit -q --allow-empty -m three && git switch -q main && git merge -q side",
		"yes: git stash list && git log --oneline && git gc -q",
		"no: echo x > .git/hooks/post-commit", "no: rm .git/hooks/pre-commit", "no: mv .git/hooks h", "no: mv .git g",
		"no: git config core.pager evil", "no: git remote add origin x", "no: echo x >> .git/config", "no: rm .git/config",
		"no: mv .git/info i", "no: echo x >> .git/info/attributes",
		"no: echo x > .mcp.json", "no: rm -rf .claude", "no: echo x > .claude/settings.json",
		"yes: cat .git/config .mcp.json",
	)
	u.quiet(r, "warning")
	if u.read(".git/config") != config || u.read(".mcp.json") != "{}" {
		t.Error("what is protected was changed")
	}
	if log := u.host("git", "log", "--format=%an %s"); log != "Ada three\nAda two\nAda one\n" {
		t.Errorf("the host has %q", log)
	}

	r = u.nono("run", "--allow-cwd", "--", "git", "config", "core.pager", "less")
	u.says(r, "nono: the command ended with 4; inside were rw ~/proj and the system's files; `nono plan` shows all")
	u.quiet(r, "--write") // what a failed command may not have run into is no hint
	r = u.tries([]string{"--allow-cwd", "--write", ".git/config"},
		"yes: git config core.pager less", "yes: git remote add origin x", "no: echo x > .git/hooks/post-commit")
	if u.read(".git/config") == config {
		t.Error("the protection was lifted, and nothing has changed")
	}
	u.quiet(r, "stays protected")
	// A file in the project may not lift it by itself.
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  write = [\".git/config\"]\n}\n")
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "asks to write ~/proj/.git/config, which is protected")
	// Nor by granting these alone, which lie beneath its own directory.
	u.write("agent.hcl", "filesystem {\n  write = [\".git/hooks\"]\n}\n")
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "asks to write ~/proj/.git/hooks, which is protected")
	u.write("agent.hcl", "filesystem {\n  allow = [\".git/hooks\", \".git/info\", \".git/config\", \".claude\"]\n}\n")
	u.tries([]string{"-c", "agent.hcl"}, "no: echo x > .git/hooks/post-commit", "no: echo x >> .git/hooks/pre-commit", "no: echo x >> .git/info/attributes",
		"no: echo x >> .git/config", "no: echo x >> .claude/settings.json", "yes: echo x > .git/info/exclude", "yes: cat .git/hooks/pre-commit")
}

func TestLinks(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/real/d.txt", "data")
	u.write("~/.ssh/id", "key")
	u.write("~/other/o.txt", "other")
	for name, target := range map[string]string{
		"granted": u.path("~/data/real/d.txt"), "other": "../other/o.txt", "key": u.path("~/.ssh/id"), "root": "/", "~/data/now": "real",
	} {
		if err := os.Symlink(target, u.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	r := u.tries([]string{"--allow-cwd", "--read", "~/data/now", "--read", "~/data/real"},
		"yes: cat granted", "no: cat other", "no: cat key", "no: ls root/home/nobody root/root",
		"yes: cat ~/data/now/d.txt", "yes: cat ~/data/real/d.txt", "no: echo x > ~/data/now/d.txt", "no: echo x > granted",
		// A link is the agent's to make, and leads nowhere that was not granted.
		"yes: ln -s ../other/o.txt mine", "no: cat mine", "yes: ln -s /usr/new w", "no: echo x > w",
	)
	u.says(r, "nono: rw ~/proj; ro ~/data/real; network closed; home private; tier A")

	// A grant that the agent could lead elsewhere for the next run is refused.
	if err := os.Symlink(u.path("~/other"), u.path("lead")); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "--allow-cwd", "--read", "lead", "--", "true"), "leads through the link ~/proj/lead", "name what it leads to: --read ~/other")
}

func TestSingleFiles(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/d/read.txt", "read")
	u.write("~/d/write.txt", "write")
	u.write("~/d/other.txt", "other")
	u.write("~/d/tool", "#!/bin/sh\nexit 0\n")
	if err := os.Chmod(u.path("~/d/tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.tries([]string{"--allow-cwd", "--read", "~/d/read.txt", "--write", "~/d/write.txt", "--allow", "~/d/tool"},
		"yes: cat ~/d/read.txt", "no: echo x > ~/d/read.txt",
		"yes: cat ~/d/write.txt", "yes: echo written > ~/d/write.txt",
		"yes: ~/d/tool", "yes: echo '# more' >> ~/d/tool",
		"no: cat ~/d/other.txt", "yes: test \"$(ls ~/d | tr '\\n' ' ')\" = 'read.txt tool write.txt '",
	)
	if got := u.read("~/d/write.txt"); got != "written\n" || u.read("~/d/read.txt") != "read" {
		t.Errorf("the host has %q", got)
	}
}

func TestExecutionIsAGrantOfItsOwn(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, dir := range []string{"~/read", "~/write", "~/allow"} {
		u.mkdir(dir)
		u.host("cp", "/bin/true", u.path(dir+"/tool"))
		u.write(dir+"/script", "#!/bin/sh\nexit 0\n")
		if err := os.Chmod(u.path(dir+"/script"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	u.tries([]string{"--read", "~/read", "--write", "~/write", "--allow", "~/allow"},
		"yes: ~/read/tool", "yes: ~/read/script", "no: echo x > ~/read/new",
		"no: ~/write/tool", "no: ~/write/script", "yes: sh ~/write/script", "yes: echo x > ~/write/new",
		"no: cp /bin/true ~/write/t && ~/write/t", "no: /lib64/ld-linux-x86-64.so.2 ~/write/tool",
		"yes: ~/allow/tool", "yes: cp /bin/true ~/allow/t && ~/allow/t",
		"no: mount -o remount,exec ~/write",
	)
	r := u.nono("run", "--write", "~/write", "--", u.path("~/write/tool"))
	if r.Code != 126 || !strings.Contains(r.Stderr, "granted for reading and writing, not for execution") || !strings.Contains(r.Stderr, "--write ~/write") {
		t.Errorf("want 126, and the grant named\n%s", r)
	}
}

// Whoever grants the whole home directory does not grant what decides about the next run.
func TestOwnFilesInAGrantedHome(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.locksNothing()
	u.write("~/.local/state/nono/sessions/1/plan.json", "{}")
	r := u.tries([]string{"--allow", u.Home},
		"yes: echo x > ~/free",
		"no: ls ~/.config/nono", "no: echo 'best_effort = true' > ~/.config/nono/config.hcl", "no: mv ~/.config ~/c", "no: rmdir ~/.config/nono",
		"no: cat ~/.local/state/nono/sessions/1/plan.json", "no: rm -rf ~/.local/state/nono", "no: mv ~/.local ~/l",
		"no: mkdir -p ~/.local/share/nono/plugins", "no: echo x > ~/.cache/nono/x",
		"yes: echo x > ~/.config/other", "yes: mkdir ~/.local/share/other",
	)
	if !strings.Contains(r.Stderr, "home shared") {
		t.Errorf("the start line says otherwise\n%s", r)
	}
	// What was not there was made before, empty and the user's own; the agent has made nothing in its
	// place.
	for _, dir := range []string{"~/.config/nono", "~/.local/share/nono", "~/.cache/nono"} {
		info, err := os.Lstat(u.path(dir))
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
		if entries, _ := os.ReadDir(u.path(dir)); len(entries) > 0 {
			t.Errorf("%s has %v", dir, entries)
		}
	}
	u.refused(u.nono("run", "--allow", u.path("~/.config/nono"), "--", "true"), "nono's own directory", "--allow "+u.path("~/.config/nono"))
	u.refused(u.nono("run", "--read", u.path("~/.local/state/nono/sessions"), "--", "true"), "nono's own directory")
}

// A run that grants nothing near them, and keeps no build caches, makes none of nono's directories
// but those of its session and of what a layer has answered.
func TestNothingIsMadeWithoutNeed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.locksNothing()
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  build_caches = false\n}\n")
	u.succeeds(u.nono("run", "-c", "agent.hcl", "--", "true"))
	want := []string{
		".local", ".local/state", ".local/state/nono", ".local/state/nono/pruned",
		".local/state/nono/remembered", ".local/state/nono/remembered/answers",
		".local/state/nono/sessions", ".local/state/nono/unfinished", "proj",
	}
	found := u.host("find", u.Home, "-mindepth", "1", "-path", "*/sessions/*", "-prune", "-o",
		"-path", "*/answers/*", "-prune", "-o", "-path", "*/proj/*", "-prune", "-o", "-mindepth", "1", "-printf", "%P\n")
	if entries := slices.Sorted(slices.Values(strings.Fields(found))); !slices.Equal(entries, want) {
		t.Errorf("the home has %q", entries)
	}
}

// Policy files that were loaded can be read where they are granted, and not be changed or replaced.
func TestLoadedPolicyIsProtected(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const policy = "filesystem {\n  allow = [\".\"]\n}\n"
	u.write("conf/agent.hcl", policy)
	u.write("conf/other.hcl", policy)
	u.tries([]string{"-c", "conf/agent.hcl", "--allow-cwd"},
		"yes: cat conf/agent.hcl", "no: echo x >> conf/agent.hcl", "no: rm conf/agent.hcl", "no: mv conf/agent.hcl x", "no: mv conf c",
		"no: mv -f conf/other.hcl conf/agent.hcl", "no: ln conf/agent.hcl l", "yes: echo >> conf/other.hcl", "yes: rm conf/other.hcl")
	if u.read("conf/agent.hcl") != policy {
		t.Error("the policy was changed")
	}
	// A link to it that the agent could replace would lead the next run elsewhere.
	if err := os.Symlink("conf/agent.hcl", u.path("link.hcl")); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "-c", "link.hcl", "--", "true"), "the agent could replace the link", "link.hcl:2:12")
	u.refused(u.nono("run", "--allow", "conf/agent.hcl", "-c", "conf/agent.hcl", "--", "true"), "a policy file of this run")
}

// Who installed nono in a directory that the agent may write still has the same nono afterwards.
func TestOwnProgramsInAGrant(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.mkdir("~/tools/nono/bin")
	u.Programs = u.path("~/tools/nono/bin")
	for _, name := range []string{"nono", "nono-init", "nono-layer-landlock"} {
		u.host("cp", filepath.Join(programs, name), u.Programs)
	}
	tries := []string{"yes: cat ~/tools/nono/bin/nono > /dev/null", "yes: echo x > ~/tools/free"}
	for _, name := range []string{"nono", "nono-init", "nono-layer-landlock"} {
		p := "~/tools/nono/bin/" + name
		tries = append(tries, "no: echo x > "+p, "no: rm "+p, "no: mv "+p+" x", "no: cp -f /bin/true "+p, "no: chmod 600 "+p)
	}
	tries = append(tries, "no: echo x > ~/tools/nono/bin/nono-layer-evil", "no: mv ~/tools/nono/bin x", "no: mv ~/tools/nono x", "no: mv ~/tools x")
	u.tries([]string{"--allow", u.path("~/tools"), "--allow-cwd"}, tries...)
	for _, name := range []string{"nono", "nono-init", "nono-layer-landlock"} {
		if u.read("~/tools/nono/bin/"+name) != u.read(filepath.Join(programs, name)) {
			t.Errorf("%s was changed", name)
		}
	}
	u.refused(u.nono("run", "--allow", u.Programs, "--", "true"), "where nono's own programs lie")
}

func TestOtherProcessesAreNotThere(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.Env = []string{"MY_SECRET=of-the-parent"}
	u.tries(allowCwd,
		"yes: test $(ls /proc | grep -c '^[0-9]') -le 6",
		"no: cat /proc/"+fmt.Sprint(os.Getpid())+"/environ",
		"no: kill -0 "+fmt.Sprint(os.Getpid()),
		"no: cat /proc/[0-9]*/environ | grep -q of-the-parent",
		"yes: cat /proc/self/status",
	)
}

func TestSilence(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r := u.nono("run", "-s", "--allow-cwd", "--read", "~/none", "--", "sh", "-c", "echo x > ~/left; echo out; exit 3")
	if r.Code != 3 || r.Stderr != "" || r.Stdout != "out\n" {
		t.Errorf("want only what the agent said\n%s", r)
	}
	u.refused(u.nono("run", "-s", "-c", "none.hcl", "--", "true"), "nono: error: cannot read none.hcl: no such file or directory")
}

func TestLayersDisabled(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/notes.txt", "notes")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"x\"]\n}\n")
	u.write("x", "x")
	r := u.tries([]string{"--disable", "filesystem", "-c", "agent.hcl"},
		"yes: cat ~/notes.txt", "yes: cat x", "yes: echo x > ~/new", "no: ls ~/.config/nono", "no: echo x > ~/.config/nono/config.hcl",
		"no: echo x >> agent.hcl", "no: unshare -U true", "no: cat /proc/"+fmt.Sprint(os.Getpid())+"/environ")
	u.says(r, "nono: warning: the filesystem layer is off: the agent sees and changes all files that you can, but for nono's own; overrides agent.hcl:1:1")
	u.says(r, "nono: all files open; network closed; home shared; tier A")
	if n := strings.Count(r.Stderr, "nono: warning"); n != 1 {
		t.Errorf("it is said %d times\n%s", n, r)
	}
	r = u.tries([]string{"--disable", "network", "--allow-cwd"}, "no: cat ~/notes.txt", "yes: test $(ls /sys/class/net 2>/dev/null | wc -l) -eq 0")
	u.says(r, "nono: warning: the network layer is off: the agent has the host's whole network")
	u.says(r, "nono: rw ~/proj; network open; home private; tier A")
}
