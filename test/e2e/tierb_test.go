//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/test/hosts"
)

// Runs on a host that gives no user namespaces: tier B.

// startB starts nono there.
func (u *user) startB(args ...string) *running {
	u.t.Helper()
	cmd := u.command(args...)
	hosts.On(u.t, cmd, hosts.Host{NoNamespaces: true})
	return u.begin(cmd, "")
}

// nonoB runs a command there to its end.
func (u *user) nonoB(args ...string) result {
	u.t.Helper()
	return u.finish(u.startB(args...))
}

// temporary gives the user a directory for what is temporary, and returns a look at what is in it.
func (u *user) temporary() func() []string {
	u.t.Helper()
	dir := u.path("~/temporary")
	u.mkdir(dir)
	u.Env = append(u.Env, "TMPDIR="+dir)
	return func() []string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			u.t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
}

// tierBProgram looks at all that tier B holds or does not, and prints what it found.
const tierBProgram = `
import fcntl, json, os, signal, socket, struct, sys
other, home, port, sock = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
found = {}
def trial(name, what):
    try:
        found[name] = str(what())
    except OSError as e:
        found[name] = e.strerror
def make(path):
    with open(path, "w") as f: f.write("x")
    return "made"
def attribute(path):
    with open(path) as f: fcntl.ioctl(f, 0x40086602, struct.pack("l", 0x40))
    return "changed"
def connect(family, to):
    with socket.socket(family) as s: s.connect(to)
    return "connected"
trial("the project is read", lambda: open("in.txt").read())
trial("and written", lambda: make("out.txt"))
trial("a file of the home", lambda: open(home + "/notes.txt").read())
trial("the home", lambda: os.listdir(home))
trial("a file made in the home", lambda: make(home + "/new.txt"))
trial("/tmp", lambda: os.listdir("/tmp"))
trial("a file made in /tmp", lambda: make("/tmp/nono-e2e-%d" % os.getpid()))
trial("/dev/shm", lambda: make("/dev/shm/nono-e2e-%d" % os.getpid()))
trial("$TMPDIR", lambda: make(os.environ["TMPDIR"] + "/x"))
trial("its mode", lambda: oct(os.stat(os.path.dirname(os.environ["TMPDIR"])).st_mode & 0o777))
trial("core's files", lambda: make(os.path.dirname(os.environ["NONO_SESSION_FILE"]) + "/x"))
trial("beside core's files", lambda: os.listdir(os.path.dirname(os.environ["TMPDIR"])))
trial("caches", lambda: os.environ["XDG_CACHE_HOME"].startswith(os.environ["TMPDIR"]))
trial("the mode of a file of the home", lambda: os.chmod(home + "/notes.txt", 0o600))
trial("its times", lambda: os.utime(home + "/notes.txt", (1, 1)))
trial("attributes of what may be read", lambda: attribute(home + "/ref/r.txt"))
trial("the mode of a device", lambda: os.chmod("/dev/null", 0o666))
trial("the mode of a file of the project", lambda: os.chmod("out.txt", 0o600))
trial("a signal", lambda: os.kill(other, signal.SIGUSR1))
trial("the memory of another process", lambda: open("/proc/%d/mem" % other, "rb"))
trial("its environment", lambda: open("/proc/%d/environ" % other).read())
trial("its command line", lambda: "e2e" in open("/proc/%d/cmdline" % other).read())
trial("TCP", lambda: connect(socket.AF_INET, ("127.0.0.1", port)))
trial("a Unix socket", lambda: connect(socket.AF_UNIX, sock))
pair = socket.socketpair()
trial("a pair", lambda: pair[0].send(b"x"))
trial("a terminal", lambda: os.open("/dev/ptmx", os.O_RDWR))
trial("the kernel's settings", lambda: make("/proc/sys/kernel/hostname"))
trial("/dev/null", lambda: make("/dev/null"))
trial("the next", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
json.dump(found, sys.stdout)
`

// What an agent finds in tier B. Where it is something else than in tier A, the line at the start
// says so, or it is what a private home would have been.
func TestTierB(t *testing.T) {
	u := newUser(t)
	inTemporary := u.temporary()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sock := u.path("~/sock")
	ul, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer ul.Close()
	u.write("in.txt", "IN")
	u.write("~/notes.txt", "NOTES")
	u.write("~/ref/r.txt", "to be read")
	u.write("prog.py", tierBProgram)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	signalled := make(chan os.Signal, 1)
	signal.Notify(signalled, syscall.SIGUSR1)
	defer signal.Stop(signalled)
	args := []string{"/usr/bin/python3", "prog.py", strconv.Itoa(os.Getpid()), u.Home, port, sock}
	r := u.succeeds(u.nonoB(append([]string{"run", "--allow-cwd", "--read", u.path("~/ref"), "--"}, args...)...))
	var found map[string]string
	if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	const refused, notPermitted = "Permission denied", "Operation not permitted"
	for name, want := range map[string]string{
		"the project is read": "IN", "and written": "made",
		"a file of the home": refused, "the home": refused, "a file made in the home": refused,
		"/tmp": refused, "a file made in /tmp": refused, "/dev/shm": refused,
		"$TMPDIR": "made", "its mode": "0o700", "core's files": refused, "beside core's files": refused,
		"the mode of a file of the home": notPermitted, "its times": notPermitted,
		"attributes of what may be read": notPermitted, "the mode of a device": notPermitted, "the mode of a file of the project": "None",
		"caches": "True", "a signal": notPermitted, "the memory of another process": refused,
		"its environment": refused, "its command line": "True",
		"TCP": refused, "a Unix socket": refused, "a pair": "1", "a terminal": refused,
		"the kernel's settings": refused, "/dev/null": "made", "the next": "None",
	} {
		if found[name] != want {
			t.Errorf("%s: %q, want %q", name, found[name], want)
		}
	}
	select {
	case <-signalled:
		t.Error("the signal arrived")
	default:
	}
	for _, says := range []string{
		"home unreadable", "tier B (user namespaces are switched off", "other processes' command lines",
	} {
		if !strings.Contains(r.Stderr, says) {
			t.Errorf("the lines at the start do not say %q:\n%s", says, r.Stderr)
		}
	}
	if left := inTemporary(); len(left) > 0 {
		t.Errorf("the session left %v", left)
	}
	// The control: without nono all of it can be done.
	plain := u.command()
	plain.Path, plain.Args = args[0], args
	plain.Env = append(plain.Env, "NONO_SESSION_FILE="+u.path("~/x"), "XDG_CACHE_HOME=")
	r = u.succeeds(u.finish(u.begin(plain, "")))
	found = nil
	if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	for name, want := range map[string]string{
		"a file of the home": "NOTES", "a file made in the home": "made", "a file made in /tmp": "made",
		"the mode of a file of the home": "None", "its times": "None",
		"attributes of what may be read": "changed", "/dev/shm": "made", "core's files": "made", "a signal": "None", "TCP": "connected",
		"a Unix socket": "connected",
	} {
		if found[name] != want {
			t.Errorf("control: %s: %q, want %q", name, found[name], want)
		}
	}
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		made, _ := filepath.Glob(dir + "/nono-e2e-*")
		for _, name := range made {
			os.Remove(name)
		}
	}
	select {
	case <-signalled:
	case <-time.After(10 * time.Second):
		t.Error("control: no signal arrived")
	}
}

// Memory that programs share by a name is the host's in tier B, so it is there for whoever was
// granted it, and only there. The start line says that it is missing.
func TestTierBSharedMemory(t *testing.T) {
	u := newUser(t)
	u.write("prog.py", `
import multiprocessing
from multiprocessing import shared_memory
if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        print(pool.map(len, ["abc"]))
    m = shared_memory.SharedMemory(create=True, size=64)
    m.close(); m.unlink()
`)
	const missing = "no /dev/shm"
	r := u.succeeds(u.nonoB("run", "--allow-cwd", "--allow", "/dev/shm", "--", "python3", "prog.py"))
	if !strings.Contains(r.Stdout, "[3]") || strings.Contains(r.Stderr, missing) {
		t.Errorf("with the grant\n%s", r)
	}
	r = u.nonoB("run", "--allow-cwd", "--", "python3", "prog.py")
	if r.Code == 0 || !strings.Contains(r.Stderr, missing) || !strings.Contains(r.Stderr, "Permission denied") {
		t.Errorf("without\n%s", r)
	}
}

// A run ends in tier B as in tier A: with the agent's own code, with a signal's, and with nobody
// left who was started in it.
func TestTierBEnds(t *testing.T) {
	u := newUser(t)
	inTemporary := u.temporary()
	for _, test := range []struct {
		agent string
		code  int
	}{
		{"exit 7", 7},
		{"kill -TERM $$", 128 + 15},
		{"setsid sleep 1000 & echo $! > left; exit 0", 0},
	} {
		if r := u.nonoB("run", "--allow-cwd", "--", "/bin/sh", "-c", test.agent); r.Code != test.code {
			t.Errorf("%s\n%s", test.agent, r)
		}
	}
	u.gone("left")
	if r := u.nonoB("run", "--allow-cwd", "--", "./none"); r.Code != 127 {
		t.Errorf("a program that is not there\n%s", r)
	}

	waiting := u.startB("run", "--allow-cwd", "--", "/bin/sh", "-c", "echo $$ > agent; touch ready; sleep 1000")
	u.await("ready")
	if err := waiting.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := u.finish(waiting); r.Code != 128+15 {
		t.Errorf("after SIGTERM\n%s", r)
	}
	u.gone("agent")
	if left := inTemporary(); len(left) > 0 {
		t.Errorf("the sessions left %v", left)
	}
}

// Where nono is killed, what it started ends with it, and the next start removes what is left.
func TestTierBKilled(t *testing.T) {
	u := newUser(t)
	inTemporary := u.temporary()
	killed := u.startB("run", "--allow-cwd", "--", "/bin/sh", "-c",
		"mkdir -p $TMPDIR/deep; chmod 500 $TMPDIR/deep; ln -s "+u.Project+" $TMPDIR/link; "+
			"setsid sleep 1000 & echo $! > left; echo $$ > agent; touch ready; sleep 1000")
	u.await("ready")
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	u.finish(killed)
	u.gone("agent")
	u.gone("left")
	if left := inTemporary(); len(left) != 1 {
		t.Errorf("control: a killed nono leaves its directory; there is %v", left)
	}
	r := u.succeeds(u.nonoB("run", "--allow-cwd", "--", "/bin/true"))
	if !strings.Contains(r.Stderr, "finished session") {
		t.Errorf("nothing is said of it\n%s", r)
	}
	if left := inTemporary(); len(left) > 0 {
		t.Errorf("there is still %v", left)
	}
	if !u.exists("ready") {
		t.Error("a link was followed")
	}
}

// gone waits until the process whose number is in a file is no more.
func (u *user) gone(name string) {
	u.t.Helper()
	pid := strings.TrimSpace(u.read(name))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	u.t.Errorf("the process %s of %s still runs", pid, name)
}

// What the user wrote holds in tier B too, or nothing is started.
func TestTierBHoldsOrRefuses(t *testing.T) {
	u := newUser(t)
	u.write("secret/key", "KEY")
	u.write("open/file", "OPEN")
	u.write(".env", "ENV")
	u.write("processes.hcl", "command = [\"/bin/true\"]\nlimits { processes = 50 }\n")
	u.write("time.hcl", "command = [\"/bin/sleep\", \"1000\"]\nlimits { time = \"200ms\" }\n")
	cat := []string{"--", "/bin/cat"}
	for _, test := range []struct {
		name  string
		args  []string
		code  int
		says  string
		prove string
	}{
		{"a denied directory in what is read", append([]string{"--read", ".", "--deny", "secret"}, append(cat, "secret/key")...), 1, "Permission denied", ""},
		{"and what lies beside it", append([]string{"--read", ".", "--deny", "secret"}, append(cat, "open/file")...), 0, "", "OPEN"},
		{"a denied file in what is read", append([]string{"--read", ".", "--deny", ".env"}, append(cat, ".env")...), 1, "Permission denied", ""},
		{"a denied directory in what is written", append([]string{"--allow", ".", "--deny", "secret"}, append(cat, "open/file")...), 125, "without user namespaces", ""},
		{"processes", []string{"-c", "processes.hcl"}, 125, "counts all of your processes", ""},
		{"time", []string{"-c", "time.hcl"}, 128 + 15, "the run may take 200ms", ""},
		{"no filesystem layer", []string{"--disable", "filesystem", "--", "/bin/true"}, 125, "needs user namespaces", ""},
		{"the network as it is", []string{"--allow", ".", "--disable", "network", "--", "/usr/bin/python3", "-c", "import socket; socket.socket(); print('TCP')"}, 0, "", "TCP"},
		{"and no Unix socket with it", []string{"--allow", ".", "--disable", "network", "--", "/usr/bin/python3", "-c", "import socket; socket.socket(socket.AF_UNIX)"}, 1, "Permission denied", ""},
	} {
		r := u.nonoB(append([]string{"run"}, test.args...)...)
		if r.Code != test.code || !strings.Contains(r.Stderr, test.says) || !strings.Contains(r.Stdout, test.prove) {
			t.Errorf("%s: want %d and %q\n%s", test.name, test.code, test.says, r)
		}
	}
}

// `nono plan` and `nono why` speak of the tier that a run would have.
func TestTierBPlanAndWhy(t *testing.T) {
	u := newUser(t)
	u.mkdir(".git/hooks")
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	u.write(".git/config", "[core]\n")
	u.write("~/notes.txt", "NOTES")
	var p plan.Plan
	r := u.succeeds(u.nonoB("plan", "--json", "--allow-cwd", "--", "/bin/true"))
	if err := json.Unmarshal([]byte(r.Stdout), &p); err != nil {
		t.Fatal(err)
	}
	if p.Host.Tier != "B" || p.Fallback == nil || len(p.Mounts) > 0 {
		t.Errorf("tier %s, %v, %d mounts", p.Host.Tier, p.Fallback, len(p.Mounts))
	}
	ask := []string{
		"why", "--json", "--allow-cwd", "--op", "read", "--op", "write", "--path", "prog.py", "--path", ".git/config",
		"--path", "~/notes.txt", "--path", "/proc/version", "--path", "/dev/null", "--", "/bin/true",
	}
	u.write("prog.py", "")
	r = u.nonoB(ask...)
	var report struct{ Answers []why.Answer }
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	got := map[string]bool{}
	for _, a := range report.Answers {
		got[string(a.Op)+" "+strings.TrimPrefix(a.Path, u.Project+"/")] = a.Allowed
	}
	for question, want := range map[string]bool{
		"read prog.py": true, "write prog.py": true,
		"write .git/config":  true, // kept aside, and not protected
		"read /proc/version": true, "write /proc/version": false, "write /dev/null": true,
		"read " + u.path("~/notes.txt"): false, "write " + u.path("~/notes.txt"): false,
	} {
		if allowed, asked := got[question]; !asked || allowed != want {
			t.Errorf("%s: %v, %v; want %v", question, allowed, asked, want)
		}
	}
	inside := slices.Concat([]string{"run", "--allow-cwd", "--read", u.Programs, "--"}, []string{filepath.Join(u.Programs, "nono"), "why", "--self", "--json"},
		[]string{"--path", "prog.py", "--op", "write", "--path", "/usr/bin", "--op", "create"})
	r = u.nonoB(inside...)
	report.Answers = nil
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || len(report.Answers) != 4 {
		t.Fatalf("%v\n%s", err, r)
	}
	for _, a := range report.Answers {
		if want := strings.HasSuffix(a.Path, "prog.py"); a.Allowed != want {
			t.Errorf("inside: %s %s: %v (%s; %s)", a.Op, a.Path, a.Allowed, a.Why, a.Note)
		}
	}
}

// README's demo holds in tier B, but for what it says itself.
func TestTierBDemo(t *testing.T) {
	needs(t, "/usr/bin/python3")
	u := newUser(t)
	u.mkdir("~/.ssh")
	demo := u.path("~/nono/examples/demo")
	u.mkdir(filepath.Dir(demo))
	if err := os.CopyFS(demo, os.DirFS("../../examples/demo")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "demo.py")
	cmd.Dir = demo
	cmd.Env = append(u.command().Env, "PATH="+u.Programs+":/usr/bin:/bin")
	hosts.On(t, cmd, hosts.Host{NoNamespaces: true})
	r := u.succeeds(u.finish(u.begin(cmd, "")))
	for _, line := range []string{
		"list ~/.ssh                                        yes           no: Permission denied\n",
		"read a file in the home directory                  yes           no: Permission denied\n",
		"see other processes                                yes           yes   <-- tier B\n",
		"the agent could do its work, and nothing else\n", "seen from outside: nothing was touched\n",
	} {
		if !strings.Contains(r.Stdout, line) {
			t.Errorf("it does not print %q\n%s", line, r)
		}
	}
}

// What was verified is what the agent begins with in tier B too: changed since, whoever did it and
// in whatever way, there is no start; and replaced while it runs, the run is over.
func TestTierBVerified(t *testing.T) {
	u := withKey(t)
	u.write("GEMINI.md", "# as it was signed\n")
	u.succeeds(u.nono("trust", "sign", "GEMINI.md"))
	cat := []string{"run", "--allow-cwd", "--", "/bin/cat", "GEMINI.md"}
	if r := u.succeeds(u.nonoB(cat...)); r.Stdout != "# as it was signed\n" {
		t.Errorf("untouched\n%s", r)
	}
	u.refused(u.nonoB("run", "--allow-cwd", "--", "/bin/sh", "-c", "echo x > x; mv x GEMINI.md; exec sleep 1000"),
		"GEMINI.md was replaced", "by the agent")
	u.refused(u.nonoB(cat...), "GEMINI.md")
}

// The session's terminal, and job control, in tier B: Ctrl-Z stops all inside, also what leads a
// session of its own, and Ctrl-C is the agent's.
func TestTierBTerminal(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	shell := y.shellCommand(u, "/bin/bash", "--norc", "--noprofile", "-i")
	hosts.On(t, shell, hosts.Host{NoNamespaces: true})
	y.start(shell)
	y.expect(prompt)
	before := y.settings(t)
	u.write("agent", ticker+`trap 'echo size $(stty size)' WINCH; stty -echo; echo up $(stty size)
while :; do sleep 0.02; if [ -e ask ]; then rm ask; read line; echo "got <$line>"; fi; done`)
	y.enter("nono -s run --allow-cwd -- bash agent\n")
	y.expect("up")
	u.runs()
	for n := range 2 {
		y.enter("\x1a")
		y.expect("Stopped")
		y.expect(prompt)
		u.standsStill()
		y.resize(100, uint16(40+n))
		y.enter("fg\n")
		y.expect(fmt.Sprintf("size %d 100", 40+n))
		u.runs()
		u.write("ask", "")
		y.enter("one\n")
		y.expect("got <one>")
	}
	y.enter("\x03")
	y.expect(prompt)
	y.run("echo $((2+2))", "4")
	if after := y.settings(t); after != before {
		t.Errorf("the settings were not put back:\n%+v\n%+v", before, after)
	}
}
