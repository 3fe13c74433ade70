//go:build linux

// Package keeper gives the user's terminal its settings back when nono was killed and could not.
//
// It is a small process in a session of its own, where no signal of the terminal reaches it. It
// holds the terminal and the end of a pipe, over which it is told which settings to put back:
//
//	k, err := keeper.Start("/usr/bin/nono-init", tty)
//	err = k.Tell(keeper.Settings{Saved: before, Raw: raw}) // before they are set
//	err = k.Tell(keeper.Settings{})                        // they have been put back
//	k.Close()
//
// When the pipe ends and there is something to put back, it does, if the terminal's settings are
// still those that nono set. Many shells put their own there when a job has died, and those stay.
package keeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// name is what the process is called where processes are listed.
const name = "nono-keeper"

// Argument makes a program a keeper, if it calls [Main] for it.
const Argument = "keep-terminal"

// Settings are what to put back, and what must be there for it. The zero is nothing.
type Settings struct{ Saved, Raw unix.Termios }

// Keeper is the running process. A nil one is none, and is told nothing.
type Keeper struct {
	pipe *os.File
	pid  int
}

// Start starts a keeper of this terminal, as a program that calls [Main].
func Start(program string, tty int) (*Keeper, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the terminal's keeper: %w", err)
	}
	defer func() { _ = theirs.Close() }() // nothing was written to it
	pid, err := syscall.ForkExec(program, []string{name, Argument}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1"},
		Files: []uintptr{theirs.Fd(), uintptr(tty)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting the terminal's keeper: %w", err)
	}
	return &Keeper{ours, pid}, nil
}

// Tell says what is to be put back from now on. A message is written whole or not at all: it is
// shorter than what a pipe takes at once.
func (k *Keeper) Tell(s Settings) error {
	if k == nil {
		return nil
	}
	var message bytes.Buffer
	if err := binary.Write(&message, binary.NativeEndian, s); err != nil {
		return fmt.Errorf("telling the terminal's keeper: %w", err)
	}
	if _, err := k.pipe.Write(message.Bytes()); err != nil {
		return fmt.Errorf("telling the terminal's keeper: %w", err)
	}
	return nil
}

// Close ends the keeper. One that does not end at once, because somebody has stopped it, is not
// waited for: it has nothing to do any more.
func (k *Keeper) Close() {
	if k == nil {
		return
	}
	_ = k.pipe.Close() // it reads to the end what it was told
	// Nobody waits any earlier: that holds one of Go's processors until the runtime's monitor looks.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = syscall.Wait4(k.pid, nil, 0, nil)
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
}

// Main is the process, and returns its exit code.
func Main() int {
	const terminal = 1
	called, err := unix.ByteSliceFromString(name)
	if err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&called[0])), 0, 0, 0)
	}
	var s Settings
	for {
		var next Settings
		err := binary.Read(os.Stdin, binary.NativeEndian, &next)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 1
		}
		s = next
	}
	if s == (Settings{}) {
		return 0
	}
	now, err := unix.IoctlGetTermios(terminal, unix.TCGETS)
	if err != nil || *now != s.Raw {
		return 0 // it is gone, or somebody else's by now
	}
	if err := unix.IoctlSetTermios(terminal, unix.TCSETS, &s.Saved); err != nil {
		return 1
	}
	return 0
}
