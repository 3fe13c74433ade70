package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/sdk/policy"
)

const (
	// toDie is how long a command that was killed may keep its output open.
	toDie = 200 * time.Millisecond
	// mostSaid is how much of what a command says on its standard error is repeated.
	mostSaid = 300
)

// fromCommand is what a command prints. It is run without a shell and in the root directory, so
// that no name in the project means anything to it, with the variables that it was given alone.
// When it has ended, or its time is over, all that it started is ended with it.
func (r *Reader) fromCommand(ctx context.Context, s policy.KeySource) ([]byte, error) {
	if !filepath.IsAbs(s.Name) {
		return nil, absent("there is no such program in your PATH")
	}
	patience := cmp.Or(r.patience, CommandPatience)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	//nolint:forbidigo // the user's policy names it; config has proved that no agent can write it
	cmd := exec.CommandContext(ctx, s.Name, s.Args...)
	cmd.Dir, cmd.Env = "/", r.Environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = toDie
	var out, said head
	out.most, said.most = longest+1, mostSaid
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Start()
	if err == nil {
		if awaitEnd(cmd.Process.Pid) == nil {
			_ = endGroup(cmd) // what it left behind; often nobody
		}
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("it did not end within %s", patience)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("it ended, and left somebody behind who kept its output open")
	case err != nil:
		return nil, fmt.Errorf("it failed: %w%s", err, said.words())
	}
	return out.kept, nil
}

// endGroup ends a command that was not waited for yet, and all that it started.
func endGroup(cmd *exec.Cmd) error {
	//nolint:forbidigo // not waited for, so that the number is still its own
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// head keeps the beginning of what is written, and takes the rest as well.
type head struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.most-len(h.kept))]...)
	return len(p), nil
}

// words are what a command says of its failure, to stand at the end of a sentence.
func (h *head) words() string {
	text := strings.TrimSpace(string(bytes.ToValidUTF8(h.kept, []byte("?"))))
	if text == "" {
		return ""
	}
	return ": " + policy.Printable(strings.Join(strings.Fields(text), " "))
}
