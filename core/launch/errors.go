package launch

import (
	"fmt"
	"syscall"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/policy"
)

// StepError is a step of the launcher that failed.
type StepError struct {
	// Rule is the rule that the step was there for; empty if there is none.
	Rule policy.RuleID
	// Step is its name.
	Step string
	// Path is what it was about: a path, or the name of a listener; empty if it was neither.
	Path string
	// Errno is the kernel's answer, 0 if it was not the kernel that refused.
	Errno syscall.Errno
	// Text says what was being done and what went wrong.
	Text string
}

// Error implements error.
func (e *StepError) Error() string { return e.Text }

// Unwrap gives the kernel's answer to errors.Is.
func (e *StepError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// UnavailableError says that this host does not let the user have such a sandbox.
type UnavailableError struct {
	// Reason is what the host refuses.
	Reason string
	// Try is what to do about it; it may have several lines.
	Try string
	// Next is the tier that does without what is refused; empty if there is none.
	Next recipe.Tier
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Reason }

// ExecError is an agent that could not be executed.
type ExecError struct {
	Path  string
	Errno syscall.Errno
	// Interpreter says that the file is there, and what it needs to run is not: the program in its
	// first line, or its loader.
	Interpreter bool
}

// Error implements error.
func (e *ExecError) Error() string {
	switch {
	case e.Interpreter:
		return fmt.Sprintf("running %s: the interpreter or loader that it names does not exist inside",
			policy.Printable(e.Path))
	case e.Errno == syscall.ENOEXEC:
		return fmt.Sprintf("running %s: it is neither a program for this machine "+
			"nor a script that names its interpreter", policy.Printable(e.Path))
	}
	return fmt.Sprintf("running %s: %v", policy.Printable(e.Path), e.Errno)
}

// Unwrap gives the kernel's answer to errors.Is.
func (e *ExecError) Unwrap() error { return e.Errno }

// Status is the exit code for it: 127 if nothing was found, else 126.
func (e *ExecError) Status() int {
	if e.Errno == syscall.ENOENT && !e.Interpreter {
		return 127
	}
	return 126
}

// Interface guards.
var (
	_ error = (*StepError)(nil)
	_ error = (*UnavailableError)(nil)
	_ error = (*ExecError)(nil)
)
