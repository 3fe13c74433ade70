package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/project"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/git"
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
	effort   *effort
	git      *git.Finder
	projects *project.Finder
}

// newHost is the host for this user.
func newHost(o Options, r *report) *host {
	h := &host{Options: o, effort: newEffort(r)}
	// What was seen already costs half: the other half is the kernel's.
	h.look = h.effort.bounded(hostfile.Once(h.effort.bounded(hostfile.Host)))
	h.expandable()
	home, err := hostfile.Follow(h.look, o.Home)
	if err != nil || !filepath.IsAbs(o.Home) {
		r.add(diag.Errorf("cannot find the home directory %q", o.Home).
			Try("set HOME to its absolute path"))
		return h
	}
	h.home = home.Path
	h.git = git.New(h.look, h.home, h.values["XDG_CONFIG_HOME"])
	h.projects = project.New(h.git, h.home)
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

// expand is the path that a text of a file means. A ~ at its beginning and $NAME stand for
// directories. A $ before another $, * or ? takes that as it is, and $xHH is the byte of that
// value: so every name that a file can have can be written.
func (h *host) expand(s string) (string, *badPath) {
	return h.expandWith(s, func(text string) string { return text })
}

// expandWith is expand, with what stands for itself in the text replaced.
func (h *host) expandWith(s string, plain func(string) string) (string, *badPath) {
	s, bad := homeless(s)
	if bad != nil {
		return "", bad
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(plain(before))
		if b.Len() > hostfile.MaxPath {
			return "", tooLong
		}
		if !found {
			return b.String(), nil
		}
		taken, c := escaped(after)
		if name := variableName(after); taken == 0 && name != "" {
			value, bad := h.value(name)
			if bad != nil {
				return "", bad
			}
			b.WriteString(value)
			s = after[len(name):]
			continue
		}
		if c == 0 {
			return "", noNUL
		}
		b.WriteByte(c)
		s = after[taken:]
	}
}

// literal is the path that a flag means: every byte stands for itself, but for a ~ at the
// beginning, which a shell leaves alone behind a = or in quotes.
func (h *host) literal(s string) (string, *badPath) {
	_, bad := homeless(s)
	if bad == nil && (s == "~" || strings.HasPrefix(s, "~/")) {
		s = h.Home + s[1:]
	}
	if bad == nil && len(s) > hostfile.MaxPath {
		bad = tooLong
	}
	if bad != nil {
		return "", bad
	}
	return s, nil
}

// homeless is a path with $HOME for the ~ at its beginning.
func homeless(s string) (string, *badPath) {
	switch {
	case s == "":
		return "", &badPath{says: "a path is missing", hint: "for the current directory write ."}
	case strings.ContainsRune(s, 0):
		return "", noNUL
	case s == "~" || strings.HasPrefix(s, "~/"):
		return "$HOME" + s[1:], nil
	case s[0] == '~':
		return "", &badPath{
			says: "~ stands for your own home directory only",
			hint: "write the other one out; for a file whose name starts with ~ write ./~",
		}
	}
	return s, nil
}

// escaped is the byte that a $ stands for together with what follows it, and how much of that
// belongs to it. Where it is no escape, the $ stands for itself.
func escaped(after string) (taken int, c byte) {
	if after != "" && strings.IndexByte("$*?", after[0]) >= 0 {
		return 1, after[0]
	}
	if len(after) >= 3 && after[0] == 'x' {
		if n, err := strconv.ParseUint(after[1:3], 16, 8); err == nil {
			return 3, byte(n)
		}
	}
	return 0, '$'
}

// isPattern reports whether a text of a file has a * or ? that does not stand for itself.
func isPattern(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?':
			return true
		case '$':
			taken, _ := escaped(s[i+1:])
			i += taken
		}
	}
	return false
}

var noNUL = &badPath{says: "a path cannot hold a NUL byte"}

// tooLong is said of a path before anything is made of it: a text of a few kilobytes can name one
// of megabytes.
var tooLong = &badPath{
	says: fmt.Sprintf("no file has a path of more than %d bytes", hostfile.MaxPath),
	hint: "name the directory above it",
}

// value is what a variable stands for.
func (h *host) value(name string) (string, *badPath) {
	if value, ok := h.values[name]; ok {
		return value, nil
	}
	if slices.Contains(h.known, name) {
		return "", &badPath{
			says: "$" + name + " is not set here", hint: "write the directory out",
			unset: true,
		}
	}
	bad := &badPath{
		says: "$" + name + " is not a variable that paths know",
		hint: "paths know ~ $HOME $WORKDIR $TMPDIR $UID and $XDG_...; for a $ of a name write $$",
	}
	if near := schema.Nearest(name, h.known); near != "" {
		bad.hint = "did you mean $" + near + "? for a $ of a name write $$"
	}
	return "", bad
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
func (h *host) resolve(name string) (hostfile.Route, error) {
	return hostfile.FollowLinks(h.look, name)
}

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

// systems reports whether a link is the system's own: no agent of an earlier run can have made it,
// or have brought it to where it stands. What earlier agents could write nobody remembers, so who
// owns the link decides, and every directory above it: all are root's, and nobody else can change
// them. Root's own agents make links that are root's; of those only the ones in a few of the
// system's directories are believed.
func (h *host) systems(link string) bool {
	dir := filepath.Dir(link)
	if h.UID == 0 && dir != "/" && dir != "/var" && !policy.Within(dir, "/usr") &&
		!policy.Within(dir, "/etc") {
		return false
	}
	for at := link; ; at = filepath.Dir(at) {
		if e, err := h.look(at); err != nil || !e.Rooted {
			return false
		}
		if at == "/" {
			return true
		}
	}
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
