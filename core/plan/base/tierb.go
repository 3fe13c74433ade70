package base

import (
	"fmt"
	"path"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is core's share on a host without user namespaces: tier B. Nothing can be mounted, so
// the agent sees the host's own files, processes and devices, and what keeps it from them are
// Landlock's rules and the filter.

// The rules that only tier B has: what holds by itself where a run has namespaces of its own.
const (
	RuleScratch    policy.RuleID = "base.scratch"
	RuleNames      policy.RuleID = "base.names"
	RuleAttributes policy.RuleID = "base.attributes"
	RuleEnds       policy.RuleID = "base.ends"
	RuleDocuments  policy.RuleID = "base.documents"
	RuleHomes      policy.RuleID = "base.homes"
)

// Directories are the session's own on a host where nothing can be mounted. Both lie in one that
// belongs to the user alone.
type Directories struct {
	// Scratch is the agent's, to write what is temporary in.
	Scratch string
	// Own is core's, with files that the agent reads.
	Own string
}

// Files in [Directories.Own].
const (
	sessionName  = "nono.json"
	identityName = "gitconfig"
)

// SessionVariable tells a session where the content of [SessionFile] is, where it is not there.
const SessionVariable = "NONO_SESSION_FILE"

// walled composes the share of a host without namespaces.
type walled struct{ composer }

func composeWalled(in Input) (Share, error) {
	if in.Policy.IsDisabled(policy.KindFilesystem) {
		return Share{}, diag.Errorf("to run without the filesystem layer needs user namespaces, " +
			"which this host does not give").
			Try("without them nono's own files are kept from the agent by that layer's rules alone; " +
				"run with it: --allow / opens what can be opened")
	}
	w := &walled{composer{in: in}}
	w.rules()
	if err := w.rights(); err != nil {
		return Share{}, err
	}
	w.files()
	on := Shared{
		LandlockABI: in.Host.LandlockABI, Network: in.Policy.IsDisabled(policy.KindNetwork),
		Supervised: in.Supervised, Connected: len(in.Through) > 0 || in.Policy.Uses(),
	}
	w.share.Supervised = on.Made()
	allowed, refused := on.Calls()
	w.share.Calls = allowed
	for _, s := range refused {
		w.share.Fragment.Steps = append(w.share.Fragment.Steps, s)
	}
	return w.share, nil
}

// rules lists what the base fragment holds here, and of each rule what it does not.
func (w *walled) rules() {
	w.hold(RuleMounts, policy.KindFilesystem, "what is not granted cannot be opened, changed or run",
		"Landlock")
	w.partly(RuleNames, policy.KindFilesystem, "what is not granted cannot be looked at or watched",
		"", "Landlock is not asked who looks at names, sizes and times, or waits for changes")
	const attributes = "mode, owner, times and extended attributes can be changed of " +
		"what may be written, and of nothing else"
	if w.in.Supervised {
		w.hold(RuleAttributes, policy.KindFilesystem, attributes, "core makes the changes")
	} else {
		w.partly(RuleAttributes, policy.KindFilesystem, attributes, "",
			"Landlock does not see such a change, and core cannot make it: "+w.in.Unsupervised.Why)
	}
	w.processes()
	w.partly(RuleProc, "", "/proc shows the session only", "Landlock, for reading alone",
		"it is the host's: it tells of the machine and of other processes")
	w.hold(RuleIPC, "", "no shared memory, semaphore or message queue of the host"+w.lent(),
		"seccomp, Landlock; programs that share memory take --allow "+places.SharedMemory)
	network, by := "no network, and no socket but pairs of them", "seccomp"
	if w.in.Supervised {
		network, by = "no network, and no service by a Unix socket but what is granted",
			"seccomp, and core makes the connections"
	}
	if len(w.in.Through) > 0 {
		network = "no network but what layer " + strings.Join(w.in.Through, " or ") + " lets through"
	}
	if w.in.Policy.Uses() {
		network += ", and the services of the credentials"
	}
	w.hold(RuleNetwork, policy.KindNetwork, network, by)
	w.hold(RuleDevices, "",
		"only null, zero, full, random, urandom, tty and the session's own terminal", "Landlock")
	w.hold(RuleSeccomp, "",
		"only system calls that somebody judged, and none that opens what the rest closes", "seccomp")
	w.hold(RulePrivileges, "", "no privilege is there, and none can be gained",
		"no-new-privs, empty capability sets")
	w.hold(RuleDescriptors, "", "nothing open but standard input, output and error",
		"close-on-exec on all others")
	w.hold(RuleEnvironment, "", "variables by allowlist", "composed by nono")
	w.hold(RuleSelf, "", "nono's own files cannot be changed from inside", "Landlock")
	w.partly(RuleEnds, "", "nothing that the agent started outlives the run",
		"child subreaper, parent-death signal",
		"what forks faster than it can be found, or where nono and nono-init are killed at once, stays")
	w.limits()
	if len(w.in.Links) > 0 {
		w.partly(RuleLinks, "", "a link on the way to a denied or protected name stays what it is", "",
			"one that lies in what is granted for writing can be replaced")
	}
}

// lent names what of the host's shared memory the user granted.
func (w *walled) lent() string {
	for _, r := range w.in.Policy.Filesystem {
		if r.Access.Grants() && r.Type != policy.Missing && policy.Within(r.Path, places.SharedMemory) {
			return ", but what is granted in " + places.SharedMemory
		}
	}
	return ""
}

// processes says how far those outside are out of reach.
func (w *walled) processes() {
	const says = "only the session's own processes can be seen and signalled"
	why := "the command lines of others can be seen, and their priorities be lowered"
	if w.in.Host.LandlockABI < HasScopes {
		why += "; this kernel's Landlock does not keep signals from the user's own"
	}
	w.partly(RuleProcesses, "", says, "Landlock", why)
}

// partly adds a rule that is held in part, unless the kind that it is about is disabled.
func (w *walled) partly(id policy.RuleID, about policy.Kind, says, by, why string) {
	w.hold(id, about, says, by)
	last := &w.share.Coverage[len(w.share.Coverage)-1]
	if last.Held == sdk.Enforced {
		last.Held, last.Why = sdk.Partial, why
	}
}

// rights are what the agent has of the host's that no rule of the policy's is about.
func (w *walled) rights() error {
	grant := func(id policy.RuleID, at string, rights ...fragment.Right) {
		w.share.Fragment.Steps = append(w.share.Fragment.Steps,
			fragment.Landlock{For: id, Path: at, Rights: rights})
	}
	grant(RuleProc, "/proc", fragment.RightRead)
	for _, name := range hostDevices {
		at := path.Join("/dev", name)
		e, err := w.in.Look(at)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", at, err)
		}
		if e.Type == policy.Special && !e.IsLink() {
			grant(RuleDevices, at, fragment.RightRead, fragment.RightWrite, fragment.RightDevice)
		}
	}
	w.hold(RuleScratch, "",
		"a directory of the session's own for what is temporary, gone after the run",
		"a directory of nono's own")
	grant(RuleScratch, w.in.Directories.Scratch,
		fragment.RightRead, fragment.RightExecute, fragment.RightWrite)
	grant(RuleScratch, w.in.Directories.Own, fragment.RightRead)
	var tools []string
	for _, l := range w.in.Lent {
		tools = append(tools, path.Base(l.Inside))
		grant(RuleCaches, l.Dir, fragment.RightRead, fragment.RightExecute, fragment.RightWrite)
	}
	w.holdCaches(tools)
	for _, h := range w.in.Homes {
		w.hold(RuleHomes, "", fmt.Sprintf("in the place of %s the agent has a directory by %s, "+
			"kept for its next run", diag.Homely(h.Own, w.in.Host.Home), h.Variable),
			"a directory of nono's own")
		grant(RuleHomes, h.Dir, fragment.RightRead, fragment.RightExecute, fragment.RightWrite)
	}
	return nil
}

// files are those that core writes into its directory.
func (w *walled) files() {
	if len(w.in.Known) > 0 {
		w.share.Written = append(w.share.Written, fragment.File{
			For: RuleSelf, Path: w.in.Directories.SessionFile(), Mode: 0o444, Content: w.in.Known,
		})
	}
	// git ends where it may not read its user's settings, so it has some in any case.
	w.holdIdentity()
	w.share.Written = append(w.share.Written, fragment.File{
		For: RuleIdentity, Path: w.in.Directories.gitConfig(), Mode: 0o444, Content: w.in.GitIdentity,
	})
}

// SessionFile is where a session finds what it may know of its own rules.
func (d Directories) SessionFile() string { return path.Join(d.Own, sessionName) }

func (d Directories) gitConfig() string { return path.Join(d.Own, identityName) }
