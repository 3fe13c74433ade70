package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/toolchain"
)

// agents are those that have a profile, by their programs' names.
var agents = []string{"claude", "codex", "gemini", "opencode"}

// profileOf is an agent's profile.
func profileOf(agent string) string {
	if agent == "claude" {
		return "claude-code"
	}
	return agent
}

// tools are what else is looked for in PATH: what agents are written in, and what they start.
var tools = []string{
	"git", "python3", "python", "pip", "uv", "node", "npm", "bun", "deno", "go", "cargo", "rustc",
	"java", "mvn", "ruby", "gcc", "make",
}

// Tools looks for agents and tools in the user's PATH, and asks of each whether a sandbox with no
// grant but the current directory would run it. Nothing is run. What PATH does not have is left
// out.
func Tools(from toolchain.Request) []Tool {
	path, _ := from.Lookup("PATH")
	var found []Tool
	for _, name := range slices.Concat(agents, tools) {
		at := inPath(path, name)
		if at == "" {
			continue
		}
		from.Name = name
		found = append(found, tool(from, at))
	}
	return found
}

func tool(from toolchain.Request, at string) Tool {
	t := Tool{Name: from.Name, Path: at}
	needs, err := toolchain.Resolve(from)
	if err == nil {
		with := from.Policy.With(needs.Rules(), nil)
		err = needs.Check(&with)
	}
	if err == nil {
		t.Inside = true
		return t
	}
	t.Why = err.Error()
	var p diag.Problem
	if errors.As(err, &p) {
		t.Why, t.Try = p.Summary, p.Detail
	}
	return t
}

// inPath is where the shell would find a program; empty if nowhere.
func inPath(path, name string) string {
	const executable = 0o111
	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			continue
		}
		at := filepath.Join(dir, name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() &&
			info.Mode().Perm()&executable != 0 {
			return at
		}
	}
	return ""
}

// Directories are nono's own, and whether they can be used. Nothing is made.
func Directories(own dirs.Dirs, lookup func(string) (string, bool), mayWrite func(string) bool,
) []Directory {
	var list []Directory
	for _, d := range []struct{ what, path, variable string }{
		{"settings, profiles, signatures", own.Config, "XDG_CONFIG_HOME"},
		{"sessions and snapshots", own.State, "XDG_STATE_HOME"},
		{"layers of other vendors", own.Data, "XDG_DATA_HOME"},
		{"build caches", own.Cache, "XDG_CACHE_HOME"},
		{"what a run needs while it lives", own.Runtime, "XDG_RUNTIME_DIR"},
	} {
		dir := Directory{For: d.what, Path: d.path}
		if value, ok := lookup(d.variable); ok && filepath.IsAbs(value) &&
			filepath.Dir(d.path) == filepath.Clean(value) {
			dir.From = d.variable
		}
		dir.Why = unusable(d.path, mayWrite)
		list = append(list, dir)
	}
	return list
}

// unusable is why nothing can be written in a directory that is there or is to be made; empty if
// something can.
func unusable(dir string, mayWrite func(string) bool) string {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != "/":
			continue
		case err != nil:
			return err.Error()
		case !info.IsDir():
			return at + " is not a directory"
		case !mayWrite(at):
			return "you may not write in " + at
		}
		return ""
	}
}
