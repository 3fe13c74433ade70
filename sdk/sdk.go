// Package sdk is what the author of a layer imports.
//
// A layer is a program of its own, started by nono's core for one run and spoken to over gRPC. It
// reads the policy and answers with data, a [fragment.Fragment]; core merges, checks and applies
// it. The package's example is a whole layer.
//
// # The life of a layer
//
// Core calls Describe, then Plan, once each. A layer that does something to the system implements
// [Starter] as well: core calls Start while the agent is held at the gate, and Finish when the run
// is over, whatever happened in between, perhaps in a fresh process and perhaps twice. How long the
// process lives is its [Lifetime].
//
// Plan only reads. A panic ends the process and with it the run: nothing recovers it. A layer is
// native code with the user's own rights: core bounds what a fragment may ask, not what the layer's
// process can do.
//
// # Compatibility
//
// Nothing is frozen yet. The proto package (nono.layer.v1) is the major version; an unknown field
// or enum value in what a layer returns is an error.
package sdk

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// Layer is what every layer implements.
type Layer interface {
	// Describe says what the layer is. It is called first, touches nothing and gives the same
	// answer each time.
	Describe() Description
	// Plan turns the layer's part of the policy into a fragment. It only reads. An error ends the
	// start, with its text as the reason; a problem with a setting or a rule is better told as a
	// [Diagnostic], which carries a line.
	Plan(ctx context.Context, req *PlanRequest) (*PlanResponse, error)
}

// Starter is implemented by layers of the lifetimes [Bracket] and [Resident], and by no ephemeral
// one.
type Starter interface {
	Layer
	// Start arms the layer. The agent does not exist yet, and is not started before Start of every
	// layer has returned. What the layer does to the system it does here, and returns the state
	// that Finish needs to undo it.
	Start(ctx context.Context, req *StartRequest) (*StartResponse, error)
	// Finish releases everything. It must work in a fresh process, twice, after a Start that failed
	// or died half-way (then there is no state), and for a session whose core died.
	Finish(ctx context.Context, req *FinishRequest) (*FinishResponse, error)
}

// Forgetter is implemented by layers that keep something for sessions outside of those' own
// directories.
type Forgetter interface {
	Layer
	// Forget drops what is kept for sessions that the user does not keep any more. It is called in a
	// fresh process, before core removes them. Of a session that the layer does not know there is
	// nothing to drop, and that is no error.
	Forget(ctx context.Context, req *ForgetRequest) (*ForgetResponse, error)
}

// ForgetRequest names sessions that are about to be removed.
type ForgetRequest struct {
	Core     Core
	StateDir string
	Sessions []string
	// Session is the stream with core, for progress.
	Session *Session
}

// ForgetResponse says what that gives back.
type ForgetResponse struct {
	// Freed is in bytes of the disk.
	Freed uint64
}

// Lifetime is how long a layer's process lives.
type Lifetime string

// The lifetimes.
const (
	// Ephemeral layers are gone once the plan is made.
	Ephemeral Lifetime = "ephemeral"
	// Bracket layers run for Plan and Start, and again, in a fresh process, for Finish. One that has a
	// Rest stays until a moment after it, and Finish of a run that is over by then comes to it.
	Bracket Lifetime = "bracket"
	// Resident layers stay as long as the agent does. If one is lost, the agent is ended.
	Resident Lifetime = "resident"
)

// Description is what a layer says of itself.
type Description struct {
	// Name is "netfilter" for a built-in, "vendor/name" for all others.
	Name    string
	Version string
	// Build is filled in by [Main]; core starts a built-in layer only if it was built together with
	// it.
	Build    string
	Kind     policy.Kind
	Lifetime Lifetime
	// Settings are the attributes that the layer's block in HCL may have, besides plugin and
	// enabled.
	Settings []Setting
	// Subcommands are the commands of a layer that implements [Commander].
	Subcommands []Subcommand
	// HostVariables are the user's variables that the layer needs to see.
	HostVariables []string
	// StateDir asks for a directory of the layer's own that outlives sessions: [Run].StateDir.
	StateDir bool
	// ConfigDir asks for a directory of the layer's own in the user's configuration: [Run].ConfigDir.
	ConfigDir bool
	// NeedsNono is the oldest version of nono that the layer works with, such as "0.2.0"; empty:
	// any. An older one refuses the layer and says so.
	NeedsNono string
	// Forgets says that the layer is a [Forgetter]. It is filled in by the SDK.
	Forgets bool
	// Pure says that Plan looks at nothing but its request: at no file, no clock, no network. So it
	// gives one answer to one request. Every filesystem layer is so. Core may then take an earlier
	// answer to the very same request. A layer that is ephemeral is not even started then; Start of
	// another is called in a process that was not asked to Plan. Core does not where the request has
	// a secret in it.
	Pure bool
}

// Setting is one attribute of the layer's block. Core checks the block against the declared
// settings before Plan is called.
type Setting struct {
	Name     string
	Type     SettingType
	Required bool
	// Default is what counts where nobody sets a value: a string, bool, int, float64, []string or
	// map[string]string, as the type has it.
	Default any
	// OneOf, for a string, lists all that is valid; empty: anything.
	OneOf []string
	// Sensitive says that neither the value nor the line with it is to be shown to anybody: a
	// password, for instance. Take it into a [Secret].
	Sensitive bool
	// Settings are those of an object, which are no objects themselves.
	Settings []Setting
	// Help is one line for the user.
	Help string
}

// SettingType is the type of a setting's value, in HCL and in the JSON that Plan gets.
type SettingType string

// The setting types.
const (
	SettingString     SettingType = "string"
	SettingNumber     SettingType = "number"
	SettingInteger    SettingType = "integer"
	SettingBool       SettingType = "bool"
	SettingStringList SettingType = "list(string)"
	SettingStringMap  SettingType = "map(string)"
	SettingObject     SettingType = "object" // retry = { attempts = 3 }
)

// Host is what the run stands on.
type Host struct {
	Tier Tier `json:"tier"`
	// LandlockABI is the kernel's Landlock version; 0 where it has none.
	LandlockABI int    `json:"landlock_abi"`
	Kernel      string `json:"kernel"`
	UID         int    `json:"uid"`
	GID         int    `json:"gid"`
	Home        string `json:"home"`
}

// Tier is what the host can enforce with.
type Tier string

// The tiers.
const (
	TierA Tier = "A" // user namespaces, Landlock, seccomp
	TierB Tier = "B" // Landlock and seccomp
)

// Command is what will be run.
type Command struct {
	// Args is what the user typed, the program's name first.
	Args []string `json:"args"`
	// Executable is the file that name stands for, shims and links resolved.
	Executable string `json:"executable"`
	// Dir is the canonical current directory.
	Dir string `json:"dir"`
}

// Document is a file that core loaded for this run, as core read it.
type Document struct {
	Path    string
	SHA256  [32]byte
	Content []byte
	// Links are the links that were followed to it: one that has its name, and those in the place of
	// directories.
	Links []string
}

// Core is what a layer is told of its host.
type Core struct {
	// Version is nono's own, such as "0.1.0"; Revision is that of the contract.
	Version  string
	Revision int
	// Features are the fields and enum values of package layerpb that core knows in an answer.
	Features []string
}

// Knows reports whether core knows a field or an enum value: "Bind.no_exec", "Right.RIGHT_READ".
// What core does not know need not be said: the SDK leaves out what is only of comfort, and refuses
// the rest in core's stead.
func (c *Core) Knows(feature string) bool { return slices.Contains(c.Features, feature) }

// Run is what each call of a run is told. It is the same in Plan, Start and Finish.
type Run struct {
	Core      Core
	SessionID string
	Host      Host
	Command   Command
	// Policy is shared by the calls of a run: it is read, and not changed.
	Policy policy.Policy
	// Settings is the layer's block, already checked against the settings it declared.
	Settings Settings
	// Facts are what layers planned before this one have found out.
	Facts []fact.Fact
	// HostVariables holds those that Describe asked for and that are set. They are in the process's
	// own environment too, where libraries look for them. In Plan, a layer of the kind credentials is
	// told those as well that the policy names as sources of keys (env://NAME).
	HostVariables map[string]string
	// Dir is a directory of this layer's own for this session. It may not exist in a dry run.
	Dir string
	// StateDir is a directory of this layer's own that outlives sessions, empty unless Describe
	// asked for it. Sessions that run at the same time share it. It may not exist in a dry run.
	StateDir string
	// ConfigDir is a directory of this layer's own among what the user configures, empty unless
	// Describe asked for it. Nobody makes it before the layer does.
	ConfigDir string
	// Session is the stream with core; an ephemeral layer has none.
	Session *Session
}

// PlanRequest is all that a layer plans from. Every layer gets everything.
type PlanRequest struct {
	Run
	Documents []Document
	// Places is what the agent sees of the files. Only the layer of the kind filesystem gets it,
	// and turns it into something that the kernel holds.
	Places places.View
	// UpstreamAuth is the user and the password for the upstream proxy of the policy, as
	// "user:password"; empty if it takes none. Only layers of the kinds network and credentials are
	// told.
	UpstreamAuth Secret
	// DryRun says that nothing is going to be run (`nono plan`, `nono doctor`): ask nobody, run no
	// foreign command, and say of what is unknown that it is.
	DryRun bool
}

// PlanResponse is a layer's share of the plan.
type PlanResponse struct {
	Fragment fragment.Fragment
	// Coverage says, for each rule of the layer's own kind, how far it is held. A rule that is not
	// listed is not held.
	Coverage    []Coverage
	Facts       []fact.Fact
	Diagnostics []Diagnostic
	// Secrets are the values that Secret parts of env steps stand for. They live in core's memory
	// only.
	Secrets map[string]Secret
}

// Coverage is how far one rule is held.
type Coverage struct {
	Rule policy.RuleID `json:"rule"`
	Held Held          `json:"held"`
	// By is the mechanism, in a few words: "not in the view, Landlock".
	By string `json:"by,omitempty"`
	// Why says what is missing, for all but Enforced.
	Why string `json:"why,omitempty"`
}

// Held is how far a rule is held.
type Held string

// The degrees. A rule that the user wrote must be Enforced, or the run refuses.
const (
	Enforced    Held = "enforced"
	Partial     Held = "partial"
	Unavailable Held = "unavailable"
)

// Diagnostic is a problem that a layer found, at one of its settings or at a rule. Core adds the
// file and the line.
type Diagnostic struct {
	Severity Severity
	// Attribute is the setting's name; or Rule is the rule's id; or neither.
	Attribute string
	Rule      policy.RuleID
	// Summary says what is wrong; Detail what to do about it.
	Summary string
	Detail  string
}

// Severity is how bad a diagnostic is.
type Severity string

// The severities. An error ends the start after all layers have been heard.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// StartRequest arms a layer.
type StartRequest struct {
	Run
	// Secrets are those that the layer's Plan returned.
	Secrets map[string]Secret
	// Listeners are the sockets of the fragment's listener steps, by name. The layer owns and
	// closes them.
	Listeners map[string]Socket
}

// StartResponse says that the layer is armed.
type StartResponse struct {
	// State is handed to Finish. It holds no secret: core keeps it on disk.
	State []byte
	// Rest is what is left to do, while the agent runs already and nobody waits for it; nil if nothing
	// is. A moment after it returns, the process is ended; before that where Rest takes very long. If
	// the run is over first, Finish is called in this process, perhaps while Rest has not returned,
	// and the process is ended when Finish has answered. Only a [Bracket] layer may have it.
	Rest func(ctx context.Context)
	// Lingers says that there is a Rest. It is for core, and filled in by the SDK.
	Lingers bool
}

// EndReason is why a run ended.
type EndReason string

// The reasons.
const (
	EndExited      EndReason = "exited"       // the agent's main process ended
	EndSignalled   EndReason = "signalled"    // the user ended it
	EndLayerLost   EndReason = "layer lost"   // a resident layer died or hung
	EndStopped     EndReason = "stopped"      // a layer asked for the end
	EndStartFailed EndReason = "start failed" // the agent was never started
	EndCoreLost    EndReason = "core lost"    // core died; this is the next start cleaning up
)

// End is how a run ended.
type End struct {
	Reason EndReason
	// ExitCode is the agent's, where it ended by itself; Signal is the one that ended it, or 0.
	ExitCode int
	Signal   syscall.Signal
	// Started is when the gate was opened and Ended when the agent was gone; each is zero where it
	// is not known, as for an agent that never was.
	Started, Ended time.Time
}

// FinishRequest releases what Start took.
type FinishRequest struct {
	Run
	End End
	// Stored says that the core which ran the session is dead, and that this request was made from
	// what it had stored. HostVariables and Secrets are never stored, so they are missing then.
	Stored bool
	// Secrets are those that the layer's Plan returned.
	Secrets map[string]Secret
	// State is what Start returned; nil if it did not return.
	State []byte
}

// FinishResponse is the layer's part of the report at the end of a run.
type FinishResponse struct {
	// Lines are shown to the user, one each.
	Lines []string
}
