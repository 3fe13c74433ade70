//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An arena is a user's machine with all in it that the attacks are after, and one attacker. There
// is one for each way in which the attacker is run: with no sandbox, to see that every attack works
// here, and in each kind of sandbox.
type arena struct {
	*user
	kind   arenaKind
	allow  []string // what the policy grants besides the current directory
	extra  []*os.File
	canary *exec.Cmd
	// secret is in the canary's arguments, the user's environment and nowhere else.
	secret string
}

type arenaKind string

const (
	bare       arenaKind = "no sandbox"
	landlock   arenaKind = "landlock"
	binds      arenaKind = "binds"
	wholeDisk  arenaKind = "filesystem disabled"
	oneHost    arenaKind = "a host allowed"
	secretName           = "HOST_TOKEN"
)

var arenaKinds = []arenaKind{bare, landlock, binds, wholeDisk, oneHost}

// arenas are the kinds in which an attack is tried; what a filesystem layer does not hold must hold
// without one too.
func (k attack) arenas() []arenaKind {
	if k.kernel {
		return arenaKinds
	}
	return []arenaKind{bare, landlock, binds, oneHost}
}

// attempt is an attack made ready in one arena: what the attacker tries, and what else shows that
// it worked.
type attempt struct {
	try string
	// happened looks at the host afterwards; nil if the outcome says it all.
	happened func() bool
}

func newArena(t *testing.T, kind arenaKind) *arena {
	t.Helper()
	a := &arena{user: newUser(t), kind: kind}
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	a.secret = "0.000" + fmt.Sprint(uint32(random[0])<<8|uint32(random[1])) + "1" // an argument that sleep takes
	a.Env = append(a.Env, secretName+"="+hex.EncodeToString(random), "XDG_CONFIG_HOME="+a.path("~/.config"))
	a.canary = exec.Command("sleep", "120", a.secret)
	if err := a.canary.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.canary.Process.Kill(); _ = a.canary.Wait() })

	a.write("~/notes.txt", "notes")
	a.write("~/.ssh/id_ed25519", "key")
	a.write("~/ref/r.txt", "reference") // granted to be read
	a.mkdir("~/out")                    // granted to be written, without execution
	a.write("mine.txt", "the agent's own")
	if err := os.Link(prober, a.path("prober")); err != nil {
		t.Fatal(err)
	}
	return a
}

// outsider is a process of the user's that the agent did not start.
func (a *arena) outsider() string { return fmt.Sprint(a.canary.Process.Pid) }

// keeper is the process that keeps the agent, as the agent knows it. With no sandbox any process of
// the user's stands for it.
func (a *arena) keeper() string {
	if a.kind == bare {
		return a.outsider()
	}
	return "1"
}

// run makes all attempts, and returns their outcomes.
func (a *arena) run(attempts []attempt) []string {
	a.t.Helper()
	tries := make([]string, len(attempts))
	for i, p := range attempts {
		tries[i] = p.try
	}
	cmd := a.attacker(tries)
	cmd.ExtraFiles = a.extra
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	outcomes := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(outcomes) != len(tries) {
		a.t.Fatalf("%s: the attacker came to an end of its own: %v\n%s%s", a.kind, err, out, errors.String())
	}
	return outcomes
}

// attacker is the prober in this kind of arena.
func (a *arena) attacker(tries []string) *exec.Cmd {
	policy := fmt.Sprintf("filesystem {\n  allow = %s\n  read = %s\n  write = [%q]\n}\n",
		hclList(append([]string{a.Project}, a.allow...)), hclList([]string{a.path("~/ref"), a.runtime, programs}), a.path("~/out"))
	flags := []string{"run", "-s", "-c", a.path("~/agent.hcl"), "--approve"}
	switch a.kind {
	case bare:
		cmd := a.command(tries...)
		cmd.Path, cmd.Args[0] = a.path("prober"), "prober"
		return cmd
	case binds:
		policy += fmt.Sprintf("layer \"filesystem\" { plugin = \"test/binds\" }\nplugin \"test/binds\" { path = %q }\n", layers+"/nono-layer-binds")
	case wholeDisk:
		flags = append(flags, "--disable", "filesystem")
	case oneHost: // which nobody asks for: it is there so that the network layer is
		flags = append(flags, "--allow-host", "host.example")
	case landlock:
	}
	a.write("~/agent.hcl", policy)
	return a.command(slices.Concat(flags, []string{"--", "./prober"}, tries)...)
}

func hclList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// serve listens as a service of the user's does, greets whoever comes, and says whether anyone
// came.
func (a *arena) serve(network, address string) (at string, reached func() bool) {
	a.t.Helper()
	if network == "unix" || network == "unixpacket" || network == "unixgram" {
		if !strings.HasPrefix(address, "@") {
			address = a.path(address)
			if err := os.MkdirAll(filepath.Dir(address), 0o700); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	var came atomic.Bool
	switch network {
	case "udp4", "unixgram":
		c, err := net.ListenPacket(network, address)
		if err != nil {
			a.t.Fatal(err)
		}
		a.t.Cleanup(func() { c.Close() })
		go func() {
			for b := make([]byte, 100); ; {
				_, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				came.Store(true)
				if from != nil {
					_, _ = c.WriteTo([]byte("hello"), from)
				}
			}
		}()
		return c.LocalAddr().String(), func() bool { return settled(&came) }
	}
	l, err := net.Listen(network, address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Store(true)
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_, _ = c.Read(make([]byte, 100))
				_, _ = c.Write([]byte("hello"))
			}()
		}
	}()
	return l.Addr().String(), func() bool { return settled(&came) }
}

// settled gives what is on its way the time to arrive: on a loopback it has arrived when the
// sender's call returns, and the goroutine that notes it needs a moment.
func settled(came *atomic.Bool) bool {
	for range 20 {
		if came.Load() {
			return true
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 2_000_000}, nil) //nolint:errcheck // an interruption only makes it shorter
	}
	return came.Load()
}

// changed reports whether a file differs from what it is now.
func (a *arena) changed(name string) func() bool {
	before, state := a.look(name)
	return func() bool {
		after, now := a.look(name)
		return before != after || state != now
	}
}

// look is the content of a file, and its mode, times and attributes.
func (a *arena) look(name string) (content, state string) {
	p := a.path(name)
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return "", err.Error()
	}
	b, _ := os.ReadFile(p)
	x := make([]byte, 100)
	n, _ := unix.Llistxattr(p, x)
	return string(b), fmt.Sprint(st.Mode, st.Uid, st.Mtim, string(x[:max(n, 0)]))
}

// appears reports whether a file is there that is not there now.
func (a *arena) appears(name string) func() bool {
	if a.exists(name) {
		a.t.Fatalf("%s is there already", name)
	}
	return func() bool { return a.exists(name) }
}

// repository makes a git repository of the user's that the policy lets the agent work in, with one
// commit.
func (a *arena) repository(name string) string {
	a.t.Helper()
	dir := a.path("~/repos/" + name)
	a.mkdir(dir)
	a.git(dir, "init", "-q")
	a.write(dir+"/file.txt", "one\n")
	a.git(dir, "add", ".")
	a.git(dir, "commit", "-qm", "one")
	a.mkdir(dir + "/.git/info")
	a.write(dir+"/.git/info/attributes", "")
	a.allow = append(a.allow, dir)
	return dir
}

// git runs git as the user does, outside.
func (a *arena) git(dir string, args ...string) {
	a.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + a.Home, "PATH=/usr/bin:/bin", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@example.com",
		"GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@example.com",
	}
	_ = cmd.Run() // what git makes of a configuration that the agent has spoilt is not the point
}

// trap is a command for git to run, outside, and says whether it did once the user has worked in
// the repository.
func (a *arena) trap(dir string) (command string, sprung func() bool) {
	mark := a.path("~/sprung-" + filepath.Base(dir))
	return "touch " + mark, func() bool {
		a.write(dir+"/file.txt", "two\n")
		for _, args := range [][]string{{"status"}, {"diff"}, {"add", "."}, {"commit", "-qm", "two"}} {
			a.git(dir, args...)
		}
		return a.exists(mark)
	}
}
