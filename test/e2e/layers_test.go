//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ran is an agent that leaves a mark when it begins, and then runs for as long as nobody ends it.
const ran = "echo ran > ran; echo up; while :; do sleep 0.1; done"

// layerConfig is a policy with one of the tests' layers: "filesystem" or a name of its own, the
// program, and its settings.
func layerConfig(block, plugin, path, settings string) string {
	return fmt.Sprintf("filesystem { allow = [\".\"] }\nlayer %q {\n  plugin = %q\n  %s\n}\nplugin %q { path = %q }\n",
		block, plugin, settings, plugin, path)
}

// use writes a policy with one of the tests' custom layers.
func (u *user) use(layer, settings string) {
	u.t.Helper()
	u.write("agent.hcl", layerConfig(layer, "test/"+layer, layers+"/nono-layer-"+layer, settings))
}

func (u *user) useEcho(settings string) {
	u.t.Helper()
	u.use("echo", settings)
}

func (u *user) useRogue(settings string) {
	u.t.Helper()
	u.write("agent.hcl", layerConfig("filesystem", "test/rogue", layers+"/nono-layer-rogue", settings))
}

// early makes a script that starts one of the tests' layers with a failure before there are
// settings. A script is as good a layer as any other.
func (u *user) early(name, failure string) string {
	u.t.Helper()
	script := "~/layers/nono-layer-" + name
	u.write(script, fmt.Sprintf("#!/bin/sh\nLAYER_EARLY=%s exec %s/nono-layer-%s\n", failure, layers, name))
	if err := os.Chmod(u.path(script), 0o755); err != nil {
		u.t.Fatal(err)
	}
	u.locks(map[string]string{"test/" + name: script})
	return u.path(script)
}

// configured are the arguments of a run with the policy in agent.hcl.
func configured(command ...string) []string {
	return append([]string{"run", "-c", "agent.hcl", "--approve", "--"}, command...)
}

// neverRan fails the test if the agent has left its mark.
func (u *user) neverRan(r result) {
	u.t.Helper()
	if u.exists("ran") {
		u.t.Errorf("the agent ran\n%s", r)
	}
}

// TestFilesystemLayerSwapped takes the layer that holds the filesystem rules away and puts another
// in its place. What the agent may do is the same, for the policy says what, and layers say how.
func TestFilesystemLayerSwapped(t *testing.T) {
	const swap = "layer \"filesystem\" { plugin = \"test/binds\" }\n"
	policy := "filesystem {\n  allow = [\".\"]\n  read = [\"../ref\"]\n  deny = [\"secret.txt\"]\n  protect = [\"deploy\"]\n}\n"
	agent := `
import os
def attempt(what, f):
    try:
        print(what, "->", f())
    except OSError as e:
        print(what, "->", type(e).__name__)
attempt("read data", lambda: open("data.txt").read())
attempt("write out", lambda: open("out.txt", "w").write("x"))
attempt("read ref", lambda: open("../ref/r.txt").read())
attempt("write ref", lambda: open("../ref/r.txt", "w"))
attempt("read secret", lambda: open("secret.txt").read())
attempt("read deploy", lambda: open("deploy/d.txt").read())
attempt("write deploy", lambda: open("deploy/d.txt", "w"))
attempt("rename deploy", lambda: os.rename("deploy", "gone"))
attempt("read notes", lambda: open(os.path.expanduser("~/notes.txt")).read())
attempt("read key", lambda: open(os.path.expanduser("~/.ssh/id")).read())
attempt("write home", lambda: open(os.path.expanduser("~/new"), "w").write("x"))
attempt("write tmp", lambda: open("/tmp/new", "w").write("x"))
attempt("write usr", lambda: open("/usr/new", "w").write("x"))
`
	prepare := func(t *testing.T) *user {
		u := newUser(t)
		u.write("data.txt", "data")
		u.write("../ref/r.txt", "ref")
		u.write("secret.txt", "secret")
		u.write("deploy/d.txt", "deploy")
		u.write("~/notes.txt", "notes")
		u.write("~/.ssh/id", "key")
		u.write("prog.py", agent)
		return u
	}
	python := configured("/usr/bin/python3", "prog.py")
	usedBy := func(u *user) string {
		u.t.Helper()
		r := u.succeeds(u.nono(append([]string{"plan", "--json"}, python[1:]...)...))
		m := regexp.MustCompile(`"(?:name|Name)": "(landlock|test/binds)"`).FindStringSubmatch(r.Stdout)
		if m == nil {
			u.t.Fatalf("the plan names no filesystem layer\n%s", r)
		}
		return m[1]
	}

	u := prepare(t)
	u.write("agent.hcl", policy)
	if by := usedBy(u); by != "landlock" {
		t.Fatalf("without a block the layer is %s", by)
	}
	want := u.guard(python...).succeeds().Stdout
	for _, line := range []string{"read data -> data", "read secret -> PermissionError", "write ref -> OSError", "read notes -> FileNotFoundError"} {
		if !strings.Contains(want, line+"\n") {
			t.Fatalf("with landlock, want %q in\n%s", line, want)
		}
	}

	for _, installed := range []bool{false, true} {
		t.Run(fmt.Sprintf("installed=%v", installed), func(t *testing.T) {
			u := prepare(t)
			at := fmt.Sprintf("plugin \"test/binds\" { path = %q }\n", layers+"/nono-layer-binds")
			if installed {
				at = "" // found by its name
				u.write("~/data/nono/plugins/test/binds/nono-layer-binds", readAll(t, layers+"/nono-layer-binds"))
				if err := os.Chmod(u.path("~/data/nono/plugins/test/binds/nono-layer-binds"), 0o755); err != nil {
					t.Fatal(err)
				}
				u.Env = append(u.Env, "XDG_DATA_HOME="+u.path("~/data"))
			}
			u.write("agent.hcl", policy+swap+at)
			if by := usedBy(u); by != "test/binds" {
				t.Fatalf("swapped, the layer is %s", by)
			}
			if got := u.guard(python...).succeeds().Stdout; got != want {
				t.Errorf("swapped, the agent finds\n%s\nand with landlock\n%s", got, want)
			}
			// What the file asks for needs the user's word.
			without := u.guard("run", "-c", "agent.hcl", "--", "true")
			u.refused(without.end(), "test/binds", "--approve")
		})
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestFilesystemLayerDisabled shows what is gone with the layer, and what is not: that is core's.
func TestFilesystemLayerDisabled(t *testing.T) {
	u := newUser(t)
	u.write("~/notes.txt", "notes")
	const agent = `cat ~/notes.txt; echo x > ~/new; ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>/dev/null; cat /proc/self/status | grep -E 'CapEff|Seccomp:|NoNewPrivs'; ` +
		`(echo > /dev/tcp/127.0.0.1/1) 2>&1 | grep -o refused; echo x 2>/dev/null > /proc/sys/kernel/core_pattern || echo core_pattern held`
	r := u.guard("run", "--disable", "filesystem", "--", "bash", "-c", agent).succeeds()
	if !strings.Contains(r.Stderr, "the filesystem layer is off") {
		t.Errorf("it is not announced\n%s", r)
	}
	if !u.exists("~/new") || !strings.HasPrefix(r.Stdout, "notes") {
		t.Errorf("paths are restricted all the same\n%s", r)
	}
	for _, held := range []string{"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "core_pattern held"} {
		if !strings.Contains(r.Stdout, held) {
			t.Errorf("%q is gone with the layer\n%s", held, r)
		}
	}
	if r := u.guard("run", "--", "cat", u.path("~/notes.txt")).end(); r.Code == 0 {
		t.Errorf("with the layer the file can be read\n%s", r)
	}
}

// TestEchoDisabled takes a layer away that somebody added: what it gave the agent is not there, and
// that is said.
func TestEchoDisabled(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	agent := configured("sh", "-c", "echo ${ECHO_ADDR-none} ${ECHO_TOKEN-none}")
	r := u.guard(append([]string{"run", "--disable", "echo"}, agent[1:]...)...).succeeds()
	if r.Stdout != "none none\n" || !strings.Contains(r.Stderr, `the layer "echo" is off`) {
		t.Errorf("it should be off, and be said to be\n%s", r)
	}
	if r := u.guard(agent...).succeeds(); strings.Contains(r.Stdout, "none") {
		t.Errorf("and it should be on\n%s", r)
	}
}

// TestLayerMissing has no program where the layer should be. Nothing is started.
func TestLayerMissing(t *testing.T) {
	t.Run("built-in", func(t *testing.T) {
		u := newUser(t)
		u.Programs = copyPrograms(u)
		u.guard("run", "--allow-cwd", "--", "true").succeeds()
		if err := os.Remove(filepath.Join(u.Programs, "nono-layer-landlock")); err != nil {
			t.Fatal(err)
		}
		r := u.guard("run", "--allow-cwd", "--", "sh", "-c", ran).refusedOnce("layer landlock", "nono-layer-landlock does not exist")
		u.neverRan(r)
	})
	t.Run("at a path", func(t *testing.T) {
		u := newUser(t)
		u.write("agent.hcl", layerConfig("filesystem", "test/binds", u.path("~/nowhere"), ""))
		u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce("agent.hcl:6", "~/nowhere", "does not exist"))
	})
	t.Run("by name", func(t *testing.T) {
		u := newUser(t)
		u.write("agent.hcl", "filesystem { allow = [\".\"] }\nlayer \"filesystem\" { plugin = \"test/binds\" }\n")
		u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce("layer test/binds", "plugins/test/binds/nono-layer-binds does not exist"))
	})
	t.Run("nono-init", func(t *testing.T) {
		u := newUser(t)
		u.Programs = copyPrograms(u)
		if err := os.Remove(filepath.Join(u.Programs, "nono-init")); err != nil {
			t.Fatal(err)
		}
		u.neverRan(u.guard("run", "--allow-cwd", "--", "sh", "-c", ran).refusedOnce("nono-init"))
	})
}

// copyPrograms gives the user an installation of his own.
func copyPrograms(u *user) string {
	u.t.Helper()
	u.mkdir("~/bin")
	entries, err := os.ReadDir(programs)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(programs, e.Name()), u.path("~/bin/"+e.Name())); err != nil {
			u.t.Fatal(err)
		}
	}
	return u.path("~/bin")
}

// TestLayerOverwritten replaces a layer's program when core has read it and has not yet executed
// it. What runs is what was read.
func TestLayerOverwritten(t *testing.T) {
	const intruder = "#!/bin/sh\ntouch %s\nexit 1\n"
	prepare := func(t *testing.T) (u *user, program, evil string) {
		u = newUser(t)
		u.write("~/layers/nono-layer-binds", readAll(t, layers+"/nono-layer-binds"))
		// The second layer is read after the first and is large, so there is time between the reading of
		// the first and its start.
		u.write("~/layers/nono-layer-echo", readAll(t, layers+"/nono-layer-echo"))
		for _, name := range []string{"binds", "echo"} {
			if err := os.Chmod(u.path("~/layers/nono-layer-"+name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Truncate(u.path("~/layers/nono-layer-echo"), 150<<20); err != nil {
			t.Fatal(err)
		}
		program = u.path("~/layers/nono-layer-binds")
		u.write("agent.hcl", layerConfig("filesystem", "test/binds", program, "")+
			fmt.Sprintf("layer \"echo\" { plugin = \"test/echo\" }\nplugin \"test/echo\" { path = %q }\n", u.path("~/layers/nono-layer-echo")))
		u.locks(map[string]string{"test/binds": program, "test/echo": "~/layers/nono-layer-echo"})
		return u, program, fmt.Sprintf(intruder, u.path("~/intruded"))
	}
	t.Run("before it is read", func(t *testing.T) { // it is not what was locked
		u, program, evil := prepare(t)
		u.write(program, evil)
		u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce("is not the program that you locked", "agent.hcl:3:12"))
		if u.exists("~/intruded") {
			t.Error("the other program ran")
		}
	})
	t.Run("before it is locked", func(t *testing.T) { // the control: what stands there then is run
		u, program, evil := prepare(t)
		u.write(program, evil)
		u.locks(map[string]string{"test/binds": program, "test/echo": "~/layers/nono-layer-echo"})
		u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce("layer test/binds", "exited with code 1"))
		if !u.exists("~/intruded") {
			t.Error("the other program did not run")
		}
	})
	t.Run("after it was read", func(t *testing.T) {
		// Core looks at a program more than once, and only one of these times is the one that counts. So
		// each is tried.
		for attempt := range 12 {
			u, program, evil := prepare(t)
			read := closed(t, program, 1+attempt%3)
			g := u.guard(configured("sh", "-c", ran)...)
			g.until("read the program", func() bool { return len(read) > 0 || len(g.done) > 0 || g.out.String() != "" })
			late := len(read) == 0 || g.out.String() != ""
			u.write(program, evil) // in place: the same file, and the same inode
			if _, started := g.child("nono-layer-binds"); started {
				late = true
			}
			g.until("began or was refused", func() bool { return len(g.done) > 0 || g.out.String() != "" })
			if len(g.done) == 0 {
				g.signal(syscall.SIGTERM)
			}
			r := g.end()
			if r.Code == 125 || late {
				continue // it was overwritten too early, and so the other program was read; or too late
			}
			if r.Code != 128+int(syscall.SIGTERM) || !u.exists("ran") {
				t.Errorf("the run did not go on\n%s", r)
			}
			if u.exists("~/intruded") {
				t.Error("the program was run that took the place of the one that was read")
			}
			return
		}
		t.Error("no run went on with a program that was overwritten after it was read")
	})
	t.Run("the plan names what would run", func(t *testing.T) {
		u, program, _ := prepare(t)
		sum := sha256.Sum256([]byte(readAll(t, program)))
		r := u.succeeds(u.nono("plan", "--json", "-c", "agent.hcl", "--approve", "--", "true"))
		if !strings.Contains(r.Stdout, hex.EncodeToString(sum[:])) {
			t.Errorf("the plan does not have its digest\n%s", r)
		}
	})
}

// closed tells when a file has been closed for the n-th time by somebody who read it.
func closed(t *testing.T, path string, n int) <-chan struct{} {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	// The openings too: two equal events in a row would be told as one.
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_CLOSE_NOWRITE); err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{}, 1)
	go func() {
		defer unix.Close(fd)
		event := make([]byte, unix.SizeofInotifyEvent) // without a name, for it is the file itself that is watched
		for n > 0 {
			if read, err := unix.Read(fd, event); err != nil || read != len(event) {
				return
			}
			if mask := binary.NativeEndian.Uint32(event[4:]); mask&unix.IN_CLOSE_NOWRITE != 0 {
				n--
			} else if mask&unix.IN_IGNORED != 0 { // the file is gone
				return
			}
		}
		seen <- struct{}{}
	}()
	return seen
}

// TestIntruder has another process of the same user at a layer's socket before core is there: it
// stops core while a layer comes up.
func TestIntruder(t *testing.T) {
	// stopped starts nono and stops it when the layer serves and core has not yet connected. Core is
	// quick, so that it takes a few tries.
	stopped := func(t *testing.T) (g *guarded, socket string) {
		for range 50 {
			u := newUser(t)
			g := u.guard("run", "--allow-cwd", "--", "sh", "-c", "echo ran > ran")
			if _, seen := g.seen("nono-layer-landlock"); !seen {
				g.succeeds()
				continue
			}
			g.signal(syscall.SIGSTOP)
			for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				found, _ := filepath.Glob(u.runtime + "/nono/*/*/plugin*")
				if len(found) == 0 {
					continue
				}
				// The kernel lists one socket of this name for who listens, and one for each that has
				// connected.
				switch all := readAll(t, "/proc/net/unix"); strings.Count(all, found[0]) {
				case 1:
					if regexp.MustCompile(`00010000 \d+ \d+ \d+ ` + regexp.QuoteMeta(found[0])).MatchString(all) {
						return g, found[0]
					}
				case 2:
					deadline = time.Now() // too late
				}
			}
			g.signal(syscall.SIGCONT)
			g.succeeds()
		}
		t.Fatal("core was never stopped in time")
		return nil, ""
	}

	t.Run("connects first", func(t *testing.T) {
		g, socket := stopped(t)
		var others []net.Conn
		for range 10 {
			c, err := net.Dial("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			others = append(others, c)
			// The beginning of what gRPC speaks: a server that took the caller for core would answer with
			// settings of its own.
			_, _ = c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
		}
		for _, c := range others {
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := c.Read(make([]byte, 1))
			if n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the layer answered it: %d bytes, %v", n, err)
			}
		}
		g.signal(syscall.SIGCONT)
		g.succeeds() // and the layer serves core all the same
	})
	t.Run("takes its place", func(t *testing.T) {
		g, socket := stopped(t)
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		heard := make(chan []byte, 1)
		go func() {
			var all bytes.Buffer
			defer func() { heard <- all.Bytes() }()
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, _ = all.ReadFrom(c)
		}()
		g.signal(syscall.SIGCONT)
		g.u.neverRan(g.refusedOnce("layer landlock", "is at the other end of the socket"))
		l.Close()
		if told := <-heard; len(told) > 0 {
			t.Errorf("core spoke to it: %q", told)
		}
	})
}

// TestLayerFailsBeforeTheAgent has layers fail in each call that comes before the gate is opened.
// The run ends with that one cause, and no instruction of the agent has happened.
func TestLayerFailsBeforeTheAgent(t *testing.T) {
	how := map[string]string{
		"hang":  "it hangs: there was no answer within",
		"die":   "it was killed by signal 9",
		"panic": "it exited with code 2",
	}
	inCall := map[string]string{"begin": "start", "describe": "Describe", "plan": "Plan", "start": "Start"}
	for _, layer := range []struct {
		name, block string
		moments     []string
	}{
		{"rogue", "filesystem", []string{"begin", "describe", "plan"}},
		{"echo", "echo", []string{"begin", "describe", "plan", "start"}},
		{"keeper", "keeper", []string{"begin", "describe", "plan", "start"}},
	} {
		for _, moment := range layer.moments {
			for failure, says := range how {
				t.Run(fmt.Sprintf("%s-%s-%s", layer.name, failure, moment), func(t *testing.T) {
					t.Parallel()
					u := newUser(t)
					if failure == "hang" {
						u.Program = "nono-short"
					}
					path, settings := layers+"/nono-layer-"+layer.name, fmt.Sprintf("misbehave = %q", failure+"-"+moment)
					if moment == "begin" || moment == "describe" {
						path, settings = u.early(layer.name, failure+"-"+moment), ""
					}
					u.write("agent.hcl", layerConfig(layer.block, "test/"+layer.name, path, settings))
					r := u.guard(configured("sh", "-c", ran)...).refusedOnce(
						fmt.Sprintf("layer test/%s, %s: %s", layer.name, inCall[moment], says), "agent.hcl:3")
					if n := strings.Count(r.Stderr, "the layer was told to panic"); failure == "panic" && n != 1 {
						t.Errorf("the panic itself is told %d times\n%s", n, r)
					}
					u.neverRan(r)
					// Whose Start was called is owed a Finish, whatever became of it.
					finished := strings.Contains(r.Stderr, "echo was not armed; the run ended: start failed") ||
						strings.Contains(r.Stderr, "keeper: nothing was remembered")
					if finished != (moment == "start") {
						t.Errorf("finished: %v\n%s", finished, r)
					}
				})
			}
		}
	}
	for _, call := range []string{"plan", "start"} {
		t.Run("echo-stop-"+call, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.useEcho(fmt.Sprintf("misbehave = %q", "stop-"+call))
			u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce(
				"layer test/echo refused to let the run begin: the echo layer was told to stop", "agent.hcl:3"))
			if call == "plan" {
				plan := append([]string{"plan"}, configured("true")[1:]...)
				u.refused(u.nono(plan...), "refused to let the run begin")
			}
		})
		t.Run("echo-refuse-"+call, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.useEcho(fmt.Sprintf("misbehave = %q", "refuse-"+call))
			u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce("layer test/echo", "the echo layer was told to refuse"))
		})
	}
}

// TestLayersLeftAlone is the control of the tests around it: the same layers and policies, and
// nothing goes wrong.
func TestLayersLeftAlone(t *testing.T) {
	for name, prepare := range map[string]func(*user){
		"landlock": func(u *user) { u.write("agent.hcl", "filesystem { allow = [\".\"] }\n") },
		"rogue":    func(u *user) { u.useRogue("") },
		"a script": func(u *user) {
			u.write("agent.hcl", layerConfig("filesystem", "test/rogue", u.early("rogue", ""), ""))
		},
		"echo": func(u *user) { u.useEcho("") },
		"echo, for longer than it may be silent": func(u *user) {
			u.useEcho("")
			u.Program = "nono-short"
			u.write("long", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			prepare(u)
			r := u.guard(configured("sh", "-c", "echo ran > ran; [ ! -e long ] || sleep 4; exit 7")...).end()
			if r.Code != 7 || !u.exists("ran") {
				t.Errorf("the run was not what it should be\n%s", r)
			}
		})
	}
}

// TestLandlockKilled kills the real filesystem layer from outside, at several moments of its short
// life. Before it has answered, the run is refused; after that it is no longer needed, and the run
// goes on.
func TestLandlockKilled(t *testing.T) {
	refused := 0
	for moment := range 10 {
		u := newUser(t)
		g := u.guard("run", "--allow-cwd", "--", "sh", "-c", "echo ran > ran; exit 7")
		if pid, seen := g.seen("nono-layer-landlock"); seen {
			// From the moment when it is there to when it has long gone.
			time.Sleep(time.Duration(moment) * 1500 * time.Microsecond)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if r := g.end(); r.Code != 7 || !u.exists("ran") {
			refused++
			u.oneCause(u.refused(r, "layer landlock", "it was killed by signal 9"))
			u.neverRan(r)
		}
	}
	if refused == 0 {
		t.Error("it was never killed in time: the test has shown nothing")
	}
	t.Logf("%d times of 10 it was killed before it had answered", refused)
}

// TestLandlockHangs stops the real filesystem layer from outside. A stopped process is as silent as
// one that hangs.
func TestLandlockHangs(t *testing.T) {
	t.Parallel()
	for range 20 {
		u := newUser(t)
		u.Program = "nono-short"
		g := u.guard("run", "--allow-cwd", "--", "sh", "-c", "echo ran > ran")
		if pid, seen := g.seen("nono-layer-landlock"); seen {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		if r := g.end(); r.Code != 0 { // else it had answered already
			u.refused(r, "layer landlock", "it hangs")
			u.neverRan(r)
			return
		}
	}
	t.Error("it was never stopped in time: the test has shown nothing")
}

// TestLayerKilledWhenNoLongerNeeded kills an ephemeral layer that is still there while the agent
// runs: nobody misses it.
func TestLayerKilledWhenNoLongerNeeded(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.write("agent.hcl", layerConfig("filesystem", "test/rogue", u.early("rogue", "linger"), ""))
			g := u.guarded(configured("sh", "-c", "echo up; read line; echo $line")...)
			in := g.openInput()
			g.start()
			g.wait(&g.out, "up")
			pid, there := g.child("nono-layer-rogue")
			if !there {
				t.Fatal("the layer is gone already: the test shows nothing")
			}
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
			g.until("ended the layer", func() bool { _, there := g.child("nono-layer-rogue"); return !there })
			fmt.Fprintln(in, "and on it goes")
			if r := g.succeeds(); r.Stdout != "up\nand on it goes\n" {
				t.Errorf("the run did not go on\n%s", r)
			}
		})
	}
}

// TestResidentLayerLost loses a layer that the agent needs, while it runs. The agent is ended.
func TestResidentLayerLost(t *testing.T) {
	for failure, says := range map[string][3]string{
		"die-armed":   {"layer test/echo: it was killed by signal 9", "layer lost", "core layer.lost why="},
		"panic-armed": {"layer test/echo: it exited with code 2", "layer lost", "core layer.lost why="},
		"hang-armed":  {"layer test/echo: it hangs: nothing was heard of it", "layer lost", "core layer.lost why="},
		"stop-armed": {
			"layer test/echo ended the run: the echo layer was told to stop", "stopped",
			"core layer.stop layer=test/echo why='the echo layer was told to stop'",
		},
	} {
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.Program = "nono-short"
			u.useEcho(fmt.Sprintf("misbehave = %q", failure))
			u.guard(configured("sh", "-c", ran)...).refusedOnce(says[0], "echo was armed; the run ended: "+says[1])
			if !u.exists("ran") {
				t.Error("the agent had not begun: the test shows something else")
			}
			if r := u.succeeds(u.nono("logs")); !strings.Contains(r.Stdout, says[2]) {
				t.Errorf("the log does not say %q\n%s", says[2], r)
			}
		})
	}
}

// TestEchoKilled kills the resident layer from outside, before the gate and after. It is needed to
// the end.
func TestEchoKilled(t *testing.T) {
	for moment := range 8 {
		u := newUser(t)
		u.useEcho("")
		g := u.guard(configured("sh", "-c", ran)...)
		pid := g.appears("nono-layer-echo")
		time.Sleep(time.Duration(moment) * 6 * time.Millisecond)
		_ = syscall.Kill(pid, syscall.SIGKILL)
		g.refusedOnce("layer test/echo", "it was killed by signal 9")
	}
	u := newUser(t)
	u.useEcho("")
	g := u.guard(configured("sh", "-c", ran)...)
	g.wait(&g.out, "up")
	pid, there := g.child("nono-layer-echo")
	if !there {
		t.Fatal("the layer does not run beside the agent")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	g.refusedOnce("layer test/echo: it was killed by signal 9")
}

// TestFinishFails has a layer that cannot clean up. That is said, and the agent's own code is kept,
// unless it is the code of success.
func TestFinishFails(t *testing.T) {
	for failure, says := range map[string]string{
		"die-finish":    "Finish: it was killed by signal 9",
		"panic-finish":  "Finish: it exited with code 2",
		"hang-finish":   "Finish: it hangs",
		"refuse-finish": "told to refuse",
	} {
		for _, layer := range []string{"echo", "keeper"} {
			t.Run(layer+"-"+failure, func(t *testing.T) {
				t.Parallel()
				u := newUser(t)
				u.Program = "nono-short"
				u.use(layer, fmt.Sprintf("misbehave = %q", failure))
				for code, want := range map[int]int{7: 7, 0: 125} {
					r := u.guard(configured("sh", "-c", fmt.Sprint("exit ", code))...).end()
					if r.Code != want || !strings.Contains(r.Stderr, "layer test/"+layer+", Finish: ") || !strings.Contains(r.Stderr, says) {
						t.Errorf("want code %d and %q\n%s", want, says, r)
					}
					u.oneCause(r)
				}
			})
		}
	}
}

// TestFinishIsCalledOff has a layer whose Finish hangs, and a user who does not wait for its
// deadline.
func TestFinishIsCalledOff(t *testing.T) {
	const says = "layer test/echo was not waited for, and may have left something behind: cleaning up was ended by "
	for name, signals := range map[string][]syscall.Signal{
		"SIGINT":  {syscall.SIGINT, syscall.SIGINT},
		"SIGTERM": {syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.useEcho(`misbehave = "wait-finish"`)
			g := u.guard(append([]string{"run", "-v"}, configured("true")[1:]...)...)
			g.wait(&g.err, "echo.finishing")
			began := time.Now()
			for i, s := range signals {
				g.signal(s)
				if i < len(signals)-1 {
					g.wait(&g.err, "nono: test/echo cleans up; Ctrl-C again ends that too")
				}
			}
			r := g.end()
			if r.Code != 125 || !strings.Contains(r.Stderr, says+name) {
				t.Errorf("want code 125 and %q\n%s", says+name, r)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s: the deadline was waited for", took)
			}
		})
	}
}

// TestEchoServesInside is what the resident layer is there for: its listener is in the agent's own
// network, and nowhere else.
func TestEchoServesInside(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	u.write("prog.py", `
import os, socket, sys
host, port = os.environ["ECHO_ADDR"].rsplit(":", 1)
s = socket.create_connection((host, int(port)))
s.sendall(b"ping")
print(s.recv(100).decode(), port, len(os.environ["ECHO_TOKEN"]), flush=True)
sys.stdin.readline()
`)
	g := u.guarded(append([]string{"run", "-v"}, configured("/usr/bin/python3", "prog.py")[1:]...)...)
	in := g.openInput()
	g.start()
	g.wait(&g.out, "\n")
	words := strings.Fields(g.out.String())
	if len(words) != 3 || words[0] != "ping" || words[2] == "0" {
		t.Fatalf("the agent said %q", g.out.String())
	}
	// On the host nobody listens there, and no process of the session has a port.
	if c, err := net.Dial("tcp", "127.0.0.1:"+words[1]); err == nil {
		c.Close()
		t.Error("the layer can be reached from the host")
	}
	in.Close()
	r := g.succeeds()
	for _, event := range []string{"[test/echo] echo.planned", "[test/echo] echo.armed", "[test/echo] echo.accepted", "echo.closed bytes=4"} {
		if !strings.Contains(r.Stderr, event) {
			t.Errorf("the event %q is not shown\n%s", event, r)
		}
	}
	if !strings.Contains(r.Stderr, "nono: echo was armed; the run ended: exited") {
		t.Errorf("the layer's report is missing\n%s", r)
	}
	quiet := u.guard(configured("true")...).succeeds()
	if strings.Contains(quiet.Stderr, "echo.planned") {
		t.Errorf("events are shown without -v\n%s", quiet)
	}
}

// TestLayerKeepsState: what a layer leaves in its state directory is there in the next run, for it
// and for nobody inside. Finish knows how the run ended.
func TestLayerKeepsState(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	u.succeeds(u.nono(append([]string{"plan"}, configured("true")[1:]...)...))
	dir := "~/.local/state/nono/layers/test.echo"
	if u.exists(dir) {
		t.Error("a plan made the directory")
	}
	for _, run := range []string{"1", "2"} {
		agent := fmt.Sprintf("cat %s/runs; ls -a %s; exit 7", u.path(dir), u.path(dir))
		r := u.guard(append([]string{"run", "-v"}, configured("sh", "-c", agent)[1:]...)...).end()
		if r.Code != 7 || r.Stdout != "" {
			t.Errorf("the agent sees the directory\n%s", r)
		}
		if want := "echo.finished code=7 command=sh runs=" + run + " secrets=1"; !strings.Contains(r.Stderr, want) {
			t.Errorf("%q is missing\n%s", want, r)
		}
	}
	info, err := os.Stat(u.path(dir))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
}

// TestLayerAsks has a layer ask the user, in each of its calls, at a terminal.
func TestLayerAsks(t *testing.T) {
	const question = `nono: layer test/echo asks: what is the\x1b[2J word?` + "\r\nnono: your answer to layer test/echo: "
	begin := func(t *testing.T, settings string) (*terminal, *guarded) {
		u := newUser(t)
		u.Program = "nono-short" // a call may take two seconds there
		u.useEcho(settings)
		tty := newTerminal(t)
		g := u.guarded(append([]string{"run", "-v"}, configured("sh", "-c", "echo ran > ran; exit 7")[1:]...)...)
		tty.run(g)
		return tty, g
	}
	for _, moment := range []string{"plan", "start", "finish"} {
		t.Run("in "+moment, func(t *testing.T) {
			t.Parallel()
			tty, g := begin(t, fmt.Sprintf("ask = %q", moment))
			g.wait(&g.out, question)
			time.Sleep(5 * time.Second) // for longer than the call may take: the user may think
			tty.types(t, "sesame\n")
			r := g.end()
			if r.Code != 7 || !strings.Contains(r.Stdout, "echo.asked answer=sesame") {
				t.Errorf("it was not told\n%s", r)
			}
			if strings.Count(r.Stdout, "sesame") != 1 {
				t.Errorf("what was typed is on the screen\n%s", r)
			}
		})
		t.Run("interrupted in "+moment, func(t *testing.T) {
			t.Parallel()
			tty, g := begin(t, fmt.Sprintf("ask = %q", moment))
			before := tty.settings(t)
			g.wait(&g.out, question)
			if during := tty.settings(t); during == before || during.Lflag&unix.ECHO != 0 {
				t.Errorf("the terminal echoes what is typed")
			}
			tty.types(t, "ses\x03")
			r := g.end()
			if after := tty.settings(t); after != before {
				t.Errorf("the terminal's settings were %+v and are %+v", before, after)
			}
			if moment == "finish" {
				if r.Code != 7 || !strings.Contains(r.Stdout, "the user interrupted the questions") {
					t.Errorf("the layer was not told\n%s", r)
				}
				return
			}
			if r.Code != 128+int(syscall.SIGINT) || g.u.exists("ran") {
				t.Errorf("the start went on\n%s", r)
			}
		})
	}
	t.Run("while the agent has the terminal", func(t *testing.T) {
		t.Parallel()
		u := newUser(t)
		u.useEcho(`ask = "armed"`)
		tty := newTerminal(t)
		g := u.guarded(append([]string{"run", "-v"}, configured("sh", "-c", "read line; exit 7")[1:]...)...)
		tty.runWith(g, false) // on the terminal it would be said when that is nono's again
		g.wait(&g.err, "nobody can answer: the agent has the terminal")
		tty.types(t, "for the agent\n")
		if r := g.end(); r.Code != 7 || strings.Contains(r.Stdout, "asks:") {
			t.Errorf("the question was shown\n%s", r)
		}
	})
}

// TestNobodyToAsk: where nobody can answer, the layer hears of it at once.
func TestNobodyToAsk(t *testing.T) {
	for _, moment := range []string{"plan", "start", "finish"} {
		u := newUser(t)
		u.useEcho(fmt.Sprintf("ask = %q", moment))
		g := u.guarded(append([]string{"run", "-v"}, configured("true")[1:]...)...)
		g.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // whoever runs the tests may have a terminal
		r := g.start().succeeds()
		if !strings.Contains(r.Stderr, "nobody can answer: there is no terminal") {
			t.Errorf("in %s it was not told\n%s", moment, r)
		}
	}
	t.Run("in a plan", func(t *testing.T) {
		u := newUser(t)
		u.useEcho(`ask = "plan"`)
		tty := newTerminal(t)
		g := u.guarded(append([]string{"plan", "-v"}, configured("true")[1:]...)...)
		tty.run(g)
		r := g.end()
		if r.Code != 0 || !strings.Contains(r.Stdout, "nobody can answer: nothing is going to be run") {
			t.Errorf("it was not told\n%s", r)
		}
	})
}

// TestTwoLayersOneListenerName: names are local. Two layers call a listener "echo", and each serves
// its own.
func TestTwoLayersOneListenerName(t *testing.T) {
	u := newUser(t)
	second := "~/layers/nono-layer-second"
	u.write(second, fmt.Sprintf("#!/bin/sh\nLAYER_NAME=test/second exec %s/nono-layer-echo\n", layers))
	if err := os.Chmod(u.path(second), 0o755); err != nil {
		t.Fatal(err)
	}
	u.locks(map[string]string{"test/second": second})
	u.write("agent.hcl", layerConfig("echo", "test/echo", layers+"/nono-layer-echo", "")+fmt.Sprintf(
		"layer \"second\" {\n  plugin = \"test/second\"\n  variables = \"SECOND\"\n}\nplugin \"test/second\" { path = %q }\n",
		u.path(second)))
	u.write("prog.py", `
import os, socket
for name in "ECHO", "SECOND":
    host, port = os.environ[name + "_ADDR"].rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
    s.sendall(name.encode())
    print(port, s.recv(100).decode())
    s.close()
`)
	r := u.guard(append([]string{"run", "-v"}, configured("/usr/bin/python3", "prog.py")[1:]...)...).succeeds()
	if r.Stdout != "61000 ECHO\n61001 SECOND\n" {
		t.Errorf("they do not both serve\n%s", r)
	}
	for _, layer := range []string{"[test/echo]", "[test/second]"} {
		if !strings.Contains(r.Stderr, layer+" echo.accepted") {
			t.Errorf("%s served nobody\n%s", layer, r)
		}
	}
}

// TestSensitiveSetting: whatever goes wrong, what a sensitive setting says is not shown, nor its
// line.
func TestSensitiveSetting(t *testing.T) {
	const secret = "s3cret-of-the-user"
	value := fmt.Sprintf("password = %q", secret)
	for name, test := range map[string]struct{ settings, says string }{
		"of another type":          {"password = [\"" + secret + "\"]", `"password" must be a string in quotes`},
		"without quotes":           {"password = " + strings.ReplaceAll(secret, "-", "_"), `the value of "password" must be written out`},
		"the layer refuses it":     {value + "\n  misbehave = \"refuse-password\"", "it is too short"},
		"something else fails":     {value + "\n  misbehave = \"refuse-plan\"", "told to refuse"},
		"another is misspelt":      {value + "\n  pasword = \"x\"", `unknown attribute "pasword"`},
		"the file is not approved": {value, "is not approved"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			u.useEcho(test.settings)
			args := append([]string{"run", "-v"}, configured("true")[1:]...)
			if name == "the file is not approved" {
				args = []string{"run", "-v", "-c", "agent.hcl", "--", "true"}
			}
			r := u.refused(u.nono(args...), test.says, "agent.hcl:")
			if strings.Contains(r.Stderr, "s3cret") {
				t.Errorf("it is shown\n%s", r)
			}
		})
	}
	u := newUser(t)
	u.useEcho(value)
	for _, args := range [][]string{{"run", "-v"}, {"plan", "-v"}, {"plan", "--json"}} {
		r := u.succeeds(u.nono(append(args, configured("true")[1:]...)...))
		if strings.Contains(r.Stdout+r.Stderr, "s3cret") {
			t.Errorf("%v shows it\n%s", args, r)
		}
	}
}

// TestEchoDialsIn has the layer connect to a port that the agent serves. It tries to before there
// is an agent, too: that fails, and does no harm to the start.
func TestEchoDialsIn(t *testing.T) {
	u := newUser(t)
	u.useEcho("greeting = \"good morning\"\n  dial_port = 9000\n  arm_slowly = true")
	u.write("prog.py", `
import socket
l = socket.create_server(("127.0.0.1", 9000))
c, _ = l.accept()
print(c.makefile().readline().strip())
c.sendall(b"and to you")
c.close()
import time; time.sleep(0.5)
`)
	r := u.guard(append([]string{"run", "-v"}, configured("/usr/bin/python3", "prog.py")[1:]...)...).succeeds()
	if !strings.Contains(r.Stderr, "the agent does not run yet") {
		t.Errorf("it did not try at the gate: the test shows less than it should\n%s", r)
	}
	if r.Stdout != "good morning\n" || !strings.Contains(r.Stderr, "echo.greeted answer=and to you") {
		t.Errorf("they did not meet\n%s", r)
	}
}

// TestArmedAtTheGate: the agent's first instruction comes after Start has returned, however long
// that took.
func TestArmedAtTheGate(t *testing.T) {
	u := newUser(t)
	u.useEcho("arm_slowly = true")
	r := u.guard(append([]string{"run", "-v"}, configured("sh", "-c", "date +%s%N")[1:]...)...).succeeds()
	armed := regexp.MustCompile(`echo\.armed .*\bat=(\d+)`).FindStringSubmatch(r.Stderr)
	if armed == nil {
		t.Fatalf("it was never armed\n%s", r)
	}
	at, _ := strconv.ParseInt(armed[1], 10, 64)
	began, err := strconv.ParseInt(strings.TrimSpace(r.Stdout), 10, 64)
	if err != nil || began <= at {
		t.Errorf("the agent ran at %s, and the layer was armed at %s\n%s", strings.TrimSpace(r.Stdout), armed[1], r)
	}
}

// What a layer says of its settings is shown with the line of the setting, as nono's own problems
// are.
func TestLayersProblemHasItsLine(t *testing.T) {
	u := newUser(t)
	u.useEcho("dial_port = 99999")
	r := u.nono(configured("/bin/sh", "-c", ran)...)
	u.refused(r, "  agent.hcl:4:15\n     4 |   dial_port = 99999\n")
	u.neverRan(r)
}

// TestFileOverLink: a layer's file stands at its path even where that is a link of the system's, as
// /etc/resolv.conf is on most desktops. The test makes such a desktop: a mount namespace with
// another /etc.
func TestFileOverLink(t *testing.T) {
	u := newUser(t)
	u.copyEtc("~/etc")
	u.write("~/resolved/stub.conf", "nameserver of the host\n")
	if err := errors.Join(
		os.RemoveAll(u.path("~/etc/resolv.conf")),
		os.Symlink(u.path("~/resolved/stub.conf"), u.path("~/etc/resolv.conf")),
	); err != nil {
		t.Fatal(err)
	}
	u.write("plain.hcl", "filesystem { allow = [\".\"] }\n")
	u.useEcho(`file_at = "/etc/resolv.conf"`)
	desktop := func(config string, flags ...string) result {
		args := append([]string{"run", "-c", config, "--approve"}, flags...)
		cmd := u.command(append(args, "--", "cat", "/etc/resolv.conf")...)
		// The namespace is made as root of a user namespace; a second one gives the user back.
		inside := append([]string{"unshare", "--user", fmt.Sprintf("--map-user=%d", os.Getuid()), fmt.Sprintf("--map-group=%d", os.Getgid()), "--"}, cmd.Args...)
		cmd.Path = "/usr/bin/unshare"
		cmd.Args = append([]string{
			"unshare", "--user", "--map-root-user", "--mount", "--",
			"/bin/sh", "-c", `mount --bind "$HOME/etc" /etc && exec "$@"`, "sh",
		}, inside...)
		return u.finish(u.begin(cmd, ""))
	}
	for _, c := range []struct {
		config string
		flags  []string
		want   string
	}{
		// Without a layer or core that has such a file the link leads where it leads.
		{"plain.hcl", []string{"--disable", "network"}, "nameserver of the host\n"},
		{"plain.hcl", nil, "# Nothing here answers for names.\nnameserver 127.0.0.1\n"},
		{"agent.hcl", nil, "of the echo layer\n"},
	} {
		if got := u.succeeds(desktop(c.config, c.flags...)).Stdout; got != c.want {
			t.Errorf("%s %q: /etc/resolv.conf holds %q, want %q", c.config, c.flags, got, c.want)
		}
	}
}

// copyEtc makes a directory with what everybody may read of /etc.
func (u *user) copyEtc(name string) {
	u.t.Helper()
	// Some of it only root may read, which is no loss; so the exit code says nothing.
	_ = exec.Command("cp", "-a", "/etc", u.path(name)).Run()
	if !u.exists(name + "/passwd") {
		u.t.Fatal("/etc was not copied")
	}
}
