//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// onceAtTerminal is once where input, output and errors are a terminal, which controls the run's
// session. Somebody reads what is written on it.
func onceAtTerminal(cmd *exec.Cmd) (sample, error) {
	screen, terminal, err := openTerminal()
	if err != nil {
		return sample{}, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, screen) // it ends when nobody has the terminal open any more
		close(read)
	}()
	s, err := timed(cmd)
	err = errors.Join(err, terminal.Close())
	<-read
	return s, errors.Join(err, screen.Close())
}

// openTerminal makes a pair of them.
func openTerminal() (screen, terminal *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a terminal: %w", err)
	}
	screen = os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("unlocking a terminal: %w", err), screen.Close())
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		path := fmt.Sprintf("/dev/pts/%d", number)
		terminal, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("opening a terminal: %w", err), screen.Close())
	}
	return screen, terminal, nil
}
