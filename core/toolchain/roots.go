package toolchain

import (
	"path"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// A root kind is a directory that holds installations of a tool and nothing else, so that any of
// them may be granted because of the command that was typed.
type rootKind struct {
	tool string
	// variable names the tool's directory; without it, it is home, beneath the user's own.
	variable, home string
	// within is where in that directory the installations are, and depth how many names below it an
	// installation is: 1 for versions/V, 2 for installs/TOOL/V.
	within string
	depth  int
}

// roots is the closed list. The system's own programs need none: the policy grants /usr to
// everyone.
var roots = []rootKind{
	{tool: "pyenv", variable: "PYENV_ROOT", home: ".pyenv", within: "versions", depth: 1},
	{tool: "uv", home: ".local/share/uv", within: "python", depth: 1},
	{tool: "uv", home: ".local/share/uv", within: "tools", depth: 1},
	{tool: "pipx", home: ".local/share/pipx", within: "venvs", depth: 1},
	{tool: "pipx", home: ".local/pipx", within: "venvs", depth: 1},
}

// dir is where the tool keeps itself.
func (r *resolver) toolDir(variable, home string) string {
	if dir, ok := r.Lookup(variable); ok && variable != "" && path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return path.Join(r.Home, home)
}

// installed is an installation in one of the roots.
type installed struct{ path, tool string }

// root is the installation that a path, free of links, lies in.
func (r *resolver) root(p string) (installed, bool) {
	for _, k := range roots {
		base, _, err := r.host.follow(path.Join(r.toolDir(k.variable, k.home), k.within))
		if err != nil || p == base || !policy.Within(p, base) {
			continue
		}
		below := strings.Split(strings.TrimPrefix(p[len(base):], "/"), "/")
		if len(below) >= k.depth {
			return installed{path.Join(base, path.Join(below[:k.depth]...)), k.tool}, true
		}
	}
	return installed{}, false
}
