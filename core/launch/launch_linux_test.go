package launch_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// TestAgent is what an agent finds: itself in a process group of its own, in nono-init's session,
// the view, no privilege, nothing open.
func TestAgent(t *testing.T) {
	b := newBox(t, "session", "cwd", "env=HELLO", "list=/", "list=/dev", "descriptors", "umask", "slack", "threads",
		"status=CapInh,CapPrm,CapEff,CapBnd,CapAmb,NoNewPrivs,Seccomp", "write=new", "write=/new", "stat=/etc", "status=Pid,PPid",
		"status=SigBlk,SigIgn")
	b.recipe.Env = []string{"HELLO=a value"}
	const none = "0000000000000000"
	b.want(t, map[string]string{
		"session":   "1 true <nil>",
		"cwd":       b.project,
		"env=HELLO": "a value",
		"list=/":    "dev prober proc tmp",
		"list=/dev": "null ptmx pts tty",
		"umask":     "027",
		"slack":     timerSlack(t),
		// Of the agent, and of every thread of pid 1.
		"status=CapInh,CapPrm,CapEff,CapBnd,CapAmb,NoNewPrivs,Seccomp": strings.Repeat(none+" ", 5) + "1 2",
		"threads":     strings.Repeat(none+" ", 4) + "1 2 1",
		"descriptors": "",
		"write=new":   "ok",
		"write=/new":  "EROFS",
		"stat=/etc":   "ENOENT",
	})
	if got, err := os.ReadFile(filepath.Join(b.project, "new")); err != nil || string(got) != "written inside\n" {
		t.Errorf("what was written inside the grant: %q, %v", got, err)
	}
}

// timerSlack is by how many nanoseconds a timer of the user's programs may be late.
func timerSlack(t *testing.T) string {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(slack)
}

// TestSystem runs a program of the host's, through the host's libraries.
func TestSystem(t *testing.T) {
	b := newBox(t)
	b.mount(bind(t, "/usr", "/usr", false))
	for _, name := range []string{"/bin", "/lib", "/lib64"} {
		if to, err := os.Readlink(name); err == nil {
			b.mount(fragment.Link{Path: name, Target: to})
		} else if _, err := os.Stat(name); err == nil {
			b.mount(bind(t, name, name, false))
		}
	}
	b.recipe.Executable = "/bin/sh"
	b.recipe.Args = []string{"sh", "-c", `echo "result: $(echo "$0" | tr a-z A-Z)"; exit 7`, "hello"}
	r := b.run(t)
	if r.err != nil || r.Code != 7 || r.of("result") != "HELLO" {
		t.Errorf("got %+v", r)
	}
}

// TestView has one step of each kind, and what each comes to inside.
func TestView(t *testing.T) {
	host := t.TempDir()
	write := func(name string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(host, name), []byte("of the host\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"secret", "hooks"} {
		if err := os.Mkdir(filepath.Join(host, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		write(dir+"/inner", 0o644)
	}
	write("plain", 0o644)
	write(".env", 0o644)
	write(".npmrc", 0o644)

	b := newBox(t,
		"read=/granted/plain", "write=/granted/plain",
		"list=/granted/secret", "stat=/granted/secret/inner", "chmod=/granted/secret", "mkdir=/granted/secret/new",
		"read=/granted/.env", "write=/granted/.env", "read=/granted/.npmrc", "write=/granted/.npmrc", "chmod=/granted/.npmrc",
		"read=/granted/hooks/inner", "write=/granted/hooks/inner", "write=/granted/hooks/new", "rename=/granted/hooks,/granted/other",
		"read=/read-only/plain", "write=/read-only/plain",
		"run=/noexec/prober", "run=/yesexec/prober",
		"read=/home/ada/.gitconfig", "write=/home/ada/.gitconfig", "rename=/home/ada/.gitconfig,/home/ada/x", "write=/home/ada/notes",
		"read=/linked", "status=Umask", "write=/tmp/x", "device=/dev/null", "open-w=/nodev/null", "open-w=/dev/null")
	at := func(name string) fragment.Bind { return bind(t, filepath.Join(host, name), "/granted/"+name, false) }
	noexec, nodev := bind(t, filepath.Dir(built.prober), "/noexec", false), bind(t, "/dev", "/nodev", true)
	noexec.NoExec = true
	b.mount(
		bind(t, host, "/granted", true),
		fragment.Mask{For: "filesystem.deny.0", Path: "/granted/secret", Directory: true},
		fragment.Mask{For: "filesystem.deny.1", Path: "/granted/.env"},
		fragment.Mask{For: "filesystem.deny.2", Path: "/granted/.npmrc", Readable: true},
		at("hooks"),
		bind(t, host, "/read-only", false),
		noexec, nodev,
		bind(t, filepath.Dir(built.prober), "/yesexec", false),
		fragment.Tmpfs{For: "base.home", Path: "/home/ada", Size: 1 << 20, Mode: 0o700, Report: true},
		fragment.File{For: "base.identity", Path: "/home/ada/.gitconfig", Mode: 0o444, Content: []byte("[user]\n")},
		fragment.Link{Path: "/linked", Target: "granted/plain"},
	)
	b.want(t, map[string]string{
		"read=/granted/plain": "of the host", "write=/granted/plain": "ok",

		"list=/granted/secret": "EACCES", "stat=/granted/secret/inner": "EACCES",
		"chmod=/granted/secret": "EROFS", "mkdir=/granted/secret/new": "EACCES",
		"read=/granted/.env": "EACCES", "write=/granted/.env": "EROFS",
		"read=/granted/.npmrc": "", "write=/granted/.npmrc": "EROFS", "chmod=/granted/.npmrc": "EROFS",

		"read=/granted/hooks/inner": "of the host", "write=/granted/hooks/inner": "EROFS", "write=/granted/hooks/new": "EROFS",
		"rename=/granted/hooks,/granted/other": "EBUSY",

		"read=/read-only/plain": "written inside", "write=/read-only/plain": "EROFS",
		"run=/noexec/prober": "EACCES", "run=/yesexec/prober": "ok",

		"read=/home/ada/.gitconfig": "[user]", "write=/home/ada/.gitconfig": "EROFS",
		"rename=/home/ada/.gitconfig,/home/ada/x": "EBUSY", "write=/home/ada/notes": "ok",
		"read=/linked":       "written inside",
		"open-w=/nodev/null": "EACCES", "open-w=/dev/null": "ok",
	})
}

// TestFileOverLink: a file stands at its path also where the host has a link, of which nothing is
// seen.
func TestFileOverLink(t *testing.T) {
	host := t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "real"), []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(host, "link")); err != nil {
		t.Fatal(err)
	}
	tries := []string{"read=/granted/link", "read=/granted/real", "rename=/granted/link,/granted/other"}
	b := newBox(t, tries...)
	b.mount(bind(t, host, "/granted", true), fragment.File{Path: "/granted/link", Mode: 0o444, Content: []byte("of the plan")})
	b.want(t, map[string]string{tries[0]: "of the plan", tries[1]: "of the host", tries[2]: "EBUSY"})
}

// TestReport: core can look at what was left in a private directory, after the end.
func TestReport(t *testing.T) {
	b := newBox(t, "write=/home/ada/left")
	b.mount(fragment.Tmpfs{Path: "/home/ada", Size: 1 << 20, Mode: 0o700, Report: true})
	init, ready, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := init.Go(deadline(t), false); err != nil {
		t.Fatal(err)
	}
	if _, err := init.Wait(); err != nil {
		t.Fatal(err)
	}
	names, err := ready.Reports["/home/ada"].Readdirnames(-1)
	if err != nil || len(names) != 1 || names[0] != "left" {
		t.Errorf("left in the private home: %q, %v", names, err)
	}
}

// TestRefusals are recipes that cannot be applied as they are meant: each an error with its rule,
// and no agent.
func TestRefusals(t *testing.T) {
	host := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(host, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	changed := bind(t, host, "/x", false)
	changed.Inode++
	unseen := bind(t, host, "/x", false)
	unseen.Device, unseen.Inode = 0, 0
	through := bind(t, "/etc/hosts", "/x", false)
	through.From = filepath.Join(host, "link", "hosts")
	inHost := bind(t, host, "/granted/new", false)
	granted := bind(t, host, "/granted", true)

	for _, test := range []struct {
		name   string
		change func(b *box)
		rule   string
		step   string
		errno  syscall.Errno
		text   string
	}{
		{"another inode", func(b *box) { b.mount(changed) }, "filesystem.allow.0", "bind", 0, "no longer what stood there"},
		{"nothing looked at", func(b *box) { b.mount(unseen) }, "filesystem.allow.0", "bind", 0, "did not look at the source"},
		{"a link in the source", func(b *box) { b.mount(through) }, "filesystem.allow.0", "bind", unix.ELOOP, "there is a link in the path"},
		{"a place on the host", func(b *box) { b.mount(granted, inHost) }, "filesystem.allow.0", "bind", 0, "nothing is made on the host"},
		{
			"a mask on the host", func(b *box) { b.mount(granted, fragment.Mask{For: "m", Path: "/granted/missing"}) },
			"m", "mask", 0, "nothing is made on the host",
		},
		{
			"a link on the host", func(b *box) { b.mount(granted, fragment.Link{For: "l", Path: "/granted/a", Target: "b"}) },
			"l", "link", 0, "nothing is made on the host",
		},
		{
			"a link in the view", func(b *box) { b.mount(granted, fragment.Mask{For: "m", Path: "/granted/link/x"}) },
			"m", "mask", unix.ELOOP, "opening the place",
		},
		{
			"a file over a directory", func(b *box) { b.mount(granted, fragment.Mask{For: "m", Path: "/granted"}) },
			"m", "mask", unix.EISDIR, "opening the place",
		},
		{
			"a directory over a file", func(b *box) { b.mount(granted, fragment.Mask{For: "m", Path: "/granted/file", Directory: true}) },
			"m", "mask", unix.ENOTDIR, "opening the place",
		},
		{
			"another link", func(b *box) {
				b.mount(fragment.Link{Path: "/l", Target: "a"}, fragment.Link{For: "l", Path: "/l", Target: "b"})
			},
			"l", "link", unix.EEXIST, "making the link",
		},
		{"a tmpfs without a limit", func(b *box) { b.mount(fragment.Tmpfs{For: "t", Path: "/t"}) }, "t", "tmpfs", 0, "no limit is given"},
		{"no such directory", func(b *box) { b.recipe.Dir = "/nowhere" }, "", "directory", unix.ENOENT, "working directory /nowhere"},
		{"a filter that is none", func(b *box) { b.recipe.Seccomp = make([]byte, 8) }, "", "seccomp", unix.EINVAL, "system-call filter"},
		{"Landlock on nothing", func(b *box) {
			b.recipe.Landlock = []fragment.Landlock{{For: "r", Path: "/nowhere", Rights: []fragment.Right{fragment.RightRead}}}
		}, "r", "landlock", unix.ENOENT, "granting /nowhere"},
		{"an unknown right", func(b *box) {
			b.recipe.Landlock = []fragment.Landlock{{For: "r", Path: "/proc", Rights: []fragment.Right{"raed"}}}
		}, "r", "landlock", 0, `no right "raed"`},
		{
			"no such network", func(b *box) { b.recipe.Listeners = []fragment.Listener{{For: "n", Name: "x", Network: "tpc", Port: 1}} },
			"n", "listener", 0, `network: there is no "tpc"`,
		},
	} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, early %v", test.name, early), func(t *testing.T) {
				b := newBox(t, "pid")
				b.early = early
				test.change(b)
				_, _, err := b.prepare(t)
				var s *launch.StepError
				if !errors.As(err, &s) {
					t.Fatalf("got %v, want a StepError", err)
				}
				if string(s.Rule) != test.rule || s.Step != test.step || s.Errno != test.errno || !strings.Contains(s.Text, test.text) {
					t.Errorf("got rule %q, step %q, errno %v: %s", s.Rule, s.Step, s.Errno, s.Text)
				}
			})
		}
	}
	if names, err := os.ReadDir(host); err != nil || len(names) != 2 {
		t.Errorf("something was made on the host: %v, %v", names, err)
	}
}

// TestBegin: a view that was begun early is the one that the recipe means, and no other is taken for
// it.
func TestBegin(t *testing.T) {
	text := fragment.File{For: "f", Path: "/text", Mode: 0o444, Content: []byte("one")}
	begun := func() *box {
		b := newBox(t, "list=/", "write=new", "open-w=/dev/null", "read=/text", "read=/proc/self/comm")
		b.mount(text)
		b.early = true
		return b
	}
	late := begun()
	late.early = false
	begun().want(t, map[string]string{
		"list=/": late.run(t).of("list=/"), "write=new": "ok", "open-w=/dev/null": "ok", "read=/text": "one",
		"read=/proc/self/comm": "prober",
	})

	other := text
	other.Content = []byte("two")
	for name, change := range map[string]func(*recipe.Recipe){
		"another file":   func(r *recipe.Recipe) { r.Mounts[len(r.Mounts)-1] = other },
		"another kind":   func(r *recipe.Recipe) { r.Mounts[len(r.Mounts)-1] = fragment.Link{Path: "/text", Target: "x"} },
		"one mount less": func(r *recipe.Recipe) { r.Mounts = r.Mounts[:len(r.Mounts)-1] },
		"none":           func(r *recipe.Recipe) { r.Mounts = nil },
	} {
		b := begun()
		init, err := launch.Start(deadline(t), b.options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := init.Tier(deadline(t)); err != nil {
			t.Fatal(err)
		}
		init.Begin(slices.Clone(b.recipe.Mounts))
		change(b.recipe)
		if _, err := init.Prepare(deadline(t), b.recipe); err == nil || !strings.Contains(err.Error(), "changed since it was begun") {
			t.Errorf("%s: got %v", name, err)
		}
		// Nor is anybody left waiting, whatever nono-init is doing.
		if err := init.Close(); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
	}
}

// TestFailedUnasked: what went wrong while nobody listened is told to who asks next.
func TestFailedUnasked(t *testing.T) {
	b := newBox(t, "pid")
	b.mount(fragment.Bind{For: "a.rule", Path: "/absent", From: "/does/not/exist"})
	init, err := launch.Start(deadline(t), b.options)
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	init.Begin(b.recipe.Mounts)
	init.Ended()
	if _, err := init.Tier(deadline(t)); err != nil {
		t.Errorf("what was said first: %v", err)
	}
	var s *launch.StepError
	if _, err := init.Prepare(deadline(t), b.recipe); !errors.As(err, &s) || s.Rule != "a.rule" {
		t.Errorf("got %v, want the step that failed", err)
	}
}

// TestNotUnderstood: a nono-init that core ends is one that core says something about.
func TestNotUnderstood(t *testing.T) {
	for says, want := range map[string]string{
		"host host":    "an answer that was not asked for",
		"unnamed":      "an answer that was not asked for",
		"more unnamed": "an answer that was not asked for",
		"laden":        "an answer that was not asked for",
		"nonsense":     "listening to nono-init: ",
	} {
		t.Run(says, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "says")
			text := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s'\n", saysEnv, says, os.Args[0])
			if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			init, err := launch.Start(deadline(t), launch.Options{Tier: recipe.TierA, Path: script})
			if err != nil {
				t.Fatal(err)
			}
			defer init.Close()
			init.Ended()
			_, _ = init.Tier(deadline(t)) // it may have said that first
			_, err = init.Prepare(deadline(t), newBox(t).recipe)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("preparing: %v", err)
			}
			if _, err := init.Wait(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("waiting: %v", err)
			}
		})
	}
}

// TestNotSent: a request that the kernel does not take is an error, and the end of nono-init, which
// has not gone, is not waited for.
func TestNotSent(t *testing.T) {
	init, err := launch.Start(deadline(t), newBox(t).options)
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	told := make(chan error, 1)
	go func() { told <- init.NotSent(unix.ETOOMANYREFS) }()
	select {
	case err := <-told:
		if !errors.Is(err, unix.ETOOMANYREFS) {
			t.Errorf("got %v", err)
		}
	case <-deadline(t).Done():
		t.Error("nono-init was waited for")
	}
}

// TestLandlock: what no rule grants is refused, on top of what the view shows.
func TestLandlock(t *testing.T) {
	b := newBox(t, "read=granted/f", "write=granted/f", "mkdir=granted/d", "read=f", "write=new", "list=/", "read=/proc/self/comm",
		"open-w=/dev/null", "rename=granted/f,granted/g")
	for _, name := range []string{"f", "granted/f"} {
		path := filepath.Join(b.project, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := []fragment.Right{fragment.RightRead, fragment.RightWrite, fragment.RightExecute, fragment.RightDevice}
	b.recipe.Landlock = []fragment.Landlock{
		{Path: "/prober", Rights: []fragment.Right{fragment.RightExecute, fragment.RightRead}},
		{Path: "/proc", Rights: []fragment.Right{fragment.RightRead}},
		{Path: "/dev/null", Rights: all}, // rights of directories on a file are left out
		{Path: filepath.Join(b.project, "granted"), Rights: all},
	}
	b.want(t, map[string]string{
		"read=granted/f": "content", "write=granted/f": "ok", "mkdir=granted/d": "ok", "rename=granted/f,granted/g": "ok",
		"read=f": "EACCES", "write=new": "EACCES", "list=/": "EACCES",
		"read=/proc/self/comm": "prober", "open-w=/dev/null": "ok",
	})
}

// TestLandlockLink: a grant whose path became a link grants nothing else; it is an error.
func TestLandlockLink(t *testing.T) {
	b := newBox(t, "pid")
	if err := os.Symlink("/proc", filepath.Join(b.project, "link")); err != nil {
		t.Fatal(err)
	}
	b.recipe.Landlock = []fragment.Landlock{{For: "r", Path: filepath.Join(b.project, "link"), Rights: []fragment.Right{fragment.RightRead}}}
	if _, _, err := b.prepare(t); !errors.Is(err, unix.ELOOP) {
		t.Errorf("got %v, want ELOOP", err)
	}
}

// TestExit is each way in which an agent can end or not begin.
func TestExit(t *testing.T) {
	inBothTiers(t, func(t *testing.T, box maker) {
		for _, test := range []struct {
			try    string
			exit   launch.Exit
			status int
		}{
			{"exit=0", launch.Exit{}, 0},
			{"exit=3", launch.Exit{Code: 3}, 3},
			{"exit=125", launch.Exit{Code: 125}, 125},
			{"die=9", launch.Exit{Signal: unix.SIGKILL}, 137},
			{"die=15", launch.Exit{Signal: unix.SIGTERM}, 143},
			{"leave=5", launch.Exit{Left: 5}, 0},
		} {
			t.Run(test.try, func(t *testing.T) {
				r := box(t, test.try).run(t)
				if r.err != nil || r.Exit != test.exit || r.Status() != test.status {
					t.Errorf("got %+v, %v", r.Exit, r.err)
				}
			})
		}
	})
}

func TestExecFails(t *testing.T) {
	inBothTiers(t, func(t *testing.T, box maker) {
		for _, test := range []struct {
			name    string
			content string
			mode    os.FileMode
			status  int
			text    string
		}{
			{"missing", "", 0, 127, "no such file"},
			{"not executable", "#!/usr/bin/env\n", 0o644, 126, "permission denied"},
			{"interpreter missing", "#!/usr/bin/python99\n", 0o755, 126, "interpreter or loader"},
			{"no program", "just text\n", 0o755, 126, "neither a program"},
		} {
			t.Run(test.name, func(t *testing.T) {
				b := box(t)
				b.recipe.Executable = filepath.Join(b.project, "program")
				if test.mode != 0 {
					if err := os.WriteFile(b.recipe.Executable, []byte(test.content), test.mode); err != nil {
						t.Fatal(err)
					}
				}
				init, _, err := b.prepare(t)
				if err != nil {
					t.Fatal(err)
				}
				err = init.Go(deadline(t), false)
				var e *launch.ExecError
				if !errors.As(err, &e) || e.Status() != test.status || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, want %d and %q", err, test.status, test.text)
				}
				if _, err := init.Wait(); err == nil {
					t.Error("Wait says how an agent ended that never ran")
				}
			})
		}
	})
}

// TestSignal: signals reach the agent, one of the terminal's its whole group.
func TestSignal(t *testing.T) {
	inBothTiers(t, func(t *testing.T, box maker) {
		for _, s := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1} {
			t.Run(unix.SignalName(s), func(t *testing.T) {
				b := box(t, "stop-on")
				init, lines := b.begin(t)
				if got := <-lines; got != "waiting" {
					t.Fatalf("the agent said %q", got)
				}
				if err := init.Signal(s); err != nil {
					t.Fatal(err)
				}
				if got := <-lines; got != "stop-on: "+s.String() {
					t.Errorf("the agent said %q", got)
				}
				if exit, err := init.Wait(); err != nil || exit != (launch.Exit{}) {
					t.Errorf("got %+v, %v", exit, err)
				}
			})
		}
	})
}

// pipe gives the agent's output line by line, until its end.
func (b *box) pipe(t *testing.T) <-chan string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.stdout = w
	t.Cleanup(func() { r.Close(); w.Close() })
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// TestOutputEnds: nono-init does not hold the agent's output open.
func TestOutputEnds(t *testing.T) {
	inBothTiers(t, func(t *testing.T, box maker) {
		b := box(t, "close-output", "sleep=1h")
		lines := b.pipe(t)
		init, _, err := b.prepare(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := init.Go(deadline(t), false); err != nil {
			t.Fatal(err)
		}
		b.stdout.Close()
		select {
		case _, more := <-lines:
			if more {
				t.Error("the agent said something")
			}
		case <-time.After(30 * time.Second):
			t.Error("the agent has closed its output, and it does not end")
		}
	})
}

// TestListenersAndDialers is the plumbing of layers: sockets opened inside and served from outside,
// on low ports too; a range of addresses that leads to them; and connections into the sandbox.
func TestListenersAndDialers(t *testing.T) {
	b := newBox(t, "dial=127.0.0.1:443", "dial=198.18.7.9:443", "dial=127.0.0.1:444", "resolve=127.0.0.1:53", "low-port", "serve=3000")
	b.recipe.Listeners = []fragment.Listener{
		{For: "n", Name: "https", Network: fragment.TCP, Address: "0.0.0.0", Port: 443, LocalPrefix: "198.18.0.0/15"},
		{For: "n", Name: "dns", Network: fragment.UDP, Port: 53},
		{For: "n", Name: "six", Network: fragment.TCP, Address: "::1", Port: 8080, LocalPrefix: "198.18.0.0/15"},
	}
	b.recipe.Dial = []uint16{3000, 3001}
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	b.stdout = out
	init, ready, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(ready.Listeners) != 3 {
		t.Fatalf("got the listeners %v", ready.Listeners)
	}
	https, err := net.FileListener(ready.Listeners["https"])
	if err != nil {
		t.Fatal(err)
	}
	defer https.Close()
	go func() {
		for {
			c, err := https.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.LocalAddr().String()) // the address that was meant
			c.Close()
		}
	}()
	dns, err := net.FilePacketConn(ready.Listeners["dns"])
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := dns.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = dns.WriteTo(append([]byte("answer to "), buf[:n]...), from)
		}
	}()
	if err := init.Go(deadline(t), false); err != nil {
		t.Fatal(err)
	}

	if _, err := init.Dial(deadline(t), 22); err == nil || !strings.Contains(err.Error(), "no dialer of the plan names it") {
		t.Errorf("a port that no dialer names: %v", err)
	}
	if _, err := init.Dial(deadline(t), 3001); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a port that nobody serves: %v", err)
	}
	var file *os.File
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(out.Name())
			t.Logf("the last answer was %v, and the agent said %q", err, said)
		}
	})
	eventually(t, "port 3000 inside answers", func() bool {
		file, err = init.Dial(deadline(t), 3000)
		return err == nil
	})
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if hello, err := io.ReadAll(conn); err != nil || string(hello) != "hello from inside" {
		t.Errorf("the agent's server said %q, %v", hello, err)
	}
	conn.Close()
	if exit, err := init.Wait(); err != nil || exit.Code != 0 {
		t.Errorf("got %+v, %v", exit, err)
	}
	text, _ := os.ReadFile(out.Name())
	r := result{out: string(text)}
	for try, want := range map[string]string{
		"dial=127.0.0.1:443": "127.0.0.1:443", "dial=198.18.7.9:443": "198.18.7.9:443", "dial=127.0.0.1:444": "ECONNREFUSED",
		"resolve=127.0.0.1:53": "answer to a question",
		"low-port":             "EACCES", // for the agent it is as anywhere else
	} {
		if got := r.of(try); got != want {
			t.Errorf("%s: got %q, want %q", try, got, want)
		}
	}
}

// TestManyDescriptors: more than one message carries, and more than core may have read of when the
// next comes.
func TestManyDescriptors(t *testing.T) {
	b := newBox(t, "pid")
	for n := range 4*recipe.MaxDescriptors + 10 {
		name := "listener-" + strings.Repeat("x", min(n, 200)) + strconv.Itoa(n)
		b.recipe.Listeners = append(b.recipe.Listeners, fragment.Listener{Name: name, Network: fragment.TCP, Port: uint16(2000 + n)})
	}
	_, ready, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range b.recipe.Listeners {
		sa, err := unix.Getsockname(int(ready.Listeners[l.Name].Fd()))
		if err != nil || sa.(*unix.SockaddrInet4).Port != int(l.Port) {
			t.Fatalf("%s is %v, %v", l.Name, sa, err)
		}
	}
}

// TestHostNetwork: without a network namespace the host's loopback is the agent's.
func TestHostNetwork(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "of the host")
			c.Close()
		}
	}()
	for open, want := range map[bool]string{true: "of the host", false: "ECONNREFUSED"} {
		b := newBox(t, "dial="+l.Addr().String())
		b.options.HostNetwork = open
		b.want(t, map[string]string{"dial=" + l.Addr().String(): want})
	}
}

// TestRootBound is the view without a filesystem layer: the host's own root, with a /proc of the
// session's.
func TestRootBound(t *testing.T) {
	b := newBox(t, "read=/etc/hostname", "list=/proc/1/task", "stat=/home", "list=/proc/self/fd", "write=new", "open-w=/dev/null", "pid1-memory")
	hostname, err := os.ReadFile("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	root := bind(t, "/", "/", true)
	mounts := fragment.List{root}
	for _, s := range b.recipe.Mounts[1:] {
		switch s := s.(type) {
		case fragment.Bind:
			if s.Path == "/prober" {
				continue // no place can be made for it
			}
		}
		mounts = append(mounts, s)
	}
	b.recipe.Mounts = mounts
	b.recipe.Executable = built.prober
	b.want(t, map[string]string{
		"read=/etc/hostname": strings.TrimSpace(string(hostname)), "stat=/home": "ok", "write=new": "ok", "open-w=/dev/null": "ok",
		"pid1-memory": "EACCES",
	})
}

// TestHostMounts: what the host mounts during the session does not come in with the host's
// attributes.
func TestHostMounts(t *testing.T) {
	for name, test := range map[string]struct {
		init string
		want string
	}{
		"as it is":          {built.init, "ENOENT"},
		"without that step": {without(t, "private"), "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := hostCommand(t, "mount", test.init).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := (result{out: string(out)}).of("stat=/shared/mounted/canary"); got != test.want {
				t.Errorf("a file in what was mounted later: got %s, want %s\n%s", got, test.want, out)
			}
		})
	}
}

// TestDeadline: a nono-init that does not answer is given up.
func TestDeadline(t *testing.T) {
	b := newBox(t, "pid")
	b.options.Path = built.prober
	script := filepath.Join(t.TempDir(), "hangs")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.options.Path, b.options.Deadline = script, 100*time.Millisecond
	init, err := launch.Start(deadline(t), b.options)
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	if _, err := init.Tier(deadline(t)); err == nil || !strings.Contains(err.Error(), "did not answer within") {
		t.Errorf("got %v", err)
	}
}

// TestNoInit: what is not nono-init, or not there.
func TestNoInit(t *testing.T) {
	_, err := launch.Start(deadline(t), launch.Options{Tier: recipe.TierA, Path: filepath.Join(t.TempDir(), "nono-init")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing nono-init: %v", err)
	}
	closed := filepath.Join(t.TempDir(), "nono-init")
	if err := os.WriteFile(closed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = launch.Start(deadline(t), launch.Options{Tier: recipe.TierA, Path: closed})
	var refused *launch.UnavailableError
	if !errors.Is(err, os.ErrPermission) || errors.As(err, &refused) {
		t.Errorf("one that may not be executed: %v", err)
	}
	init, err := launch.Start(deadline(t), launch.Options{Tier: recipe.TierA, Path: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	defer init.Close()
	if _, err := init.Tier(deadline(t)); err == nil || !strings.Contains(err.Error(), "nono-init ended: exit status 0") {
		t.Errorf("one that says nothing: %v", err)
	}
	if _, err := init.Wait(); err == nil {
		t.Error("Wait took the end of something else for the agent's")
	}
}
