package layerhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/nono-run/nono/core/timers"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/wire"
)

const (
	// grace is how long a layer may take to exit once its lifeline has ended.
	grace = 500 * time.Millisecond
	// drain is how long what a dead layer printed is still read, while a process that it left
	// behind holds the pipe.
	drain = 200 * time.Millisecond
	// maxSocketPath is what fits into a Unix socket's address, on every system, with its NUL.
	maxSocketPath = 100
)

// beforeConnect is for tests: it runs when a layer serves and core has not connected yet.
var beforeConnect func(socket string)

// process is one layer's process, from fork to reaping. To go-plugin it is a runner.
//
// What go-plugin's own runner does not do: the child has a clean environment, /dev/null as stdin, a
// process group of its own that ends with it, a lifeline, and a kernel that kills it when core is
// gone; it may be called at a socket in its own directory only; and nothing that it leaves behind
// can keep core waiting.
type process struct {
	name   string
	binary *Binary
	env    []string
	dir    string // the private directory for its socket
	logger hclog.Logger

	line           *lifeline.Host
	stdout, stderr *pipe

	pid    int
	exited chan struct{} // closed when it was reaped and its output read
	state  *os.ProcessState

	// mu keeps a signal from going to a number that is no longer the group's.
	mu     sync.Mutex
	reaped bool
	// ended is set when core begins to end the process; byItself says, after exited, that it had
	// not.
	ended, byItself bool
	clung           bool // it outlived its lifeline, and was killed for that
}

// newProcess prepares the process; cmd carries the environment that go-plugin wants it to have, and
// nothing else of interest.
func newProcess(
	name string, b *Binary, cmd *exec.Cmd, dir string, logger hclog.Logger,
) (*process, error) {
	// go-plugin names a socket "plugin" and up to ten digits.
	if longest := filepath.Join(dir, "plugin0123456789"); len(longest) >= maxSocketPath {
		return nil, fmt.Errorf("the run directory's name is too long for a socket: %s", dir)
	}
	env := []string{
		fmt.Sprintf("%s=%d", wire.LifelineVariable, wire.LifelineFD),
		fmt.Sprintf("%s=%s", wire.LogVariable, logger.GetLevel()),
	}
	return &process{
		name: name, binary: b, env: append(env, cmd.Env...), dir: dir, logger: logger,
		exited: make(chan struct{}),
	}, nil
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	child, err := p.prepare()
	// Ours are closed once the child has its own: of a pipe, the last one to close is the end of
	// the output.
	defer child.close()
	if err == nil {
		started := make(chan error)
		go p.supervise(child, started)
		err = <-started
	}
	if err != nil {
		p.abandon()
		return fmt.Errorf("starting it: %w", err)
	}
	return nil
}

// childFiles are the descriptors that the child is started with.
type childFiles struct{ null, stdout, stderr, lifeline *os.File }

func (c *childFiles) close() {
	for _, f := range []*os.File{c.null, c.stdout, c.stderr, c.lifeline} {
		_ = f.Close() // one that was never opened is nil, and says so
	}
}

func (p *process) prepare() (*childFiles, error) {
	var c childFiles
	var err error
	if c.null, err = os.Open(os.DevNull); err != nil {
		return &c, err
	}
	if p.line, c.lifeline, err = lifeline.Pair(); err != nil {
		return &c, err
	}
	if p.stdout, c.stdout, err = newPipe(); err != nil {
		return &c, err
	}
	p.stderr, c.stderr, err = newPipe()
	return &c, err
}

// abandon cleans up after a process that was never started.
func (p *process) abandon() {
	for _, pipe := range []*pipe{p.stdout, p.stderr} {
		if pipe != nil {
			_ = pipe.Close()
		}
	}
	if p.line != nil {
		_ = p.line.Close()
	}
	close(p.exited)
}

// supervise starts the child and stays with it until it is reaped.
func (p *process) supervise(files *childFiles, started chan<- error) {
	// The kernel sends the parent-death signal when the *thread* that forked ends, so that thread
	// must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, unrelax := timers.Relax()
	cmd, err := p.binary.start(func() *exec.Cmd { return p.command(files) })
	unrelax()
	if err != nil {
		started <- err
		return
	}
	p.mu.Lock()
	p.pid = cmd.Process.Pid
	p.mu.Unlock()
	started <- nil

	awaitExit(cmd)
	p.mu.Lock()
	// Before it is reaped, while its number cannot belong to anybody else: what it left behind in
	// its group goes with it.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_ = cmd.Wait() // its status is in ProcessState; there is no other news
	p.state = cmd.ProcessState
	p.byItself = !p.ended
	p.reaped = true
	p.mu.Unlock()
	p.stdout.finish(drain)
	p.stderr.finish(drain)
	_ = p.line.Close()
	close(p.exited)
}

func (p *process) command(files *childFiles) *exec.Cmd {
	return &exec.Cmd{
		Env: p.env, Dir: "/",
		Stdin: files.null, Stdout: files.stdout, Stderr: files.stderr,
		ExtraFiles:  []*os.File{files.lifeline}, // 3
		SysProcAttr: childAttributes(),
	}
}

// end closes the lifeline: an honest layer exits at once.
func (p *process) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if p.line != nil {
		_ = p.line.Close()
	}
}

// kill ends the process and all of its group, without asking.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.pid != 0 && !p.reaped {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// stop ends the process, first by its lifeline, then by force, and waits for that.
func (p *process) stop() {
	p.end()
	select {
	case <-p.exited:
		return
	case <-time.After(grace):
	}
	p.clung = true
	p.kill()
	<-p.exited
}

// death says how the process ended.
func (p *process) death() string {
	status, ok := p.state.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return "it ended"
	case status.Signaled():
		return fmt.Sprintf("it was killed by signal %d (%s)", int(status.Signal()), status.Signal())
	default:
		return fmt.Sprintf("it exited with code %d", status.ExitStatus())
	}
}

// Wait implements runner.Runner. It never fails: how the process ended is told in the layer's own
// failure.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill implements runner.Runner. go-plugin calls it when the start failed, also when it sees the
// output of a dying process end: such a process is given the moment that it needs to be gone, so
// that its death is not taken for our doing.
func (p *process) Kill(context.Context) error {
	select {
	case <-p.exited:
	case <-time.After(drain):
	}
	p.stop()
	return nil
}

// Stdout implements runner.Runner: what go-plugin reads has the one line that it waits for, and
// nothing else.
func (p *process) Stdout() io.ReadCloser { return newHandshakeReader(p.stdout, p.logger) }

// Stderr implements runner.Runner.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name implements runner.Runner.
func (p *process) Name() string { return p.name }

// ID implements runner.Runner.
func (p *process) ID() string { return strconv.Itoa(p.pid) }

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner. It decides where core may connect: to a Unix socket in the
// layer's own directory, and nowhere else that the layer may name.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" {
		return "", "", fmt.Errorf("it wants to be called at the %s address %s, "+
			"and not at a Unix socket", network, address)
	}
	if filepath.Clean(address) != address || filepath.Dir(address) != p.dir {
		return "", "", fmt.Errorf("it wants to be called at %s, which is not in its own directory",
			address)
	}
	info, err := os.Lstat(address)
	if err != nil {
		return "", "", err
	}
	if info.Mode().Type() != os.ModeSocket {
		return "", "", fmt.Errorf("it wants to be called at %s, which is no socket", address)
	}
	if beforeConnect != nil {
		beforeConnect(address)
	}
	return network, address, nil
}

// HostToPlugin implements runner.Runner. Core serves nothing to a layer.
func (p *process) HostToPlugin(string, string) (string, string, error) {
	return "", "", errors.New("a layer cannot call core")
}

// Interface guard.
var _ runner.Runner = (*process)(nil)
