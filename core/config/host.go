package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/project"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// host is the user's machine as the paths of a policy see it: what ~ and $NAME stand for, and where
// links lead. Each file is looked at once, however many paths lead through it, because start-up
// time is paid for every look: some two hundred default rules share a dozen directories.
type host struct {
	Options
	home     string            // without links
	values   map[string]string // of the variables that paths know, if they have one
	known    []string          // the names of those, with a value or without
	look     hostfile.Look
	projects *project.Finder
}

// newHost is the host for this user.
func newHost(o Options, r *report) *host {
	h := &host{Options: o, look: hostfile.Once(hostfile.Host)}
	h.expandable()
	home, err := hostfile.Follow(h.look, o.Home)
	if err != nil || !filepath.IsAbs(o.Home) {
		r.add(diag.Errorf("cannot find the home directory %q", o.Home).
			Try("set HOME to its absolute path"))
		return h
	}
	h.home = home.Path
	h.projects = project.New(h.look, h.home)
	return h
}

// expandable sets the variables that a path may hold.
func (h *host) expandable() {
	h.values = map[string]string{
		"HOME":    h.Home,
		"WORKDIR": h.Dir,
		"TMPDIR":  h.TempDir,
		"UID":     fmt.Sprint(h.UID),
	}
	h.known = []string{"HOME", "WORKDIR", "TMPDIR", "UID"}
	// Where the user has not said otherwise, the XDG base directories are at their usual places; a
	// relative one counts as not said. The runtime directory has no usual place.
	for name, usual := range map[string]string{
		"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache", "XDG_DATA_HOME": ".local/share",
		"XDG_STATE_HOME": ".local/state", "XDG_RUNTIME_DIR": "",
	} {
		h.known = append(h.known, name)
		if v, ok := h.Lookup(name); ok && filepath.IsAbs(v) {
			h.values[name] = v
		} else if usual != "" {
			h.values[name] = h.Home + "/" + usual
		}
	}
}

// badPath is why a path cannot be understood, and what to write instead.
type badPath struct {
	says  string
	hint  string
	unset bool // a known variable has no value here
}

// at is the problem with what was written at a source.
func (b *badPath) at(source policy.Source, written string) diag.Problem {
	return problem(source, "%s: %s", quote(shortened(written)), b.says).Try("%s", b.hint)
}

// shortened is a path for a message: of one that no file can have, the beginning is enough.
func shortened(path string) string {
	if len(path) <= hostfile.MaxPath {
		return path
	}
	return path[:60] + "..."
}

// expand returns the path as it is meant.
func (h *host) expand(s string) (string, *badPath) {
	switch {
	case s == "":
		return "", &badPath{says: "a path is missing", hint: "for the current directory write ."}
	case strings.ContainsRune(s, 0):
		return "", &badPath{says: "a path cannot hold a NUL byte"}
	case s == "~" || strings.HasPrefix(s, "~/"):
		s = "$HOME" + s[1:]
	case s[0] == '~':
		return "", &badPath{
			says: "~ stands for your own home directory only",
			hint: "write the other one out; for a file whose name starts with ~ write ./~",
		}
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if b.Len() > hostfile.MaxPath {
			return "", tooLong
		}
		if !found {
			return b.String(), nil
		}
		name := variableName(after)
		if name == "" {
			if strings.HasPrefix(after, "{") {
				return "", &badPath{
					says: "${...} is not evaluated here",
					hint: "variables are written without braces: $HOME",
				}
			}
			b.WriteByte('$')
			s = after
			continue
		}
		value, ok := h.values[name]
		if !ok {
			return "", h.unknown(name)
		}
		b.WriteString(value)
		s = after[len(name):]
	}
}

// tooLong is said of a path before anything is made of it: a text of a few kilobytes can name one
// of megabytes.
var tooLong = &badPath{
	says: fmt.Sprintf("no file has a path of more than %d bytes", hostfile.MaxPath),
	hint: "name the directory above it",
}

func (h *host) unknown(name string) *badPath {
	if slices.Contains(h.known, name) {
		return &badPath{
			says: "$" + name + " is not set here", hint: "write the directory out",
			unset: true,
		}
	}
	bad := &badPath{
		says: "$" + name + " is not a variable that paths know",
		hint: "paths know ~ $HOME $WORKDIR $TMPDIR $UID and $XDG_...; anything else is written out",
	}
	if near := schema.Nearest(name, h.known); near != "" {
		bad.hint = "did you mean $" + near + "?"
	}
	return bad
}

// variableName is the name at the start of s, or "".
func variableName(s string) string {
	for i, r := range s {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') &&
			(i == 0 || r < '0' || r > '9') {
			return s[:i]
		}
	}
	return s
}

// resolve follows the links of an absolute path. What is missing at its end is taken as written.
func (h *host) resolve(name string) (hostfile.Route, error) { return hostfile.Follow(h.look, name) }

// blocked is the directory that could not be searched, and whether it is this user's, who can
// change that. One of somebody else's keeps the agent out as well.
func (h *host) blocked(err error) (dir string, ours bool) {
	var pe *fs.PathError
	if !errors.As(err, &pe) || !errors.Is(err, fs.ErrPermission) {
		return "", false // links that go round in a circle lead to nothing
	}
	dir = filepath.Dir(pe.Path)
	var st unix.Stat_t
	return dir, unix.Lstat(dir, &st) == nil && int(st.Uid) == h.UID
}

// homely is a path as the user would write it.
func (h *host) homely(path string) string { return diag.Homely(path, h.home) }

// asName is an absolute path as a rule shows it next to what it leads to. Where the path goes up
// again (..) no clean path may mean the same, and the resolved one is shown instead.
func asName(path string, to hostfile.Route) string {
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return to.Path
		}
	}
	return filepath.Clean(path)
}

// reason is what the system said, without the name of the call: the message has the path already.
func reason(err error) error {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errors.New("permission denied")
	case errors.As(err, &pe):
		return pe.Err
	}
	return err
}
