package config

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// A pattern under deny or protect means what exists when the run starts: it becomes a rule for each
// file and directory that it matches. * and ? stand for what they stand for in a shell, within a
// name; ** for any number of directories. Only what is granted is looked through, for nothing else
// can be seen inside; what the command turns out to need is granted later, and looked through then
// ([Config.Matching]).
//
// A link whose own name matches is followed: what it leads to is denied or protected, and the link
// is held in its place. So is a link to a directory that a name of the pattern matches, for an
// agent may have moved the directory away and made the link. ** goes through no links: it finds the
// directory wherever it was moved to.

// glob is a pattern of the user's.
type glob struct {
	access policy.Access
	// base is the directory in which it begins, links resolved; parts are what stands behind it, one a
	// name, as [path.Match] reads it, and [anyDepth].
	base  string
	parts []string
	// links are those that were followed to base.
	links []string
	it    language.Item
	found int // how much it matched
}

// anyDepth is the part that stands for any number of directories.
const anyDepth = "**"

// maxSteps bounds how much the patterns of a policy make nono look through, counted in names that
// are compared. A hundred thousand files with a handful of patterns take a third of this.
const maxSteps = 2 << 20

// maxParts is how many names a pattern may have one after the other.
const maxParts = 64

// wild stands before a * or ? of a pattern while the rest of it is expanded: no path has a NUL.
const wild = "\x00"

var wildcards = strings.NewReplacer("*", wild+"*", "?", wild+"?")

// glob reads a pattern.
func (r *reader) glob(s *source, access policy.Access, it language.Item) {
	text, bad := r.expandWith(it.Text, wildcards.Replace)
	if bad != nil {
		r.add(bad.at(it.Source, it.Text))
		return
	}
	before, _, _ := strings.Cut(text, wild)
	begins := strings.LastIndexByte(before, '/') + 1
	g := &glob{access: access, it: it}
	for part := range strings.SplitSeq(text[begins:], "/") {
		switch plain := strings.ReplaceAll(part, wild, ""); {
		case plain == "..":
			r.add(problem(it.Source, "%s: nothing is above what a pattern matches", quote(it.Text)).
				Try("write the directory out, without .."))
			return
		case plain == "" || plain == ".": // a // or a /./ means nothing more than a /
		case plain != anyDepth:
			g.parts = append(g.parts, asMatch(part))
		case len(g.parts) == 0 || g.parts[len(g.parts)-1] != anyDepth:
			g.parts = append(g.parts, anyDepth)
		}
	}
	if len(g.parts) > maxParts {
		r.add(problem(it.Source, "a pattern has more than %d names one after the other", maxParts).
			Try("begin it with the directory that is meant"))
		return
	}
	base, to, ok := r.follow(s.dir, cmp.Or(text[:begins], "."), it)
	if !ok {
		return
	}
	if policy.Within(to.Path, "/proc") {
		r.add(problem(it.Source, "%s cannot be in a rule: the sandbox has a /proc of its own",
			quote(it.Text)))
		return
	}
	if to.Entry.Type != policy.Directory {
		r.notice(it.Source, "%s is no directory; there is nothing to %s yet",
			r.homely(filepath.Clean(base)), access)
		return
	}
	g.base = to.Path
	for _, link := range to.Links() {
		g.links = append(g.links, link.Path)
	}
	r.globs = append(r.globs, g)
}

// asMatch is a part of a pattern as path.Match reads it: only what is marked as wild is.
func asMatch(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		switch c := part[i]; {
		case c == wild[0]:
			i++
			b.WriteByte(part[i])
		case strings.IndexByte(`*?[\`, c) >= 0:
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// expandUserGlobs adds a rule for all that the user's patterns match in what is granted, and says
// which of them match nothing.
func (r *reader) expandUserGlobs() {
	if len(r.globs) == 0 {
		return
	}
	grants := make([]policy.PathRule, 0, len(r.rules))
	for i := range r.rules {
		grants = append(grants, r.rules[i].PathRule)
	}
	r.steps = maxSteps
	r.lookThrough(grants)
	for _, g := range r.globs {
		if g.found == 0 {
			r.notice(g.it.Source, "%s matches nothing that is granted; there is nothing to %s yet",
				quote(g.it.Text), g.access)
		}
	}
}

// Matching are the rules that the user's patterns come to in what was granted since Load, and what
// refuses the run. It is for one goroutine, and not to be called beside [Config.Around].
func (c *Config) Matching(grants []policy.PathRule) ([]policy.PathRule, diag.Problems) {
	r := c.protector.reader
	if len(r.globs) == 0 {
		return nil, nil
	}
	rules, problems := len(r.rules), len(r.problems)
	r.steps, r.effort.left = maxSteps, maxEffort
	r.lookThrough(grants)
	more := make([]policy.PathRule, 0, len(r.rules)-rules)
	for i := range r.rules[rules:] {
		more = append(more, r.rules[rules+i].PathRule)
	}
	return more, r.problems[problems:]
}

// lookThrough adds a rule for all that the patterns match in some grants.
func (r *reader) lookThrough(grants []policy.PathRule) {
	s := &searcher{reader: r, seen: map[state]bool{}}
	for _, g := range grants {
		if !g.Access.Grants() || g.Type == policy.Missing {
			continue
		}
		s.granted.add(g.Path)
		if g.Access.Writable() {
			s.writable.add(g.Path)
		}
	}
	of := map[string][]state{} // what begins in one directory is looked for in one go
	var bases []string
	for i, g := range r.globs {
		if _, ok := of[g.base]; !ok {
			bases = append(bases, g.base)
		}
		of[g.base] = append(of[g.base], state{glob: int32(i)})
	}
	for _, base := range bases {
		s.directory(place{base, base}, s.reachOf(base), of[base])
	}
	s.match()
}

// searcher looks through directories.
type searcher struct {
	*reader
	granted, writable pathSet
	found             []match
	stopped           bool
	seen              map[state]bool // for reaching, and empty between its calls
}

// state is how far a pattern got on the way to a directory: which one, and the part that is next.
// It is small, for a hostile policy has many.
type state struct{ glob, part int32 }

// last reports whether the state's part is its pattern's last.
func (s *searcher) last(at state) bool { return int(at.part) == len(s.globs[at.glob].parts)-1 }

func (s *searcher) part(at state) string { return s.globs[at.glob].parts[at.part] }

// reach is whether a directory lies in a grant, and in a writable one.
type reach struct{ granted, writable bool }

func (s *searcher) reachOf(dir string) reach {
	return reach{s.granted.holds(dir), s.writable.holds(dir)}
}

// place is a directory, and the name by which a pattern came to it, which may lead through links.
type place struct{ path, name string }

// match is a path that a pattern matched.
type match struct {
	path string
	by   *glob
}

// directory compares all names in a directory with the parts that are next, and then goes on in the
// directories among them.
func (s *searcher) directory(dir place, in reach, states []state) {
	in.granted = in.granted || s.granted.in[dir.path]
	in.writable = in.writable || s.writable.in[dir.path]
	matters := map[policy.Access]bool{ // to something that lies here
		policy.Deny:    in.granted || s.granted.above[dir.path],
		policy.Protect: in.writable || s.writable.above[dir.path],
	}
	states = slices.DeleteFunc(s.reaching(states), func(at state) bool {
		return !matters[s.globs[at.glob].access]
	})
	if len(states) == 0 || s.stopped {
		return
	}
	type below struct {
		place
		in     reach
		states []state
	}
	var deeper []below
	next := make([]state, 0, len(states))
	err := s.list(dir.path, len(states), func(e fs.DirEntry) {
		at := place{path.Join(dir.path, e.Name()), path.Join(dir.name, e.Name())}
		isLink := e.Type()&fs.ModeSymlink != 0
		if next = s.compare(next[:0], at.name, isLink, states); len(next) == 0 {
			return
		}
		if e.IsDir() {
			deeper = append(deeper, below{at, in, slices.Clone(next)})
		} else if isLink {
			if at.path = s.leadsTo(at.name, s.globs[next[0].glob]); at.path != "" {
				deeper = append(deeper, below{at, s.reachOf(at.path), slices.Clone(next)})
			}
		}
	})
	if err != nil {
		s.unlisted(dir.path, s.globs[states[0].glob], err)
		return
	}
	for _, d := range deeper {
		s.directory(d.place, d.in, d.states)
	}
}

// leadsTo is the directory that a link leads to; "" where that is none.
func (s *searcher) leadsTo(link string, by *glob) string {
	s.effort.at = by.it.Source
	to, err := s.resolve(link)
	if blocked, ours := s.blocked(err); ours && s.granted.meets(blocked) {
		s.unlisted(blocked, by, err)
	}
	if err != nil || to.Entry.Type != policy.Directory || policy.Within(to.Path, "/proc") {
		return ""
	}
	return to.Path
}

// compare takes the matches among the states for one path, and adds to next those that go on in it:
// in a link those only that have its name.
func (s *searcher) compare(next []state, name string, isLink bool, states []state) []state {
	for _, at := range states {
		switch part := s.part(at); {
		case part == anyDepth && !s.last(at):
			if !isLink {
				next = append(next, at)
			}
		case part != anyDepth && !fits(part, path.Base(name)):
		case s.last(at):
			s.take(match{name, s.globs[at.glob]})
		default:
			next = append(next, state{at.glob, at.part + 1})
		}
	}
	return next
}

// take notes a match, as long as there are not too many for a policy.
func (s *searcher) take(m match) {
	if s.found = append(s.found, m); len(s.found) <= maxRules || s.stopped {
		return
	}
	s.stopped = true
	s.add(problem(m.by.it.Source, "with %s the patterns match more than %d files, "+
		"and no more rules are taken", quote(m.by.it.Text), maxRules).
		Try("%s the directory that many of them lie in", m.by.access))
}

// reaching are the states with those that ** reaches by standing for nothing, each once.
func (s *searcher) reaching(states []state) []state {
	clear(s.seen)
	all := make([]state, 0, 2*len(states))
	add := func(at state) {
		if !s.seen[at] {
			s.seen[at] = true
			all = append(all, at)
		}
	}
	for _, at := range states {
		add(at)
		if s.part(at) == anyDepth && !s.last(at) {
			add(state{at.glob, at.part + 1})
		}
	}
	return all
}

// fits reports whether a name matches a part. A part that cannot be read matches everything: more
// is denied, and not less.
func fits(part, name string) bool {
	ok, err := path.Match(part, name)
	return ok || err != nil
}

// list goes through the names in a directory. Comparing each with a number of states takes as many
// steps.
func (s *searcher) list(dir string, states int, each func(fs.DirEntry)) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	s.steps -= states
	for {
		some, err := f.ReadDir(256)
		if s.steps -= len(some) * (1 + states); s.steps < 0 {
			return errEffort
		}
		for _, e := range some {
			if each(e); s.stopped {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unlisted says that a directory could not be looked through. Whoever it belongs to could make it
// so, and give himself the right back inside.
func (s *searcher) unlisted(dir string, by *glob, err error) {
	switch {
	case errors.Is(err, errEffort):
		s.stopped = true
		s.add(problem(by.it.Source, "there is more to look through for %s than a start may take",
			quote(by.it.Text)).Try("begin it with the directory that is meant: src/**/*.pem"))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		// It went away meanwhile, or is no directory any more.
	case errors.Is(err, fs.ErrPermission):
		var st unix.Stat_t
		if unix.Lstat(dir, &st) != nil || int(st.Uid) != s.UID {
			return // the agent has no right there either
		}
		s.add(problem(by.it.Source, "cannot see what there is to %s: %s cannot be searched, "+
			"and is granted", by.access, s.homely(dir)).Try("chmod u+rx %s", s.homely(dir)))
	default:
		s.add(problem(by.it.Source, "cannot see what there is to %s in %s: %v", by.access,
			s.homely(dir), reason(err)))
	}
}

// match makes the rules, in the order of the paths.
func (s *searcher) match() {
	slices.SortStableFunc(s.found, func(a, b match) int { return strings.Compare(a.path, b.path) })
	for _, m := range s.found {
		m.by.found++
		s.stateMatch(m)
	}
}

// stateMatch makes the rule for one match, once.
func (s *searcher) stateMatch(m match) {
	s.effort.at = m.by.it.Source
	to, err := s.resolve(m.path)
	if blocked, ours := s.blocked(err); ours && s.granted.meets(blocked) {
		s.unlisted(blocked, m.by, err)
		return
	}
	key := statement{m.by.access, to.Path}
	if err != nil || to.Entry.Type == policy.Missing || policy.Within(to.Path, "/proc") ||
		s.matched[key] {
		return // a link that leads nowhere, or what the sandbox has of its own
	}
	s.matched[key] = true
	before := len(s.rules)
	s.state(m.by.access, m.path, to, m.by.it.Source)
	for i := range s.rules[before:] {
		s.rules[before+i].matched = true
	}
}

// proveGlobs refuses a pattern that begins behind a link which an agent could lead elsewhere.
func (r *reader) proveGlobs(all *policy.Decider) {
	for _, g := range r.globs {
		if by, ok := r.plantedOn(g.links, false, all); ok {
			r.add(problem(g.it.Source, "%s begins behind the link %s, %s", quote(g.it.Text),
				r.homely(by.link), by.why).
				Try("write what the link leads to: %s", r.homely(g.base)))
		}
	}
}
