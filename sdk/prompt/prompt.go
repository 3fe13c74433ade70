// Package prompt asks the user of a terminal a question.
//
// The terminal is the one that controls the process, whatever stdin is connected to; where there is
// none, stdin and stderr if both are terminals. Whatever ends a question, an answer or its context,
// the terminal's settings are put back. What was typed before the question is no answer to it.
package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Echo says whether what is typed can be seen.
type Echo bool

// The two.
const (
	Shown  Echo = true
	Hidden Echo = false
)

// NobodyError says why nobody can be asked.
type NobodyError struct{ Why string }

// Error implements error.
func (e *NobodyError) Error() string { return e.Why }

// maxAnswer bounds an answer. A terminal's own bound for a line is 4096 bytes.
const maxAnswer = 64 << 10

// Terminal is a terminal that somebody may sit at.
type Terminal struct {
	in, out *os.File
	own     bool // opened here
}

// Open finds the terminal to ask at.
func Open(stdin, stderr *os.File) (*Terminal, error) {
	t := &Terminal{in: stdin, out: stderr}
	if f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		t = &Terminal{in: f, out: f, own: true}
	}
	if !isTerminal(t.in) || !isTerminal(t.out) {
		t.Close()
		return nil, &NobodyError{"there is no terminal"}
	}
	// Reading a terminal from the background stops the process.
	group, err := unix.IoctlGetInt(int(t.in.Fd()), unix.TIOCGPGRP)
	if err == nil && group != unix.Getpgrp() {
		t.Close()
		return nil, &NobodyError{"the process is in the background of its terminal"}
	}
	return t, nil
}

func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil
}

// Close gives the terminal up.
func (t *Terminal) Close() {
	if t.own {
		_ = t.in.Close()
	}
}

// Ask prints the question and returns the line that is typed, without its end. The question must
// hold nothing that a terminal would act on.
func (t *Terminal) Ask(ctx context.Context, question string, echo Echo) (string, error) {
	in := int(t.in.Fd())
	before, err := unix.IoctlGetTermios(in, getTermios)
	if err != nil {
		return "", fmt.Errorf("reading the terminal's settings: %w", err)
	}
	during := *before
	during.Iflag |= unix.ICRNL
	during.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO
	if echo == Hidden {
		during.Lflag &^= unix.ECHO
		during.Lflag |= unix.ECHONL
	}
	if err := unix.IoctlSetTermios(in, setTermiosFlush, &during); err != nil {
		return "", fmt.Errorf("preparing the terminal: %w", err)
	}
	// With the settings, what was typed and not read goes: half an answer is nobody's input.
	defer func() { _ = unix.IoctlSetTermios(in, setTermiosFlush, before) }()
	if _, err := t.out.WriteString(question); err != nil {
		return "", fmt.Errorf("writing to the terminal: %w", err)
	}
	answer, err := readLine(ctx, in)
	if err != nil {
		_, _ = t.out.WriteString("\n") // what is printed next stands on a line of its own
	}
	return answer, err
}

// readLine reads up to the end of a line, or of the context.
func readLine(ctx context.Context, fd int) (string, error) {
	woken, wake, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer woken.Close()
	stop := context.AfterFunc(ctx, func() { _ = wake.Close() })
	defer func() {
		if stop() {
			_ = wake.Close()
		}
	}()
	var line []byte
	for {
		ready := []unix.PollFd{
			{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(woken.Fd()), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return "", fmt.Errorf("waiting for the terminal: %w", err)
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if ready[0].Revents == 0 {
			continue
		}
		part := make([]byte, 4096)
		n, err := unix.Read(fd, part)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return "", fmt.Errorf("reading from the terminal: %w", err)
		case n == 0:
			return "", errors.New("the terminal gave no answer, but its end")
		}
		line = append(line, part[:n]...)
		if text, _, whole := bytes.Cut(line, []byte("\n")); whole {
			return string(text), nil
		}
		if len(line) > maxAnswer {
			return "", fmt.Errorf("the answer has more than %d bytes", maxAnswer)
		}
	}
}
