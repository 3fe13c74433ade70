//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program makes a script.
func (u *user) program(name, text string) {
	u.t.Helper()
	u.write(name, text)
	if err := os.Chmod(u.path(name), 0o755); err != nil {
		u.t.Fatal(err)
	}
}

// copyProgram copies a program of the machine's.
func (u *user) copyProgram(program, name string) {
	u.t.Helper()
	from, err := exec.LookPath(program)
	if err != nil {
		u.t.Skipf("there is no %s here", program)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		u.t.Fatal(err)
	}
	u.program(name, string(content))
}

// link makes a symbolic link, and the directories above it.
func (u *user) link(target, name string) {
	u.t.Helper()
	u.mkdir(filepath.Dir(u.path(name)))
	if err := os.Symlink(target, u.path(name)); err != nil {
		u.t.Fatal(err)
	}
}

// An agent that lies where its own installer put it, and starts what it finds in PATH: each tool is
// where its version manager keeps it, and nothing is granted but the project.
func TestAgentFindsItsTools(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.program("~/.local/share/claude/versions/2.1.0", "#!/bin/sh\nfor tool; do $tool; done\n")
	u.link("../share/claude/versions/2.1.0", "~/.local/bin/claude")
	says := func(name string) { u.program(name, "#!/bin/sh\necho "+filepath.Base(name)+" of $0\n") }
	says("~/.pyenv/versions/3.12.1/bin/python")
	says("~/.pyenv/versions/3.11.0/bin/python")
	u.program("~/.pyenv/shims/python", "#!/bin/sh\necho a shim\n")
	u.write("~/.pyenv/version", "3.11.0\n")
	u.write(".python-version", "3.12.1\n")
	says("~/.nvm/versions/node/v20.11.0/bin/node")
	u.write("~/.nvm/alias/default", "20\n")
	says("~/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/cargo")
	u.write("~/.rustup/settings.toml", "default_toolchain = \"stable-x86_64-unknown-linux-gnu\"\n")
	u.program("~/.cargo/bin/rustup", "#!/bin/sh\necho a proxy\n")
	u.link("rustup", "~/.cargo/bin/cargo")
	says("~/.cargo/bin/rg")
	says("~/go/bin/gopls")
	says("~/.local/share/uv/tools/ruff/bin/ruff")
	u.link(u.path("~/.local/share/uv/tools/ruff/bin/ruff"), "~/.local/bin/ruff")
	says("~/.npm-global/lib/node_modules/pkg/pkg")
	u.link("../lib/node_modules/pkg/pkg", "~/.npm-global/bin/pkg")
	says("~/tools/bin/other")
	u.write("~/tools/bin/README", "")
	u.write("~/.cargo/credentials.toml", "secret")
	u.write("~/go/pkg/mod/private/x.go", "secret")
	u.write("~/.nvm/versions/node/v18.0.0/bin/node", "another")

	path := []string{}
	for _, dir := range []string{".local/bin", ".pyenv/shims", ".pyenv/bin", ".nvm/versions/node/v20.11.0/bin", ".cargo/bin", "go/bin", ".npm-global/bin", "tools/bin"} {
		path = append(path, u.path("~/"+dir))
	}
	u.Env = []string{"PATH=" + strings.Join(path, ":") + ":/usr/bin:/bin"}
	r := u.nono("run", "--allow-cwd", "--", "claude", "python", "node", "cargo", "rg", "gopls", "ruff", "pkg", "other")
	want := ""
	for _, name := range []string{
		".pyenv/versions/3.12.1/bin/python", ".nvm/versions/node/v20.11.0/bin/node", ".rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/cargo",
		".cargo/bin/rg", "go/bin/gopls", ".local/bin/ruff", ".npm-global/bin/pkg",
	} {
		want += filepath.Base(name) + " of " + u.path("~/"+name) + "\n"
	}
	if r.Code != 127 || r.Stdout != want {
		t.Errorf("want 127, for `other` is in no root, and\n%s\n%s", want, r)
	}
	u.says(r, "nono: warning: in PATH and not inside: ~/tools/bin")
	u.says(r, "  if the agent needs programs from there: --read ~/tools")
	r = u.succeeds(u.nono("run", "--allow-cwd", "--read", u.path("~/tools"), "--", "claude", "other"))
	u.quiet(r, "in PATH and not inside")

	// What lies beside is not there.
	u.tries([]string{"--allow-cwd"},
		"yes: cat "+u.path("~/.rustup/settings.toml"), "yes: ls "+u.path("~/.nvm/alias"),
		"no: ls "+u.path("~/.pyenv/versions/3.11.0"), "no: ls "+u.path("~/.nvm/versions/node/v18.0.0"),
		"no: cat "+u.path("~/.cargo/credentials.toml"), "no: ls "+u.path("~/go/pkg"),
		"no: touch "+u.path("~/.local/bin/planted"), "no: echo x >> "+u.path("~/.cargo/bin/rg"))

	// The plan says whose rule each is.
	r = u.succeeds(u.nono("plan", "--allow-cwd", "--", "claude"))
	for _, want := range []string{"the command you typed: claude", "your PATH: pyenv, chosen by " + u.path(".python-version"), "your PATH: nvm", "your PATH: rustup, chosen by"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the plan does not say %q\n%s", want, r)
		}
	}
}

// A virtual environment of the project over a Python that nothing else names works from a shell.
func TestEnvironmentFromAShell(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.program("~/.local/share/uv/python/cpython-3.12/bin/python3.12", "#!/bin/sh\necho python\n")
	u.link(u.path("~/.local/share/uv/python/cpython-3.12/bin/python3.12"), ".venv/bin/python")
	u.write(".venv/pyvenv.cfg", "home = "+u.path("~/.local/share/uv/python/cpython-3.12/bin")+"\n")
	u.works(".venv/bin/python", "python\n")
	// The same file of an agent's making leads nowhere.
	u.program("~/secret/bin/python3.12", "#!/bin/sh\necho secret\n")
	u.write(".venv/pyvenv.cfg", "home = "+u.path("~/secret/bin")+"\n")
	u.tries([]string{"--allow-cwd"}, "no: ls "+u.path("~/secret"))
}
