package scope

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// maxNames is how many names of files the patterns of a policy are compared with, all together, and
// how many a directory may have. A repository of a hundred thousand files has a few more.
const maxNames = 1 << 20

// walk looks for what patterns mean.
type walk struct {
	ctx   context.Context
	found func(path string)
	base  string // the directory in which the patterns begin
	left  int    // how many names may still be looked at
	// hidden is the first place in which something may lie that was not looked at.
	hidden *HiddenError
}

func newWalk(ctx context.Context, left int, found func(path string)) *walk {
	return &walk{ctx: ctx, found: found, left: left}
}

// state is how far a pattern got: the names of it that are left.
type state struct{ pattern, next int }

// from looks beneath one directory. A directory is listed once, for all patterns together.
func (w *walk) from(dir string, patterns ...glob.Pattern) {
	states := make([]state, len(patterns))
	for i := range patterns {
		states[i] = state{i, 0}
	}
	w.base = dir
	w.in(dir, patterns, states)
}

// in looks in one directory, for patterns that have got as far as that.
func (w *walk) in(dir string, patterns []glob.Pattern, states []state) {
	if w.left <= 0 || w.ctx.Err() != nil {
		return
	}
	plain := map[string][]state{} // what a name of its own is to be followed by
	var wild []state
	seen := map[state]bool{}
	var sort func(s state)
	sort = func(s state) {
		if seen[s] {
			return
		}
		seen[s] = true
		switch name := patterns[s.pattern][s.next]; {
		case name == glob.AnyDepth:
			wild = append(wild, s)
			if s.next+1 < len(patterns[s.pattern]) {
				sort(state{s.pattern, s.next + 1}) // it stands for no directory, too
			}
		case glob.IsPlain(name):
			plain[name] = append(plain[name], s)
		default:
			wild = append(wild, s)
		}
	}
	for _, s := range states {
		sort(s)
	}
	if len(wild) == 0 {
		w.named(dir, patterns, plain)
		return
	}
	entries, err := hostfile.List(dir, w.left)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		w.hide(dir, "cannot be looked into")
		w.named(dir, patterns, plain)
		return
	}
	w.left -= len(entries)
	for _, e := range entries {
		name := e.Name()
		fit := slices.Clone(plain[name])
		for _, s := range wild {
			if of := patterns[s.pattern][s.next]; of == glob.AnyDepth || glob.MatchName(of, name) {
				fit = append(fit, s)
			}
		}
		if len(fit) > 0 {
			w.entry(dir, name, e.Type(), patterns, fit)
		}
	}
}

// named looks for names in a directory, which is not listed for that.
func (w *walk) named(dir string, patterns []glob.Pattern, names map[string][]state) {
	for name, states := range names {
		w.left--
		if info, err := os.Lstat(join(dir, name)); err == nil {
			w.entry(dir, name, info.Mode().Type(), patterns, states)
		}
	}
}

// entry goes on with a name that some patterns fit.
func (w *walk) entry(
	dir, name string, typ fs.FileMode, patterns []glob.Pattern, states []state,
) {
	means := false          // a pattern ends here
	wants := false          // a pattern has this very name for a directory
	var deeper, own []state // what is looked for beneath; by those patterns alone
	for _, s := range states {
		pattern := patterns[s.pattern]
		last := s.next == len(pattern)-1
		switch {
		case pattern[s.next] == glob.AnyDepth:
			means = means || last
			deeper = append(deeper, s)
		case last:
			means = true
		default:
			deeper = append(deeper, state{s.pattern, s.next + 1})
			if glob.IsPlain(pattern[s.next]) {
				wants = true
				own = append(own, state{s.pattern, s.next + 1})
			}
		}
	}
	if name == gitDir {
		deeper = own
	}
	switch {
	case typ.IsDir():
		if len(deeper) > 0 {
			w.in(join(dir, name), patterns, deeper)
		}
	case means:
		w.found(join(dir, name))
	case typ&fs.ModeSymlink != 0 && (wants || w.leadsAway(dir, name, patterns, deeper)):
		w.hide(join(dir, name), "is a link, and what it leads to is not looked at")
	}
}

// leadsAway reports whether a link stands for a directory beneath which patterns go on, and to
// which the walk does not come without it.
func (w *walk) leadsAway(dir, name string, patterns []glob.Pattern, deeper []state) bool {
	if len(deeper) == 0 {
		return false
	}
	to, err := hostfile.Follow(hostfile.Host, join(dir, name))
	switch {
	case err != nil:
		return true
	case to.Entry.Type != policy.Directory:
		return false
	}
	return slices.ContainsFunc(deeper, func(s state) bool {
		return !w.comesTo(to.Path, dir, patterns[s.pattern], s.next)
	})
}

// comesTo reports whether a pattern that is at its first ** in a directory means the same beneath
// another one: both lie where that ** begins.
func (w *walk) comesTo(to, dir string, pattern glob.Pattern, next int) bool {
	if next != slices.Index(pattern, glob.AnyDepth) {
		return false
	}
	begins := w.base
	names := strings.Split(strings.TrimPrefix(strings.TrimPrefix(dir, w.base), "/"), "/")
	for _, name := range names[:next] {
		begins = join(begins, name)
	}
	return policy.Within(to, begins) &&
		!slices.Contains(strings.Split(to[len(begins):], "/"), gitDir)
}

// hide notes a place in which nobody knows what lies. It counts as a file itself.
func (w *walk) hide(name, why string) {
	if w.hidden == nil {
		w.hidden = &HiddenError{Path: name, Why: why}
	}
	w.found(name)
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}
