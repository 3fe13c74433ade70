// Package terminal puts a terminal of the session's own between the user's and the agent, and makes
// nono behave in the user's shell as the agent itself would.
//
//	user's terminal  <->  core  <->  master | slave  <->  agent
//
// An agent that had the user's own terminal could read what is typed into other programs, stop its
// output, and change its settings for whoever comes after. So each of its streams that is a
// terminal is the slave of a pair that nono-init made, and core carries bytes between the master
// and the user's. There are four parts:
//
//   - the outer terminal (outer): its settings are saved, made raw while the agent is in front, and
//     put back whatever happens. If core is killed, a small process beside it does that: package
//     keeper.
//   - the pump (pump): two goroutines that copy, each on a thread of its own, so that a terminal
//     that takes no output makes nobody deaf. What it reads it reads ahead: what was typed and the
//     agent never read is gone at the end, where a program without nono would have left it to the
//     shell.
//   - job control as a state machine (jobs), which is pure: what happens goes in (nono came to the
//     foreground, the agent was stopped for reading), what is to be done comes out (take the
//     terminal, freeze everything inside, stop).
//   - the driver around it (Terminal), which hears of events and does what comes out, together with
//     nono-init ([Inside]).
//
// In a pipeline several programs may share the terminal: in `nono run agent | less` it is less that
// reads the keys. There the user's terminal is left as it is until somebody inside claims it, which
// the kernel tells: it stops whoever reads while nono-init's group is in front. The same holds
// where no stream is a terminal; then one stands ready for who opens /dev/tty, as ssh-keygen does.
//
//	t := terminal.Find(streams)            // nil: there is none
//	err = t.Adopt(ready.Terminal)          // the master of the session's
//	err = init.Go(ctx, t.Begin())          // the agent runs
//	err = t.Serve(init, terminal.Options{Keeper: "/usr/bin/nono-init"})
//	exit, err := init.Wait()
//	drained := t.Close()                   // the rest of its output, and the settings
package terminal

import (
	"os"
	"time"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Inside is nono-init's half of job control.
type Inside interface {
	// Job returns when it is done, or nobody is there any more who could.
	Job(job recipe.Job) error
	Stopped() <-chan recipe.Stopped
}

// Options say how a terminal is served.
type Options struct {
	// Keeper is the program that puts the settings back if this process is killed; it is given the
	// argument of package keeper.
	Keeper string
	// Hangup is called when the user's terminal is gone.
	Hangup func()
	// Warn is told of what could not be done, and is no reason to end a run.
	Warn func(doing string, err error)
	// DrainLimit bounds the wait for a terminal that does not take the rest of the output; zero means
	// [DrainLimit].
	DrainLimit time.Duration
}

// DrainLimit is how long after the agent's end the user's terminal may take for the rest of the
// output.
const DrainLimit = 2 * time.Second

// Streams are the three with which nono was started; nil for one that is closed.
type Streams [3]*os.File
