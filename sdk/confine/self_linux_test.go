package confine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What a process does to itself cannot be taken back: so it happens in a process of its own, which
// is this program once more, with its orders in a variable.
const orders = "CONFINE_TEST_ORDERS"

func TestMain(m *testing.M) {
	if o := os.Getenv(orders); o != "" {
		child(o)
		return
	}
	if o := os.Getenv(trustOrders); o != "" {
		trust(o)
		return
	}
	os.Exit(m.Run())
}

// arena is what a process tries: the parent makes it, the child is told.
type arena struct {
	Confine  bool
	Granted  string // a directory
	Secret   string // a file elsewhere
	Replaced string // a file in Granted, which is replaced once the child is confined
	Socket   string // a Unix socket elsewhere
	Datagram string // one for datagrams
	Abstract string
	TCP      string
	Parent   int
}

// findings are what came of it.
type findings struct {
	Report Report
	// Done are the attempts that worked, by name; Unlike are those that did not end alike on each
	// thread.
	Done   map[string]bool
	Unlike []string
	// Failed is what went wrong with the child itself.
	Failed string
}

// attempts are what a process that was taken over would try.
var attempts = map[string]func(arena) error{
	"read a file": func(a arena) error { return readable(a.Secret) },
	"read a file by a link of its own": func(a arena) error {
		return readable(fmt.Sprintf("/proc/self/root%s", a.Secret))
	},
	"list a directory": func(a arena) error {
		_, err := os.ReadDir(filepath.Dir(a.Secret))
		return err
	},
	"write a file":                   func(a arena) error { return writable(a.Secret) },
	"write a file that it may read":  func(a arena) error { return writable(a.Replaced) },
	"create a file":                  func(a arena) error { return creatable(filepath.Dir(a.Secret)) },
	"create a file where it reads":   func(a arena) error { return creatable(a.Granted) },
	"run a program":                  func(arena) error { return exec.Command("/bin/true").Run() },
	"read another process's memory":  func(a arena) error { return readable(fmt.Sprintf("/proc/%d/environ", a.Parent)) },
	"trace another process":          func(a arena) error { return trace(a.Parent) },
	"signal another process":         func(a arena) error { return syscall.Kill(a.Parent, syscall.SIGWINCH) },
	"send to a socket from a pair":   func(a arena) error { return sendFromPair(a.Datagram) },
	"connect to an abstract socket":  func(a arena) error { return connect("unix", a.Abstract) },
	"connect to a socket by a path":  func(a arena) error { return connect("unix", a.Socket) },
	"empty a file":                   func(a arena) error { return os.Truncate(a.Secret, 6) },
	"read what was granted":          func(a arena) error { return readable(a.Replaced) },
	"list what was granted":          func(a arena) error { _, err := os.ReadDir(a.Granted); return err },
	"connect to a server":            func(a arena) error { return connect("tcp", a.TCP) },
	"signal itself":                  func(arena) error { return syscall.Kill(os.Getpid(), syscall.SIGWINCH) },
	"signal another thread of its":   func(arena) error { return signalThreads() },
	"read a file that was open":      func(arena) error { _, err := opened.ReadAt(make([]byte, 1), 0); return err },
	"use what was connected already": func(arena) error { _, err := connected.Write([]byte("x")); return err },
}

// kept are the attempts that still work in a confined process.
var kept = map[string]bool{
	"read what was granted": true, "list what was granted": true, "connect to a server": true,
	"signal itself": true, "signal another thread of its": true,
	"read a file that was open": true, "use what was connected already": true,
}

// later are the attempts that work until the kernel has this version of Landlock.
var later = map[string]int{
	"empty a file": 3, "signal another process": 6,
}

// What the process had before it was confined.
var (
	opened    *os.File
	connected net.Conn
)

func readable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = f.Read(make([]byte, 1))
	return errors.Join(err, f.Close())
}

func writable(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func creatable(dir string) error {
	f, err := os.CreateTemp(dir, "new")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func connect(network, address string) error {
	c, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// sendFromPair turns one of two connected sockets to another address.
func sendFromPair(path string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) }()
	return unix.Sendto(pair[0], []byte("x"), unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path})
}

// trace attaches to a process, which no more is needed for to read and change its memory.
func trace(pid int) error {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/root/.", pid)) // asks for the right to trace
	return err
}

// signalThreads signals each thread of the process, as Go's runtime does.
func signalThreads() error {
	var errs []error
	for _, tid := range threads {
		errs = append(errs, unix.Tgkill(os.Getpid(), tid, unix.SIGURG))
	}
	return errors.Join(errs...)
}

// threads are those on which the attempts are made.
var threads []int

// child does what its orders say, and tells what came of it on its standard output.
func child(text string) {
	var a arena
	f := findings{Done: map[string]bool{}}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		f.Failed = err.Error()
	} else if err := f.try(a); err != nil {
		f.Failed = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		panic(err)
	}
}

// try makes every attempt on threads that were there before the process was confined.
func (f *findings) try(a arena) error {
	var err error
	if opened, err = os.Open(a.Secret); err != nil {
		return err
	}
	if connected, err = net.DialTimeout("unix", a.Socket, 10*time.Second); err != nil {
		return err
	}
	const many = 4
	var begun, tried, over sync.WaitGroup
	tried.Add(many)
	confined := make(chan struct{})
	outcomes := make([]map[string]bool, many)
	tids := make([]int, many)
	for i := range many {
		begun.Add(1)
		over.Go(func() {
			runtime.LockOSThread()
			tids[i] = unix.Gettid()
			begun.Done()
			<-confined
			outcomes[i] = map[string]bool{}
			for name, attempt := range attempts {
				outcomes[i][name] = attempt(a) == nil
			}
			tried.Done()
			tried.Wait() // the others signal this thread
		})
	}
	begun.Wait()
	threads = tids
	if a.Confine {
		if f.Report, err = Self(a.Granted, filepath.Join(a.Granted, "not-there")); err != nil {
			return err
		}
		// Now the parent replaces a file. It is the directory's, and so is still found.
		fmt.Println()
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	close(confined)
	over.Wait()
	f.Done = outcomes[0]
	for name := range attempts {
		for _, o := range outcomes {
			if o[name] != f.Done[name] {
				f.Unlike = append(f.Unlike, name)
			}
		}
	}
	return nil
}

// makeArena makes what the child tries itself on.
func makeArena(t *testing.T, confine bool) arena {
	t.Helper()
	a := arena{Confine: confine, Granted: t.TempDir(), Parent: os.Getpid()}
	elsewhere, err := os.MkdirTemp("", "nono") // short: a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	a.Secret = filepath.Join(elsewhere, "secret")
	a.Replaced = filepath.Join(a.Granted, "file")
	a.Socket = filepath.Join(elsewhere, "socket")
	a.Datagram = filepath.Join(elsewhere, "datagram")
	a.Abstract = fmt.Sprintf("@nono-confine-%d-%v", os.Getpid(), confine)
	for _, name := range []string{a.Secret, a.Replaced} {
		if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.TCP = serve(t, "tcp", "127.0.0.1:0")
	serve(t, "unix", a.Socket)
	serve(t, "unix", a.Abstract)
	datagrams, err := net.ListenPacket("unixgram", a.Datagram)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = datagrams.Close() })
	go func() { // as many as come
		for packet := make([]byte, 1); err == nil; {
			_, _, err = datagrams.ReadFrom(packet)
		}
	}()
	return a
}

// serve takes connections and holds them until the test is over.
func serve(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

// run starts the child, and replaces its file when it is confined.
func (a arena) run(t *testing.T) findings {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), orders+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if a.Confine {
		// One byte: it is confined, or it failed and says why next.
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		beside := a.Replaced + ".new"
		if err := os.WriteFile(beside, []byte("replaced"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(beside, a.Replaced); err != nil {
			t.Fatal(err)
		}
		_, _ = in.Write([]byte{'\n'})
	}
	var f findings
	decodeErr := json.NewDecoder(out).Decode(&f)
	if err := cmd.Wait(); err != nil || decodeErr != nil {
		t.Fatalf("the child: %v, %v", err, decodeErr)
	}
	if f.Failed != "" {
		t.Fatal(f.Failed)
	}
	return f
}

func TestSelf(t *testing.T) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		t.Skip("the kernel has no Landlock")
	}
	free := makeArena(t, false).run(t)
	confined := makeArena(t, true).run(t)
	if confined.Report.ABI != abi {
		t.Errorf("the report says version %d, and the kernel %d", confined.Report.ABI, abi)
	}
	for _, name := range confined.Unlike {
		t.Errorf("%s: not the same on each thread", name)
	}
	for name := range attempts {
		if !free.Done[name] {
			t.Errorf("%s: does not work without being confined, so it shows nothing", name)
		}
		want := kept[name] || abi < later[name]
		if confined.Done[name] != want {
			t.Errorf("%s, confined by version %d: %v, want %v", name, abi, confined.Done[name], want)
		}
	}
}
