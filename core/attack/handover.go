//go:build linux

package attack

import (
	"fmt"
	"os"
	"strings"

	"github.com/nono-run/nono/core/attack/arena"
)

// handOverRows leave something behind that the user, or a tool of theirs, runs outside later; or
// switch the sandbox off.
func handOverRows() []Row {
	fixed, pinned := by(readOnly, "EROFS", "EACCES"), by("a mount on the way, which nobody renames", "EBUSY")
	aside := open("Landlock takes nothing back inside a grant: nono keeps it aside, says at the end what was changed, and puts it back when told to")
	told := open("no placeholder is put on the user's disk for what is not there; the end of the run tells of what is new")
	// spring is an attempt that sets a trap in a repository.
	spring := func(name string, try func(a *arena.Arena, dir, command string) string) func(*arena.Arena) arena.Attempt {
		return func(a *arena.Arena) arena.Attempt {
			dir := a.Repository(name)
			command, sprung := a.Trap(dir)
			return arena.Attempt{Try: try(a, dir, command), Happened: sprung}
		}
	}
	config := func(format string) func(a *arena.Arena, dir, command string) string {
		return func(_ *arena.Arena, dir, command string) string {
			return "append=" + dir + "/.git/config," + fmt.Sprintf(format, command)
		}
	}
	attributes := func(a *arena.Arena, dir, line string) {
		a.Write(dir+"/.gitattributes", line) // which the agent could as well
	}
	// elsewhere is the same for settings that lie outside of the repository's own .git.
	elsewhere := func(name string, settings func(a *arena.Arena, dir string) string) func(*arena.Arena) arena.Attempt {
		return spring(name, func(a *arena.Arena, dir, command string) string {
			return "append=" + settings(a, dir) + fmt.Sprintf(",\n[core]\n\tfsmonitor = %q\n", command)
		})
	}
	rows := []Row{
		{Threat: "E66", Tried: "a hook in the directory that core.hooksPath names", A: fixed, B: aside, Arrange: spring("kept", func(a *arena.Arena, dir, command string) string {
			a.Mkdir(dir + "/tools")
			a.Git(dir, "config", "core.hooksPath", "tools")
			return "create=" + dir + "/tools/pre-commit,#!/bin/sh\n" + command + "\n"
		})},
		{Threat: "E67", Tried: "a file that the settings include", A: fixed, B: aside, Arrange: elsewhere("included", func(a *arena.Arena, dir string) string {
			a.Write(dir+"/shared.inc", "")
			a.Git(dir, "config", "include.path", "../shared.inc")
			return dir + "/shared.inc"
		})},
		{Threat: "E68", Tried: "the settings of a repository in the index", A: fixed, B: aside, Arrange: elsewhere("outer", func(a *arena.Arena, dir string) string {
			a.Nested(dir, "a/b/c/d/inner")
			a.Git(dir, "add", "a/b/c/d/inner")
			a.Git(dir, "commit", "-qm", "two")
			return dir + "/a/b/c/d/inner/.git/config"
		})},
		{Threat: "E68", Tried: "the settings of a submodule", A: fixed, B: aside, Arrange: elsewhere("super", func(a *arena.Arena, dir string) string {
			a.Submodule(dir)
			return dir + "/.git/modules/sub/config"
		})},
		{Threat: "E69", Tried: "the file .git of a submodule", A: fixed, B: aside, Arrange: spring("supers", func(a *arena.Arena, dir, command string) string {
			a.Submodule(dir)
			a.Nested(dir, "evil")
			a.Write(dir+"/evil/.git/config", fmt.Sprintf("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %q\n", command))
			return "create=" + dir + "/sub/.git,gitdir: ../evil/.git\n"
		})},
		{Threat: "E69", Tried: "what a worktree shares", A: fixed, B: aside, Arrange: func(a *arena.Arena) arena.Attempt {
			dir, tree := a.Repository("shared"), a.Path("~/trees/shared") // the worktree is not granted
			a.Git(dir, "worktree", "add", "-q", tree)
			a.Nested(dir, "evil")
			command, sprung := a.Trap(tree)
			a.Write(dir+"/evil/.git/config", fmt.Sprintf("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %q\n", command))
			return arena.Attempt{Try: "create=" + dir + "/.git/worktrees/shared/commondir,../../../evil/.git\n", Happened: sprung}
		}},
		{Threat: "E75", Tried: "a link in the place of hooks, replaced", A: pinned, B: aside, Arrange: linked(".git/hooks", "../shared")},
		{Threat: "E75", Tried: "a link on the way to another agent's settings, replaced", A: pinned, B: aside, Arrange: linked(".claude", "shared")},
		{Threat: "E75", Tried: "a link that leads out, replaced", A: pinned, B: aside, Arrange: linked(".claude", "/usr/share")},
		{Threat: "E75", Tried: "a link in a circle, replaced", A: pinned, B: aside, Arrange: linked(".mcp.json", ".mcp.json")},
		{Threat: "E66", Tried: "a hook", A: fixed, B: aside, Arrange: spring("hook", func(_ *arena.Arena, dir, command string) string {
			return "create=" + dir + "/.git/hooks/pre-commit,#!/bin/sh\n" + command + "\n"
		})},
		{Threat: "E67", Tried: "core.fsmonitor", A: fixed, B: aside, Arrange: spring("fsmonitor", config("\n[core]\n\tfsmonitor = %q\n"))},
		{Threat: "E67", Tried: "diff.external", A: fixed, B: aside, Arrange: spring("diff", config("\n[diff]\n\texternal = %q\n"))},
		{Threat: "E67", Tried: "core.hooksPath", A: fixed, B: aside, Arrange: spring("hookspath", func(a *arena.Arena, dir, command string) string {
			a.WriteProgram(dir+"/tools/pre-commit", "#!/bin/sh\n"+command+"\n")
			return "append=" + dir + "/.git/config,\n[core]\n\thooksPath = tools\n"
		})},
		{Threat: "E67", Tried: "include.path", A: fixed, B: aside, Arrange: spring("include", func(a *arena.Arena, dir, command string) string {
			a.Write(dir+"/more", fmt.Sprintf("[core]\n\tfsmonitor = %q\n", command))
			return "append=" + dir + "/.git/config,\n[include]\n\tpath = ../more\n"
		})},
		{Threat: "E67", Tried: "filter.clean", A: fixed, B: aside, Arrange: spring("clean", func(a *arena.Arena, dir, command string) string {
			attributes(a, dir, "*.txt filter=x\n")
			return config("\n[filter \"x\"]\n\tclean = %q\n")(a, dir, command)
		})},
		{Threat: "E67", Tried: "diff.textconv", A: fixed, B: aside, Arrange: spring("textconv", func(a *arena.Arena, dir, command string) string {
			attributes(a, dir, "*.txt diff=x\n")
			return config("\n[diff \"x\"]\n\ttextconv = %q\n")(a, dir, command)
		})},
		{Threat: "E67", Tried: "info/attributes for a filter that is there", A: fixed, B: aside, Arrange: spring("attributes", func(a *arena.Arena, dir, command string) string {
			a.Git(dir, "config", "filter.x.clean", command)
			return "append=" + dir + "/.git/info/attributes,*.txt filter=x\n"
		})},
		{Threat: "E69", Tried: "another .git in its place", A: pinned, B: aside, Arrange: func(a *arena.Arena) arena.Attempt {
			dir := a.Repository("replaced")
			return arena.Attempt{Try: "rename=" + dir + "/.git," + dir + "/.git2", Happened: a.Appears(dir + "/.git2")}
		}},
		{Threat: "E69", Tried: "an exchange of .git", A: pinned, B: aside, Arrange: func(a *arena.Arena) arena.Attempt {
			dir := a.Repository("exchanged")
			a.Write(dir+"/evil/config", "")
			return arena.Attempt{Try: "exchange=" + dir + "/.git," + dir + "/evil", Happened: a.Changed(dir + "/.git/config")}
		}},
		{Threat: "E69", Tried: "the file .git of a worktree", A: fixed, B: aside, Arrange: worktree("append", ",gitdir: evil")},
		{Threat: "E69", Tried: "the file .git of a worktree, removed", A: pinned, B: aside, Arrange: worktree("remove", "")},
		{Threat: "E70", Tried: "git's own option to write a file", A: by(readOnly, "exit status 128"), B: aside, Arrange: func(a *arena.Arena) arena.Attempt {
			dir := a.Repository("output")
			hook := dir + "/.git/hooks/pre-commit"
			return arena.Attempt{Try: "run=git -C " + dir + " diff --output=" + hook, Happened: a.Appears(hook)}
		}},
		{Threat: "E71", Tried: "an agent's settings where there were none", A: told, B: told, Lacks: noGit, Arrange: func(a *arena.Arena) arena.Attempt {
			name := a.Repository("fresh") + "/.mcp.json"
			return arena.Attempt{Try: "create=" + name + ",{}", Happened: a.Appears(name)}
		}},
		{Threat: "E73", Tried: "a file that a tool of the user's runs", A: told, B: told, Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "create=" + a.Path(".envrc") + ",evil", Happened: a.Appears(".envrc")}
		}},
		{Threat: "E79", Tried: "change the user's policy", A: by("a mask over nono's own directories", "EACCES", "ENOENT", "EROFS"), B: rules(), NoLayer: true, Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write("~/.config/nono/config.hcl", "")
			return on("append", "~/.config/nono/config.hcl", ",# evil\n")(a)
		}},
		{Threat: "E79", Tried: "see other sessions' files", A: by("a mask over nono's own directories", "EACCES", "ENOENT"), B: rules(), NoLayer: true, Arrange: func(a *arena.Arena) arena.Attempt {
			a.Mkdir("~/.local/state/nono")
			return arena.Attempt{Try: "list=" + a.Path("~/.local/state/nono")}
		}},
		{Threat: "E76", Tried: "another case", A: fixed, B: aside, Lacks: caseMatters, Arrange: func(a *arena.Arena) arena.Attempt {
			dir := a.Repository("case")
			return arena.Attempt{Try: "append=" + dir + "/.GIT/config,# evil\n", Happened: a.Changed(dir + "/.git/config")}
		}},
		{Threat: "E78", Tried: "variables that load or run something", Arrange: injected, Works: "*", A: by("an environment of what is allowed alone", "none"), NoLayer: true},
		{Threat: "E79", Tried: "start nono again, with a grant of its own", NoLayer: true, A: by("the sandbox, in which nono finds no way to make another", "exit status 125"), Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "run=" + a.Nono + " run -s --read " + a.Path("~/notes.txt") + " -- cat " + a.Path("~/notes.txt")}
		}},
		{Threat: "E79", Tried: "replace nono", A: fixed, B: rules(), Lacks: notOurs, Arrange: func(a *arena.Arena) arena.Attempt {
			return arena.Attempt{Try: "open-w=" + a.Installed}
		}},
	}
	for _, name := range []string{
		".claude/settings.json", ".claude/hooks/x.sh", ".mcp.json", ".cursor/mcp.json", ".cursor/hooks.json", ".codex/config.toml", ".gemini/settings.json",
	} {
		rows = append(rows, Row{Threat: "E72", Tried: name, A: fixed, B: aside, Arrange: func(a *arena.Arena) arena.Attempt {
			a.Write(name, "{}\n")
			return on("append", name, ",evil")(a)
		}})
	}
	for i := range rows {
		if rows[i].Lacks == nil && rows[i].Threat < "E72" || strings.HasPrefix(rows[i].Tried, "a link ") {
			rows[i].Lacks = noGit
		}
	}
	return rows
}

// worktree is a repository whose .git is a file.
func worktree(try, more string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		dir := a.Path("~/repos/worktree-" + try)
		a.Mkdir(dir)
		a.Mkdir("~/gits")
		a.Git(dir, "init", "-q", "--separate-git-dir", a.Path("~/gits/"+try))
		a.Allow = append(a.Allow, dir)
		return on(try, dir+"/.git", more)(a)
	}
}

// linked is a project in which a protected name is a link.
func linked(name, to string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		dir := a.Repository("linked-" + strings.NewReplacer("/", "-", ".", "").Replace(name+to))
		a.Mkdir(dir + "/shared")
		a.Note(os.RemoveAll(dir + "/.git/hooks"))
		a.Note(os.Symlink(to, dir+"/"+name))
		other := dir + "/" + name + "2" // in the same directory, or the mount above would refuse it
		return arena.Attempt{Try: "rename=" + dir + "/" + name + "," + other, Happened: a.Appears(other)}
	}
}

// injected gives the user every variable that makes a program load or run something.
func injected(a *arena.Arena) arena.Attempt {
	names := []string{
		"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "PROMPT_COMMAND", "NODE_OPTIONS", "NODE_PATH", "PYTHONSTARTUP", "PYTHONPATH",
		"PYTHONHOME", "PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "DOTNET_STARTUP_HOOKS", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF",
		"GIT_CONFIG_GLOBAL", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "TMUX", "VSCODE_GIT_IPC_HANDLE", "DISPLAY", "WAYLAND_DISPLAY",
	}
	for _, name := range names {
		a.Env = append(a.Env, name+"=/nonexistent")
	}
	return arena.Attempt{Try: "env-is=/nonexistent," + strings.Join(names, ",")}
}
