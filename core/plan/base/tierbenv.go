package base

import (
	"path"

	"github.com/nono-run/nono/sdk/policy"
)

// This file is what programs are told where their user's home is the host's and closed to them: a
// program that finds a file of the user's there, and may not read it, often ends, where it would
// have gone on without one. So what programs keep in a home they are shown another place for.

// elsewhere is a place in the home that programs are told another one of.
type elsewhere struct {
	variable string
	usual    string // beneath the home
	instead  string // beneath the scratch directory
	// kept is the part of the usual place in which a grant makes it stay where it is; empty is any.
	// The programs that lie in the others are found by PATH.
	kept string
}

// placesInHome are those of programs that read where to look in a variable.
var placesInHome = []elsewhere{
	{"XDG_CACHE_HOME", ".cache", "cache", ""},
	{"XDG_CONFIG_HOME", ".config", "config", ""},
	{"XDG_DATA_HOME", ".local/share", "data", ""},
	{"XDG_STATE_HOME", ".local/state", "state", ""},
	{"npm_config_cache", ".npm", "npm", ""},
	{"CARGO_HOME", ".cargo", "cargo", "registry"},
	{"GOPATH", "go", "go", "pkg/mod"},
}

// walled are the variables of a session that sees the host's own home.
func (e Environment) walled(host map[string]string) map[string]string {
	vars := map[string]string{}
	if e.Directories == (Directories{}) {
		return vars
	}
	for _, p := range placesInHome {
		usual := path.Join(e.Home, p.usual)
		if value := host[p.variable]; value != "" && e.Decide.Variable(p.variable).Allowed {
			usual = value
		}
		if !e.Writable(usual) && !e.Reaches(path.Join(usual, p.kept)) {
			vars[p.variable] = path.Join(e.Directories.Scratch, p.instead)
		}
	}
	for _, l := range e.Lent {
		vars[l.Variable] = l.Dir
	}
	for _, h := range e.Homes {
		vars[h.Variable] = h.Dir
	}
	if !e.Visible(path.Join(e.Home, ".gitconfig")) {
		vars["GIT_CONFIG_GLOBAL"] = e.Directories.gitConfig()
	}
	if e.Doors.Resolver != "" {
		// Whichever name server the host's settings name, core leads the question to the layer; and there
		// are no packets.
		vars["RES_OPTIONS"] = "use-vc"
	}
	vars[SessionVariable] = e.Directories.SessionFile()
	return vars
}

// movesFrom reports whether core's value of a variable takes the place of the user's own, which
// names a place that is closed.
func (e Environment) movesFrom(name string, d policy.VariableDecision) bool {
	if e.Directories == (Directories{}) || d.Rule.Source.Asked() {
		return false
	}
	for _, p := range placesInHome {
		if p.variable == name {
			return true
		}
	}
	return false
}
