// Package proof shows that an agent cannot get at what it must not, in a plan as it will be carried
// out. It knows nothing of how the plan was made.
//
//	targets, err := own.Targets(look)
//	reach, err := proof.Play(mounts)
//	for _, t := range targets {
//		if err := proof.Hold(reach, t); err != nil { ... } // what the agent could do, and where
//	}
//
// All that it asks of the enforcement is [Reach]: where a file of the host can be got at from
// inside, and whether it can be read, written or replaced there. The mounts of a view answer that
// ([Play]). What takes rights away at paths, as Landlock's rules do and a Seatbelt profile would,
// is a [Wall] in front of it ([Behind]): in front of mounts, or of the host as it is.
//
// # Limits
//
// A hard link to a file has a path of its own, which no look at paths can find. A directory that
// the host itself mounts at a second place is recognised where a bind's source is that directory or
// one above the target, not where the second place lies deeper inside a grant. And one of nono's
// directories that is made later, beside a running agent, can be read through a grant for reading
// of what lies above it.
package proof

import (
	"fmt"
	"slices"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Reach says what an agent can do with files of the host.
type Reach interface {
	// To lists the places inside at which the file or directory of one hop of a route can be got
	// at. It need not exist: then a place is where it could be made.
	To(route hostfile.Route, hop hostfile.Hop) []Place
	// Into lists the places inside that show something beneath the route's end without showing the
	// end itself.
	Into(route hostfile.Route) []Place
}

// Place is a path inside, and what an agent can do with what it finds there.
type Place struct {
	// Inside is the path inside, Shows the host's path of what is there.
	Inside, Shows string
	// Read and Write are about the file's content, or a directory's entries.
	Read, Write bool
	// Replace says that the name itself can be taken away and given to something else.
	Replace bool
}

// Target is a path of the host with every name on the way to it.
type Target struct {
	hostfile.Route
	// Hidden targets can not even be read from inside.
	Hidden bool
	// Made says of one of the names on the way that it will exist, though it does not yet.
	Made func(path string) bool
	// Lent are directories in a hidden target that the agent is to have. It has what lies in them,
	// and nothing beside or above it.
	Lent []string
	// What says what it is, in messages.
	What string
}

// lends reports whether something in a hidden target is the agent's to have.
func (t Target) lends(name string) bool {
	return slices.ContainsFunc(t.Lent, func(dir string) bool { return policy.Within(name, dir) })
}

// Own is what belongs to nono itself. Every path is absolute; it need not exist, and links in it
// are followed.
type Own struct {
	// Programs are nono's own executables' directories, and the executables. None can be changed or
	// replaced from inside.
	Programs []string
	// Directories are nono's configuration, state, data, cache and runtime directories. They are
	// not even readable from inside.
	Directories []string
	// Documents are the policy files that this run was made from. They can be read where they are
	// granted, and not be changed.
	Documents []string
	// Lent are directories in those that the agent has for writing. nono believes nothing of what
	// lies in them.
	Lent []string
}

// Targets follows every path of nono's own, parents first.
func (o Own) Targets(look hostfile.Look) ([]Target, error) {
	look = hostfile.Once(look)
	var ts []Target
	for _, group := range []struct {
		paths  []string
		hidden bool
		what   string
	}{
		{o.Directories, true, "nono's own directory"},
		{o.Programs, false, "where nono's own programs lie"},
		{o.Documents, false, "a policy file of this run"},
	} {
		for _, p := range group.paths {
			r, err := hostfile.Follow(look, p)
			if err != nil {
				return nil, err
			}
			t := Target{Route: r, Hidden: group.hidden, What: group.what}
			if group.hidden {
				t.Lent = o.Lent
			}
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b Target) int { return view.ComparePaths(a.Path, b.Path) })
	return ts, nil
}

// Hold shows that the agent cannot change a target, replace it, or, where it is hidden, read it.
// The error says what it could do.
func Hold(reach Reach, t Target) error {
	if t.Hidden {
		for _, p := range reach.Into(t.Route) {
			if p.Read && !t.lends(p.Shows) {
				return fmt.Errorf("%s, which lies in %s, %s, can be read at %s",
					p.Shows, t.Path, t.What, p.Inside)
			}
		}
	}
	for _, h := range t.Hops {
		there := h.Entry.Type != policy.Missing || t.Made != nil && t.Made(h.Path)
		for _, p := range reach.To(t.Route, h) {
			// A link that this user cannot change is as good as no link.
			switch last := h.Path == t.Path; {
			case p.Replace && !(h.Entry.IsLink() && h.Fixed):
				return fmt.Errorf("%s, on the way to %s, %s, can be replaced at %s",
					h.Path, t.Path, t.What, p.Inside)
			case last && p.Write:
				return fmt.Errorf("%s, %s, can be changed at %s", t.Path, t.What, p.Inside)
			case last && t.Hidden && there && p.Read:
				return fmt.Errorf("%s, %s, can be read at %s", t.Path, t.What, p.Inside)
			}
		}
	}
	return nil
}
