// Package plan turns what the layers returned into the one plan that a run carries out, and proves
// what must hold about it.
//
//	p, err := plan.Make(plan.Input{
//		Session: id, Host: host, Command: cmd, Policy: pol, Layers: shares, Own: own, ...
//	})
//	if err != nil {
//		return err // diag.Problems: every problem, each with its line
//	}
//	// nono's own directories that an agent could otherwise make first
//	if err := p.MakeOwn(); err != nil { ... }
//	// now with secrets: never stored, never printed
//	r, err := p.Recipe(secrets, os.LookupEnv, hostfile.Host)
//
// [Make] is pure but for looking at the host's files through [hostfile.Look]. It is the order of
// packages that have one idea each:
//
//	base      core's own share: what every session has, whatever layers run
//	merge     one step of several: precedence or conflict
//	authorize what a layer would give the agent, held against the policy
//	protect   what keeps nono's own files from the agent, added to the merged view
//	proof     shows, from the finished plan alone, what an agent cannot reach
//	view      what all of them speak of: mounts by path, of which the deepest decides
//	show      a plan for people
//
// What is left here is the plan as a value, how far each rule is held and by whom, and the recipe.
//
// # Merging
//
// The order of layers and of steps means nothing; a test permutes them. Mounts are sorted by path,
// parents first. At one path the stronger step wins, whoever sent it:
//
//	mask > file > read-only bind > writable bind > tmpfs
//
// A tmpfs is the weakest, because it is what a layer puts where nothing is granted (a private home,
// the root itself). Within one strength the stricter flags win: no-exec if one says so, devices
// only if all say so, a mask readable only if all say so. Anything else that differs is a conflict,
// and the error names both lines. A symbolic link says that a path is a name for another place. A
// file or a mask at its path takes its place; beside a bind or a tmpfs it is a conflict, and no
// step may lie beneath one. What lies beneath a mask is dropped: a denial beats every grant, at any
// depth. So is a bind that shows what its parent shows already, with the same rights, unless
// something mounted beneath it needs it to stay where it is.
//
// What core mounts below /proc and /dev belongs to core: a layer can mask single files of it and
// change nothing else.
//
// # Secrets
//
// A plan is printed, stored and compared. It holds the names of secrets and of the user's
// variables, never their values; those enter with [Plan.Recipe], and a recipe is never stored.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Core is the name under which core itself stands where a layer's name is expected: for the base
// fragment, for rules that no layer answers for, and for the secrets of --env.
const Core = "nono"

// Plan is what a run will do, complete and in order, with nothing secret in it.
type Plan struct {
	Session string   `json:"session"`
	Host    sdk.Host `json:"host"`
	// Fallback is why the host is one of tier B; nil in tier A.
	Fallback *Fallback `json:"fallback,omitempty"`
	// Homes are directories of nono's own that agents have in the place of theirs, in tier B.
	Homes    []base.Home       `json:"homes,omitempty"`
	Command  sdk.Command       `json:"command"`
	Layers   []Layer           `json:"layers"`
	Disabled []policy.Disabled `json:"disabled,omitempty"`
	// Network is what may be reached; Rules says of each of its rules how far it is held.
	Network policy.Network `json:"network,omitzero"`
	// Credentials are the services that are used with a key of the user's.
	Credentials []policy.Credential `json:"credentials,omitempty"`
	// Snapshot is what is recorded before the agent starts.
	Snapshot policy.Snapshot `json:"snapshot,omitzero"`
	// Trust is whose signatures are looked at, and Verified what was found to be as it was signed.
	Trust    policy.Trust  `json:"trust,omitzero"`
	Verified []Verified    `json:"verified,omitempty"`
	Rules    []Rule        `json:"rules"`
	Mounts   view.Mounts   `json:"mounts"`
	Env      []Variable    `json:"env"`
	Landlock []merge.Grant `json:"landlock,omitempty"`
	// Calls are the system calls that exist for the agent, by name; Seccomp are rules that refuse,
	// some of these in part and others with an error of their own.
	Calls     []string       `json:"calls"`
	Seccomp   []merge.Filter `json:"seccomp"`
	Listeners []Listener     `json:"listeners,omitempty"`
	Dialers   []Dialer       `json:"dialers,omitempty"`
	// Through are the layers that carry traffic between the session and what lies outside it.
	Through []string `json:"network_through,omitempty"`
	// Supervised are the system calls that core makes in the agent's place, in tier B.
	Supervised []string `json:"supervised,omitempty"`
	// Names is the listener that answers questions for names by TCP, the only way to ask in tier B.
	Names string `json:"names,omitempty"`
	// Lost are the steps of layers that others took the place of.
	Lost []merge.Loss `json:"lost,omitempty"`
	// Make are directories of nono's own that do not exist yet and that a grant would let the agent
	// make, or that it is lent: parents first.
	Make []string `json:"make,omitempty"`
	// Written are files of core's that the agent reads where none can be mounted.
	Written []fragment.File `json:"written,omitempty"`
	Notices []Notice        `json:"notices,omitempty"`
}

// Layer is one layer that took part.
type Layer struct {
	Kind    policy.Kind `json:"kind"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Path    string      `json:"path,omitempty"`
	// Digest is the SHA-256 of a layer that is not built in, in hexadecimal.
	Digest  string `json:"digest,omitempty"`
	BuiltIn bool   `json:"built_in,omitempty"`
	// Why says why the layer runs: "always", or the block that asked for it.
	Why string `json:"why"`
	// Remembered says that the layer was not asked: it answered the very same request before.
	Remembered bool `json:"remembered,omitempty"`
}

// Rule is one rule of the policy or of the base fragment, with how far it is held.
type Rule struct {
	ID     policy.RuleID `json:"id"`
	Says   string        `json:"says"`
	Source policy.Source `json:"source"`
	// Access, Path, Name, Type and Lifted are a filesystem rule's.
	Access policy.Access   `json:"access,omitempty"`
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name,omitempty"`
	Type   policy.FileType `json:"type,omitempty"`
	Lifted []policy.Lift   `json:"lifted,omitempty"`
	// Layer is who answers for the rule.
	Layer string   `json:"layer"`
	Held  sdk.Held `json:"held"`
	By    string   `json:"by,omitempty"`
	Why   string   `json:"why,omitempty"`
	// Required says that the run is refused unless the rule is enforced.
	Required bool `json:"required,omitempty"`
	// Unreadable and Unwritable say of a grant of the user's why it gives less than it says: because
	// of what the host lets this user do.
	Unreadable string `json:"unreadable,omitempty"`
	Unwritable string `json:"unwritable,omitempty"`
}

type (
	// Variable is one variable of the agent's environment.
	Variable = merge.Variable
	// Listener is a socket inside that a layer serves.
	Listener = merge.Listener
	// Dialer is the ports inside that a layer may connect to.
	Dialer = merge.Dialer
)

// Notice is something the user should know before the agent starts; it does not stop the run.
type Notice struct {
	Text   string        `json:"text"`
	Detail string        `json:"detail,omitempty"`
	Source policy.Source `json:"source,omitzero"`
}

// Problem is the notice as the user is shown it.
func (n Notice) Problem() diag.Problem {
	return diag.Problem{Severity: diag.Warning, Summary: n.Text, Detail: n.Detail, Source: n.Source}
}

// Share is one layer and what it answered.
type Share struct {
	Layer
	Response *sdk.PlanResponse
	// HostVariables are those of the user's variables that the layer declared, and was told.
	HostVariables []string
	// Source is the line of the policy that brought the layer in; zero for one that always runs.
	Source policy.Source
	// Setting finds the line of one of the layer's settings, for a diagnostic; nil if it has none.
	Setting func(attribute string) policy.Source
}

// Verified is a file whose content was verified.
type Verified struct {
	Path string `json:"path"`
	// SHA256 is the content's, in hexadecimal.
	SHA256 string `json:"sha256"`
	// Rule is the protection that keeps it from being written.
	Rule policy.RuleID `json:"rule"`
}

// Input is all that a plan is made from.
type Input struct {
	Session string
	Host    sdk.Host
	// Fallback is why the host is one of tier B, and Directories are the session's own there.
	Fallback    *Fallback
	Directories base.Directories
	Command     sdk.Command
	// Supervised says that core can make system calls in the agent's place, in tier B; Unsupervised
	// why it cannot.
	Supervised   bool
	Unsupervised base.Obstacle
	// DirName is the name by which the user came to the command's directory.
	DirName string
	Policy  policy.Policy
	// BestEffort turns a rule that is not held from a refusal into a notice.
	BestEffort bool
	Layers     []Share
	Own        proof.Own
	// Environ is the user's environment, as os.Environ returns it. Only names, and the directories
	// of PATH, reach the plan.
	Environ []string
	// PathPrefix are directories put first in PATH; Instead says what stands in it in the place of a
	// directory.
	PathPrefix []string
	Instead    map[string][]string
	// GitIdentity is the content of the small ~/.gitconfig shown in a private home; see
	// [base.GitIdentity].
	GitIdentity []byte
	// Hosts is the content of the host's own /etc/hosts.
	Hosts []byte
	// Bundle is the file with the certificates that the host trusts, where it has some of its own; see
	// [base.Bundle].
	Bundle string
	// Known is what the session may know of its own rules: the content of [base.SessionFile].
	Known []byte
	// Lent are directories of nono's own that the session has for writing: build caches.
	Lent []base.Lent
	// Homes are directories of nono's own that agents have in the place of theirs.
	Homes []base.Home
	// Limits are the user's rules about what a run may use, which core holds.
	Limits []base.Limit
	// Verified are files of which the agent is to see one content alone.
	Verified []Verified
	// Notices are warnings from before: of the policy, of the toolchain.
	Notices []diag.Problem
	// Controls are directories that are never shown, as [base.Controls] finds them.
	Controls []string
	// Links are symbolic links that the agent must not replace: denied or protected names lead
	// through them.
	Links []string
	// Settled is told the mounts of the plan before the rest is decided and proved, if they are whole
	// by then and anybody asks. They may be built, but nothing may run on them.
	Settled func(fragment.List)
	// Look looks at a file of the host; [hostfile.Host] unless a test stands in.
	Look hostfile.Look
	// Reach says what the host lets this user do with a file; [hostfile.ReachOf] unless a test stands
	// in. Nothing follows from it but what is said.
	Reach func(path string) hostfile.Reach
}

// View is what the agent sees.
func (p *Plan) View() view.View { return view.New(p.Mounts) }

// LayerOf is the layer that a step of the launcher's is there for, by the kind of the step and the
// path or the listener that it is about. It is false for what core itself wants.
func (p *Plan) LayerOf(step, about string) (string, bool) {
	layer := Core
	switch step {
	case fragment.Kind(fragment.Landlock{}):
		for _, g := range p.Landlock {
			if g.Path == about {
				layer = strings.Join(g.Layers, ", ")
			}
		}
	case fragment.Kind(fragment.Listener{}):
		for _, l := range p.Listeners {
			if l.ID() == about {
				layer = l.Layer
			}
		}
	default:
		for _, m := range p.Mounts {
			if m.At() == about && fragment.Kind(m.Mount) == step {
				layer = m.Layer
			}
		}
	}
	return layer, layer != Core
}

// Prove shows that nothing of nono's own can be changed, replaced, or (for its directories) read
// from inside, whatever else the plan says: it plays the mounts in their order and asks what an
// agent could reach.
//
// In tier B policy files are left out: what lies in a directory that the agent may write nothing
// can hold there, and [base.RuleDocuments] says so.
func (p *Plan) Prove(own proof.Own, look hostfile.Look) error {
	if p.walled() {
		own.Documents = nil
	}
	targets, err := own.Targets(look)
	if err != nil {
		return fmt.Errorf("finding nono's own files: %w", err)
	}
	reach, err := p.reach()
	if err != nil {
		return err
	}
	for _, t := range targets {
		t.Made = func(path string) bool { return slices.Contains(p.Make, path) }
		if err := proof.Hold(reach(t), t); err != nil {
			return err
		}
	}
	return nil
}

// Files are the plan's rules about files, for the decision to be asked.
func (p *Plan) Files() policy.Policy {
	files := policy.Policy{Disabled: p.Disabled}
	for _, r := range p.Rules {
		if r.Access != "" {
			files.Filesystem = append(files.Filesystem, policy.PathRule{
				ID: r.ID, Source: r.Source, Access: r.Access, Path: r.Path, Name: r.Name, Type: r.Type,
				Lifted: r.Lifted,
			})
		}
	}
	return files
}
