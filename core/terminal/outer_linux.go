package terminal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/terminal/keeper"
)

// outer is the user's terminal. No flag of its descriptor is ever set: that of a stream is shared
// with the shell.
type outer struct {
	fd int
	// in is for reading: another file of the same terminal, which does not wait where somebody else
	// has read first.
	in  int
	own bool // fd was opened here
	// controls says that it is this process's controlling terminal. Another one knows nothing of
	// foreground and background.
	controls bool

	// saved are the settings to put back, and raw those that were set, while isRaw.
	saved, raw unix.Termios
	isRaw      bool
}

// findOuter finds the user's terminal: the one that controls the process, or else the first of the
// streams that is one. It may be nil.
func findOuter(streams Streams) *outer {
	// O_NOCTTY: a process without a controlling terminal must not come by one.
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		return &outer{fd: fd, in: reader("/dev/tty", fd), own: true, controls: true}
	}
	for _, f := range streams {
		if fd, ok := terminal(f); ok {
			return &outer{fd: fd, in: reader(fmt.Sprintf("/proc/self/fd/%d", fd), fd)}
		}
	}
	return nil
}

// reader opens a terminal for reading, or else gives what is open: it may be somebody else's by its
// name, where a user has become another one.
func reader(name string, open int) int {
	in, err := unix.Open(name, unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return open
	}
	return in
}

// terminal is the descriptor of a stream that is a terminal. It is asked for in a way that leaves
// its flags alone, which File.Fd does not.
func terminal(f *os.File) (fd int, ok bool) {
	if f == nil {
		return 0, false
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = conn.Control(func(n uintptr) {
		fd = int(n)
		_, e := settings(fd)
		ok = e == nil
	})
	return fd, ok && err == nil
}

func settings(fd int) (unix.Termios, error) {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return unix.Termios{}, fmt.Errorf("reading the terminal's settings: %w", err)
	}
	return *t, nil
}

// foreground reports whether this process is in the foreground. An error means that the terminal
// is gone.
func (o *outer) foreground() (bool, error) {
	if !o.controls {
		_, err := settings(o.fd)
		return true, err
	}
	group, err := unix.IoctlGetInt(o.fd, unix.TIOCGPGRP)
	if err != nil {
		return false, fmt.Errorf("asking who is in the terminal's foreground: %w", err)
	}
	return group == unix.Getpgrp(), nil
}

// makeRaw passes on all that is typed, byte by byte, and prints all that is written as it is. What
// is saved are the settings that a user works with, and not those of a shell's line editor, which
// may have left its own a moment ago. The caller is in the foreground.
func (o *outer) makeRaw(k *keeper.Keeper) error {
	now, err := settings(o.fd)
	if err != nil {
		return err
	}
	if o.isRaw && now == o.raw {
		return nil
	}
	if ordinary(now) || o.saved == (unix.Termios{}) {
		o.saved = now
	}
	o.raw = rawOf(now)
	// First the keeper: if this process is killed in between, there is nothing to do for it, since
	// the terminal has other settings than those it is told of.
	err = k.Tell(keeper.Settings{Saved: o.saved, Raw: o.raw})
	if e := unix.IoctlSetTermios(o.fd, unix.TCSETS, &o.raw); e != nil {
		return errors.Join(err, fmt.Errorf("making the terminal raw: %w", e))
	}
	o.isRaw = true
	// A driver may not take every setting as it was meant.
	if now, e := settings(o.fd); e == nil && now != o.raw {
		o.raw = now
		err = errors.Join(err, k.Tell(keeper.Settings{Saved: o.saved, Raw: o.raw}))
	}
	return err
}

// restore puts the settings back. It does not wait for output to be taken: a terminal whose output
// is stopped would never be restored. In the background the settings are somebody else's.
func (o *outer) restore(k *keeper.Keeper) {
	if !o.isRaw {
		return
	}
	if front, err := o.foreground(); err == nil && front {
		_ = unix.IoctlSetTermios(o.fd, unix.TCSETS, &o.saved)
	}
	o.isRaw = false
	_ = k.Tell(keeper.Settings{})
}

// ordinary reports settings that a user types commands with: lines, and an echo.
func ordinary(t unix.Termios) bool {
	const both = unix.ICANON | unix.ECHO
	return t.Lflag&both == both
}

// rawOf is cfmakeraw.
func rawOf(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP |
		unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return t
}

// size is the window's; zeros where the terminal does not know.
func (o *outer) size() (unix.Winsize, error) {
	ws, err := unix.IoctlGetWinsize(o.fd, unix.TIOCGWINSZ)
	if err != nil {
		return unix.Winsize{}, fmt.Errorf("reading the terminal's size: %w", err)
	}
	return *ws, nil
}

// stopsOutput reports whether a process in the background is stopped when it writes (stty tostop).
func (o *outer) stopsOutput() bool {
	now, err := settings(o.fd)
	return err == nil && now.Lflag&unix.TOSTOP != 0
}

func (o *outer) close() {
	if o.in != o.fd {
		_ = unix.Close(o.in)
		o.in = o.fd
	}
	if o.own {
		o.own = false
		_ = unix.Close(o.fd)
	}
}
