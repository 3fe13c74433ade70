package layerhost

import (
	"os/exec"
	"syscall"

	"github.com/nono-run/nono/core/await"
)

// childAttributes gives the child a process group of its own, so that a terminal's Ctrl-C is not
// for it and all of it can be killed at once, and has the kernel kill it when core is gone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until the child has ended, and leaves it to be reaped.
func awaitExit(cmd *exec.Cmd) {
	_ = await.End(cmd.Process) // who reaps it waits as well
}
