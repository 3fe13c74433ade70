package supervise_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/test/held"
)

func TestMain(m *testing.M) { os.Exit(held.Main(m, acts)) }

// acts are what a child does that is no program.
var acts = held.Acts{
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
	c := held.Start(t, supervise.Handlers{"getppid": parent}, "", ":parent", "8", "500")
	c.Wants("done")
	c.Ends()
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
			c := held.StartHeld(t, []string{"getppid"}, test.handlers, "", ":ask")
			c.Say("call")
			c.Wants(test.want)
			c.Ends()
		})
	}
}

func refuse(err error) supervise.Handler {
	return func(*supervise.Call) supervise.Answer { return supervise.Refuse(err) }
}

// TestMemory: a string is read up to its end, and not beyond what is there.
func TestMemory(t *testing.T) {
	read := make(chan string, 4)
	c := held.Start(t, supervise.Handlers{"chdir": func(c *supervise.Call) supervise.Answer {
		text, err := c.Text(c.Arg(0), 100)
		read <- text
		return supervise.Result(err)
	}}, "", ":memory")
	for _, want := range []struct{ text, errno string }{
		{"hello", "0"}, {"lo", "0"}, {"", "14"}, {"", "14"},
	} {
		c.Wants(want.errno)
		if text := <-read; text != want.text {
			t.Errorf("read %q, and not %q", text, want.text)
		}
	}
	c.Ends()
}

// TestDescriptor: a duplicate is of what the calling thread has, and is let go of.
func TestDescriptor(t *testing.T) {
	read := make(chan string, 2)
	c := held.Start(t, supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
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
	if line := c.Line(); !strings.HasSuffix(line, " <nil> bad file descriptor") {
		t.Error(line)
	}
	if text := <-read; text != "my own" {
		t.Errorf("read %q through the duplicate", text)
	}
	c.Ends()
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
	c := held.Start(t, supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
		return supervise.Result(c.Replace(c.Int(0), other, true))
	}}, "", ":replaced")
	c.Line()
	c.Wants("another")
	c.Ends()
}

// TestSlow: a call that takes long keeps none of the others waiting, and too many of them only
// those that come after.
func TestSlow(t *testing.T) {
	const threads = 100 // more than may be slow at once
	free := make(chan struct{})
	entered := make(chan struct{}, 2*threads)
	c := held.Start(t, supervise.Handlers{
		"chdir":   parent,
		"getppid": func(*supervise.Call) supervise.Answer { entered <- struct{}{}; <-free; return parent(nil) },
	}, "", ":parent", strconv.Itoa(threads), "2")
	for range supervise.MostSlow {
		<-entered
	}
	close(free)
	c.Wants("done")
	c.Ends()
}

// TestWaiting: a handler finds out that its caller has gone.
func TestWaiting(t *testing.T) {
	gone := make(chan bool)
	entered := make(chan struct{})
	c := held.Start(t, supervise.Handlers{"getppid": func(c *supervise.Call) supervise.Answer {
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
	c.Say("call")
	<-entered
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-gone
	if err := <-c.Served; err != nil {
		t.Error(err)
	}
}

// TestEnd: when serving ends, calls that wait and calls that come are refused.
func TestEnd(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	c := held.Start(t, supervise.Handlers{"getppid": func(*supervise.Call) supervise.Answer {
		close(entered)
		<-free
		return supervise.Value(1)
	}}, "", ":ask")
	c.Say("call")
	<-entered
	c.Stop()
	if err := <-c.Served; err != nil {
		t.Error(err)
	}
	c.Wants("-1 38") // ENOSYS
	c.Say("call")
	c.Wants("-1 38")
	c.Ends()
}

// TestNoDescriptorIsLeft: after a thousand calls with descriptors as many are open as before.
func TestNoDescriptorIsLeft(t *testing.T) {
	before := open(t)
	for range 5 {
		c := held.Start(t, supervise.Handlers{"fchdir": func(c *supervise.Call) supervise.Answer {
			fd, err := c.Descriptor(c.Int(0))
			if err == nil {
				unix.Close(fd)
			}
			return supervise.Result(err)
		}}, "", ":descriptor")
		c.Line()
		c.Ends()
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
	for name, handlers := range map[string]supervise.Handlers{"kernel": nil, "core": {"getppid": parent}} {
		b.Run(name, func(b *testing.B) {
			c := held.Start(b, handlers, "", ":loop", strconv.Itoa(b.N))
			b.ResetTimer()
			c.Say("go")
			c.Wants("done")
		})
	}
}

// TestCanRead: the one call that all handlers need works here, and where a filter refuses it that is
// found out. The filter is of one thread, which ends with its goroutine.
func TestCanRead(t *testing.T) {
	if err := supervise.CanRead(); err != nil {
		t.Errorf("without a filter: %v", err)
	}
	found := make(chan error)
	go func() {
		runtime.LockOSThread()
		instructions := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_PROCESS_VM_READV},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		}
		program := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
		if err != nil || errno != 0 {
			found <- fmt.Errorf("loading a filter: %w, %w", err, errno)
			return
		}
		found <- supervise.CanRead()
	}()
	if err := <-found; !errors.Is(err, unix.EPERM) {
		t.Errorf("beneath a filter that refuses it: %v", err)
	}
}
