// Package agentdir gives an agent another directory in the place of its own, where that cannot be
// granted: on a host on which nothing can be hidden inside what is granted for writing, an agent's
// own directory with its login in it.
//
//	for _, d := range agentdir.Find(request) { // ~/.codex, for ~/.codex/auth.json in it
//		open, err := d.Open(where)               // ~/.local/state/nono/agents/3f.../home
//		names, err := open.Names()
//		policy = d.Narrow(policy, names, look)   // ~/.codex/sessions, ~/.codex/rules, ...
//		err = open.Link(&policy)
//		...                                      // the run, with CODEX_HOME
//		outcomes, err := open.Close()
//	}
//
// Who writes a profile says by which variable the agent finds its directory ([Movable]). What the
// agent has in the other one is as far as that can be what it has in its own:
//
//   - the directories that lie there, and what is protected: links lead to them, and they are
//     granted one by one, what is protected for reading alone;
//   - files that the policy tells of when they change, its settings: copies, which are made the
//     same as the host's when a run begins and when it ends ([copies.Pair]);
//   - every other file is the agent's own: databases and their journals, which no two names may
//     lead to, and histories. They stay for the next run.
//
// What is denied is in none of these. A directory that the agent makes beside them becomes one of
// its own directory's where that has none of the name, when no run uses it any more: so sessions
// that began inside go on outside.
//
// The directory is one of nono's own that an agent has for writing, as build caches are. nono
// believes nothing of what lies in it: no link is followed, and what is copied is bounded.
package agentdir

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Movable is a directory that an agent finds by a variable.
type Movable struct {
	Variable string
	// Path is without links.
	Path   string
	Source policy.Source
}

// Request is what to find directories for.
type Request struct {
	Policy  *policy.Policy
	Movable []Movable
	// Reported are the paths, among other names, that the policy tells of when they change.
	Reported []string
	// Protected are the places of protections, there or not.
	Protected []string
	// Dir is the current directory, without links.
	Dir string
	// State is nono's own directory of what it keeps.
	State string
}

// Directory is one that an agent has in the place of its own.
type Directory struct {
	Movable
	// Own is the agent's directory, of which Denied cannot be hidden in it.
	Own, Denied string
	// Home is what it has instead.
	Home string

	grants    []policy.PathRule // of the agent's directory, and of files that go with it
	copied    []string          // files of the host's
	protected []string          // names in the agent's directory
}

// Find says which directories there are. It looks at nothing but the request.
func Find(req Request) []Directory {
	var all []Directory
	decide := policy.NewDecider(req.Policy)
	for _, m := range req.Movable {
		v := decide.Variable(m.Variable)
		theirs := v.Allowed || v.Rule != nil && v.Rule.Source.Asked()
		if theirs || policy.Within(req.Dir, m.Path) {
			continue // who gives the variable knows what is to be there
		}
		if d, ok := find(req, decide, m); ok {
			all = append(all, d)
		}
	}
	return all
}

func find(req Request, decide *policy.Decider, m Movable) (Directory, bool) {
	d := Directory{Movable: m, Own: m.Path}
	// The name says nothing of the directory, and no path can be made to share one with another.
	sum := sha256.Sum256([]byte(m.Variable + "\x00" + m.Path))
	d.Home = path.Join(req.State, directory, hex.EncodeToString(sum[:16]), home)
	for _, r := range req.Policy.Filesystem {
		switch {
		case r.Type == policy.Missing:
		case r.Access.Writable() && r.Path == d.Own && r.Type == policy.Directory,
			r.Access.Writable() && r.Type == policy.Regular && goesWith(r.Path, d.Own):
			d.grants = append(d.grants, r)
		case r.Access == policy.Deny && r.Path != d.Own && policy.Within(r.Path, d.Own) &&
			!decide.Path(r.Path, policy.OpRead).Allowed && d.Denied == "":
			d.Denied = r.Path
		}
	}
	granted := func(r policy.PathRule) bool { return r.Path == d.Own }
	if d.Denied == "" || !slices.ContainsFunc(d.grants, granted) ||
		!decide.Path(d.Own, policy.OpWrite).Allowed {
		return Directory{}, false
	}
	for _, g := range d.grants {
		if g.Path != d.Own {
			d.copied = append(d.copied, g.Path)
		}
	}
	for _, p := range req.Reported {
		apart := slices.ContainsFunc(req.Policy.Filesystem, func(r policy.PathRule) bool {
			return r.Path == p
		})
		if path.Dir(p) == d.Own && !apart {
			d.copied = append(d.copied, p)
		}
	}
	for _, p := range req.Protected {
		if path.Dir(p) == d.Own {
			d.protected = append(d.protected, path.Base(p))
		}
	}
	return d, true
}

// goesWith reports whether a file belongs to a directory that it lies beside: ~/.claude.json is
// looked for in ~/.claude where a variable names that.
func goesWith(file, dir string) bool {
	return path.Dir(file) == path.Dir(dir) && strings.HasPrefix(path.Base(file), path.Base(dir)+".")
}

// Narrow is the policy with what is granted of the agent's directory in the place of all of it: of
// these names, what is a directory or protected, and has nothing in it that is denied.
func (d Directory) Narrow(p policy.Policy, names []string, look hostfile.Look) policy.Policy {
	denied, protected := map[string]bool{}, map[string]bool{}
	for _, r := range p.Filesystem {
		if !policy.Within(r.Path, d.Own) || r.Path == d.Own || r.Type == policy.Missing {
			continue
		}
		name, beneath, _ := strings.Cut(strings.TrimPrefix(r.Path, d.Own+"/"), "/")
		denied[name] = denied[name] || r.Access == policy.Deny
		protected[name] = protected[name] || r.Access == policy.Protect && beneath == ""
	}
	var parts []policy.PathRule
	for _, name := range slices.Sorted(slices.Values(names)) {
		at := path.Join(d.Own, name)
		e, err := look(at)
		if err != nil || e.IsLink() || denied[name] {
			continue
		}
		if e.Type == policy.Directory || e.Type == policy.Regular && protected[name] {
			parts = append(parts, policy.PathRule{Path: at, Type: e.Type})
		}
	}
	for _, g := range d.grants {
		var narrow []policy.PathRule
		if g.Path == d.Own {
			narrow = slices.Clone(parts)
		}
		for i := range narrow {
			narrow[i].Source, narrow[i].Access = g.Source, g.Access
		}
		p = p.Narrowed(g.ID, narrow)
	}
	return p
}

// In nono's own directory of what it keeps.
const (
	directory = "agents"
	home      = "home" // the agent's
	both      = "both" // of each file that is copied, what both had the last time
	lock      = "lock" // of who makes changes
)

// mostNames is how many names are looked at in a directory.
const mostNames = 4096

// mostHandedOver is how many names an agent's own directory may come to have by what the agent
// makes: with too many of them no run would start.
const mostHandedOver = mostNames / 4
