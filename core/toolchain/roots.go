package toolchain

import (
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A rootKind is a directory that holds installations of a tool and nothing else, so that any of
// them may be granted because of the command that was typed, or because it stands in the user's
// PATH.
type rootKind struct {
	tool string
	at   place
	// within is where in that place the installations are.
	within string
	holds  holding
	// settings are files and directories in the place that the tool reads to choose an
	// installation. They are granted with each of them.
	settings []string
}

// place is where a tool keeps itself: where a variable of the user's says, or else at its usual
// path.
type place struct {
	variable string
	usual    string // beneath the home directory, unless it is absolute
}

// holding is what lies in a root, and so what of it is granted at once.
type holding int

const (
	_              holding = iota
	whole                  // the root is one installation
	versions               // versions/V
	toolVersions           // installs/TOOL/V
	npmPackages            // node_modules/NAME or node_modules/@SCOPE/NAME
	singlePrograms         // files, each of them a program by itself
)

// Places that more than one row, or a version manager, speaks of.
var (
	pyenvPlace  = place{"PYENV_ROOT", ".pyenv"}
	rbenvPlace  = place{"RBENV_ROOT", ".rbenv"}
	nodenvPlace = place{"NODENV_ROOT", ".nodenv"}
	voltaPlace  = place{"VOLTA_HOME", ".volta"}
	asdfPlace   = place{"ASDF_DATA_DIR", ".asdf"}
	misePlace   = place{"MISE_DATA_DIR", ".local/share/mise"}
	rustupPlace = place{"RUSTUP_HOME", ".rustup"}
	npmPlace    = place{npmPrefix, ".npm-global"}
)

// roots is the closed list. The system's own programs need none: the policy grants /usr and
// /nix/store to everyone. Two kinds of installation can be anywhere, and are known by what lies in
// them: see [resolver.prefix].
var roots = []rootKind{
	{tool: "pyenv", at: pyenvPlace, within: "versions", holds: versions},
	{tool: "rbenv", at: rbenvPlace, within: "versions", holds: versions},
	{tool: "nodenv", at: nodenvPlace, within: "versions", holds: versions},
	{
		tool: "nvm", at: place{"NVM_DIR", ".nvm"}, within: "versions/node", holds: versions,
		settings: []string{"nvm.sh", "alias"},
	},
	{tool: "fnm", at: place{"FNM_DIR", ".local/share/fnm"}, within: "node-versions", holds: versions},
	{tool: "volta", at: voltaPlace, within: "tools/image", holds: whole},
	{tool: "asdf", at: asdfPlace, within: "installs", holds: toolVersions},
	{tool: "mise", at: misePlace, within: "installs", holds: toolVersions},
	{tool: "uv", at: place{"UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"}, holds: versions},
	{tool: "uv", at: place{"UV_TOOL_DIR", ".local/share/uv/tools"}, holds: versions},
	{tool: "pipx", at: place{"PIPX_HOME", ".local/share/pipx"}, within: "venvs", holds: versions},
	{tool: "pipx", at: place{usual: ".local/pipx"}, within: "venvs", holds: versions},
	{tool: "Homebrew", at: place{usual: "/home/linuxbrew/.linuxbrew"}, holds: whole},
	{tool: "Homebrew", at: place{usual: "/opt/homebrew"}, holds: whole},
	{tool: "snap", at: place{usual: "/snap"}, holds: versions},
	{
		tool: "rustup", at: rustupPlace, within: "toolchains", holds: versions,
		settings: []string{"settings.toml"},
	},
	{tool: "bun", at: place{"BUN_INSTALL", ".bun"}, holds: whole},
	{tool: "deno", at: place{"DENO_INSTALL", ".deno"}, within: "bin", holds: whole},
	{tool: "npm", at: place{usual: ".npm-global"}, holds: whole},
	{tool: "npm", at: npmPlace, within: "lib/node_modules", holds: npmPackages},
	{tool: "claude", at: place{usual: ".local/share/claude"}, within: "versions", holds: versions},
	{tool: "claude", at: place{usual: ".claude/local"}, holds: whole},
	{tool: "opencode", at: place{usual: ".opencode/bin"}, holds: whole},
	{tool: "codex", at: place{usual: ".codex/packages"}, holds: whole},
	{tool: "cargo", at: place{"CARGO_HOME", ".cargo"}, within: "bin", holds: singlePrograms},
	{tool: "go", at: place{"GOBIN", "go/bin"}, holds: singlePrograms},
	{tool: "go", at: place{"GOPATH", "go"}, within: "bin", holds: singlePrograms},
	{tool: "npm", at: npmPlace, within: "bin", holds: singlePrograms},
	{tool: "~/.local/bin", at: place{usual: ".local/bin"}, holds: singlePrograms},
	{tool: "~/bin", at: place{usual: "bin"}, holds: singlePrograms},
}

// dir is where a tool keeps itself.
func (r *resolver) dir(at place) string {
	if dir := r.setting(at.variable); path.IsAbs(dir) {
		return path.Clean(dir)
	}
	if path.IsAbs(at.usual) {
		return at.usual
	}
	return path.Join(r.Home, at.usual)
}

// setting is a variable of the user's, or nothing.
func (r *resolver) setting(variable string) string {
	if variable == "" {
		return ""
	}
	v, ok := r.settings[variable]
	if !ok {
		if set, ok := r.Lookup(variable); ok {
			v = set
		}
		if v == "" && variable == npmPrefix {
			v = r.npmrcPrefix()
		}
		r.settings[variable] = v
	}
	return v
}

// base is where the installations of a row are, without links. One that is reached through a link
// which this user could have made, and so an agent, is no root: the link could lead to anything.
func (r *resolver) base(k *rootKind) (string, bool) {
	if base, ok := r.bases[k]; ok {
		return base, base != ""
	}
	base := ""
	if route, err := hostfile.FollowLinks(r.host.look, path.Join(r.dir(k.at), k.within)); err == nil &&
		!slices.ContainsFunc(route.Links(), replaceable) &&
		(k.holds == singlePrograms || !policy.Within(r.Home, route.Path)) {
		base = route.Path
	}
	r.bases[k] = base
	return base, base != ""
}

// replaceable reports a name that somebody else than the system may have made. What stands in the
// root directory is the system's.
func replaceable(h hostfile.Hop) bool { return !h.Fixed && path.Dir(h.Path) != "/" }

// installed is an installation in one of the roots.
type installed struct {
	path string
	kind *rootKind
}

// root is the installation that a path, free of links, lies in.
func (r *resolver) root(p string) (installed, bool) {
	for i := range roots {
		k := &roots[i]
		base, ok := r.base(k)
		if !ok || !policy.Within(p, base) {
			continue
		}
		var below []string
		if p != base {
			below = strings.Split(strings.TrimPrefix(p[len(base):], "/"), "/")
		}
		n, ok := k.holds.unit(below)
		if !ok || k.holds == singlePrograms && !r.isProgram(p) {
			continue
		}
		return installed{path.Join(base, path.Join(below[:n]...)), k}, true
	}
	return installed{}, false
}

// isProgram reports a file that can be executed.
func (r *resolver) isProgram(p string) bool {
	e, err := r.host.stat(p)
	return err == nil && isProgram(e)
}

func isProgram(e hostfile.Entry) bool { return e.Type == policy.Regular && e.Executable }

// unit is how many of the names below a root lead to the installation that these names lie in.
func (h holding) unit(below []string) (int, bool) {
	n := 1
	switch h {
	case whole:
		return 0, true
	case versions:
	case toolVersions:
		n = 2
	case npmPackages:
		if len(below) > 0 && strings.HasPrefix(below[0], "@") {
			n = 2
		}
	case singlePrograms:
		return 1, len(below) == 1
	default:
		return 0, false
	}
	return n, len(below) >= n
}

// prefix is the installation that programs in a directory are part of, where that is known by what
// lies in it and not by its place: conda's and Go's.
//
// An agent can have made such a sign in a directory that it could write once. So it counts only
// where the user named the directory, which [resolver.grant] sees to, and never for a directory
// that is known to hold something else.
func (r *resolver) prefix(bin string) (dir, tool string, ok bool) {
	dir = path.Dir(bin)
	if !r.ofOneTool(dir) {
		return "", "", false
	}
	is := func(name string, typ policy.FileType) bool {
		e, err := r.host.look(path.Join(dir, name))
		return err == nil && e.Type == typ
	}
	switch {
	case is("conda-meta/history", policy.Regular):
		return dir, "conda", true
	case path.Base(bin) == "bin" && is("VERSION", policy.Regular) &&
		is("bin/go", policy.Regular) && is("src/runtime", policy.Directory):
		return dir, "Go", true
	}
	return "", "", false
}

// ofOneTool reports whether a directory may be an installation as a whole: it is not the home or
// above it, and is not known to hold other things beside a directory of programs, as ~/.local does.
func (r *resolver) ofOneTool(dir string) bool {
	if policy.Within(r.Home, dir) {
		return false
	}
	for i := range roots {
		base, ok := r.base(&roots[i])
		if ok && roots[i].holds == singlePrograms && policy.Within(base, dir) {
			return false
		}
	}
	return true
}
