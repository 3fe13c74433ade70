//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is left of a key when the process that has it is killed: nothing in a file, a core or the
// swap. The control is a program that has a key too and takes no care.

// keeps is a program that has a key in its memory until it is killed. The key comes by its input.
const keeps = `
import sys, time
kept = sys.stdin.buffer.readline()
print("it has it", flush=True)
time.sleep(600)
`

// holder is a process with a key.
type holder struct {
	cmd       *exec.Cmd
	out, errs transcript
	done      chan struct{}
}

// hold starts a process that says so when it has its key. It may leave a core of any size.
func (u *user) hold(cmd *exec.Cmd, in, says string) *holder {
	u.t.Helper()
	cmd.Args = append([]string{"sh", "-c", `ulimit -c unlimited; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	h := &holder{cmd: cmd, done: make(chan struct{}, 1)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &h.out, &h.errs
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // how it ended says its state
		h.done <- struct{}{}
	}()
	u.t.Cleanup(func() { _ = cmd.Process.Kill() })
	for deadline := time.Now().Add(time.Minute); !strings.Contains(h.out.String(), says); {
		if len(h.done) > 0 || time.Now().After(deadline) {
			u.t.Fatalf("it never says %q\n%s%s", says, h.out.String(), h.errs.String())
		}
		time.Sleep(time.Millisecond)
	}
	return h
}

// careless is the control.
func (u *user) careless(key string) *holder {
	u.t.Helper()
	cmd := u.command()
	cmd.Path, cmd.Args = "/usr/bin/python3", []string{"python3", "-c", keeps}
	return u.hold(cmd, key+"\n", "it has it")
}

// keyed is a run whose key is in a file that only the credential layer reads, so that no other
// process of the run has it. It returns nono, the layer, and the key.
func (u *user) keyed() (h *holder, layer int, key string) {
	u.t.Helper()
	_, key, _ = u.services()
	u.Env = slices.DeleteFunc(u.Env, func(v string) bool { return strings.Contains(v, "_API_KEY=") })
	file := filepath.Join(u.t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.write("~/.config/nono/config.hcl", fmt.Sprintf("credential \"openai\" {\n  source = \"file://%s\"\n}\n", file))
	h = u.hold(u.command("run", "--allow-cwd", "--", "sh", "-c", `
		test "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/x)" = 200
		echo used $?; sleep 600`), "", "used 0")
	for _, p := range descendants(h.cmd.Process.Pid) {
		if p.name() == "nono-layer-credproxy" {
			layer = p.PID
		}
	}
	if layer == 0 {
		u.t.Fatal("there is no credential layer")
	}
	return h, layer, key
}

// killed waits for the end of a process that a signal was sent to, or of nono that lost its layer.
func (h *holder) killed(t *testing.T) {
	t.Helper()
	select {
	case <-h.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("it goes on\n%s%s", h.out.String(), h.errs.String())
	}
}

// TestKilledWithAKey kills the layer in each way that may leave something: outright, and so that a
// program leaves a core or says where it was.
func TestKilledWithAKey(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			h, layer, key := u.keyed()
			if err := syscall.Kill(layer, s); err != nil {
				t.Fatal(err)
			}
			h.killed(t)
			if code := h.cmd.ProcessState.ExitCode(); code != 125 {
				t.Errorf("exit code %d\n%s", code, h.errs.String())
			}
			u.nowhere([]string{key})
			if said := h.out.String() + h.errs.String(); mentions(said, []string{key}) {
				t.Errorf("it is said: %s", said)
			}
		})
	}
	t.Run("and a core has what a careless program had", func(t *testing.T) {
		t.Parallel()
		if pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || strings.ContainsAny(string(pattern[:1]), "|/") {
			t.Skipf("this machine has its cores elsewhere: %s, %v", pattern, err)
		}
		u := newUser(t)
		key := "sk-" + strings.Repeat("careless", 4)
		h := u.careless(key)
		if err := h.cmd.Process.Signal(syscall.SIGSEGV); err != nil {
			t.Fatal(err)
		}
		h.killed(t)
		if found := u.mentioning([]string{key}); len(found) != 1 || !strings.HasPrefix(filepath.Base(found[0]), "core") {
			t.Errorf("it is found in %q", found)
		}
	})
}

// TestSwappedWithAKey has the kernel put the layer's memory into a swap file, as it does where
// memory is short, and kills it. The swap file has nothing of the key, and the key of a careless
// program that was put there after it. Where a user's processes may lock no memory, it may be in the
// swap; root's may.
func TestSwappedWithAKey(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can have a swap file made")
	}
	swap := swapFile(t)
	u := newUser(t)
	h, layer, key := u.keyed()
	pageOut(t, layer)
	theirs := "sk-" + strings.Repeat("careless", 4)
	careless := u.careless(theirs)
	for deadline := time.Now().Add(time.Minute); !holds(t, swap, theirs); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what a careless program has does not come into the swap file")
		}
		pageOut(t, careless.cmd.Process.Pid)
	}
	for range 2 {
		if holds(t, swap, key) {
			t.Error("the key is in the swap file")
		}
		pageOut(t, layer) // once more, after what was put there before was written
	}
	if err := syscall.Kill(layer, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.killed(t)
	if holds(t, swap, key) {
		t.Error("after the end the key is in the swap file")
	}
}

// swapFile has the machine swap to a file of the test's, and returns its name.
func swapFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "swap")
	if err := os.WriteFile(file, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) (string, error) {
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
			if _, err := os.Stat(dir + name); err == nil {
				name = dir + name
				break
			}
		}
		out, err := exec.Command(name, args...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	loop, err := run("losetup", "--find", "--show", file)
	if err != nil {
		t.Skip("this machine gives no loop device: ", loop, err)
	}
	t.Cleanup(func() { _, _ = run("losetup", "--detach", loop) })
	for _, command := range [][]string{{"mkswap", loop}, {"swapon", "--priority", "32767", loop}} {
		if out, err := run(command[0], command[1:]...); err != nil {
			t.Skip("this machine does not swap to a loop device: ", out, err)
		}
	}
	t.Cleanup(func() {
		if out, err := run("swapoff", loop); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
	return file
}

// holds reports whether a file has a text in it.
func holds(t *testing.T, file, text string) bool {
	t.Helper()
	unix.Sync() // to the swap device
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(content, []byte(text))
}

// pageOut asks the kernel to put all of a process's own memory out, as far as it may.
func pageOut(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		first, last, _ := strings.Cut(fields[0], "-")
		begin, err1 := strconv.ParseUint(first, 16, 64)
		end, err2 := strconv.ParseUint(last, 16, 64)
		if err1 != nil || err2 != nil || !strings.HasPrefix(fields[1], "rw") {
			continue
		}
		// What is locked is refused, which is what this is about. It is memory of another process, so
		// these are numbers and no pointers here.
		memory := [2]uintptr{uintptr(begin), uintptr(end - begin)}
		_, _, _ = unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(fd), uintptr(unsafe.Pointer(&memory)), 1, unix.MADV_PAGEOUT, 0, 0)
	}
}
