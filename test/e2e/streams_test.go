//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
	"github.com/nono-run/nono/test/machine"
)

// opened is a file of the test's own, for a stream.
func (u *user) opened(name string, flags int) *os.File {
	u.t.Helper()
	f, err := os.OpenFile(u.path(name), flags, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { f.Close() })
	return f
}

// descriptor is one that a call made.
func (u *user) descriptor(fd int, err error) *os.File {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "descriptor")
	u.t.Cleanup(func() { f.Close() })
	return f
}

// pair is two connected Unix sockets.
func (u *user) pair() (ours, theirs *os.File) {
	u.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	return u.descriptor(fds[0], nil), u.descriptor(fds[1], nil)
}

// pipe is a pipe of the test's own.
func (u *user) pipe() (r, w *os.File) {
	u.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// connection is the socket of a connection to a service of the user's, as inetd and systemd hand it
// on.
func (a *testArena) connection(network string) *os.File {
	a.t.Helper()
	at, _ := a.Serve(network, "127.0.0.1:0")
	c, err := net.Dial(network, at)
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { f.Close() })
	return f
}

// streamAttack is one way out by a standard stream.
type streamAttack struct {
	does string
	// arrange makes the stream, which is standard input unless it is said that it is standard error.
	arrange func(a *testArena) (stream *os.File, try arena.Attempt)
	stderr  bool
	// refused are the outcomes inside. "125" is a nono that does not start.
	refused []string
	// works is the outcome outside, if it is not "ok".
	works string
	// root marks what only root could do outside.
	root  bool
	lacks func(t *testing.T) string
}

// TestThreatsByStreams tries each way out without a sandbox, where it must work, and inside.
func TestThreatsByStreams(t *testing.T) {
	for _, k := range streamAttacks() {
		t.Run(k.does, func(t *testing.T) {
			if k.root && os.Getuid() != 0 {
				t.Skip("only root has this right to begin with")
			}
			if k.lacks != nil {
				if why := k.lacks(t); why != "" {
					t.Skip("this host lacks what the attack needs: " + why)
				}
			}
			works := k.works
			if works == "" {
				works = "ok"
			}
			for _, kind := range []arenaKind{bare, landlock, wholeDisk} {
				a := newArena(t, kind)
				stream, try := k.arrange(a)
				outcome := a.by(stream, k.stderr, try.Try)
				happened := try.Happened != nil && try.Happened()
				switch {
				case kind == bare && (outcome != works || try.Happened != nil && !happened):
					t.Errorf("control: with no sandbox: %s (happened: %v), want %s", outcome, happened, works)
				case kind != bare && (happened || !slices.Contains(k.refused, outcome)):
					t.Errorf("%s: %s (happened: %v), want one of %q", kind, outcome, happened, k.refused)
				}
			}
		})
	}
}

// outsider is the number of a process of the user's.
func (a *testArena) outsider() int {
	a.t.Helper()
	pid, err := strconv.Atoi(a.Outsider())
	if err != nil {
		a.t.Fatal(err)
	}
	return pid
}

// yama keeps a process from another that is not its child, with no sandbox.
func yama(*testing.T) string {
	if b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && strings.TrimSpace(string(b)) != "0" {
		return "Yama keeps processes from each other here"
	}
	return ""
}

// by makes an attempt by a stream.
func (a *testArena) by(stream *os.File, stderr bool, try string) string {
	a.t.Helper()
	cmd := a.attacker([]string{try})
	var said strings.Builder
	cmd.Stderr = &said
	if stderr {
		cmd.Stderr = stream
	} else {
		cmd.Stdin = stream
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 125 {
		return "125"
	}
	if err != nil {
		a.t.Fatalf("%s: %v\n%s%s", a.kind, err, out.String(), said.String())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func streamAttacks() []streamAttack {
	refused := []string{"125"}
	noSocket := []string{"disconnecting: ENOTSOCK"}
	// onFile is an attempt on a file that is read as standard input.
	onFile := func(try string) func(a *testArena) (*os.File, arena.Attempt) {
		return func(a *testArena) (*os.File, arena.Attempt) {
			a.write("~/in.txt", "input\n")
			return a.opened("~/in.txt", os.O_RDONLY), arena.Attempt{Try: try, Happened: a.Changed("~/in.txt")}
		}
	}
	onNull := func(a *testArena) (*os.File, arena.Attempt) {
		return a.opened("/dev/null", os.O_RDONLY), arena.Attempt{Try: "fd-chmod-same"}
	}
	attacks := []streamAttack{
		{
			does: "a TCP socket, connected elsewhere", refused: noSocket,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				at, reached := a.Serve("tcp4", "127.0.0.1:0")
				return a.connection("tcp4"), arena.Attempt{Try: "reconnect=" + at, Happened: reached}
			},
		},
		{
			does: "a UDP socket, sent elsewhere", refused: []string{"ENOTSOCK"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				at, reached := a.Serve("udp4", "127.0.0.1:0")
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				return a.descriptor(fd, err), arena.Attempt{Try: "send-to=" + at, Happened: reached}
			},
		},
		{
			does: "a socket that listens", refused: refused, works: "EAGAIN",
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					a.t.Fatal(err)
				}
				defer l.Close()
				f, err := l.File()
				if err != nil {
					a.t.Fatal(err)
				}
				a.t.Cleanup(func() { f.Close() })
				return f, arena.Attempt{Try: "accept"}
			},
		},
		{
			does: "a descriptor that is sent over a Unix socket", refused: []string{"ENOTSOCK"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				ours, theirs := a.pair()
				secret := a.opened("~/notes.txt", os.O_RDWR)
				rights := unix.UnixRights(int(secret.Fd()))
				if err := unix.Sendmsg(int(ours.Fd()), []byte("x"), rights, nil, 0); err != nil {
					a.t.Fatal(err)
				}
				return theirs, arena.Attempt{Try: "take-descriptor"}
			},
		},
		{
			// As in `bash -s < commands` and `ssh host bash`: the shell reads on where nono has stood.
			does: "type into a pipe that a shell goes on reading", refused: []string{"ok"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				r, w := a.pipe()
				return r, arena.Attempt{Try: "type=touch /evil", Happened: func() bool {
					w.Close()
					rest, _ := io.ReadAll(r)
					return strings.Contains(string(rest), "evil")
				}}
			},
		},
		{
			does: "type into a FIFO", refused: []string{"ok"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				if err := unix.Mkfifo(a.path("~/fifo"), 0o600); err != nil {
					a.t.Fatal(err)
				}
				both := a.opened("~/fifo", os.O_RDWR)
				return a.opened("~/fifo", os.O_RDONLY), arena.Attempt{Try: "type=evil", Happened: func() bool {
					b := make([]byte, 10)
					_ = both.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
					n, _ := both.Read(b)
					return n > 0
				}}
			},
		},
		{
			does: "read what others write into the same pipe", stderr: true, works: `"a secret of another's"`,
			refused: []string{"nothing: EAGAIN"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				_, w := a.pipe()
				if _, err := w.WriteString("a secret of another's"); err != nil {
					a.t.Fatal(err)
				}
				return w, arena.Attempt{Try: "read-back"}
			},
		},
		{
			does: "read what stands in a file of output", stderr: true, works: `"what others wrote"`,
			refused: []string{"EACCES", `"what others wrote"`}, // with the whole disk there is nothing to hide
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				a.write("~/log", "what others wrote")
				return a.opened("~/log", os.O_WRONLY|os.O_APPEND), arena.Attempt{Try: "read-back"}
			},
		},
		{
			does: "change a flag that all holders of a pipe share", refused: []string{"ok"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				r, _ := a.pipe()
				fd := int(r.Fd()) // which makes it block
				return r, arena.Attempt{Try: "fd-nonblock", Happened: func() bool {
					flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
					return err == nil && flags&unix.O_NONBLOCK != 0
				}}
			},
		},
		{does: "the mode of a file that is read", arrange: onFile("fd-chmod"), refused: []string{"EROFS"}},
		{does: "the times of a file that is read", arrange: onFile("fd-utimes"), refused: []string{"EROFS"}},
		{
			does: "the attributes of a file that is read", arrange: onFile("fd-setxattr"), refused: []string{"EROFS"},
			lacks: noAttributes,
		},
		{
			does: "open a file that is read for writing", refused: []string{"EROFS", "EACCES"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				a.write("~/in.txt", "input\n")
				return a.opened("~/in.txt", os.O_RDONLY), arena.Attempt{Try: "reopen-stdin"}
			},
		},
		{
			// A file without a name cannot be viewed, and comes through a pipe.
			does: "the mode of a file that has no name", refused: []string{"ok"},
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				a.write("~/gone.txt", "input\n")
				f := a.opened("~/gone.txt", os.O_RDONLY)
				if err := os.Remove(a.path("~/gone.txt")); err != nil {
					a.t.Fatal(err)
				}
				before, _ := f.Stat()
				return f, arena.Attempt{Try: "fd-chmod", Happened: func() bool {
					after, err := f.Stat()
					return err == nil && after.Mode() != before.Mode()
				}}
			},
		},
		{does: "the mode of a device", arrange: onNull, refused: []string{"EROFS"}, root: true},
		{
			does: "out of a directory", refused: refused,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				return a.opened("~/ref", os.O_RDONLY), arena.Attempt{Try: "walk=../notes.txt"}
			},
		},
		{
			does: "out of a directory that is open by its path alone", refused: refused,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				return a.opened("~/ref", unix.O_PATH), arena.Attempt{Try: "walk=../notes.txt"}
			},
		},
		{
			does: "what a path alone is open for", refused: refused,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				return a.opened("~/notes.txt", unix.O_PATH), arena.Attempt{Try: "read=/proc/self/fd/0"}
			},
		},
		{
			does: "a process by its descriptor", refused: refused,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				fd, err := unix.PidfdOpen(a.outsider(), 0)
				return a.descriptor(fd, err), arena.Attempt{Try: "signal-process"}
			},
		},
		{
			does: "a namespace", refused: refused, root: true,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				return a.opened("/proc/self/ns/net", os.O_RDONLY), arena.Attempt{Try: "enter-namespace"}
			},
		},
		{
			does: "the memory of a process, for writing", refused: refused, works: "ok", lacks: yama,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				f := a.opened(fmt.Sprintf("/proc/%d/mem", a.outsider()), os.O_RDWR)
				return f, arena.Attempt{Try: "reopen-stdin"}
			},
		},
		{
			does: "what is watched by others", refused: refused,
			arrange: func(a *testArena) (*os.File, arena.Attempt) {
				fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
				return a.descriptor(fd, err), arena.Attempt{Try: "watch-more=/"}
			},
		},
	}
	return attacks
}

// noAttributes says so where a file has none of the user's.
func noAttributes(t *testing.T) string {
	dir, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(name, "user.nono", []byte("x"), 0); err != nil {
		return "attributes of the user's: " + err.Error()
	}
	return ""
}

// bash runs a script as the user's shell does, with $NONO and without a terminal.
func (u *user) bash(script string) result {
	u.t.Helper()
	cmd := exec.Command("/bin/bash", "-c", script)
	nono := u.command()
	cmd.Dir, cmd.Env = nono.Dir, append(nono.Env, "NONO="+nono.Path)
	return u.finish(u.launch(cmd))
}

// TestStreamsByName: a stream that is a file can be opened by the names that programs know, in its
// own direction; what others left in a stream, or read there next, is as it would be without nono.
func TestStreamsByName(t *testing.T) {
	u := newUser(t)
	u.write("~/in", "one\ntwo\nthree\n")
	u.write("~/script", "echo from the script $((6 * 7))\n")
	const run = `$NONO run -s --allow-cwd -- `
	for name, test := range map[string]struct{ script, want string }{
		"/dev/stderr, a file":     {run + `sh -c 'echo e > /dev/stderr' 2> ~/log; cat ~/log`, "e\n"},
		"/dev/stdout, a file":     {run + `sh -c 'echo o > /dev/stdout' > ~/log; cat ~/log`, "o\n"},
		"/proc/self/fd/1, a file": {run + `sh -c 'echo o >> /proc/self/fd/1' > ~/log; cat ~/log`, "o\n"},
		"tee":                     {`echo t | ` + run + `tee /dev/stderr 2> ~/log; cat ~/log`, "t\nt\n"},
		"/dev/stdin, a file":      {run + `cat /dev/stdin < ~/in`, "one\ntwo\nthree\n"},
		"/dev/stdin, a pipe":      {`cat ~/in | ` + run + `cat /dev/stdin`, "one\ntwo\nthree\n"},
		"/dev/stdout, a pipe":     {run + `sh -c 'echo o > /dev/stdout' | cat`, "o\n"},
		"a shell's script":        {run + `bash < ~/script`, "from the script 42\n"},
		"a script by its name":    {run + `bash /dev/stdin < ~/script`, "from the script 42\n"},
		"the other direction": {
			run + `sh -c 'echo x >> /dev/stdin; cat /dev/stdout' < ~/in 2>&1 > ~/log | grep -c -e denied -e Read-only; cat ~/in`,
			"2\none\ntwo\nthree\n",
		},
		"appending":         {`echo old > ~/log; ` + run + `echo new >> ~/log; cat ~/log`, "old\nnew\n"},
		"two into one file": {run + `sh -c 'echo a; echo b >&2; echo c' > ~/log 2>&1; cat ~/log`, "a\nb\nc\n"},
		"two into one pipe": {run + `sh -c 'echo a; echo b >&2; echo c' 2>&1 | cat`, "a\nb\nc\n"},
		"the rest of a file": {
			`{ ` + run + `sh -c 'read x; echo got $x'; read y; echo next $y; } < ~/in`, "got one\nnext two\n",
		},
		"the rest of a file, from the middle": {
			`{ read x; ` + run + `sh -c 'read x; echo got $x'; read y; echo next $y; } < ~/in`, "got two\nnext three\n",
		},
		"the rest of a pipe":               {`cat ~/in | { ` + run + `sh -c 'read x; echo got $x'; cat; }`, "got one\ntwo\nthree\n"},
		"what a shell goes on reading":     {`printf '%s\n' '` + run + `true' 'echo and then this' | bash`, "and then this\n"},
		"a file that has no name any more": {`exec < ~/in; mv ~/in ~/other; cp ~/other ~/in; rm ~/other; { ` + run + `sh -c 'read x; echo got $x'; cat; }`, "got one\ntwo\nthree\n"},
		"a here-document":                  {run + "cat << END\nhere\nEND", "here\n"},
		"a file of the kernel's":           {run + `grep -c processor < /proc/cpuinfo | grep -qv '^0' && echo some`, "some\n"},
		"a file in memory": {
			`python3 -c 'import os, subprocess as s, sys; f = os.memfd_create("m"); s.run(sys.argv[1:], stdout=f, check=True); print(os.pread(f, 9, 0))' ` +
				run + `sh -c 'echo a; echo b >> /dev/stdout'`, "b'a\\nb\\n'\n",
		},
		"both ways":            {`exec 3<> ~/log; echo before >&3; ` + run + `sh -c 'echo within' >&3; cat ~/log`, "before\nwithin\n"},
		"a reader that leaves": {run + `yes | head -1`, "y\n"},
		"no input":             {run + `cat <&-; echo $?`, "0\n"},
		"no output":            {run + `sh -c 'echo into nothing; exit 3' >&- ; echo $?`, "3\n"},
		"no streams": {
			run + `sh -c 'ls -l /proc/self/fd > fds' <&- >&- 2>&-; grep -c /dev/null fds`, "2\n", // and the file itself

		},
		"/dev/null":             {run + `sh -c 'cat; echo gone' < /dev/null > /dev/null; echo $?`, "0\n"},
		"/dev/full":             {run + `sh -c 'echo x 2> /dev/null || echo full >&2' > /dev/full 2> ~/log; cat ~/log`, "full\n"},
		"/dev/zero by its name": {run + `head -c 3 /dev/stdin < /dev/zero | wc -c`, "3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			u.t = t
			u.write("~/in", "one\ntwo\nthree\n")
			if r := u.succeeds(u.bash(test.script)); r.Stdout != test.want {
				t.Errorf("got %q, want %q\n%s", r.Stdout, test.want, r.Stderr)
			}
		})
	}
	u.t = t
}

// TestOutputIsNotLost: all that the command wrote arrives, although it ended before anybody read.
func TestOutputIsNotLost(t *testing.T) {
	u := newUser(t)
	r := u.succeeds(u.bash(`$NONO run -s --allow-cwd -- sh -c 'head -c 120000 /dev/zero; touch ended' |
		{ until [ -e ended ]; do :; done; wc -c; }`))
	if r.Stdout != "120000\n" {
		t.Errorf("got %s bytes of 120000", r.Stdout)
	}
}

// TestUnreadOutput: a command whose output nobody reads can be ended all the same, and one that has
// ended is not waited for without a limit once somebody asked for the end.
func TestUnreadOutput(t *testing.T) {
	u := newUser(t)
	for _, command := range []string{"yes", "head -c 120000 /dev/zero"} {
		r, w := u.pipe()
		cmd := u.command("run", "-s", "--allow-cwd", "--", "sh", "-c", command)
		cmd.Stdout = w
		running := u.launch(cmd)
		w.Close()
		fill := make([]byte, 1)
		if _, err := r.Read(fill); err != nil { // it runs
			t.Fatal(err)
		}
		if err := running.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got := u.finish(running); got.Code != 128+int(unix.SIGTERM) && got.Code != 0 {
			t.Errorf("%s: %s", command, got)
		}
	}
}

// TestStreamsEnd: an end of the command's own input or output is seen by whoever is at the other
// end, while the command runs on.
func TestStreamsEnd(t *testing.T) {
	u := newUser(t)
	for name, arrange := range map[string]func() (theirs, ours *os.File){
		"pipe":   func() (*os.File, *os.File) { r, w := u.pipe(); return w, r },
		"socket": func() (*os.File, *os.File) { a, b := u.pair(); return a, b },
	} {
		theirs, ours := arrange()
		gate, opener := u.pipe()
		cmd := u.command("run", "-s", "--allow-cwd", "--", "sh", "-c", "echo said; exec >&-; read x")
		cmd.Stdin, cmd.Stdout = gate, theirs
		running := u.launch(cmd)
		theirs.Close()
		said, err := io.ReadAll(ours) // to the end, which comes before the command's
		if err != nil || string(said) != "said\n" {
			t.Errorf("%s: got %q, %v", name, said, err)
		}
		if _, err := opener.WriteString("go on\n"); err != nil {
			t.Errorf("%s: the command has ended: %v", name, err)
		}
		u.succeeds(u.finish(running))
	}
}

// TestDeniedFileAsStream: a redirection gives the command a file that nothing grants, but none that
// is denied or protected, and none of nono's own.
func TestDeniedFileAsStream(t *testing.T) {
	u := newUser(t)
	u.write("~/.ssh/config", "a secret\n")
	u.write("~/mine/notes", "a note\n")
	u.write(".git/config", "[core]\n")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"secret\"]\n}\n")
	u.write("secret", "a secret\n")
	u.mkdir("~/.config/nono")
	const run = "$NONO run -s -c agent.hcl -- "
	for name, test := range map[string]struct {
		script string
		says   []string
	}{
		"a denied directory, written": {run + "echo x >> ~/.ssh/config", []string{"standard output is ~/.ssh/config, which is denied by default"}},
		"a denied directory, read":    {run + "cat < ~/.ssh/config", []string{"standard input is ~/.ssh/config", "cat FILE | nono run"}},
		"a denied file":               {run + "cat < secret", []string{"standard input is ~/proj/secret, which is denied", "agent.hcl:3", `deny = ["secret"]`}},
		"a protected file":            {run + "echo x >> .git/config", []string{"~/proj/.git/config, which is protected"}},
		"the policy":                  {run + "echo x >> agent.hcl", []string{"~/proj/agent.hcl, which is nono's own"}},
		"nono's programs":             {run + "echo x > ${NONO%/*}/new; code=$?; rm ${NONO%/*}/new; exit $code", []string{"which is nono's own"}},
		"nono's configuration":        {run + "sh -c 'echo x >&2' 2> ~/.config/nono/new; cat ~/.config/nono/new; exit 125", nil},
	} {
		t.Run(name, func(t *testing.T) {
			u.t = t
			r := u.bash(test.script)
			if test.says == nil { // standard error is where the refusal goes
				test.says, r.Stderr = []string{"standard error is ~/.config/nono/new, which is nono's own"}, r.Stdout
			}
			u.refused(r, test.says...)
		})
	}
	u.t = t
	for _, script := range []string{run + "cat < ~/mine/notes > ~/mine/copy", run + "cat < .git/config", run + "cat < agent.hcl", "$NONO plan -c agent.hcl -- true > .git/x"} {
		u.succeeds(u.bash(script))
	}
	if got := u.read("~/mine/copy"); got != "a note\n" {
		t.Errorf("got %q", got)
	}
	if got := u.read("~/.ssh/config") + u.read(".git/config"); got != "a secret\n[core]\n" {
		t.Errorf("what is denied was changed: %q", got)
	}
}
