package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// defaults is what the default profile says of paths, as far as it is no rule yet.
type defaults struct {
	patterns []pattern
	globs    []defaultGlob
	hidden   []hidden
}

// pattern is a protection of nono's own as it is written: relative to whatever project is granted,
// or the path of what holds for all.
type pattern struct {
	path string // ".git/hooks"
	typ  policy.FileType
	at   policy.Source
}

// defaultGlob is a path of the default profile with * in it: a directory, and a pattern of what
// lies in it.
type defaultGlob struct {
	access  policy.Access
	dir     string
	pattern string
	at      policy.Source
}

// hidden is a path of the default profile that nono could not look at.
type hidden struct {
	access policy.Access
	path   string
	at     policy.Source
	err    error
}

// defaultPath is a rule of the default profile. What does not exist is left out without a word, and
// what does not apply to this system, too: the profile lists what may be there on any. In no other
// profile may a * stand in a path; it is replaced by what exists.
func (r *reader) defaultPath(access policy.Access, it language.Item) {
	if access == policy.Protect && !strings.HasPrefix(it.Text, "~") &&
		!strings.HasPrefix(it.Text, "$") {
		r.protection(it.Text, it)
		return
	}
	dir, pattern := it.Text, ""
	if before, _, wild := strings.Cut(it.Text, "*"); wild {
		last := strings.LastIndexByte(before, '/')
		dir, pattern = it.Text[:last], it.Text[last+1:]
	}
	path, bad := r.expand(dir)
	switch {
	case bad != nil && bad.unset:
	case bad != nil || !filepath.IsAbs(path):
		r.add(problem(it.Source, "the built-in profile has a path that cannot be read: %s",
			it.Text))
	case pattern != "":
		r.defaults.globs = append(r.defaults.globs, defaultGlob{access, path, pattern, it.Source})
	default:
		r.ifExists(access, path, it.Source)
	}
}

// protection is a name that nono protects by itself: where it does not exist, the end of the run
// tells that it was made, and a write rule of the user's lifts it. A / at its end means a
// directory.
func (r *reader) protection(path string, it language.Item) {
	p := pattern{path: strings.TrimSuffix(path, "/"), typ: policy.Regular, at: it.Source}
	if p.path != path {
		p.typ = policy.Directory
	}
	r.defaults.patterns = append(r.defaults.patterns, p)
}

func (r *reader) ifExists(access policy.Access, path string, at policy.Source) {
	// Most do not: the kernel says so in one look, through whatever links there are on the way.
	if e, err := r.look(path); err == nil && e.Type == policy.Missing {
		return
	}
	to, err := r.resolve(path)
	switch {
	case err != nil:
		r.defaults.hidden = append(r.defaults.hidden, hidden{access, path, at, err})
	case to.Entry.Type != policy.Missing && !r.stated[statement{access, to.Path}]:
		r.state(access, path, to, at)
	}
}

// expandGlobs adds what the patterns of the default profile match. Denials come when all grants are
// known: to list a large /tmp in order to deny what nothing grants would cost each start for
// nothing.
func (r *reader) expandGlobs() {
	var denials []defaultGlob
	var dirs []string
	grants := map[string][]defaultGlob{} // of one directory: it is listed once
	for _, g := range r.defaults.globs {
		switch _, known := grants[g.dir]; {
		case !g.access.Grants():
			denials = append(denials, g)
		case !known:
			dirs = append(dirs, g.dir)
			fallthrough
		default:
			grants[g.dir] = append(grants[g.dir], g)
		}
	}
	for _, dir := range dirs {
		r.expandIn(dir, grants[dir])
	}
	all := r.grants(func(*rule) bool { return true })
	for _, g := range denials {
		dir, err := r.resolve(g.dir)
		switch {
		case err != nil:
		case all.Path(dir.Path, policy.OpRead).Allowed:
			r.expandIn(g.dir, []defaultGlob{g})
		default:
			r.expandBeneath(dir.Path, g)
		}
	}
}

// expandBeneath adds what a denial matches in a directory of which only parts are granted: the
// names of those parts are all that can be seen inside.
func (r *reader) expandBeneath(dir string, g defaultGlob) {
	var names []string
	for i := range r.rules {
		p := r.rules[i].Path
		if r.rules[i].Access.Grants() && p != dir && policy.Within(p, dir) {
			name, _, _ := strings.Cut(strings.TrimPrefix(p[len(dir):], "/"), "/")
			names = append(names, name)
		}
	}
	found, err := matchIn(nil, g.dir, g.pattern, names)
	if err != nil {
		r.add(problem(g.at, "the built-in profile has a pattern that cannot be read: %v", err))
	}
	for _, name := range found {
		r.ifExists(g.access, name, g.at)
	}
}

// expandIn adds what patterns match in one directory.
func (r *reader) expandIn(dir string, globs []defaultGlob) {
	at, err := r.resolve(dir)
	if err != nil || at.Entry.Type != policy.Directory {
		return
	}
	patterns := make([]string, len(globs))
	for i, g := range globs {
		patterns[i] = g.pattern
	}
	found, err := matching(dir, patterns)
	if err != nil {
		unseen := &fs.PathError{Op: "list", Path: at.Path + "/*", Err: fs.ErrPermission}
		for _, g := range globs {
			r.defaults.hidden = append(r.defaults.hidden,
				hidden{g.access, g.dir + "/" + g.pattern, g.at, unseen})
		}
		return
	}
	for i, g := range globs {
		if len(found[i]) > maxRules {
			r.add(problem(g.at, "there are more than %d files in %s that this is about", maxRules,
				r.homely(at.Path)).Try("grant less than that directory, or remove them"))
			continue
		}
		for _, name := range found[i] {
			r.ifExists(g.access, name, g.at)
		}
	}
}

// matching are the paths in a directory that patterns mean, each with what stands behind its first
// slash, as far as they are not too many for a policy. Names are read some at a time: whoever
// filled a directory with millions of them must not fill the memory.
func matching(dir string, patterns []string) ([][]string, error) {
	// Not to wait for whoever put a pipe there meanwhile.
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	found := make([][]string, len(patterns))
	for {
		names, err := f.Readdirnames(256)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		full := true
		for i, pattern := range patterns {
			if found[i], err = matchIn(found[i], dir, pattern, names); err != nil {
				return nil, err
			}
			full = full && len(found[i]) > maxRules
		}
		if full {
			return found, nil
		}
	}
}

// matchIn adds the names that a pattern means to those found, up to one too many for a policy.
func matchIn(found []string, dir, pattern string, names []string) ([]string, error) {
	pattern, beneath, deeper := strings.Cut(pattern, "/")
	for _, name := range names {
		fits, err := path.Match(pattern, name)
		switch {
		case err != nil:
			return nil, err
		case !fits || len(found) > maxRules:
		case deeper:
			found = append(found, dir+"/"+name+"/"+beneath)
		default:
			found = append(found, dir+"/"+name)
		}
	}
	return found, nil
}

// refuseHidden refuses grants in which a default denial may be hidden. An agent that could change a
// directory once may have taken away its own right to search it, so that this start sees nothing
// there to deny, and gives the right back to itself inside.
func (r *reader) refuseHidden() {
	all := r.grants(func(*rule) bool { return true })
	for _, h := range r.defaults.hidden {
		blocked, ours := r.blocked(h.err)
		if !h.access.Grants() && ours && all.Path(blocked, policy.OpRead).Allowed {
			r.add(problem(h.at,
				"cannot see whether there is a %s to %s: %s cannot be searched, and is granted",
				r.homely(h.path), h.access, r.homely(blocked)).
				Try("chmod u+rx %s", r.homely(blocked)))
		}
	}
}
