//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
	"github.com/nono-run/nono/test/hosts"
)

// Some threats need surroundings that a test cannot give the machine: another network. It can make
// them for itself, in a user namespace of its own, where the helper below arranges them and then
// runs a command. A kernel that refuses is package hosts'.

var _ = addHelper("elsewhere", elsewhere)

// surrounded is a command in surroundings of its own.
func surrounded(t *testing.T, helper string, namespaces uintptr, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{self, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	cmd.Env = append(cmd.Env, "E2E_HELPER="+helper)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | namespaces,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_RESOURCE},
	}
	return cmd
}

// runPlainly runs the helper's command with no right that an ordinary user has not.
func runPlainly(args []string) int {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "E2E_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return cmd.ProcessState.ExitCode()
}

// places are addresses that no machine of the test's has: cloud metadata, private networks, a host
// with a public address.
var places = []string{"169.254.169.254", "100.100.100.200", "10.0.0.1", "192.168.0.1", "203.0.113.7", "fd00:ec2::254", "2001:db8::7"}

const placesPort = 8053

// elsewhere is a network in which all those places are, and answer. It says last which of them
// somebody came to.
func elsewhere(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "elsewhere:", err)
		return 2
	}
	var came [2]atomic.Bool
	if err := haveAddresses(); err != nil {
		return fail(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", placesPort))
	if err != nil {
		return fail(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came[0].Store(true)
			_, _ = c.Read(make([]byte, 100))
			_, _ = c.Write([]byte("hello"))
			c.Close()
		}
	}()
	u, err := net.ListenPacket("udp", fmt.Sprintf("[::]:%d", placesPort))
	if err != nil {
		return fail(err)
	}
	go func() {
		for b := make([]byte, 100); ; {
			if _, _, err := u.ReadFrom(b); err != nil {
				return
			}
			came[1].Store(true)
		}
	}()
	code := runPlainly(args)
	fmt.Println("came:", arena.Settled(&came[0]), arena.Settled(&came[1]))
	return code
}

// haveAddresses gives the loopback of this network namespace the places' addresses.
func haveAddresses() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("raising the loopback: %w", err)
	}
	fd6, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd6)
	for i, p := range places {
		a := netip.MustParseAddr(p)
		if a.Is6() {
			request := struct {
				address [16]byte
				length  uint32
				index   int32
			}{a.As16(), 128, 1}
			if _, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd6), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&request))); errno != 0 {
				return fmt.Errorf("having %s: %w", p, errno)
			}
			continue
		}
		label, err := unix.NewIfreq(fmt.Sprintf("lo:%d", i))
		if err != nil {
			return err
		}
		four := a.As4()
		if err := label.SetInet4Addr(four[:]); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, label); err != nil {
			return fmt.Errorf("having %s: %w", p, err)
		}
	}
	return nil
}

// TestPlacesElsewhere is E57 and E58: in a network where the metadata service, private hosts and a
// public one answer everybody, none is reached from inside, over TCP or UDP.
func TestPlacesElsewhere(t *testing.T) {
	var tries []string
	for _, p := range places {
		to := netip.AddrPortFrom(netip.MustParseAddr(p), placesPort).String()
		tries = append(tries, "connect="+to, "udp="+to)
		if a := netip.MustParseAddr(p); a.Is4() {
			tries = append(tries, fmt.Sprintf("connect=[::ffff:%s]:%d", p, placesPort))
		}
	}
	for _, kind := range []arenaKind{bare, landlock, binds, wholeDisk} {
		a := newArena(t, kind)
		out, err := surrounded(t, "elsewhere", unix.CLONE_NEWNET, a.attacker(tries)).Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != len(tries)+1 {
			t.Fatalf("%s: %v\n%s", kind, err, out)
		}
		if came, want := lines[len(tries)], fmt.Sprint("came: ", kind == bare, " ", kind == bare); came != want {
			t.Errorf("%s: the places say %q, want %q", kind, came, want)
		}
		for i, p := range tries {
			worked := lines[i] == "ok" || lines[i] == "no answer" // they have nothing to say to a datagram
			refused := slices.Contains([]string{"ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH"}, lines[i])
			if kind == bare && !worked || kind != bare && !refused {
				t.Errorf("%s: %s: %s", kind, p, lines[i])
			}
		}
	}
}

// TestNoSandboxNoAgent is E80: where the host gives neither namespaces nor Landlock, nothing is
// started, whatever layer is on.
func TestNoSandboxNoAgent(t *testing.T) {
	for _, flags := range [][]string{nil, {"--disable", "filesystem"}, {"--disable", "network"}} {
		for _, never := range []bool{false, true} {
			u := newUser(t)
			cmd := u.command(slices.Concat([]string{"run", "--allow-cwd"}, flags, []string{"--", "touch", "ran"})...)
			host := hosts.Host{NoNamespaces: never}
			if never {
				host.NoLandlock = unix.EOPNOTSUPP
			}
			hosts.On(t, cmd, host)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			refused := errors.As(err, &exit) && exit.ExitCode() == 125
			if refused != never || u.exists("ran") == never {
				t.Errorf("%v, neither: %v: %v, the agent ran: %v\n%s", flags, never, err, u.exists("ran"), out)
			}
		}
	}
}

// TestNothingIsPickedUp is E77: what lies in the directory that an agent is started in widens
// nothing, however it is called.
func TestNothingIsPickedUp(t *testing.T) {
	u := newUser(t)
	u.write("~/notes.txt", "NOTES")
	wide := fmt.Sprintf("filesystem { read = [%q] }\n", u.path("~/notes.txt"))
	for _, name := range []string{"agent.hcl", "config.hcl", "nono.hcl", ".nono.hcl", ".nono/config.hcl", "nono/config.hcl", ".config/nono/config.hcl"} {
		u.write(name, wide)
	}
	u.write(".env", "XDG_CONFIG_HOME=.\nNONO_CONFIG=agent.hcl\n")
	cat := []string{"--", "cat", u.path("~/notes.txt")}
	if r := u.nono(append([]string{"run", "--allow-cwd"}, cat...)...); r.Code == 0 || strings.Contains(r.Stdout, "NOTES") {
		t.Errorf("a file of the project's was obeyed\n%s", r)
	}
	u.refused(u.nono(append([]string{"run", "-c", "agent.hcl"}, cat...)...), "agent.hcl", "--approve")
	if r := u.succeeds(u.nono(append([]string{"run", "-c", "agent.hcl", "--approve"}, cat...)...)); r.Stdout != "NOTES" {
		t.Errorf("control: named and approved, the file grants it\n%s", r)
	}
}

// TestNoPrivilegedHelper is E85: nothing of nono's runs with more rights than whoever starts it.
func TestNoPrivilegedHelper(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(programs, "*"))
	if err != nil || len(names) < 3 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		if n, err := unix.Getxattr(name, "security.capability", nil); !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			t.Errorf("%s has capabilities: %d bytes, %v", name, n, err)
		}
	}
}

// TestDescriptorsOfTheCaller is E25 for everybody but the agent: what was open when nono was
// started reaches no layer either.
func TestDescriptorsOfTheCaller(t *testing.T) {
	u := newUser(t)
	u.useEcho("")
	u.write("~/open.txt", "open")
	f, err := os.Open(u.path("~/open.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := u.command(configured("sh", "-c", "echo up; sleep 60")...)
	cmd.ExtraFiles = []*os.File{nil, nil, f} // 5, to be like nobody's own
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	has := func(pid int) (found bool, err error) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			to, linkErr := os.Readlink(filepath.Join(dir, e.Name()))
			found = found || linkErr == nil && to == f.Name()
		}
		return found, err
	}
	other := exec.Command("sleep", "60")
	other.ExtraFiles = cmd.ExtraFiles
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	if found, err := has(other.Process.Pid); !found {
		t.Fatalf("control: a program started like nono does not have it: %v", err)
	}
	layersSeen := 0
	for _, p := range descendants(cmd.Process.Pid) {
		found, err := has(p.PID)
		switch {
		case found:
			t.Errorf("%s has it", p)
		case err == nil && strings.HasPrefix(p.name(), "nono-layer-"): // nono-init shows nobody what it has
			layersSeen++
		}
	}
	if layersSeen == 0 {
		t.Error("no layer was looked at")
	}
}

// TestTracedAgent: an agent that has made nono-init its tracer, and stops, has not ended.
func TestTracedAgent(t *testing.T) {
	u := newUser(t)
	r := u.python(`
import ctypes, os, signal, time
agent = os.getpid()
if os.fork() == 0:
    time.sleep(0.3)
    open("alive", "w").close()
    os.kill(agent, signal.SIGKILL)
    os._exit(0)
PTRACE_TRACEME = 0
if ctypes.CDLL(None).ptrace(PTRACE_TRACEME, 0, 0, 0) != 0:
    os._exit(3)
os.kill(agent, signal.SIGWINCH)
time.sleep(60)
`)
	if r.Code != 128+int(unix.SIGKILL) || !u.exists("alive") {
		t.Errorf("the run ended before the agent did\n%s", r)
	}
}

// TestHostsNetwork is E12 and E45 where the user has given the agent the host's network: that takes
// in no Unix socket.
func TestHostsNetwork(t *testing.T) {
	const firstWithScopes = 6
	if abi, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno != 0 || abi < firstWithScopes {
		t.Skipf("this host lacks what it takes: Landlock %d, and %d is the first with scopes", abi, firstWithScopes)
	}
	for _, layer := range []string{"", "filesystem"} {
		for _, sandboxed := range []bool{false, true} {
			a := newArena(t, landlock)
			abstract, reached := a.Serve("unix", fmt.Sprintf("@nono-host-%d-%s-%v", os.Getpid(), layer, sandboxed))
			network, _ := a.Serve("tcp4", "127.0.0.1:0")
			tries := []string{"unix=" + abstract, "connect=" + network, "socket=40,1,0", "mptcp=" + network}
			want := []string{"EPERM", "ok", "EAFNOSUPPORT", "socket: EPROTONOSUPPORT"}
			args := []string{"run", "-s", "--allow-cwd", "--disable", "network"}
			if layer != "" {
				args = append(args, "--disable", layer)
			}
			cmd := a.command(slices.Concat(args, []string{"--", "./" + arena.Program}, tries)...)
			if !sandboxed {
				cmd, want = exec.Command(a.path(arena.Program), tries...), []string{"ok", "ok"}
			}
			out, err := cmd.Output()
			got := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err != nil || len(got) != len(tries) || !slices.Equal(got[:len(want)], want) || reached() == sandboxed {
				t.Errorf("in a sandbox: %v (off: %q): got %q, want %q (reached: %v, %v)", sandboxed, layer, got, want, reached(), err)
			}
		}
	}
}
