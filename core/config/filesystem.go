package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nono-run/nono/sdk/policy"
)

// rule is a path rule with what is needed to judge it, and no layer needs to see.
type rule struct {
	policy.PathRule
	links []string // as in place
}

// pattern is a default protection as it is written: relative to whatever project is granted.
type pattern struct {
	path string // ".git/hooks"
	typ  policy.FileType
	at   policy.Source
}

// glob is a path of the default profile with * in it.
type glob struct {
	access policy.Access
	path   string
	at     policy.Source
}

var accesses = []policy.Access{policy.Allow, policy.Read, policy.Write, policy.Deny, policy.Protect}

// filesystem reads a filesystem block.
func (l *loader) filesystem(t *text, b *tree) {
	for _, access := range accesses {
		for _, it := range b.list(string(access)) {
			if t.origin == policy.OriginDefault {
				l.defaultPath(access, it)
			} else {
				l.path(t, access, it, expanded)
			}
		}
	}
}

// defaultPath is a rule of the default profile. What does not exist is left out without a word, and what does not apply to this system,
// too: the profile lists what may be there on any. Only here may * stand in a path; it is replaced by what exists.
func (l *loader) defaultPath(access policy.Access, it item) {
	if access == policy.Protect && !strings.HasPrefix(it.text, "~") && !strings.HasPrefix(it.text, "$") {
		p := pattern{path: strings.TrimSuffix(it.text, "/"), typ: policy.Regular, at: it.at}
		if p.path != it.text {
			p.typ = policy.Directory
		}
		l.patterns = append(l.patterns, p)
		return
	}
	path, bad := l.vars.expand(it.text)
	switch {
	case bad != nil && bad.unset:
		return
	case bad != nil || !filepath.IsAbs(path):
		l.fail(it.at, "the built-in profile has a path that cannot be read: %s", it.text).add(l)
		return
	}
	if strings.ContainsRune(path, '*') {
		l.globs = append(l.globs, glob{access, path, it.at})
		return
	}
	l.ifExists(access, path, it.at)
}

func (l *loader) ifExists(access policy.Access, path string, at policy.Source) {
	p, err := l.paths.resolve(path)
	switch {
	case err != nil:
		l.hidden = append(l.hidden, hidden{access, path, at, err})
	case p.typ != policy.Missing && !l.has(access, p.path):
		l.add(access, path, p, at)
	}
}

// hidden is a path of the default profile that nono could not look at.
type hidden struct {
	access policy.Access
	path   string
	at     policy.Source
	err    error
}

// refuseHidden refuses grants in which a default denial may be hidden. An agent that could change a directory once may have taken away
// its own right to search it, so that this start sees nothing there to deny, and gives the right back to itself inside.
func (l *loader) refuseHidden() {
	all := l.grants(func(*rule) bool { return true })
	for _, h := range l.hidden {
		blocked, ours := l.blocked(h.err)
		if !h.access.Grants() && ours && all.Path(blocked, policy.OpRead).Allowed {
			l.fail(h.at, "cannot see whether there is a %s to %s: %s cannot be searched, and is granted", l.homely(h.path), h.access, l.homely(blocked)).
				Try("chmod u+rx %s", l.homely(blocked)).add(l)
		}
	}
}

// blocked is the directory that could not be searched, and whether it is this user's, who can change that. One of somebody else's
// keeps the agent out as well.
func (l *loader) blocked(err error) (dir string, ours bool) {
	var pe *fs.PathError
	if !errors.As(err, &pe) || !errors.Is(err, fs.ErrPermission) {
		return "", false // links that go round in a circle lead to nothing
	}
	dir = filepath.Dir(pe.Path)
	return dir, l.isOurs(dir)
}

func (l *loader) isOurs(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == l.UID
}

// expandGlobs adds what the patterns of the default profile match, once all grants are known: to list a large /tmp in order to deny
// what nothing grants would cost each start for nothing.
func (l *loader) expandGlobs() {
	all := l.grants(func(*rule) bool { return true })
	for _, g := range l.globs {
		before, _, _ := strings.Cut(g.path, "*")
		dir, err := l.paths.resolve(filepath.Dir(before + "x"))
		if err != nil || dir.typ != policy.Directory || !all.Path(dir.path, policy.OpRead).Allowed {
			continue
		}
		if !l.listable(dir.path) {
			l.hidden = append(l.hidden, hidden{g.access, g.path, g.at, &fs.PathError{Op: "list", Path: dir.path + "/*", Err: fs.ErrPermission}})
			continue
		}
		found, err := filepath.Glob(g.path)
		if err != nil {
			l.fail(g.at, "the built-in profile has a pattern that cannot be read: %v", err).add(l)
		}
		for _, path := range found {
			l.ifExists(g.access, path, g.at)
		}
	}
}

// listable reports whether a directory's names can be read. filepath.Glob takes one where they cannot for an empty one.
func (l *loader) listable(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == nil || errors.Is(err, io.EOF)
}

// has reports whether there is the same rule already: several names of a profile often lead to one file.
func (l *loader) has(access policy.Access, path string) bool {
	for i := range l.rules {
		if l.rules[i].Access == access && l.rules[i].Path == path {
			return true
		}
	}
	return false
}

// expanded and literally say whether ~ and $NAME in a path mean something.
const (
	expanded  = true
	literally = false
)

// path is a rule that the user wrote, in a file or as a flag. What does not exist stays in the policy and gives a notice.
func (l *loader) path(t *text, access policy.Access, it item, expand bool) {
	path := it.text
	if expand {
		var bad *badPath
		if path, bad = l.vars.expand(it.text); bad != nil {
			l.fail(it.at, "%s: %s", quote(it.text), bad.says).Try("%s", bad.hint).add(l)
			return
		}
	}
	if !filepath.IsAbs(path) {
		if t.dir == "" {
			l.fail(it.at, "%s is relative, and this file belongs to no project", quote(it.text)).
				Try("write $WORKDIR/%s for the directory that nono is started in", strings.TrimPrefix(path, "./")).add(l)
			return
		}
		path = t.dir + "/" + path
	}
	p, err := l.paths.resolve(path)
	if err != nil {
		l.fail(it.at, "cannot follow %s: %v", l.homely(path), reason(err)).add(l)
		return
	}
	if policy.Within(p.path, "/proc") {
		l.fail(it.at, "%s cannot be in a rule: the sandbox has a /proc of its own", quote(it.text)).add(l)
		return
	}
	if p.typ == policy.Missing {
		l.missing(access, path, it)
	}
	l.add(access, path, p, it.at)
}

// missing says that a rule is about nothing, and what that means.
func (l *loader) missing(access policy.Access, path string, it item) {
	shown := l.homely(filepath.Clean(path))
	switch {
	case access.Grants() && strings.ContainsAny(path, "*?"):
		l.notice(it.at, "%s does not exist, and %s takes no patterns; nothing is granted", shown, access)
	case access == policy.Read:
		l.notice(it.at, "%s does not exist; the run goes on without it", shown)
	case access.Grants():
		l.notice(it.at, "%s does not exist; nothing is granted, make it first", shown)
	case access == policy.Deny:
		l.notice(it.at, "%s does not exist; there is nothing to deny yet", shown)
	default:
		l.notice(it.at, "%s does not exist; there is nothing to protect yet", shown)
	}
}

// longestPath is PATH_MAX without its NUL: no file has a longer one.
const longestPath = 4095

func (l *loader) add(access policy.Access, name string, p *place, at policy.Source) {
	if len(p.path) > longestPath {
		l.fail(at, "cannot %s a path of %d bytes: no file has one of more than %d", access, len(p.path), longestPath).add(l)
		return
	}
	r := rule{links: p.links, PathRule: policy.PathRule{Access: access, Path: p.path, Type: p.typ, Source: at}}
	if n := asName(name, p); n != p.path {
		r.Name = n
	}
	l.rules = append(l.rules, r)
}

// reason is what the system said, without the name of the call: the message has the path already.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		if errors.Is(err, os.ErrPermission) {
			return errors.New("permission denied")
		}
		return pe.Err
	}
	return err
}

func quote(s string) string { return `"` + s + `"` }
