package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/remains"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Version is that of the files that this nono writes. It reads this version and all before it.
const Version = 1

// Record is what session.json says of a session. No secret is in it, and no value of a variable.
type Record struct {
	// Version is the version of the file.
	Version int `json:"version"`
	// Nono is the version of the program that ran the session.
	Nono string `json:"nono"`
	ID   string `json:"id"`
	// Name is what the user called the session; empty if he did not.
	Name string `json:"name,omitempty"`
	// Created is when the command was given, Started when the agent began to run and Ended when it
	// was gone. The last two are written at the end; each is zero where that did not happen, or nobody
	// saw it.
	Created time.Time `json:"created"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Dir is the directory in which the command was given, and Command what was typed, or what the
	// policy file says.
	Dir     string   `json:"dir"`
	Command []string `json:"command"`
	// Files are the policy files that were loaded, without nono's own default.
	Files []File   `json:"files,omitempty"`
	Tier  sdk.Tier `json:"tier,omitempty"`
	// Trees are the directories in which the agent may write, and Recorded those of which there is a
	// snapshot.
	Trees    []string `json:"trees,omitempty"`
	Recorded []string `json:"recorded,omitempty"`
	// Services are those that are used with a key which stays outside.
	Services []string `json:"services,omitempty"`
	// Secrets are the variables in which the agent has a real key, each with where that is from.
	Secrets []string `json:"secrets,omitempty"`
	// Processes are those of the session, nono's own first. While it lives, they do.
	Processes []Process `json:"processes"`
	Layers    []Layer   `json:"layers,omitempty"`
	// Events is the log (core/events) as it was when it was closed; nil where nobody did.
	Events *events.Chain `json:"events,omitempty"`
	// End is how the session ended; nil where that is not known yet.
	End *End `json:"end,omitempty"`
	// Tries are the starts that have tried to finish the session, in vain.
	Tries int `json:"tries,omitempty"`
}

// File is a policy file as it was read.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Process is a process, and no other that got its number later.
type Process struct {
	// Is says what it is: "nono", "nono-init", "layer NAME".
	Is  string `json:"is"`
	PID int    `json:"pid"`
	// Since is when it began, as the kernel counts.
	Since uint64 `json:"since"`
}

// Layer is one layer that took part.
type Layer struct {
	Kind     policy.Kind  `json:"kind"`
	Name     string       `json:"name"`
	Version  string       `json:"version"`
	Lifetime sdk.Lifetime `json:"lifetime"`
	BuiltIn  bool         `json:"built_in,omitempty"`
	// Path is where the policy says that its program is; empty for one that lies where layers are
	// installed. Digest is the SHA-256 of a program that is not built in, in hexadecimal.
	Path   string `json:"path,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Owed says that Finish is owed: from before Start is called until the layer has finished.
	Owed bool `json:"owed,omitempty"`
}

// Kept is what is kept of a layer whose Start was called: what Finish needs in a process that knows
// nothing else, and what a command about the session is told.
type Kept struct {
	// Version is the version of the file.
	Version int `json:"version"`
	// Run is what each call of the run was told, as the contract writes it, without the user's
	// variables and without sensitive settings.
	Run []byte `json:"run"`
	// State is what Start returned; nil if it did not return.
	State []byte `json:"state,omitzero"`
}

// End is how a session ended.
type End struct {
	Reason sdk.EndReason `json:"reason"`
	// ExitCode is nono's own: the agent's, or 125; nil for a session whose core was killed.
	ExitCode *int `json:"exit_code,omitempty"`
	// Agent is how the agent's main process ended, where somebody saw that.
	Agent *Exit `json:"agent,omitempty"`
	// Report are the lines that layers had for the user.
	Report []string `json:"report,omitempty"`
	// Remains is what remained of the run; nil for a session whose core was killed.
	Remains *remains.Report `json:"remains,omitempty"`
	// Credentials are the requests with each credential, as the layer that has the keys counted them;
	// none where it did not tell, and they are not known.
	Credentials []Requests `json:"credentials,omitempty"`
}

// Requests are those to one service, in a whole session.
type Requests struct {
	Service  string `json:"service"`
	Requests uint64 `json:"requests"`
	// Refused are those of them that were not sent on, or did not reach the service.
	Refused uint64 `json:"refused"`
	// Sent and Received are the bytes of the bodies.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// Exit is how a process ended: with a code, or by a signal.
type Exit struct {
	Code   int `json:"code"`
	Signal int `json:"signal,omitempty"`
}

// owes reports whether a layer is still to be finished.
func (r *Record) owes() bool {
	for _, l := range r.Layers {
		if l.Owed {
			return true
		}
	}
	return false
}

// NewerError is about a file of a nono that is newer than this one. What it says is not known, so
// nothing is done with it.
type NewerError struct {
	File    string
	Version int
}

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s was written by a newer nono: it has version %d, and this one knows %d; "+
		"it is left as it is", e.File, e.Version, Version)
}

// State is what a session is. The zero is invalid.
type State string

// The states.
const (
	// Live is a session that a process of nono's holds.
	Live State = "live"
	// Dead is one whose process is gone and that is not finished. The next start does that.
	Dead State = "dead"
	// Finished is one that is over, with all that it took released.
	Finished State = "finished"
)

// Entry is a session as it is found on disk.
type Entry struct {
	ID    string
	State State
	// Path is its directory. It is another one once the session is finished.
	Path string
	// Record is what it says; nil where that cannot be read, and Err says why.
	Record *Record
	Err    error
}

// What can be wrong with a session that is asked for.
var (
	// ErrNone means that there is no such session.
	ErrNone = errors.New("there is no such session")
	// ErrLive means that it is live, which nothing but its own process changes.
	ErrLive = errors.New("the session is live")
)
