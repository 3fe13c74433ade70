package launch_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// TestFileStreamB: a file that is read is a copy of it, from where the user's offset is, and the
// user's goes on where the agent stopped. One that is too large comes through a pipe.
func TestFileStreamB(t *testing.T) {
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte("gone\nhere\nrest\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b := newPlainBox(t, "kind=0", "take=5", "write=/proc/self/fd/0", "chmod-stream=0")
	b.stdin = f
	b.want(t, map[string]string{
		"kind=0": "file", "take=5": "here", "write=/proc/self/fd/0": "EPERM", "chmod-stream=0": "ok",
	})
	if st, err := f.Stat(); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("the user's file has the mode %v, %v", st.Mode(), err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "rest\n" {
		t.Errorf("what is left to the user: %q, %v", rest, err)
	}

	if err := os.Truncate(name, 17<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b = newPlainBox(t, "kind=0", "take=5")
	b.stdin = f
	b.want(t, map[string]string{"kind=0": "pipe", "take=5": "here"})
}

// TestTerminalB: the agent has a terminal of the session's own, which it may open by its name, and
// no other of the host's; job control goes by it.
func TestTerminalB(t *testing.T) {
	theirs, users := pty(t)
	defer theirs.Close()
	other, err := os.Readlink("/proc/self/fd/" + number(users))
	if err != nil {
		t.Fatal(err)
	}
	b := newPlainBox(t, "kind=0", "open-w=/dev/tty", "own-terminal", "open-w="+other, "front", "sleep=1h")
	b.stdin, b.stdout, b.stderr = users, users, users
	b.recipe.Terminal, b.options.Terminal = true, true
	b.recipe.Landlock = append(b.recipe.Landlock, grant("/dev/tty", fragment.RightRead, fragment.RightWrite))
	init, ready, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if ready.Terminal == nil {
		t.Fatal("no terminal came")
	}
	if err := init.Go(deadline(t), true); err != nil {
		t.Fatal(err)
	}
	said := ""
	buf := make([]byte, 1000)
	for !strings.Contains(said, "front:") {
		if err := ready.Terminal.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := ready.Terminal.Read(buf)
		if err != nil {
			t.Fatalf("%v, after %q", err, said)
		}
		said += string(buf[:n])
	}
	r := result{out: strings.ReplaceAll(said, "\r", "")}
	for try, want := range map[string]string{
		"kind=0": "terminal", "open-w=/dev/tty": "ok", "own-terminal": "ok", "open-w=" + other: "EACCES",
		"front": "true",
	} {
		if got := r.of(try); got != want {
			t.Errorf("%s: got %q, want %q", try, got, want)
		}
	}
	// Ctrl-Z: the kernel stops the agent's group, and nono-init tells.
	if _, err := ready.Terminal.Write([]byte{0x1a}); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-init.Stopped():
		if s.Signal != int(unix.SIGTSTP) || s.Behind {
			t.Errorf("got %+v", s)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody told that the agent was stopped")
	}
	if err := init.Job(recipe.JobBack); err != nil {
		t.Fatal(err)
	}
	if err := init.Job(recipe.JobFront); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent goes on", func() bool { return inState(b.project, "S") == 1 })
	if err := init.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit, err := init.Wait(); err != nil || exit.Signal != unix.SIGTERM {
		t.Errorf("got %+v, %v", exit, err)
	}
}

// TestForegroundAtOnce: an agent that asks at its first instructions is in the foreground. Given
// that after its exec, more than half of these heard otherwise.
func TestForegroundAtOnce(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("there is no such agent for this machine")
	}
	early := build(t.TempDir(), "early", "./testdata/early", "-ldflags=-E main.entry")
	inBothTiers(t, func(t *testing.T, box maker) {
		theirs, users := pty(t)
		defer theirs.Close()
		const times = 40
		asked := 0
		for range times {
			b := box(t)
			if b.options.Tier == recipe.TierA {
				b.mount(bind(t, early, "/early", false))
				b.recipe.Executable = "/early"
			} else {
				b.recipe.Landlock = append(b.recipe.Landlock, grant(early, fragment.RightRead, fragment.RightExecute))
				b.recipe.Executable = early
			}
			b.stdin, b.stdout, b.stderr = users, users, users
			b.recipe.Terminal, b.options.Terminal = true, true
			init, _, err := b.prepare(t)
			if err != nil {
				t.Fatal(err)
			}
			if err := init.Go(deadline(t), true); err != nil {
				t.Fatal(err)
			}
			exit, err := init.Wait()
			if err != nil || exit.Signal != 0 {
				t.Fatalf("got %+v, %v", exit, err)
			}
			asked += exit.Code
		}
		if asked > 0 {
			t.Errorf("%d of %d were in the background", asked, times)
		}
	})
}

// TestFreezeB: all that is inside stands still, and nothing else does; then all goes on that had not
// stood still before.
func TestFreezeB(t *testing.T) {
	lives := stranger(t)
	b := newPlainBox(t, "leave=5", "say=started", "sleep=1h")
	init, _ := b.until(t, "started")
	if err := init.Job(recipe.JobFreeze); err != nil {
		t.Fatal(err)
	}
	if n := inState(b.project, "T"); n != 6 {
		t.Errorf("%d processes stand still", n)
	}
	if !lives() {
		t.Error("a process that has nothing to do with it was ended")
	}
	if err := init.Job(recipe.JobThaw); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all go on", func() bool { return inState(b.project, "S") == 6 })
	if err := init.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit, err := init.Wait(); err != nil || exit.Left != 5 {
		t.Errorf("got %+v, %v", exit, err)
	}
}

// pty is a terminal of the host's: both its ends.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("this host has no terminals: ", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return os.NewFile(uintptr(fd), "master"), slave
}

func number(f *os.File) string { return strconv.Itoa(int(f.Fd())) }
