package inside

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/descendants"
)

// population is what runs inside beside nono-init: the agent and all that it started.
type population interface {
	list() []descendants.Process
	signal(unix.Signal)
}

// namespace is the population of tier A: all but the first process of the namespace.
type namespace struct{}

func (namespace) list() []descendants.Process {
	all := descendants.All()
	for n, p := range all {
		if p.PID == os.Getpid() {
			return append(all[:n], all[n+1:]...)
		}
	}
	return all
}

// signal reaches all of them in one moment: the kernel leaves out the caller alone.
func (namespace) signal(s unix.Signal) { _ = unix.Kill(-1, s) }

// offspring is the population of tier B: the descendants of this process, which adopts orphans.
type offspring struct{}

func (offspring) list() []descendants.Process { return descendants.Of(os.Getpid()) }

// signal reaches one after another. To all at once, it would reach every process of the user's.
func (o offspring) signal(s unix.Signal) {
	for _, p := range o.list() {
		_ = unix.Kill(p.PID, s) // it may have ended just now
	}
}

// Interface guards.
var (
	_ population = namespace{}
	_ population = offspring{}
)
