package scope

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/hostfile"
)

// maxNames is how many names of files the patterns of a policy are compared with, all together, and
// how many a directory may have. A repository of a hundred thousand files has a few more.
const maxNames = 1 << 20

// walk looks for what patterns mean.
type walk struct {
	ctx   context.Context
	found func(path string)
	left  int // how many names may still be looked at
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
		w.found(dir) // what lies in it nobody knows
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
	case means, wants && typ&fs.ModeSymlink != 0:
		// A link in the place of a directory counts: what lies behind it is not looked at.
		w.found(join(dir, name))
	}
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}
