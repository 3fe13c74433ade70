// Package launch starts nono-init, tells it what to build, and holds the agent's end of a run. It
// is core's half of the launcher; the other half, which runs in the sandbox, is package inside.
//
//	set, err := streams.Examine(os.Stdin, os.Stdout, os.Stderr)
//	init, err := launch.Start(ctx, launch.Options{
//		Path: "/usr/bin/nono-init", Tier: recipe.TierA, Streams: set,
//	})
//	defer init.Close()
//	host, err := init.Tier(ctx)             // how far this host goes: tier, Landlock version
//	init.Begin(mounts)                      // if they are known before the rest
//	ready, err := init.Prepare(ctx, recipe) // all stands but the agent, also the layers' sockets
//	err = init.Go(ctx, true)                // the agent runs, in the foreground of its terminal
//	exit, err := init.Wait()
//
// The calls come in this order. Start is called as early as possible, before there is a plan:
// cloning into new namespaces is slow from a large process, and everything that depends on the plan
// comes later anyway.
//
// # Tiers
//
// In tier A the agent is in namespaces of its own, and what they do not show does not exist for it.
// Where a host has none for an ordinary user, Start or Tier fails with an [UnavailableError], and
// Next of that says whether tier B does without what was refused. Then nono-init is started again,
// with [recipe.TierB]: starting it is how one finds out.
//
// In tier B the agent is among the user's other processes. Landlock closes files, signals and
// sockets to it and the filter closes calls; the recipe has no mounts, no listeners and no dialers
// ([recipe.Recipe.Check] says what it must be). nono-init is two processes there, one that stays
// and one that becomes the agent (package inside says why). What of system calls core must decide
// itself, it is asked with notifications: Host.Notify says whether the host has that, the recipe's
// Notify which calls, and [Ready.Notify] is the listener that somebody must serve.
//
// # Ends
//
// Whatever was started ends with nono-init, which is the first process of its pid namespace: the
// kernel kills all others when it goes. And nono-init ends with core, in two ways: the kernel kills
// it when the thread that cloned it ends (so that thread is kept), and its end of the lifeline
// reads an end of file. A nono-init that ends without having said how the agent did is an error of
// [Init.Wait], and never taken for the agent's own end.
//
// In tier B no namespace does that. nono-init adopts orphans, ends all that is left when the
// agent's main process ends or the lifeline does, and goes last; the kernel does not kill it with
// core. If it is killed itself, core adopts what it leaves, and ends that (package descendants).
// Two things remain: where both are killed in one moment the agent's main process dies with its
// parent, and what that has started stays; and where Landlock has no scopes (before version 6) the
// agent can kill nono-init, which is the end of the run.
//
// # Concurrency
//
// After Go has returned, Signal, Job, Dial, Wait, End, Kill and Close may be called from any
// goroutine.
package launch

import (
	"os"
	"syscall"
	"time"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/streams"
)

// Options say how nono-init is started.
type Options struct {
	// Path is nono-init's own.
	Path string
	// Tier says which kind of sandbox is wanted: [recipe.TierA] first, and [recipe.TierB] where an
	// [UnavailableError] says so.
	Tier recipe.Tier
	// HostNetwork leaves the agent in the host's network.
	HostNetwork bool
	// Terminal says that the recipe will ask for a terminal.
	Terminal bool
	// Streams become the agent's, each as what it is. They stay the caller's to close.
	Streams streams.Set
	// Deadline bounds each answer of nono-init's; zero means [DefaultDeadline]. The agent itself runs
	// as long as it likes.
	Deadline time.Duration
}

// DefaultDeadline is long for something that takes milliseconds: a machine may be busy, and only a
// hang should end a run.
const DefaultDeadline = 15 * time.Second

// Ready is a sandbox that lacks only its agent. The files are the caller's.
type Ready struct {
	// Listeners are the recipe's listening sockets, by name.
	Listeners map[string]*os.File
	// Reports are the roots of the recipe's tmpfs steps with Report, by their path inside. They can be
	// read after the end. What is in them is the agent's: names, and links to anywhere.
	Reports map[string]*os.File
	// Terminal is the master of the session's terminal, if the recipe asks for one. It is set not to
	// block.
	Terminal *os.File
	// Copies are the directories that the files of the recipe's copy steps were put in, by the path of
	// the file. They can be read after the end, and what is in them is the agent's too.
	Copies map[string]*os.File
	// Notify is the listener of the recipe's notifications, if it asks for them. While the agent runs
	// somebody must answer: each call that is told waits for that.
	Notify *os.File
}

// Close closes all files.
func (r *Ready) Close() {
	for _, files := range []map[string]*os.File{r.Listeners, r.Reports, r.Copies} {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for _, f := range []*os.File{r.Terminal, r.Notify} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// Exit is how the agent's main process ended.
type Exit struct {
	// Code is its exit code, if Signal is 0.
	Code int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
	// Left is how many processes it left behind. They have been ended.
	Left int
}

// Status is what a shell would call it: the code, or 128 and the signal.
func (e Exit) Status() int {
	if e.Signal != 0 {
		return 128 + int(e.Signal)
	}
	return e.Code
}
