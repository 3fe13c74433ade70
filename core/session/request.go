// Package session is one run from policy to report.
//
//	nono-init started, beside config
//	config -> toolchain -> layers started -> Describe -> Plan -> plan -> recipe
//	       -> ready -> Start -> go -> end -> Finish
//
// Data goes one way down that list; [Plan] is literally its first half. Both begin in session.go,
// and each part of the way has a file: early.go and start.go, planning.go, sandbox.go, watch.go,
// finish.go. What is done beside that, or on some hosts alone, has files of its own.
//
// The package owns the order and nothing else: what a rule means is config's, what a process is
// layerhost's and launch's, what may be applied is plan's.
package session

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/terminal"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/progress"
)

// Request is what to run and as whom.
type Request struct {
	// Config is the whole policy, settled: no process has been started for it.
	Config *config.Config
	// Secrets are the values of --env NAME=VALUE, as core/config handed them over.
	Secrets map[string][]byte
	// Args is the command as the user typed it, the program first.
	Args []string
	// ArgsSource is the line of the file that the command comes from; zero where it was typed.
	ArgsSource policy.Source
	// NamedBy is the file of -c that the command comes from, where nobody typed one and nobody
	// approved of the file.
	NamedBy string
	// Dir is the canonical current directory; DirName is the name by which the user came to it,
	// which may lead through links.
	Dir      string
	DirName  string
	Dirs     dirs.Dirs
	UID, GID int
	// Umask is the agent's.
	Umask int
	// Lookup reads the user's environment; Environ is all of it, as os.Environ has it.
	Lookup  func(string) (string, bool)
	Environ []string

	// Fresh asks each layer anew, whatever is remembered of it, and holds each program of another
	// vendor's against the lock, whatever copy is kept of it.
	Fresh bool

	// Deadlines bound each layer's calls; zero means layerhost's own.
	Deadlines layerhost.Deadlines
	// Grace is how long the agent may take to end once it was asked to; zero means DefaultGrace.
	Grace time.Duration

	// Name is what the user calls the session; it may be "".
	Name string
	// Events gets each line of the session's log as it is written; nil where nobody wants it. It must
	// not wait for anybody.
	Events io.Writer

	// Early is what was begun before there was a policy; nil where nothing was. The run ends it.
	Early *Early

	// Began is when the command was given; zero means now. Only -v shows it.
	Began time.Time

	// Out prints nono's own lines; Log carries what layers log.
	Out *diag.Printer
	// Progress shows how far layers have come with what is long; nil shows nothing.
	Progress *progress.Bar
	Log      hclog.Logger
	// The agent's streams.
	Stdin, Stdout, Stderr *os.File
	// Terminal is the user's; nil where there is none, or it is not the agent's to have. Lines is what
	// Out and Log print through: it waits while the agent has the terminal.
	Terminal *terminal.Terminal
	Lines    *diag.Held
}

// ExitOurs is the exit code of every failure that is nono's and not the agent's.
const ExitOurs = 125

// CodeOf is the exit code that nono ends with after an error.
func CodeOf(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return ExitOurs
}

// An Error is a failure with an exit code of its own: the command cannot be found (127) or executed
// (126), or a signal ended the start.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code that nono ends with.
func (e *Error) ExitCode() int { return e.Code }
