package config

import (
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A grant may hold what the user's own shell runs later: a directory of PATH, or a link by which
// nono itself is called. Nothing is refused for it, for a virtual environment in the project is
// just that; but the user is told.

// runLater names them, a line each.
func (r *reader) runLater(granted *policy.Decider) {
	const most = 5 // of an odd PATH the first ones say enough
	told := 0
	for _, entry := range r.searched() {
		if !r.replaceable(granted, entry.path) {
			continue
		}
		if told++; told > most {
			continue
		}
		r.notice(policy.Source{}, "%s is in your PATH, and the agent can put programs there: %s",
			entry.shown, "take it out of PATH, or run nothing that lies there afterwards")
	}
	if told > most {
		r.notice(policy.Source{}, "so are %d more directories of your PATH", told-most)
	}
	r.calledThrough(granted)
}

// calledThrough tells of a name of nono's that the agent can give to a program of its own. That
// nono's program itself lies in no grant is proved about the plan.
func (r *reader) calledThrough(granted *policy.Decider) {
	called := r.called()
	if called == "" || !r.replaceable(granted, called) {
		return
	}
	if to, err := r.resolve(called); err == nil {
		r.notice(policy.Source{}, "nono was called as %s, a name that the agent can give to a program "+
			"of its own: call it by %s", r.homely(called), diag.Word(r.homely(to.Path)))
	}
}

// called is the name that nono was called by, as an absolute path; "" if that is not known.
func (r *reader) called() string {
	switch {
	case strings.Contains(r.Called, "/"):
		return r.absolute(r.Called)
	case r.Called != "":
		for _, entry := range r.searched() {
			name := filepath.Join(entry.path, r.Called)
			if at, err := r.resolve(name); err == nil && at.Entry.Type != policy.Missing {
				return name
			}
		}
	}
	return ""
}

// absolute is a name as the current directory makes it.
func (r *reader) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(r.Dir, name)
}

// searchedDir is a directory of PATH.
type searchedDir struct{ path, shown string }

// searched are the directories of PATH, each once. An empty entry is the current directory.
func (r *reader) searched() []searchedDir {
	list, _ := r.Lookup("PATH")
	var dirs []searchedDir
	seen := map[string]bool{}
	for entry := range strings.SplitSeq(list, ":") {
		dir := searchedDir{path: r.absolute(entry)}
		if list == "" || seen[dir.path] || len(dir.path) > hostfile.MaxPath {
			continue
		}
		seen[dir.path] = true
		if dir.shown = r.homely(dir.path); !filepath.IsAbs(entry) {
			dir.shown += " (" + quote(entry) + ")"
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// replaceable reports whether the agent can change where a name leads, or what lies there.
func (r *reader) replaceable(granted *policy.Decider, name string) bool {
	to, err := r.resolve(name)
	if err != nil {
		return false // as for the shell: it leads to nothing
	}
	// A directory above what is protected cannot be moved away, so the end and the links are all that
	// counts.
	for _, link := range to.Links() {
		if granted.Path(link.Path, policy.OpWrite).Allowed {
			return true
		}
	}
	return granted.Path(to.Path, policy.OpWrite).Allowed
}
