//go:build !linux

package layerhost

import (
	"os/exec"
	"syscall"
)

// childAttributes gives the child a process group of its own. There is no parent-death signal: the
// lifeline has to do.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit waits until the child has ended, and reaps it: there is no way to leave that to later
// here.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
