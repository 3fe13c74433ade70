package view

import (
	"path"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
)

// Sight is what an agent has of the host's files: through the mounts of a view, or where nothing
// can be mounted, by the rules in front of the host as it is.
type Sight interface {
	// Shows reports whether the host's own at a path can be read, and whether it can be written.
	Shows(path string) (shown, writable bool)
	// Writes reports whether the agent can make something in a directory, whoever's that is.
	Writes(dir string) bool
	// Leads reports whether a link of the host's leads on from its path.
	Leads(link string) bool
}

// Shows implements Sight.
func (v View) Shows(p string) (shown, writable bool) { return OfHost(v.Cover(p).Mount) }

// Writes implements Sight. A directory in memory is as good as one that was granted.
func (v View) Writes(dir string) bool {
	switch s := v.Cover(dir).Mount.(type) {
	case fragment.Tmpfs:
		return s.Path == dir && dir != "/"
	case fragment.Bind:
		return s.Writable
	}
	return false
}

// Leads implements Sight.
func (v View) Leads(link string) bool {
	over := v.Cover(link)
	_, made := over.Mount.(fragment.Link)
	_, held := over.Mount.(fragment.Hold)
	shown, _ := OfHost(over.Mount)
	return shown || made || held
}

// Rules is what Landlock's rules give of a host on which nothing is mounted: at each path what the
// rules there and above it give together.
type Rules struct {
	at      map[string][]fragment.Right
	beneath map[string]bool // whether anything is given at a path or beneath it
}

// Of is the sight of these rules.
func Of(rules []fragment.Landlock) Rules {
	r := Rules{at: map[string][]fragment.Right{}, beneath: map[string]bool{}}
	for _, l := range rules {
		r.at[l.Path] = append(r.at[l.Path], l.Rights...)
		for p := l.Path; !r.beneath[p]; p = path.Dir(p) { // up to the root, which is its own parent
			r.beneath[p] = true
		}
	}
	return r
}

// Gives reports whether a right is given at a path. To list a directory is part of reading it.
func (r Rules) Gives(p string, right fragment.Right) bool {
	for ; ; p = path.Dir(p) {
		given := r.at[p]
		if slices.Contains(given, right) ||
			right == fragment.RightList && slices.Contains(given, fragment.RightRead) {
			return true
		}
		if p == "/" || p == "." {
			return false
		}
	}
}

// Reaches reports whether anything is given at a path, above it, or beneath it.
func (r Rules) Reaches(p string) bool {
	if r.beneath[p] {
		return true
	}
	for ; p != "/" && p != "."; p = path.Dir(p) {
		if len(r.at[p]) > 0 {
			return true
		}
	}
	return len(r.at[p]) > 0
}

// Shows implements Sight.
func (r Rules) Shows(p string) (shown, writable bool) {
	return r.Gives(p, fragment.RightRead), r.Gives(p, fragment.RightWrite)
}

// Writes implements Sight.
func (r Rules) Writes(dir string) bool { return r.Gives(dir, fragment.RightWrite) }

// Leads implements Sight: Landlock does not ask who follows a link.
func (Rules) Leads(string) bool { return true }

// Interface guards.
var (
	_ Sight = View{}
	_ Sight = Rules{}
)
