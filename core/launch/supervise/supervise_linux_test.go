package supervise_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/supervise"
)

// heldEnv makes the test binary a process whose calls are answered by another: it names them.
const heldEnv = "NONO_SUPERVISE_CALLS"

// ownChannel is the descriptor on which such a process hands its listener over.
const ownChannel = 3

func TestMain(m *testing.M) {
	if calls := os.Getenv(heldEnv); calls != "" {
		if err := held(strings.Fields(calls), os.Args[1:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// held puts the filter on this process, hands over its listener, waits until it is served, and does
// what its arguments say: something of its own that begins with a colon, or a program.
func held(calls, args []string) error {
	runtime.LockOSThread()
	if err := dropRoot(); err != nil {
		return err
	}
	listener, err := listen(calls)
	if err != nil {
		return err
	}
	if err := recipe.Send(ownChannel, "listener", listener); err != nil {
		return fmt.Errorf("handing over the listener: %w", err)
	}
	_ = unix.Close(listener)
	var word string
	if _, err := recipe.Receive(ownChannel, &word); err != nil {
		return fmt.Errorf("waiting to be served: %w", err)
	}
	_ = unix.Close(ownChannel)
	if act, ok := acts[args[0]]; ok {
		return act(args[1:])
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	env := os.Environ()
	for n, v := range env {
		if strings.HasPrefix(v, heldEnv) {
			env[n] = heldEnv + "="
		}
	}
	return unix.Exec(path, args, env)
}

// dropRoot begins again without any capability, if there is one: an agent has none, and a process
// that has one is closed to whoever answers its calls.
func dropRoot() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has, none [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil || has == none {
		return err
	}
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT, and locked
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

// listen puts the filter on all threads, and is its listener.
func listen(calls []string) (int, error) {
	const load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	const jump = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	const answer = unix.BPF_RET | unix.BPF_K
	instructions := []unix.SockFilter{{Code: load}} // the number of the call
	for n, name := range calls {
		number, _ := filter.Number(filter.Native, name)
		instructions = append(instructions,
			unix.SockFilter{Code: jump, K: number, Jt: uint8(len(calls) - n)})
	}
	instructions = append(instructions,
		unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_USER_NOTIF})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC |
		unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("installing the filter: %w", errno)
	}
	return int(fd), nil
}

// child is a process whose calls are answered here.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	in     io.WriteCloser
	cancel context.CancelFunc
	served chan error
}

// start starts one that does what its arguments say, in a directory.
func start(t testing.TB, calls string, handlers supervise.Handlers, dir string, args ...string) *child {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "channel")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...), served: make(chan error, 1)}
	c.cmd.Env = append(os.Environ(), heldEnv+"="+calls)
	c.cmd.Dir = dir
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Stderr = os.Stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(stdout)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // most have ended by then
		_ = c.cmd.Wait()
	})
	var word string
	fds, err := recipe.Receive(pair[0], &word)
	if err != nil || len(fds) != 1 {
		t.Fatalf("no listener came: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	t.Cleanup(cancel)
	listener := os.NewFile(uintptr(fds[0]), "listener")
	go func() { c.served <- supervise.Serve(ctx, listener, handlers) }()
	if err := recipe.Send(pair[0], "go"); err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[0])
	return c
}

// line is what the child says next.
func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the child said %q, and then: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// wants fails the test unless the child says so next.
func (c *child) wants(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Errorf("the child says %q, and not %q", got, want)
	}
}

// say tells the child to go on.
func (c *child) say(word string) { fmt.Fprintln(c.in, word) }

// ends waits until the child has ended well and its listener has been let go of.
func (c *child) ends() {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.t.Error("the child ended: ", err)
	}
	select {
	case err := <-c.served:
		if err != nil {
			c.t.Error("serving ended: ", err)
		}
	case <-time.After(10 * time.Second):
		c.t.Error("it is still served, and nobody is left to call")
	}
}

// acts are what a child does that is no program.
var acts = map[string]func(args []string) error{
	// getppid of so many threads at once, each so many times.
	":parent": func(args []string) error {
		threads, times := number(args[0]), number(args[1])
		done := make(chan error)
		for range threads {
			go func() {
				runtime.LockOSThread()
				var err error
				for range times {
					if r, _, errno := unix.Syscall(unix.SYS_GETPPID, 0, 0, 0); errno != 0 || r != 4711 {
						err = fmt.Errorf("getppid answers %d, %w", r, errno)
					}
				}
				done <- err
			}()
		}
		for range threads {
			if err := <-done; err != nil {
				return err
			}
		}
		fmt.Println("done")
		return nil
	},
	// getppid, once for each line of the input.
	":ask": func([]string) error {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			r, _, errno := unix.Syscall(unix.SYS_GETPPID, 0, 0, 0)
			fmt.Println(int(r), int(errno))
		}
		return nil
	},
	// getppid in a loop.
	":loop": func(args []string) error {
		bufio.NewScanner(os.Stdin).Scan()
		for range number(args[0]) {
			unix.Getppid()
		}
		fmt.Println("done")
		return nil
	},
	// memory calls with pointers to what is there, partly there and not there.
	":memory": func([]string) error {
		page := os.Getpagesize()
		two, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		if err := unix.Mprotect(two[page:], unix.PROT_NONE); err != nil {
			return err
		}
		base := uintptr(unsafe.Pointer(&two[0]))
		copy(two[page-6:], "hello\x00")
		for _, at := range []uintptr{base + uintptr(page) - 6, base + uintptr(page) - 3, 8} {
			_, _, errno := unix.Syscall(unix.SYS_CHDIR, at, 0, 0)
			fmt.Println(int(errno))
		}
		two[page-1] = 'x' // and no zero follows
		_, _, errno := unix.Syscall(unix.SYS_CHDIR, base+uintptr(page)-6, 0, 0)
		fmt.Println(int(errno))
		return nil
	},
	// descriptor names one of its own in a call.
	":descriptor": func([]string) error {
		done := make(chan error)
		go func() { // on a thread that is not the first of its process
			runtime.LockOSThread()
			fd, err := unix.MemfdCreate("mine", 0)
			if err != nil {
				done <- err
				return
			}
			_, err = unix.Write(fd, []byte("my own"))
			fmt.Println(fd, unix.Fchdir(fd), unix.Fchdir(fd+1000))
			done <- err
		}()
		return <-done
	},
	// replaced names a descriptor, and reads what it is then.
	":replaced": func([]string) error {
		fd, err := unix.MemfdCreate("mine", 0)
		if err != nil {
			return err
		}
		fmt.Println(fd, unix.Fchdir(fd))
		b := make([]byte, 100)
		n, err := unix.Pread(fd, b, 0)
		fmt.Println(string(b[:n]))
		return err
	},
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func parent(*supervise.Call) supervise.Answer { return supervise.Value(4711) }

// TestServe: calls of many threads get their answers, each its own.
func TestServe(t *testing.T) {
	c := start(t, "getppid", supervise.Handlers{"getppid": parent}, "", ":parent", "8", "500")
	c.wants("done")
	c.ends()
}

// TestRefusals: whatever is no answer of a handler's refuses the call.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		handlers supervise.Handlers
		want     string
	}{
		"value":   {supervise.Handlers{"getppid": parent}, "4711 0"},
		"error":   {supervise.Handlers{"getppid": refuse(unix.EXDEV)}, "-1 18"},
		"wrapped": {supervise.Handlers{"getppid": refuse(fmt.Errorf("so: %w", unix.EXDEV))}, "-1 18"},
		"other":   {supervise.Handlers{"getppid": refuse(io.EOF)}, "-1 1"},
		"none":    {supervise.Handlers{"getppid": func(*supervise.Call) (a supervise.Answer) { return a }}, "-1 1"},
		"nobody":  {nil, "-1 38"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, "getppid", test.handlers, "", ":ask")
			c.say("call")
			c.wants(test.want)
			c.in.Close()
			c.ends()
		})
	}
}

func refuse(err error) supervise.Handler {
	return func(*supervise.Call) supervise.Answer { return supervise.Refuse(err) }
}

// TestMemory: a string is read up to its end, and not beyond what is there.
func TestMemory(t *testing.T) {
	read := make(chan string, 4)
	c := start(t, "chdir", supervise.Handlers{"chdir": func(c *supervise.Call) supervise.Answer {
		text, err := c.Text(c.Arg(0), 100)
		read <- text
		return supervise.Result(err)
	}}, "", ":memory")
	for _, want := range []struct{ text, errno string }{
		{"hello", "0"}, {"lo", "0"}, {"", "14"}, {"", "14"},
	} {
		c.wants(want.errno)
		if text := <-read; text != want.text {
			t.Errorf("read %q, and not %q", text, want.text)
		}
	}
	c.ends()
}

// TestDescriptor: a duplicate is of what the calling thread has, and is let go of.
func TestDescriptor(t *testing.T) {
	read := make(chan string, 2)
	c := start(t, "fchdir", supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
		fd, err := c.Descriptor(c.Int(0))
		if err != nil {
			read <- ""
			return supervise.Refuse(err)
		}
		defer unix.Close(fd)
		b := make([]byte, 100)
		n, _ := unix.Pread(fd, b, 0)
		read <- string(b[:n])
		return supervise.Value(0)
	}}, "", ":descriptor")
	if line := c.line(); !strings.HasSuffix(line, " <nil> bad file descriptor") {
		t.Error(line)
	}
	if text := <-read; text != "my own" {
		t.Errorf("read %q through the duplicate", text)
	}
	c.ends()
}

// TestReplace: what is put into the caller's table is there when the call returns.
func TestReplace(t *testing.T) {
	fd, err := unix.MemfdCreate("other", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	other := os.NewFile(uintptr(fd), "other")
	defer other.Close()
	if _, err := other.WriteString("another"); err != nil {
		t.Fatal(err)
	}
	c := start(t, "fchdir", supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
		return supervise.Result(c.Replace(c.Int(0), other, true))
	}}, "", ":replaced")
	c.line()
	c.wants("another")
	c.ends()
}

// TestSlow: a call that takes long keeps none of the others waiting, and too many of them only
// those that come after.
func TestSlow(t *testing.T) {
	const threads = 100 // more than may be slow at once
	free := make(chan struct{})
	entered := make(chan struct{}, 2*threads)
	c := start(t, "getppid chdir", supervise.Handlers{
		"chdir":   parent,
		"getppid": func(*supervise.Call) supervise.Answer { entered <- struct{}{}; <-free; return parent(nil) },
	}, "", ":parent", strconv.Itoa(threads), "2")
	for range supervise.MostSlow {
		<-entered
	}
	close(free)
	c.wants("done")
	c.ends()
}

// TestWaiting: a handler finds out that its caller has gone.
func TestWaiting(t *testing.T) {
	gone := make(chan bool)
	entered := make(chan struct{})
	c := start(t, "getppid", supervise.Handlers{"getppid": func(c *supervise.Call) supervise.Answer {
		if !c.Waiting() {
			t.Error("nobody waits for the answer to a call that was just made")
		}
		close(entered)
		for c.Waiting() {
			time.Sleep(time.Millisecond)
		}
		gone <- true
		return supervise.Value(1)
	}}, "", ":ask")
	c.say("call")
	<-entered
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-gone
	if err := <-c.served; err != nil {
		t.Error(err)
	}
}

// TestEnd: when serving ends, calls that wait and calls that come are refused.
func TestEnd(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	c := start(t, "getppid", supervise.Handlers{"getppid": func(*supervise.Call) supervise.Answer {
		close(entered)
		<-free
		return supervise.Value(1)
	}}, "", ":ask")
	c.say("call")
	<-entered
	c.cancel()
	if err := <-c.served; err != nil {
		t.Error(err)
	}
	c.wants("-1 38") // ENOSYS
	c.say("call")
	c.wants("-1 38")
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestNoDescriptorIsLeft: after a thousand calls with descriptors as many are open as before.
func TestNoDescriptorIsLeft(t *testing.T) {
	before := open(t)
	for range 5 {
		c := start(t, "fchdir", supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
			fd, err := c.Descriptor(c.Int(0))
			if err == nil {
				unix.Close(fd)
			}
			return supervise.Result(err)
		}}, "", ":descriptor")
		c.line()
		c.ends()
	}
	if after := open(t); after > before {
		t.Errorf("%d descriptors are open, and before it were %d", after, before)
	}
}

func open(t *testing.T) int {
	t.Helper()
	runtime.GC() // of files that nobody closed
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestNames: a handler of a call that nobody knows is a mistake, and its listener is let go of.
func TestNames(t *testing.T) {
	for _, handlers := range []supervise.Handlers{{"chmode": parent}, {"chmod": nil}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := supervise.Serve(context.Background(), w, handlers); err == nil {
			t.Error("served")
		}
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Error("the listener is still open: ", err)
		}
	}
}

// BenchmarkCall is what a call costs that core answers with a value, beside one that the kernel
// answers.
func BenchmarkCall(b *testing.B) {
	for _, calls := range []string{"getpgid", "getppid"} {
		b.Run(calls, func(b *testing.B) {
			c := start(b, calls, supervise.Handlers{"getppid": parent, "getpgid": parent}, "", ":loop", strconv.Itoa(b.N))
			b.ResetTimer()
			c.say("go")
			c.wants("done")
		})
	}
}
