package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/prompt"
)

// Commander is implemented by layers that have commands of their own, for the user to type: `nono x
// acme/motd list`. Describe lists them. nono starts the layer's program once more for each, on the
// user's terminal; nothing of a run is there then.
type Commander interface {
	Layer
	// Run carries out a command, with the process's own streams. An error is printed and ends the
	// process with 1, an [*ExitError] with its own code.
	Run(ctx context.Context, req *SubcommandRequest) error
}

// Subcommand is a command of nono's that a layer carries out. Help and completion are nono's, from
// here, without a process of the layer's.
type Subcommand struct {
	// Path is the words that the user types: after `nono x VENDOR/NAME`, or after `nono` for a layer
	// that is built in.
	Path string
	// Help is one line.
	Help string
	// Arguments stands for them in help: "FILE...". Empty: the command takes none.
	Arguments string
	Flags     []Flag
	// Completion is what the shell offers for an argument.
	Completion Completion
	// Words are what it offers for [CompleteWords].
	Words []string
	// Session says that the command is about a stored session, one that is finished. Which one is the
	// first argument, before those in Arguments: nono takes it away, and without it means the last
	// session of the current directory.
	Session bool
	// Services says that the arguments are names of services that take a key, and that the command is
	// told the policy with these: [SubcommandRequest].Policy. Without a name, they are those of the
	// user's own configuration. Only layers of the kind credentials may say so.
	Services bool
	// Policy says that the command is told the user's own policy: [SubcommandRequest].Policy.
	Policy bool
}

// Flag is a flag of a subcommand, --name.
type Flag struct {
	Name string
	// Value stands for the value in help: "FILE". Empty: the flag takes none.
	Value string
	Help  string
}

// Completion is what a shell offers for an argument.
type Completion string

// The completions.
const (
	CompleteNothing     Completion = "nothing"
	CompleteFiles       Completion = "files"
	CompleteDirectories Completion = "directories"
	CompleteWords       Completion = "words"
)

// SubcommandRequest is what a command is told.
type SubcommandRequest struct {
	Core Core
	// Path says which of the layer's commands it is.
	Path string
	Args []string
	// Flags are the values of each flag that was given, in order; of one that takes none it is "".
	Flags map[string][]string
	// Dir is the user's current directory, and the process's own.
	Dir string
	// StateDir is the layer's own across sessions, if Describe asks for one; it is there.
	StateDir string
	// ConfigDir is the layer's own in the user's configuration, if Describe asks for one. It may not
	// exist.
	ConfigDir string
	// HostVariables holds those that Describe asked for and that are set; they are in the process's
	// environment as well.
	HostVariables map[string]string
	// Session is there for a command that is about one.
	Session *StoredSession
	// Policy is there for a command that asks for it, or is about services. The variables that it
	// names as sources of keys are among HostVariables, and UpstreamAuth is as in [PlanRequest].
	Policy       *policy.Policy
	UpstreamAuth Secret
}

// StoredSession is a session that is over, as it was stored. Its host variables are not kept.
type StoredSession struct {
	Run Run
	End End
	// State is what Start returned; nil if it did not return.
	State []byte
	// Events are those that this layer itself reported in it, at most 10,000, as the session's log
	// has them: what was told again and again is one with its count.
	Events []StoredEvent
	// Sharing are the ids of the sessions that run now and may write where this one could.
	Sharing []string
}

// StoredEvent is an event in a session's log.
type StoredEvent struct {
	Time  time.Time
	Event Event
}

// Ask puts a question to the user, as [Session.Ask] does; where there is no terminal the error is
// [ErrNobody]. The terminal is the command's own, so that nothing stands before the question.
func (*SubcommandRequest) Ask(ctx context.Context, text string) (string, error) {
	return ask(ctx, text, prompt.Shown)
}

// AskHidden is Ask for what must not be seen on the terminal.
func (*SubcommandRequest) AskHidden(ctx context.Context, text string) (Secret, error) {
	answer, err := ask(ctx, text, prompt.Hidden)
	return NewSecret([]byte(answer)), err
}

func ask(ctx context.Context, text string, echo prompt.Echo) (string, error) {
	tty, err := prompt.Open(os.Stdin, os.Stderr)
	if err != nil {
		return "", fmt.Errorf("asking the user: %w: %w", ErrNobody, err)
	}
	defer tty.Close()
	answer, err := tty.Ask(ctx, text+" ", echo)
	if err != nil {
		return "", fmt.Errorf("asking the user: %w", err)
	}
	return answer, nil
}

// ExitError ends a command with an exit code. Nothing is printed for it, but for what Err says.
type ExitError struct {
	Code int
	Err  error
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap is why.
func (e *ExitError) Unwrap() error { return e.Err }

// runCommand is a layer's process that was started as a command.
func runCommand(ctx context.Context, l Layer, req *SubcommandRequest) (code int) {
	complain := func(err error) int {
		fmt.Fprintf(os.Stderr, "nono: %s: %v\n", l.Describe().Name, err)
		return 1
	}
	c, ok := l.(Commander)
	if !ok {
		return complain(errors.New("it has no commands"))
	}
	for name, value := range req.HostVariables {
		if err := os.Setenv(name, value); err != nil {
			return complain(err)
		}
	}
	err := c.Run(ctx, req)
	var exit *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.Err != nil {
			complain(err)
		}
		return exit.Code
	}
	return complain(err)
}

// interruptions are the signals that end the context of a command.
var interruptions = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
