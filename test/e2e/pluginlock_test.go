//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
)

// installed puts one of the tests' own layers where layers are installed, and returns its path.
func (u *user) installed(name string) string {
	u.t.Helper()
	at := "~/.local/share/nono/plugins/test/" + name + "/nono-layer-" + name
	u.write(at, readAll(u.t, layers+"/nono-layer-"+name))
	if err := os.Chmod(u.path(at), 0o755); err != nil {
		u.t.Fatal(err)
	}
	return at
}

// TestPluginLock walks through the life of a program in the lock: what is not in it is not run, for
// no command; then it is; another program in its place is not; and one taken out of it is not.
func TestPluginLock(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.tmp()
	u.locksNothing()
	at := u.installed("echo")
	honest, err := sha256Of(u.path(at))
	if err != nil {
		t.Fatal(err)
	}
	u.write("agent.hcl", "filesystem { allow = [\".\"] }\nlayer \"echo\" {\n  plugin = \"test/echo\"\n}\n")

	refused := func(stage string, says ...string) {
		t.Helper()
		for _, args := range [][]string{
			configured("touch", "ran"),
			{"plan", "-c", "agent.hcl", "--approve", "--", "true"},
			{"x", "test/echo", "greet", "ada"},
			{"plugin", "verify", "test/echo"},
			{"plugin", "show", "test/echo"},
		} {
			r := u.refused(u.nono(args...), says...)
			if u.exists("ran") || u.exists("~/intruded") {
				t.Errorf("%s, %q: something ran\n%s", stage, args, r)
			}
		}
		r := u.succeeds(u.nono("plugin", "list"))
		if !strings.Contains(r.Stderr, "nono: test/echo cannot be used: ") || !strings.Contains(r.Stderr, says[0]) || u.exists("~/intruded") {
			t.Errorf("%s, in the list\n%s", stage, r)
		}
		if r := u.nono("plugin", "verify"); r.Code != 1 {
			t.Errorf("%s: the comparison should end with 1\n%s", stage, r)
		}
	}
	refused("not locked", "~/.local/share/nono/plugins/test/echo/nono-layer-echo is not in your lock", honest, "\n  nono plugin lock test/echo\n")
	u.refused(u.nono(configured("true")...), "agent.hcl:3:12\n     3 |   plugin = \"test/echo\"\n")

	r := u.succeeds(u.nono("plugin", "lock", "test/echo"))
	if r.Stdout != "test/echo is locked: "+at+", sha256 "+honest+"\n" || r.Stderr != "" {
		t.Errorf("%s", r)
	}
	u.succeeds(u.nono(configured("touch", "ran")...))
	if !u.exists("ran") {
		t.Fatal("the control failed: a locked layer does not run")
	}
	if err := os.Remove(u.path("ran")); err != nil {
		t.Fatal(err)
	}
	u.succeeds(u.nono("x", "test/echo", "greet", "ada"))
	u.succeeds(u.nono("plugin", "verify"))
	for _, args := range [][]string{{"plugin", "show", "test/echo"}, {"plugin", "show", "test/echo", "--json"}} {
		r := u.succeeds(u.nono(args...))
		for _, say := range []string{"test/echo", honest, "dial_port"} {
			if !strings.Contains(r.Stdout, say) {
				t.Errorf("it does not show %q\n%s", say, r)
			}
		}
	}
	var states []struct{ Name, State, SHA256, Locked string }
	if r := u.succeeds(u.nono("plugin", "verify", "--json")); json.Unmarshal([]byte(r.Stdout), &states) != nil || len(states) != 1 ||
		states[0].State != "as locked" || states[0].SHA256 != honest || states[0].Locked != honest {
		t.Errorf("%s", r)
	}

	u.write(at, "#!/bin/sh\ntouch "+u.path("~/intruded")+"\n")
	evil, err := sha256Of(u.path(at))
	if err != nil {
		t.Fatal(err)
	}
	refused("replaced", "is not the program that you locked", honest, evil, lockFile+":6", "\n  nono plugin lock test/echo\n")
	if r := u.nono("plugin", "verify"); !strings.Contains(r.Stdout, "test/echo  changed (script)  "+at+"\n") {
		t.Errorf("%s", r)
	}
	// Each refusal above was the lock's doing: this user locks what is there now, and it runs.
	r = u.succeeds(u.nono("plugin", "lock", "test/echo"))
	u.says(r, "nono: it is a script: what runs it, and what it loads, is not covered by that")
	if !strings.Contains(r.Stdout, "test/echo is locked in place of sha256 "+honest) {
		t.Errorf("%s", r)
	}
	u.refused(u.nono(configured("true")...), "layer test/echo, start")
	if !u.exists("~/intruded") {
		t.Error("the control failed: the other program does nothing")
	}
	if err := os.Remove(u.path("~/intruded")); err != nil {
		t.Fatal(err)
	}
	u.succeeds(u.nono("plugin", "remove", "test/echo"))
	refused("taken out", "is not in your lock")
	u.refused(u.nono("plugin", "remove", "test/echo"), "layer test/echo is not in your lock")
	u.refused(u.nono("plugin", "lock", "landlock"), "landlock is no layer of another vendor's")
	u.refused(u.nono("plugin", "lock", "test/echo", "./nowhere"), u.path("nowhere")+" does not exist")
}

// keptCopies is where nono keeps copies of programs that were run.
const keptCopies = "~/.local/state/nono/programs"

// TestLockedCopy: the copy of a program is kept at its first run, and one that has changed since is
// not run.
func TestLockedCopy(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.tmp()
	honest, err := sha256Of(layers + "/nono-layer-echo")
	if err != nil {
		t.Fatal(err)
	}
	u.useEcho("")
	u.succeeds(u.nono(configured("true")...))
	at := u.path(keptCopies + "/" + honest)
	replaced := func(flags ...string) bool {
		t.Helper()
		before, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		u.succeeds(u.nono(append(append([]string{"run"}, flags...), configured("true")[1:]...)...))
		after, err := os.Stat(at)
		return err != nil || !os.SameFile(before, after)
	}
	if replaced() {
		t.Error("the next run made another copy")
	}
	if !replaced("--fresh") {
		t.Error("--fresh made no other copy")
	}
	if err := os.Chmod(at, 0o700); err != nil {
		t.Fatal(err)
	}
	u.write(keptCopies+"/"+honest, "#!/bin/sh\ntouch "+u.path("~/intruded")+"\n")
	u.succeeds(u.nono(configured("true")...))
	if is, err := sha256Of(at); err != nil || is != honest || u.exists("~/intruded") {
		t.Errorf("the copy is %s, %v; the other program ran: %t", is, err, u.exists("~/intruded"))
	}
}

// TestLockedCopyMayNotBeRun: a locked layer serves each run on a host that lets nothing be executed
// where copies are kept. A mount that says so beforehand is not written to, and no copy is made twice.
func TestLockedCopyMayNotBeRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host func(dir string) hosts.Host
		kept bool
	}{
		"noexec": {func(dir string) hosts.Host { return hosts.Host{NoExec: dir} }, false},
		"a ban":  {func(dir string) hosts.Host { return hosts.Host{Banned: dir, NoNamespaces: true} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.tmp()
			u.useEcho("")
			state := u.path("~/.local/state")
			u.mkdir(state)
			digest, err := sha256Of(layers + "/nono-layer-echo")
			if err != nil {
				t.Fatal(err)
			}
			var before os.FileInfo
			for run := range 3 {
				cmd := u.command(configured("true")...)
				hosts.On(t, cmd, c.host(state))
				if r := u.succeeds(u.finish(u.begin(cmd, ""))); strings.Contains(r.Stderr, "warning") {
					t.Errorf("run %d\n%s", run, r)
				}
				is, err := os.Stat(u.path(keptCopies + "/" + digest))
				if (err == nil) != c.kept {
					t.Errorf("run %d: %v", run, err)
				}
				if before != nil && !os.SameFile(is, before) {
					t.Errorf("run %d made another copy", run)
				}
				before = is
			}
		})
	}
}

// TestLockOfALaterNono is refused by name and stays as it is; it says nothing about runs without
// such a layer.
func TestLockOfALaterNono(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.tmp()
	const later = "version = 2\nkeys = [\"x\"]\n"
	u.write(lockFile, later)
	u.useEcho("")
	u.neverRan(u.refused(u.nono(configured("touch", "ran")...), lockFile+" has version 2, and this nono knows version 1", "agent.hcl:3:12"))
	u.refused(u.nono("plugin", "lock", "test/echo", layers+"/nono-layer-echo"), "has version 2")
	u.refused(u.nono("plugin", "remove", "test/echo"), "has version 2")
	if u.read(lockFile) != later {
		t.Errorf("it was changed:\n%s", u.read(lockFile))
	}
	u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
}

// TestLockFromInside: an agent that may write all of the user's home neither sees the lock nor puts
// another in its place, and what it does to the program makes it one that is not run.
func TestLockFromInside(t *testing.T) {
	u := newUser(t)
	u.write("~/control", "")
	before := u.read(lockFile)
	evil := "version = 1\nplugin \"test/echo\" { sha256 = \"" + strings.Repeat("a", 64) + "\" }\n"
	u.write("~/evil", evil)
	r := u.tries([]string{"--allow", u.Home},
		"yes: echo x > ~/control", "no: cat "+lockFile, "no: cp ~/evil "+lockFile, "no: mv ~/evil "+lockFile,
		"no: ln -sf ~/evil "+lockFile, "no: mv ~/.config/nono ~/.config/old", "no: mv ~/.config ~/c", "no: rm -f "+lockFile+" && ls "+lockFile,
		"no: mkdir -p "+keptCopies+" && cp ~/evil "+keptCopies)
	if u.read(lockFile) != before {
		t.Errorf("the lock is another one\n%s", r)
	}
	u.refused(u.nono("run", "--allow", u.path("~/.config/nono"), "--", "true"), "nono's own directory")
}
