package prompt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A screen is the other side of a terminal: what is typed into it, and what it shows.
type screen struct {
	*os.File
	mu    sync.Mutex
	shown strings.Builder
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

func (s *screen) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.text(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not shown, but %q", text, s.text())
		}
	}
}

// terminal is a terminal that does not control the test's process, and its screen.
func terminal(t *testing.T) (*Terminal, *screen) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	s := &screen{File: os.NewFile(uintptr(fd), "/dev/ptmx")}
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	side, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { side.Close(); s.Close() })
	go func() {
		b := make([]byte, 1000)
		for {
			n, err := s.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.shown.Write(b[:n])
			s.mu.Unlock()
		}
	}()
	return &Terminal{in: side, out: side}, s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func settings(t *testing.T, tty *Terminal) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(tty.in.Fd()), getTermios)
	must(t, err)
	return *s
}

func TestAnswers(t *testing.T) {
	for _, echo := range []Echo{Shown, Hidden} {
		tty, s := terminal(t)
		before := settings(t, tty)
		_, err := s.WriteString("typed before\n")
		must(t, err)
		time.Sleep(10 * time.Millisecond) // for it to be there, and to be dropped
		go func() {
			s.wait(t, "who? ")
			_, _ = s.WriteString("someb\x7fbody\n")
		}()
		answer, err := tty.Ask(t.Context(), "who? ", echo)
		if err != nil || answer != "somebody" {
			t.Errorf("got %q, %v", answer, err)
		}
		s.wait(t, "who? ")
		if echo == Shown {
			s.wait(t, "some")
		}
		if seen := strings.Contains(strings.SplitN(s.text(), "who? ", 2)[1], "some"); seen != bool(echo) {
			t.Errorf("echo %v: the screen shows %q", echo, s.text())
		}
		if after := settings(t, tty); after != before {
			t.Errorf("the settings were %+v and are %+v", before, after)
		}
	}
}

// TestGivesUp: a question that is called off, or that gets no answer, leaves the terminal as it
// was.
func TestGivesUp(t *testing.T) {
	why := errors.New("enough")
	for name, end := range map[string]func(s *screen, cancel context.CancelCauseFunc){
		"called off": func(_ *screen, cancel context.CancelCauseFunc) { cancel(why) },
		"Ctrl-D":     func(s *screen, _ context.CancelCauseFunc) { _, _ = s.WriteString("\x04") },
	} {
		tty, s := terminal(t)
		before := settings(t, tty)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			s.wait(t, "password: ")
			end(s, cancel)
		}()
		answer, err := tty.Ask(ctx, "password: ", Hidden)
		if err == nil || answer != "" || name == "called off" && !errors.Is(err, why) {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
		if after := settings(t, tty); after != before {
			t.Errorf("%s: the settings were %+v and are %+v", name, before, after)
		}
		cancel(nil)
	}
}

func TestOpenNeedsATerminal(t *testing.T) {
	if f, err := os.Open("/dev/tty"); err == nil {
		f.Close()
		t.Skip("whoever runs the tests has a terminal")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	tty, _ := terminal(t)
	var nobody *NobodyError
	for _, files := range [][2]*os.File{{null, null}, {tty.in, null}, {null, tty.out}, {nil, nil}} {
		if _, err := Open(files[0], files[1]); !errors.As(err, &nobody) {
			t.Errorf("%v: %v", files, err)
		}
	}
	if _, err := Open(tty.in, tty.out); err != nil { // the control
		t.Error(err)
	}
}
