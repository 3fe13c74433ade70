// Package doctor says which host this is: how far nono holds an agent on it, by what, what it
// lacks, and what to do about that.
//
//	report := doctor.Report{
//		Host:    doctor.Look(os.DirFS("/"), env),       // what the host says of itself
//		Sandbox: doctor.Judge(plan, err),               // what became of a start
//		...
//	}
//	report.Conclude()                                  // remedies, and what to type next
//	err := doctor.Print(os.Stdout, report, colour)
//
// How far the host goes is never concluded from settings: a plan is made of a small policy of the
// doctor's own ([Sample]), for which nono-init and the layers are started as for any run, and what
// they answer is shown. Settings are read to explain a refusal, and to say what would change it.
// All that decides is pure and works on values; a test gives it hosts of every kind.
package doctor

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/nono-run/nono/sdk"
)

// version is that of the report's form as JSON. What is added later stands beside what is there.
const version = 1

// Report is all that was found.
type Report struct {
	Version int    `json:"version"`
	Nono    string `json:"nono"`
	Host    Host   `json:"host"`
	// Sandbox is what a run has here.
	Sandbox     Sandbox     `json:"sandbox"`
	Landlock    Landlock    `json:"landlock"`
	Keyring     Keyring     `json:"keyring"`
	Tools       []Tool      `json:"tools"`
	Directories []Directory `json:"directories"`
	// Wrong is what is wrong with the user's own configuration; empty where nothing is.
	Wrong string `json:"configuration_error,omitempty"`
	// Notes are settings of the host's that a user should know of, whatever tier this is.
	Notes    []string `json:"notes,omitempty"`
	Remedies []Remedy `json:"remedies,omitempty"`
	// Next is a command to type.
	Next string `json:"next"`
}

// Sandbox is what a start came to.
type Sandbox struct {
	// Tier is empty where no run starts.
	Tier sdk.Tier `json:"tier,omitempty"`
	// Why says why the tier is not A, or why no run starts, and Try what to do about that. Refused
	// says that it is the host that refuses.
	Why     string `json:"why,omitempty"`
	Try     string `json:"try,omitempty"`
	Refused bool   `json:"refused,omitempty"`
	// Restrictions are what holds the agent, and by what.
	Restrictions []Restriction `json:"restrictions,omitempty"`
}

// Restriction is one thing that an agent is held to.
type Restriction struct {
	ID   string   `json:"id"`
	Says string   `json:"says"`
	Held sdk.Held `json:"held"`
	By   string   `json:"by,omitempty"`
	Why  string   `json:"why,omitempty"`
}

// Keyring is whether keys can be kept in the user's keyring.
type Keyring struct {
	Reachable bool `json:"reachable"`
	// Keys is how many of nono's are in it.
	Keys int    `json:"keys"`
	Why  string `json:"why,omitempty"`
}

// Tool is a program of the user's PATH that agents are, or need.
type Tool struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// Inside says that it runs in a sandbox without a further grant; else Why says what is in the way,
	// and Try what to do.
	Inside bool   `json:"inside"`
	Why    string `json:"why,omitempty"`
	Try    string `json:"try,omitempty"`
}

// Directory is one of nono's own.
type Directory struct {
	For  string `json:"for"`
	Path string `json:"path"`
	// From is the variable that names it; empty where it is the usual one.
	From string `json:"from,omitempty"`
	// Why says what is wrong with it; empty where nothing is.
	Why string `json:"why,omitempty"`
}

// Remedy is what would make this host hold more.
type Remedy struct {
	// What is the obstacle, and Do what takes it away: lines to type or to write.
	What string   `json:"what"`
	Do   []string `json:"do"`
}

// The exit codes, which do not change.
const (
	// Whole: a run starts here, and everything is held.
	Whole = 0
	// Less: a run starts here, and something is held in part or not.
	Less = 1
	// None: no run starts here.
	None = 2
)

// Code is the exit code.
func (r *Report) Code() int {
	switch {
	case r.Sandbox.Tier == "" || r.Wrong != "":
		return None
	case r.Sandbox.Tier != sdk.TierA:
		return Less
	}
	for _, held := range r.Sandbox.Restrictions {
		if held.Held != sdk.Enforced {
			return Less
		}
	}
	return Whole
}

// HeardOf is what the layer that reads keys has answered, asked for their names as JSON.
func HeardOf(ended bool, out, wrong string) Keyring {
	var listed struct {
		Keys []string `json:"keys"`
	}
	if !ended {
		_, why, _ := strings.Cut(strings.TrimSpace(wrong), ": credproxy: ")
		return Keyring{Why: cmp.Or(why, strings.TrimSpace(wrong), "it does not say why")}
	}
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		return Keyring{Why: "what it says is not understood: " + err.Error()}
	}
	return Keyring{Reachable: true, Keys: len(listed.Keys)}
}
