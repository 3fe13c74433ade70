package toolchain

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// manager is a version manager of rbenv's family: a directory of shims, a directory of installed
// versions, and files that say which of them a directory wants.
type manager struct {
	name           string
	variable, home string // as in rootKind
	version        string // the variable that overrides every file
	file           string // in the current directory or above
	prefix         string // may stand before a version
}

var managers = []manager{
	{
		name: "pyenv", variable: "PYENV_ROOT", home: ".pyenv",
		version: "PYENV_VERSION", file: ".python-version", prefix: "python-",
	},
}

func (m manager) dir(r *resolver) string   { return r.toolDir(m.variable, m.home) }
func (m manager) shims(r *resolver) string { return path.Join(m.dir(r), "shims") }

// manager is the one whose shim a file is.
func (r *resolver) manager(file string) (manager, bool) {
	dir, _, err := r.host.follow(path.Dir(file))
	if err != nil {
		return manager{}, false
	}
	for _, m := range managers {
		if shims, _, err := r.host.follow(m.shims(r)); err == nil && dir == shims {
			return m, true
		}
	}
	return manager{}, false
}

// system is the version that means whatever PATH has besides the shims.
const system = "system"

// choose finds the program that a shim would run. Of several versions the first that has the
// program wins; the system's comes last.
func (r *resolver) choose(m manager, name string) (string, *Error) {
	versions, by := r.versions(m)
	var absent, tried []string
	for _, v := range append(versions, system) {
		var file string
		var ok bool
		if v == system {
			if len(absent) > 0 && !slices.Contains(versions, system) {
				break // a program of another version than was asked for is no substitute
			}
			found, err := r.search(name, r.tc.Shims...)
			file, ok = found, err == nil
		} else {
			dir, installed := r.installed(m, v)
			if !installed {
				absent = append(absent, v)
				continue
			}
			tried = append(tried, path.Base(dir))
			file = path.Join(dir, "bin", name)
			if ok = r.check(file) == nil; ok {
				r.chosenBy = by
				r.tc.PathPrepend = append(r.tc.PathPrepend, path.Join(dir, "bin"))
			}
		}
		if ok {
			if len(absent) > 0 {
				r.tc.Notices = append(r.tc.Notices, "of the versions that "+by+" asks for, "+
					m.name+" has not installed "+strings.Join(absent, ", "))
			}
			return file, nil
		}
	}
	if len(absent) > 0 {
		return "", fail(notFound, "cannot run %s: %s asks %s for version %s, which is not installed",
			name, by, m.name, strings.Join(absent, ", ")).
			try("install it, or change %s", by)
	}
	if len(tried) == 0 {
		return "", fail(notFound, "cannot run %s: %s is set to the system's, and PATH has none",
			name, m.name)
	}
	return "", fail(notFound, "cannot run %s: %s %s, which %s asks for, has no such command",
		name, m.name, strings.Join(tried, ", "), by)
}

// versions is what is asked for, and who asks.
func (r *resolver) versions(m manager) (versions []string, by string) {
	if v, ok := r.Lookup(m.version); ok && v != "" {
		return strings.Split(v, ":"), m.version
	}
	files := []string{path.Join(r.Dir, m.file)}
	for dir := r.Dir; dir != "/"; {
		dir = path.Dir(dir)
		files = append(files, path.Join(dir, m.file))
	}
	files = append(files, path.Join(m.dir(r), "version"))
	for _, file := range files {
		content, err := r.host.content(file, 4096)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
				versions = append(versions, words[0])
			}
		}
		return versions, file // the nearest file decides, also when it says nothing
	}
	return nil, m.name
}

// installed is the directory of a version: of that name, or the newest of which it is the
// beginning.
func (r *resolver) installed(m manager, version string) (string, bool) {
	all := path.Join(m.dir(r), "versions")
	for _, v := range []string{version, strings.TrimPrefix(version, m.prefix)} {
		// A version is a name of what lies in there, and no way out of it.
		if v == "" || v == "." || !fs.ValidPath(v) {
			continue
		}
		if r.host.isDirectory(path.Join(all, v)) {
			return path.Join(all, v), true
		}
		var newest string
		for _, name := range r.host.list(all) {
			if strings.HasPrefix(name, v+".") && numbers(name) != nil &&
				slices.Compare(numbers(name), numbers(newest)) > 0 {
				newest = name
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
