// Package confine takes away from the process that it runs in what it does not need any more, by
// Landlock. It is for a layer that stays beside the agent and reads what the agent sends: a mistake
// in how that is read is then worth little, for the files, programs and other processes of the user
// are out of reach.
//
//	func (l *layer) Start(ctx context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
//		... // open what is to be open
//		report, err := confine.Self(confine.Resolver()...)
//
// From then on no thread of the process, and nothing that one of them starts, reads another file,
// writes or creates any, runs a program, connects to a Unix socket (of an agent that holds keys, of
// a daemon that starts containers) or signals another process. What is open already stays open, and
// the network is not looked at: a layer that dials out goes on dialling. It cannot be taken back.
//
// How much of that a kernel holds depends on its version of Landlock, and [Report] says what it
// does not. Sockets that have a path it knows since version 9 only; before, a filter of system
// calls refuses to make any Unix socket. A kernel without Landlock, and another system than Linux,
// is [ErrUnsupported]. Whether a run may go on then is for the layer to say: what it serves is held
// to the policy in any case.
package confine

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnsupported says that there is nothing here by which a process could confine itself.
var ErrUnsupported = errors.New("this system has no Landlock")

// Report is how far a process is confined.
type Report struct {
	// ABI is the version of Landlock that the kernel has.
	ABI int
	// Missing is what this version does not keep the process from, in words.
	Missing []string
}

// Whole reports whether nothing is missing.
func (r Report) Whole() bool { return len(r.Missing) == 0 }

func (r Report) String() string {
	if r.Whole() {
		return fmt.Sprintf("confined by Landlock, version %d", r.ABI)
	}
	return fmt.Sprintf("confined by Landlock, version %d, which does not keep it from %s",
		r.ABI, strings.Join(r.Missing, ", from "))
}

// Self leaves the whole process these files, and the directories with all beneath them, to be read,
// and no other. Links are followed; what does not exist is nothing to be read.
//
// Call it once, when all that the process needs has been opened. After an error other than
// [ErrUnsupported] the process is not to be gone on with: it may be confined in part.
func Self(read ...string) (Report, error) { return self(read) }

// hold is one thing that a version of Landlock keeps a process from, and the first that does.
type hold struct {
	since int
	what  string
	// sockets says that it takes a Unix socket to do it.
	sockets bool
}

// holds are what one version has and the one before had not, as far as it concerns a process that
// only reads files.
var holds = []hold{
	{3, "emptying files that it cannot write", false},
	{5, "giving orders to device files", false},
	{firstWithScopes, "connecting to abstract Unix sockets", true},
	{firstWithScopes, "signalling the user's other processes", false},
	{firstWithSockets, "connecting to Unix sockets by their path", true},
}

const (
	// firstWithScopes is the version of Landlock that is about more than files and ports.
	firstWithScopes = 6
	// firstWithSockets is the one that knows of sockets with a path.
	firstWithSockets = 9
)

// missing is what a version does not hold, where Unix sockets can be made or cannot.
func missing(abi int, sockets bool) []string {
	var all []string
	for _, h := range holds {
		if abi < h.since && (sockets || !h.sockets) {
			all = append(all, h.what)
		}
	}
	return all
}
