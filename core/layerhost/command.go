package layerhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/wire"
)

// commandGrace is how long a command may take to end once it was asked to, unless it says else.
const commandGrace = 5 * time.Second

// Command is one of a layer's own commands, to be run in a process of its own.
//
// The process has a clean environment, the user's current directory, and the streams given here;
// what it is to do it reads from a pipe. It ends with nono.
type Command struct {
	Binary  *Binary
	Request *sdk.SubcommandRequest
	// Session is the one that the command is about; nil where it is about none.
	Session *host.StoredSession
	// Environ is what a program needs to know of its terminal.
	Environ []string
	// Foreground says that the command has nono's terminal: it stays in nono's process group, so that
	// Ctrl-C and Ctrl-Z are for it too. Else it gets a group of its own, and ends with all of it.
	Foreground bool
	// Grace is how long the command may take to end once it was asked to; zero is some seconds.
	Grace time.Duration
	// The streams; nil is /dev/null.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run runs the command to its end and returns its exit code, 128 and the signal for one that a
// signal ended. When ctx ends, the command is asked to end, and after a while made to.
func (c *Command) Run(ctx context.Context) (int, error) {
	doing := "running the command of layer " + c.Binary.Name
	message, err := host.EncodeSubcommand(c.Request, c.Session)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	request, write, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	defer request.Close()

	// As for a layer that serves: the kernel ends the child with the thread that forked it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := c.Binary.start(func() *exec.Cmd { return c.command(ctx, request) })
	if err != nil {
		return 0, errors.Join(fmt.Errorf("%s: %w", doing, err), write.Close())
	}
	go func() {
		// A process that does not want to know what it is to do fails by itself.
		_, _ = write.Write(message)
		_ = write.Close()
	}()
	err = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case ok && status.Signaled():
		return 128 + int(status.Signal()), nil
	case ok && status.Exited():
		return status.ExitStatus(), nil
	}
	return 0, fmt.Errorf("%s: %w", doing, err)
}

func (c *Command) command(ctx context.Context, request *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Binary.Path)
	cmd.Dir = c.Request.Dir
	cmd.Env = append([]string{
		fmt.Sprintf("%s=%s", wire.CookieKey, wire.CookieValue),
		fmt.Sprintf("%s=%d", wire.CommandVariable, wire.CommandFD),
	}, c.Environ...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles = []*os.File{request} // 3
	cmd.SysProcAttr = childAttributes()
	cmd.SysProcAttr.Setpgid = !c.Foreground
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = c.Grace
	if c.Grace == 0 {
		cmd.WaitDelay = commandGrace
	}
	return cmd
}
