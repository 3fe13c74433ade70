//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// What an agent of an earlier session left behind, or a stranger put into a repository, must not
// decide what the next start of nono does.

// An agent cannot write what is protected or read what is denied, but may own the directory in
// which it lies. Without its right to search that directory the next start would see nothing there
// to protect or deny.
func TestDirectoryMadeUnsearchableByAnEarlierAgent(t *testing.T) {
	if os.Getuid() == 0 {
		// Root sees through it, and so does nono: the rule is made all the same.
		u := newUser(t)
		u.write(".git/config", "mine")
		u.succeeds(u.shell("chmod 600 .git", "--allow-cwd"))
		u.succeeds(u.shell("chmod 700 .git; echo x >> .git/config; cat .git/config", "--allow-cwd"))
		if got := u.read(".git/config"); got != "mine" {
			t.Errorf(".git/config is %q", got)
		}
		return
	}
	u := newUser(t)
	u.write(".git/config", "mine")
	u.write("~/.m2/settings.xml", "password")
	u.succeeds(u.nono("run", "--allow-cwd", "--allow", u.path("~/.m2"), "--", "/bin/sh", "-c", "chmod 600 .git ~/.m2"))
	u.refused(u.nono("run", "--allow-cwd", "--", "/bin/sh", "-c", "chmod 700 .git; echo x >> .git/config"),
		"cannot see what is to be protected: ~/proj/.git cannot be searched", "chmod u+rx ~/proj/.git")
	u.refused(u.nono("run", "--allow", u.path("~/.m2"), "--", "/bin/sh", "-c", "chmod 700 ~/.m2; cat ~/.m2/settings.xml"),
		"cannot see whether there is a ~/.m2/settings.xml to deny: ~/.m2 cannot be searched")
}

// nono reads the user's name from a file that an agent may once have had.
func TestPipeInThePlaceOfTheGitConfiguration(t *testing.T) {
	for _, to := range []string{"", "/dev/zero"} {
		u := newUser(t)
		var err error
		if to == "" {
			err = unix.Mkfifo(u.path("~/.gitconfig"), 0o600)
		} else {
			err = os.Symlink(to, u.path("~/.gitconfig"))
		}
		if err != nil {
			t.Fatal(err)
		}
		u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
	}
}

// Where nono's programs lie apart (bin/nono, libexec/nono/nono-init), the next start looks for
// nono-init beside nono first.
func TestInitPlantedBesideNono(t *testing.T) {
	u := newUser(t)
	u.mkdir("~/opt/bin")
	u.mkdir("~/opt/libexec/nono")
	for name, to := range map[string]string{"nono": "bin", "nono-init": "libexec/nono", "nono-layer-landlock": "libexec/nono"} {
		copyProgram(t, filepath.Join(programs, name), u.path("~/opt/"+to+"/"+name))
	}
	run := func(args ...string) *exec.Cmd {
		cmd := u.command(append([]string{"run", "--allow", u.path("~/opt")}, args...)...)
		cmd.Path = u.path("~/opt/bin/nono")
		return cmd
	}
	plant := fmt.Sprintf("for d in bin libexec/nono; do echo x > %[1]s/$d/nono-init; echo x > %[1]s/$d/new; rm -f %[1]s/$d/nono; mv %[1]s/$d %[1]s/$d.moved; done 2>/dev/null; "+
		"echo fine > %[1]s/control", u.path("~/opt"))
	if out, err := run("--", "/bin/sh", "-c", plant).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !u.exists("~/opt/control") {
		t.Fatal("the control failed: the grant gives nothing")
	}
	for _, planted := range []string{"~/opt/bin/nono-init", "~/opt/bin/new", "~/opt/libexec/nono/new", "~/opt/bin.moved", "~/opt/libexec/nono.moved"} {
		if u.exists(planted) {
			t.Errorf("the agent made %s", planted)
		}
	}
	if out, err := run("--", "true").CombinedOutput(); err != nil {
		t.Errorf("nono does not run any more: %v\n%s", err, out)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// A policy file that is a link in a grant: who replaces the link writes the next run's policy.
func TestLinkToThePolicyFile(t *testing.T) {
	u := newUser(t)
	u.write("~/shared/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	if err := os.Symlink("../shared/agent.hcl", u.path("agent.hcl")); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "the agent could replace the link", "agent.hcl:2")
}

// The places where nono keeps its own by default stay its own while a variable names others: the
// next start may lack the variable.
func TestUsualPlacesWhileVariablesNameOthers(t *testing.T) {
	u := newUser(t)
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"} {
		u.Env = append(u.Env, name+"="+u.path("~/elsewhere"))
	}
	usual := []string{"~/.config/nono", "~/.local/state/nono", "~/.local/share/nono", "~/.cache/nono", fmt.Sprintf("/tmp/nono-%d", os.Getuid())}
	script := "echo fine > ~/control\n"
	for _, dir := range usual {
		script += fmt.Sprintf("mkdir -p -m 700 %[1]s; echo planted > %[1]s/config.hcl; mv %[1]s %[1]s.moved; rm -rf %[1]s\n", u.path(dir))
	}
	u.nono("run", "--allow", u.Home, "--allow", "/tmp", "--", "/bin/sh", "-c", script)
	if !u.exists("~/control") {
		t.Fatal("the control failed: the grant gives nothing")
	}
	for _, dir := range usual {
		if info, err := os.Lstat(u.path(dir)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
		if u.exists(u.path(dir)+"/config.hcl") || u.exists(u.path(dir)+".moved") {
			t.Errorf("the agent had %s", dir)
		}
	}
}

// The agent chooses what it leaves in its private home, and nono looks through that at the end.
func TestDeepLeftovers(t *testing.T) {
	u := newUser(t)
	u.succeeds(u.python(`
import os
project = os.getcwd()
os.chdir(os.path.expanduser("~"))
for i in range(5000):
    os.mkdir("d"); os.chdir("d")
open("x", "w").close()
open(project + "/done", "w").close()
`))
	info, err := os.Stat(u.path("done"))
	if err != nil {
		t.Fatal(err)
	}
	// The end takes milliseconds; to follow the directories down, each by its whole path, takes
	// minutes.
	if took := time.Since(info.ModTime()); took > 20*time.Second {
		t.Errorf("the end took %s", took)
	}
}

// A script's first line may be the work of the agent that could write the script: it names no
// directory that is granted for it.
func TestFirstLineNamesAnEnvironmentElsewhere(t *testing.T) {
	u := newUser(t)
	u.write("~/other/venv/pyvenv.cfg", "home = /usr/bin\n")
	u.write("~/other/venv/secret", "SECRET")
	u.mkdir("~/other/venv/bin")
	if err := os.Symlink("/usr/bin/python3", u.path("~/other/venv/bin/python")); err != nil {
		t.Fatal(err)
	}
	python := u.path("~/other/venv/bin/python")
	show := fmt.Sprintf("print(open(%q).read())", u.path("~/other/venv/secret"))

	// The control: who types it means it.
	if r := u.succeeds(u.nono("run", "--allow-cwd", "--", python, "-c", show)); !strings.Contains(r.Stdout, "SECRET") {
		t.Fatalf("the control failed\n%s", r)
	}
	u.write("run.py", "#!"+python+"\n"+show+"\n")
	if err := os.Chmod(u.path("run.py"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "--allow-cwd", "--", "./run.py"), u.path("~/other/venv"), "the agent can write that file", "--read "+u.path("~/other/venv"))

	u.write("agent.hcl", fmt.Sprintf("command = [%q, \"-c\", %q]\n", python, show))
	u.refused(u.nono("run", "-c", "agent.hcl"), "which agent.hcl names and nothing grants")
	if r := u.succeeds(u.nono("run", "--approve", "-c", "agent.hcl")); !strings.Contains(r.Stdout, "SECRET") {
		t.Errorf("approved, it does not run\n%s", r)
	}
}

// While it holds secrets, nono's memory is closed to the user's other processes, and to core files.
func TestMemoryIsClosed(t *testing.T) {
	u := newUser(t)
	r := u.start("", "run", "--allow-cwd", "--env", "TOKEN=canary", "--", "/bin/sh", "-c", "echo x > running; sleep 60")
	for !u.exists("running") {
		if r.ProcessState != nil {
			t.Fatal(u.finish(r))
		}
		time.Sleep(10 * time.Millisecond)
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/mem", r.Process.Pid), &st); err != nil {
		t.Fatal(err)
	}
	if st.Uid != 0 { // the kernel gives what may not be dumped to root
		t.Errorf("its memory belongs to user %d", st.Uid)
	}
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.Process.Pid)); err == nil && os.Getuid() != 0 {
		t.Error("its environment can be read")
	}
	_ = r.Process.Signal(unix.SIGTERM)
	u.finish(r)
}

// Nothing that a stranger named reaches the terminal as it is: names of directories and files, in
// notices, in the plan, in JSON, at the end.
func TestNamesThatActOnATerminal(t *testing.T) {
	const hostile = "a\x1b[31m\x1b]52;c;aGk=\x07\nnono: forged\t\u009b2J\u202e"
	u := newUser(t)
	u.write(hostile+"/.git/HEAD", "ref: refs/heads/main")
	u.write(hostile+"/.git/config", "")
	u.mkdir(hostile + "/.git/objects")
	u.write(hostile+"/.env", "")
	u.write(hostile+"/data", "")
	u.Project = u.path(hostile)
	u.write("agent.hcl", "filesystem {\n  deny = [\"data\", \"missing\\u001b[31m\"]\n}\n")
	script := "touch ~/\"$(printf '\\033[31mleft')\"; sleep 60 & exit 3"
	for _, args := range [][]string{
		{"run", "-v", "--allow-cwd", "-c", "agent.hcl", "--", "/bin/sh", "-c", script},
		{"plan", "--allow-cwd", "-c", "agent.hcl", "--", "/bin/sh"},
		{"plan", "-v", "--allow-cwd", "-c", "agent.hcl", "--", "/bin/sh"},
		{"plan", "--json", "--allow-cwd", "-c", "agent.hcl", "--", "/bin/sh"},
		{"run", "--allow-cwd", "--", u.path("data")},
		{"run", "--read", hostile, "-c", hostile, "--", hostile},
	} {
		r := u.nono(args...)
		for what, text := range map[string]string{"stdout": r.Stdout, "stderr": r.Stderr} {
			for _, c := range strings.ReplaceAll(text, "\n", "") {
				if unicode.In(c, unicode.Cc, unicode.Cf) {
					t.Errorf("%s %q: %q is on %s", args[0], args[1:], c, what)
					break
				}
			}
			if strings.Contains("\n"+text, "\nnono: forged") {
				t.Errorf("%s %q: a line on %s passes for nono's own", args[0], args[1:], what)
			}
		}
	}
}
