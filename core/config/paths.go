package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// expander replaces ~ and the few variables that a path may hold.
type expander struct {
	variables map[string]string // only those that have a value
	known     []string
}

func newExpander(o Options) expander {
	e := expander{variables: map[string]string{
		"HOME":    o.Home,
		"WORKDIR": o.Dir,
		"TMPDIR":  o.TempDir,
		"UID":     fmt.Sprint(o.UID),
	}}
	// Where the user has not said otherwise, the XDG base directories are at their usual places; a relative one counts as not said. The
	// runtime directory has no usual place.
	for name, usual := range map[string]string{
		"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state",
		"XDG_RUNTIME_DIR": "",
	} {
		e.known = append(e.known, name)
		if v, ok := o.Lookup(name); ok && filepath.IsAbs(v) {
			e.variables[name] = v
		} else if usual != "" {
			e.variables[name] = o.Home + "/" + usual
		}
	}
	e.known = append(e.known, "HOME", "WORKDIR", "TMPDIR", "UID")
	return e
}

// badPath is why a path cannot be understood, and what to write instead.
type badPath struct {
	says  string
	hint  string
	unset bool // a known variable has no value here
}

// expand returns the path as it is meant.
func (e expander) expand(s string) (string, *badPath) {
	switch {
	case s == "":
		return "", &badPath{says: "a path is missing", hint: "for the current directory write ."}
	case strings.ContainsRune(s, 0):
		return "", &badPath{says: "a path cannot hold a NUL byte"}
	case s == "~" || strings.HasPrefix(s, "~/"):
		s = "$HOME" + s[1:]
	case s[0] == '~':
		return "", &badPath{says: "~ stands for your own home directory only", hint: "write the other one out; for a file whose name starts with ~ write ./~"}
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name := variableName(after)
		if name == "" {
			if strings.HasPrefix(after, "{") {
				return "", &badPath{says: "${...} is not evaluated here", hint: "variables are written without braces: $HOME"}
			}
			b.WriteByte('$')
			s = after
			continue
		}
		value, ok := e.variables[name]
		if !ok {
			return "", e.unknown(name)
		}
		b.WriteString(value)
		s = after[len(name):]
	}
}

func (e expander) unknown(name string) *badPath {
	if slices.Contains(e.known, name) {
		return &badPath{says: "$" + name + " is not set here", hint: "write the directory out", unset: true}
	}
	bad := &badPath{
		says: "$" + name + " is not a variable that paths know",
		hint: "paths know ~ $HOME $WORKDIR $TMPDIR $UID and $XDG_...; anything else is written out",
	}
	if near := schema.Nearest(name, e.known); near != "" {
		bad.hint = "did you mean $" + near + "?"
	}
	return bad
}

// variableName is the name at the start of s, or "".
func variableName(s string) string {
	for i, r := range s {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return s[:i]
		}
	}
	return s
}

// place is where a path leads.
type place struct {
	// path is absolute, with every link resolved; what is missing at its end is taken as written.
	path string
	typ  policy.FileType
	// links are the links that were followed, each at its own resolved place, in order. Who can replace one of them decides where the
	// path leads the next time.
	links []string
}

// resolver follows links. It looks at each directory once, however many paths lead through it, because start-up time is paid for
// every lstat: some two hundred default rules share a dozen directories.
type resolver struct {
	seen map[string]*place // by path as asked for; nil while it is being followed
}

// resolve follows an absolute path. It fails where the host does not let us look, and for links that go round in a circle.
func (r *resolver) resolve(name string) (*place, error) {
	if p, ok := r.seen[name]; ok {
		if p == nil {
			return nil, &fs.PathError{Op: "follow", Path: name, Err: errors.New("its links go round in a circle")}
		}
		return p, nil
	}
	r.seen[name] = nil // met again before it is known, it is a circle
	p, err := r.follow(name)
	if err != nil {
		delete(r.seen, name)
		return nil, err
	}
	r.seen[name] = p
	return p, nil
}

// follow resolves the parent, and then the last name in it. It does not clean the path first: beneath a link, ".." is the
// parent of where the link leads.
func (r *resolver) follow(name string) (*place, error) {
	name = strings.TrimRight(name, "/")
	if name == "" {
		return &place{path: "/", typ: policy.Directory}, nil
	}
	cut := strings.LastIndexByte(name, '/')
	base := name[cut+1:]
	parent, err := r.resolve(name[:cut])
	if err != nil || base == "." {
		return parent, err
	}
	if base == ".." {
		if parent.typ != policy.Directory {
			return nil, &fs.PathError{Op: "follow", Path: name, Err: errors.New(".. stands after something that is no directory")}
		}
		return &place{path: filepath.Dir(parent.path), typ: policy.Directory, links: parent.links}, nil
	}
	at := filepath.Join(parent.path, base)
	if parent.typ != policy.Directory {
		return &place{path: at, typ: policy.Missing, links: parent.links}, nil
	}
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &place{path: at, typ: policy.Missing, links: parent.links}, nil
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink == 0:
		return &place{path: at, typ: fileType(info.Mode()), links: parent.links}, nil
	}
	target, err := os.Readlink(at)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(target) {
		target = parent.path + "/" + target
	}
	end, err := r.resolve(target)
	if err != nil {
		return nil, err
	}
	links := append(parent.links[:len(parent.links):len(parent.links)], at)
	return &place{path: end.path, typ: end.typ, links: append(links, end.links...)}, nil
}

func fileType(m fs.FileMode) policy.FileType {
	switch {
	case m.IsDir():
		return policy.Directory
	case m.IsRegular():
		return policy.Regular
	}
	return policy.Special
}

// asName is an absolute path as a rule shows it next to what it leads to. Where the path goes up again (..) no clean path
// may mean the same, and the resolved one is shown instead.
func asName(path string, p *place) string {
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return p.path
		}
	}
	return filepath.Clean(path)
}

func (l *loader) homely(path string) string { return diag.Homely(path, l.home) }
