package toolchain

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// manager is a version manager that stands in PATH with shims: programs that choose among the
// installed versions of a tool at each start.
type manager struct {
	name string
	at   place
	// versions is where in that place the versions of a tool are, by the name of the tool, where the
	// manager has several.
	versions string
	// shims is where the shims are, and nothing else. A manager without such a directory has its
	// shims beside other programs: see proxies.
	shims string
	// wants reads what versions are asked for in the current directory, the first to be tried first.
	wants func(r *resolver, m *manager) []want
	// prefixes may stand before a version where it is asked for.
	prefixes []string
}

// want is a version that is asked for.
type want struct {
	tool    string // where the manager has several
	version string
	by      string // the file or the variable that asks
}

func (w want) String() string { return strings.TrimPrefix(w.tool+" "+w.version, " ") }

var managers = []manager{
	{
		name: "pyenv", at: pyenvPlace, versions: "versions", shims: "shims",
		wants: wantsOfRbenv("PYENV_VERSION", ".python-version"), prefixes: []string{"python-"},
	},
	{
		name: "rbenv", at: rbenvPlace, versions: "versions", shims: "shims",
		wants: wantsOfRbenv("RBENV_VERSION", ".ruby-version"), prefixes: []string{"ruby-"},
	},
	{
		name: "nodenv", at: nodenvPlace, versions: "versions", shims: "shims",
		wants: wantsOfRbenv("NODENV_VERSION", ".node-version"), prefixes: []string{"node-", "v"},
	},
	{name: "asdf", at: asdfPlace, versions: "installs", shims: "shims", wants: wantsOfAsdf},
	{name: "mise", at: misePlace, versions: "installs", shims: "shims", wants: wantsOfMise},
	{name: "volta", at: voltaPlace, versions: "tools/image", shims: "bin", wants: wantsOfVolta},
	{name: "rustup", at: rustupPlace, versions: "toolchains", wants: wantsOfRustup},
}

// proxies are the programs that rustup has under its own name in a directory of PATH, in which
// other programs may lie as well.
var proxies = []string{
	"cargo", "rustc", "rustdoc", "rustfmt", "rust-gdb", "rust-gdbgui", "rust-lldb", "rust-analyzer",
	"cargo-clippy", "cargo-fmt", "cargo-miri", "clippy-driver", "rls",
}

// shimsDir is the directory of a manager's shims; empty if it has none of its own.
func (r *resolver) shimsDir(m *manager) string {
	if m.shims == "" {
		return ""
	}
	return path.Join(r.dir(m.at), m.shims)
}

// manager is the one whose shim a file is.
func (r *resolver) manager(file string) *manager {
	dir, _, err := r.host.follow(path.Dir(file))
	if err != nil {
		return nil
	}
	for i := range managers {
		m := &managers[i]
		if m.shims == "" {
			if slices.Contains(proxies, path.Base(file)) && r.hasProxies(m, dir) {
				return m
			}
			continue
		}
		if shims, _, err := r.host.follow(r.shimsDir(m)); err == nil && dir == shims {
			return m
		}
	}
	return nil
}

// hasProxies reports whether the manager, which has no directory of shims, has them here.
func (r *resolver) hasProxies(m *manager, dir string) bool {
	return r.isProgram(path.Join(dir, m.name)) &&
		r.host.isDirectory(path.Join(r.dir(m.at), m.versions))
}

// system is the version that means whatever PATH has besides the shims.
const system = "system"

// choose finds the program that a shim would run. Of several versions the first that has the
// program wins; the system's comes last.
func (r *resolver) choose(m *manager, name string) (string, *Error) {
	wants := m.wants(r, m)
	isSystem := func(w want) bool { return w.version == system }
	var absent, tried []want
	for _, w := range append(wants, want{version: system}) {
		var file string
		var ok bool
		if isSystem(w) {
			if len(absent) > 0 && !slices.ContainsFunc(wants, isSystem) {
				break // a program of another version than was asked for is no substitute
			}
			found, err := r.search(name, r.withoutShims()...)
			file, ok = found, err == nil
		} else {
			dir, installed := r.installed(m, w)
			if !installed {
				absent = append(absent, w)
				continue
			}
			tried = append(tried, want{w.tool, path.Base(dir), w.by})
			file = path.Join(dir, "bin", name)
			if ok = r.check(file) == nil; ok {
				r.chosenBy = w.by
				r.tc.PathPrepend = append(r.tc.PathPrepend, path.Join(dir, "bin"))
			}
		}
		if ok {
			if len(absent) > 0 {
				r.tc.Notices = append(r.tc.Notices, "of the versions that "+absent[0].by+" asks for, "+
					m.name+" has not installed "+list(absent))
			}
			return file, nil
		}
	}
	switch {
	case len(absent) > 0:
		return "", fail(notFound, "cannot run %s: %s asks %s for version %s, which is not installed",
			name, absent[0].by, m.name, list(absent)).
			try("install it, or change %s", absent[0].by)
	case len(tried) > 0:
		return "", fail(notFound, "cannot run %s: %s %s, which %s asks for, has no such command",
			name, m.name, list(tried), tried[0].by)
	case len(wants) > 0:
		return "", fail(notFound, "cannot run %s: %s is set to the system's, and PATH has none",
			name, m.name)
	}
	return "", fail(notFound, "cannot run %s: %s has no version set for it, and PATH has no other",
		name, m.name)
}

func list(wants []want) string {
	texts := make([]string, len(wants))
	for i, w := range wants {
		texts[i] = w.String()
	}
	return strings.Join(texts, ", ")
}

// withoutShims are the directories of PATH that have nothing but shims.
func (r *resolver) withoutShims() []string {
	var dirs []string
	for i := range managers {
		if dir := r.shimsDir(&managers[i]); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// chosen are the directories of programs that a manager's shims lead to.
func (r *resolver) chosen(m *manager) (bins []string, by string) {
	for _, w := range m.wants(r, m) {
		if dir, ok := r.installed(m, w); ok && w.version != system {
			bin := path.Join(dir, "bin")
			if r.host.isDirectory(bin) {
				bins = append(bins, bin)
				by = w.by
			}
		}
	}
	return bins, by
}

// installed is the directory of a version: of that name, or the newest of which it is the
// beginning.
func (r *resolver) installed(m *manager, w want) (string, bool) {
	all := path.Join(r.dir(m.at), m.versions, w.tool)
	names := []string{w.version}
	for _, p := range m.prefixes {
		names = append(names, strings.TrimPrefix(w.version, p))
	}
	for _, v := range names {
		// A version is a name of what lies in there, and no way out of it.
		if v == "" || v == "." || !fs.ValidPath(v) {
			continue
		}
		if r.host.isDirectory(path.Join(all, v)) {
			return path.Join(all, v), true
		}
		var newest string
		for _, name := range r.host.list(all) {
			switch {
			case strings.HasPrefix(name, v+".") && numbers(name) != nil &&
				slices.Compare(numbers(name), numbers(newest)) > 0:
				newest = name
			case m.name == "rustup" && strings.HasPrefix(name, v+"-") && newest == "":
				newest = name // a channel, and after it the machine that it is for
			}
		}
		if newest != "" {
			return path.Join(all, newest), true
		}
	}
	return "", false
}

// numbers is a plain version, such as 3.11.7, in numbers; anything else is nil.
func numbers(version string) []int {
	var ns []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		ns = append(ns, n)
	}
	return ns
}

// upwards are the current directory and those above it.
func (r *resolver) upwards() []string {
	dirs := []string{r.Dir}
	for dir := r.Dir; dir != "/"; {
		dir = path.Dir(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

// settingsFile is a file that chooses among versions; at most 64 KiB of it.
func (r *resolver) settingsFile(name string) (string, bool) {
	content, err := r.host.content(name, 64<<10)
	return string(content), err == nil
}

// ofManager reports whether a directory is part of a version manager: of the program itself, which
// has no use inside.
func (r *resolver) ofManager(dir string) bool {
	for i := range managers {
		own, _, err := r.host.follow(r.dir(managers[i].at))
		if err == nil && policy.Within(dir, own) {
			return true
		}
	}
	return false
}
