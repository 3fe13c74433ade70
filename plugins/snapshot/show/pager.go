package show

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// Screen is where a long text goes: at a terminal through the user's pager, elsewhere as it is.
type Screen struct {
	io.Writer

	// Terminal says that a person reads it: colour, and nothing that a file chose reaches the
	// terminal.
	Terminal bool

	pipe io.WriteCloser
	cmd  *exec.Cmd
}

// Page opens the screen on standard output. The pager is the user's PAGER, or less where that is
// not set; without one the text is printed. lookup reads the user's variables.
func Page(ctx context.Context, to *os.File, lookup func(string) string) *Screen {
	s := &Screen{Writer: to, Terminal: term.IsTerminal(int(to.Fd()))}
	if !s.Terminal {
		return s
	}
	words := strings.Fields(lookup("PAGER"))
	if len(words) == 0 {
		words = []string{"less"}
	}
	if words[0] == "cat" {
		return s
	}
	path, err := exec.LookPath(words[0]) //nolint:forbidigo // the user's own pager, in his PATH
	if err != nil {
		return s
	}
	//nolint:forbidigo // it is waited for, at the user's terminal
	cmd := exec.CommandContext(ctx, path, words[1:]...)
	cmd.Stdout, cmd.Stderr = to, os.Stderr
	cmd.Cancel = func() error { return nil } // Ctrl-C is the pager's own
	less := lookup("LESS")
	if less == "" {
		less = "FRX" // ends where one page is enough, shows colours, leaves the text on the screen
	}
	cmd.Env = []string{
		"LESS=" + less, "LESSSECURE=1", "PATH=" + lookup("PATH"), "TERM=" + lookup("TERM"),
		"LANG=" + lookup("LANG"), "LC_ALL=" + lookup("LC_ALL"),
	}
	pipe, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return s
	}
	s.Writer, s.pipe, s.cmd = pipe, pipe, cmd
	return s
}

// Close waits until the user has read it.
func (s *Screen) Close() error {
	if s.cmd == nil {
		return nil
	}
	err := s.pipe.Close()
	var exit *exec.ExitError
	if waited := s.cmd.Wait(); waited != nil && !errors.As(waited, &exit) {
		return waited
	}
	return err
}

// Enough reports whether a write failed because the pager was left.
func Enough(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed)
}
