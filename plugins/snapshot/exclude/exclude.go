// Package exclude decides which files' contents are not stored, because they can be made again:
// what a package manager installed, what a compiler wrote.
//
// The patterns are the policy's, as in a .gitignore ([policy.SnapshotExclude] says how they are
// written), and the last that matches decides:
//
//	node_modules/   directories of that name, wherever they lie
//	*.pyc           names with that ending
//	data/**/*.bin   a path seen from the recorded directory
//	!target/        takes back an earlier one
//	target/ beside Cargo.toml    only where that stands in the same directory
//
// What lies in an excluded directory is excluded with it, and nobody asks about it.
//
// Every file of a tree is asked about, so patterns are found by the last name in them, with one
// look into a map; only those whose last name has a wildcard are tried one after the other.
package exclude

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/policy"
)

// Patterns are what is excluded.
type Patterns struct {
	byName map[string][]pattern // those whose last name is plain, by it; the last in the policy first
	others []pattern            // in the same order
}

type pattern struct {
	number  int // its place in the policy: the highest that matches decides
	back    bool
	dirs    bool
	anyPath bool // it is about a name alone
	// above are the names before the last one, and last is that if it is not plain.
	above []string
	last  string
	// ending is what a name must end with, for a last name such as *.pyc.
	ending string
	// beside is what must stand in the same directory, if anything.
	beside string
}

// New takes patterns in the policy's order.
func New(patterns []string) (*Patterns, error) {
	p := &Patterns{byName: map[string][]pattern{}}
	for number := len(patterns) - 1; number >= 0; number-- {
		text := patterns[number]
		if err := policy.CheckExclude(text); err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", text, err)
		}
		one := pattern{number: number}
		text, one.beside = policy.CutBeside(text)
		text, one.back = strings.CutPrefix(text, "!")
		text, one.dirs = strings.CutSuffix(text, "/")
		one.anyPath = !strings.Contains(text, "/")
		names := strings.Split(strings.TrimPrefix(text, "/"), "/")
		if names[len(names)-1] == "**" {
			names = append(names, "*") // all that is in it, and not the directory itself
		}
		one.above, one.last = names[:len(names)-1], names[len(names)-1]
		if glob.IsPlain(one.last) {
			p.byName[one.last] = append(p.byName[one.last], one)
			continue
		}
		if rest, ok := strings.CutPrefix(one.last, "*"); ok && glob.IsPlain(rest) {
			one.ending = rest
		}
		p.others = append(p.others, one)
	}
	return p, nil
}

// Match reports whether what stands at a name in a directory is excluded, where the directory
// itself is not.
func (p *Patterns) Match(dir, name string, isDir bool, beside func(string) bool) bool {
	best, excluded := -1, false
	for _, patterns := range [][]pattern{p.byName[name], p.others} {
		for i := range patterns {
			one := &patterns[i]
			if one.number < best {
				break
			}
			if one.match(dir, name, isDir) && (one.beside == "" || beside(one.beside)) {
				best, excluded = one.number, !one.back
				break
			}
		}
	}
	return excluded
}

func (p *pattern) match(dir, name string, isDir bool) bool {
	switch {
	case p.dirs && !isDir:
		return false
	case p.ending != "" && !strings.HasSuffix(name, p.ending):
		return false
	case p.ending == "" && !glob.IsPlain(p.last) && !glob.MatchName(p.last, name):
		return false
	}
	if p.anyPath {
		return true
	}
	var names []string
	if dir != "" {
		names = strings.Split(dir, "/")
	}
	return glob.MatchNames(p.above, names)
}
