package toolchain

import (
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Path is what becomes of the user's PATH inside: an agent that was started from one directory of
// it finds its Python, Node or cargo in another.
type Path struct {
	// Reads are what of it lies in the roots, and is not granted yet.
	Reads []Read
	// Instead says what stands in the place of a directory of shims: the versions that they lead to.
	Instead map[string][]string
	// Outside are the directories that hold programs and are not inside.
	Outside []Outside

	looker *pathLooker
	inside []string // the directories that the agent's PATH has, without shims
}

// Has reports whether the agent finds a program in PATH.
func (p *Path) Has(program string) bool {
	return slices.ContainsFunc(p.inside, func(dir string) bool {
		to, err := hostfile.FollowLinks(p.looker.host.look, path.Join(dir, program))
		return err == nil && isProgram(to.Entry) && p.looker.granted(to.Path)
	})
}

// Outside is a directory of PATH that the agent does not have.
type Outside struct {
	// Dir is the directory, Grant the path whose grant would make its programs run.
	Dir, Grant string
}

// Rules are the Reads as rules. Their source is the user's PATH.
func (p *Path) Rules() []policy.PathRule { return rulesOf(p.Reads, "your PATH") }

// Look looks through the user's PATH, under a policy that has what the command needs. What was
// looked at for the command is not looked at again.
func (tc *Toolchain) Look(p *policy.Policy) *Path {
	req := tc.from
	req.Policy = p
	return lookAt(req)
}

// lookAt looks through PATH. What the command needs is in the request's policy already.
func lookAt(req Request) *Path {
	p := &pathLooker{resolver: newResolver(req)}
	p.path.Instead = map[string][]string{}
	seen := map[string]bool{}
	for dir := range strings.SplitSeq(p.setting("PATH"), ":") {
		if dir = path.Clean(dir); path.IsAbs(dir) && !seen[dir] {
			seen[dir] = true
			p.directory(dir)
		}
	}
	for _, shims := range p.withoutShims() {
		if _, known := p.path.Instead[shims]; !known {
			p.path.Instead[shims] = nil // also where the policy sets a PATH of its own
		}
	}
	p.projectEnvironments()
	p.allUserPackages()
	p.path.Reads = p.tc.Reads
	p.path.looker = p
	return &p.path
}

// pathLooker looks through PATH. What cannot be granted is left out, and said: a directory of PATH
// is no command that somebody waits for.
type pathLooker struct {
	*resolver
	path Path
}

// directory finds out what one directory of PATH needs to be inside.
func (p *pathLooker) directory(dir string) {
	for i := range managers {
		m := &managers[i]
		switch {
		case m.shims == "" && p.hasProxies(m, dir):
			p.path.Instead[dir] = append(p.choices(m), dir)
			p.path.inside = append(p.path.inside, p.path.Instead[dir]...)
		case m.shims != "" && dir == p.shimsDir(m):
			p.path.Instead[dir] = p.choices(m)
			p.path.inside = append(p.path.inside, p.path.Instead[dir]...)
			return
		}
	}
	p.path.inside = append(p.path.inside, dir)
	route, err := hostfile.FollowLinks(p.host.look, dir)
	if err != nil || route.Entry.Type != policy.Directory || isForeign(route.Path) {
		return
	}
	var links []string
	for _, l := range route.Links() {
		links = append(links, l.Path)
	}
	if !p.granted(route.Path) {
		p.grantDirectory(route.Path, links)
	}
	switch _, inRoot := p.root(route.Path); {
	case p.granted(route.Path):
		p.needLinks(dir, route.Path, links, policy.Directory)
	case p.ofPrograms(route.Path), !inRoot && p.ofManager(route.Path):
		// Its programs are granted one by one; a version manager has no use inside.
	default:
		p.outside(dir, route.Path)
	}
}

// grantDirectory grants what a directory of programs is part of. Where that cannot be, the
// directory is not inside, and that is told.
func (p *pathLooker) grantDirectory(dir string, links []string) {
	if p.ofPrograms(dir) {
		p.programs(dir)
		return
	}
	anyProgram := path.Join(dir, "x")
	if p.needInstallation(anyProgram, links) == nil && p.namer(links) == "" {
		p.environmentOf(dir)
	}
}

// choices are the directories of programs that a manager's shims lead to, granted.
func (p *pathLooker) choices(m *manager) []string {
	var bins []string
	found, by := p.chosen(m)
	p.chosenBy = by
	defer func() { p.chosenBy = "" }()
	for _, bin := range found {
		resolved, links, err := p.host.follow(bin)
		if err == nil && p.needInstallation(path.Join(resolved, "x"), links) == nil &&
			p.granted(resolved) {
			bins = append(bins, bin)
		}
	}
	return bins
}

// ofPrograms reports a directory that holds nothing but single programs, by its place.
func (p *pathLooker) ofPrograms(dir string) bool {
	for i := range roots {
		base, ok := p.base(&roots[i])
		if ok && roots[i].holds == singlePrograms && base == dir {
			return true
		}
	}
	return false
}

// maxPrograms bounds what is looked at in a directory of the user's own programs.
const maxPrograms = 512

// programs grants the programs in a directory: at once where nothing else lies there, else one by
// one. A link leads into one of the roots, or its program is not inside.
func (p *pathLooker) programs(dir string) {
	names := p.host.list(dir)
	if len(names) > maxPrograms {
		return
	}
	var single []Read
	only := !policy.Within(p.Home, dir)
	for _, name := range names {
		file := path.Join(dir, name)
		route, err := hostfile.FollowLinks(p.host.look, file)
		if err != nil || route.Entry.Type == policy.Missing {
			continue
		}
		linked := len(route.Links()) > 0
		switch {
		case route.Entry.Type != policy.Regular || !route.Entry.Executable:
			only = false
		case !linked:
			single = append(single, Read{file, file, policy.Regular, "a program of your own"})
		case path.Dir(route.Path) == dir || p.needInRoot(route.Path):
			single = append(single, Read{route.Path, file, policy.Regular, "the name by which it is run"})
		default:
			p.path.Outside = append(p.path.Outside, Outside{file, installation(route.Path, p.Home)})
		}
	}
	switch {
	case p.granted(dir): // it is part of what one of its links led to
	case only:
		p.add(Read{dir, dir, policy.Directory, "programs of your own"})
	default:
		for _, r := range single {
			p.add(r)
		}
	}
}

// needInRoot grants the installation that a link leads into, if a root holds it.
func (p *pathLooker) needInRoot(file string) bool {
	_, ok := p.root(file)
	return ok && p.needInstallation(file, nil) == nil || p.granted(file)
}

func (p *pathLooker) add(r Read) { p.tc.Reads = append(p.tc.Reads, r) }

// environmentOf grants the virtual environment whose programs a directory holds.
func (p *pathLooker) environmentOf(bin string) {
	_, _, _ = p.environment(path.Join(bin, "python"))
}

// projectEnvironments grants the interpreters behind the virtual environments of the project, so
// that one can be used by its path: .venv/bin/python is a link to it.
func (p *pathLooker) projectEnvironments() {
	for _, dir := range p.upwards() {
		if !p.granted(dir) {
			return
		}
		for _, name := range []string{".venv", "venv"} {
			p.environmentOf(path.Join(dir, name, "bin"))
		}
	}
}

// allUserPackages grants the user's own packages of every Python.
func (p *pathLooker) allUserPackages() {
	lib := path.Join(p.Home, ".local/lib")
	for _, name := range p.host.list(lib) {
		if pythonName.MatchString(name) {
			_ = p.userPackages(path.Join(lib, name, "site-packages"))
		}
	}
}

// outside notes a directory that is not inside, if it holds programs.
func (p *pathLooker) outside(dir, resolved string) {
	for i, name := range p.host.list(resolved) {
		if i == maxPrograms {
			return
		}
		if file := path.Join(resolved, name); p.isProgram(file) {
			grant := installation(file, p.Home)
			if grant == file {
				grant = resolved
			}
			p.path.Outside = append(p.path.Outside, Outside{dir, grant})
			return
		}
	}
}

// isForeign reports directories whose programs cannot run inside, whatever is granted: those of
// Windows beside WSL, which its own service starts, and snaps, whose starter must be root's.
func isForeign(dir string) bool {
	if dir == "/snap/bin" || dir == "/var/lib/snapd/snap/bin" {
		return true
	}
	rest, ok := strings.CutPrefix(dir, "/mnt/")
	drive, _, _ := strings.Cut(rest, "/")
	return ok && len(drive) == 1
}
