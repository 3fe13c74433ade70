// Package session is one run from policy to report.
//
//	config -> toolchain -> layers and nono-init started -> Describe -> Plan -> plan -> recipe -> ready -> Start -> go -> end -> Finish
//
// Data goes one way down that list; [Plan] is literally its first half. The package owns the order and nothing else: what a rule
// means is config's, what a process is layerhost's and launch's, what may be applied is plan's.
package session

import (
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
)

// Request is what to run and as whom.
type Request struct {
	// Config is the whole policy, settled: no process has been started for it.
	Config *config.Config
	// Args is the command as the user typed it, the program first.
	Args []string
	// NamedBy is the file of -c that the command comes from, where nobody typed one and nobody approved of the file.
	NamedBy string
	// Dir is the canonical current directory.
	Dir      string
	Dirs     dirs.Dirs
	UID, GID int
	// Lookup reads the user's environment.
	Lookup func(string) (string, bool)

	// Deadlines bound each layer's calls; zero means layerhost's own.
	Deadlines layerhost.Deadlines
	// Grace is how long the agent may take to end once it was asked to; zero means DefaultGrace.
	Grace time.Duration

	// Started, if it is not nil, is called once the agent runs.
	Started func()

	// Out prints nono's own lines; Log carries what layers log.
	Out *diag.Printer
	Log hclog.Logger
	// The agent's streams.
	Stdin, Stdout, Stderr *os.File
}

// An Error is a failure with an exit code of its own: the command cannot be found (127) or executed (126), or a signal ended the start.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code that nono ends with.
func (e *Error) ExitCode() int { return e.Code }
