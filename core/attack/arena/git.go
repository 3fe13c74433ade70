//go:build linux

package arena

import (
	"context"
	"os/exec"
	"path/filepath"
)

// Repository makes a git repository of the user's that the policy lets the agent work in, with one
// commit.
func (a *Arena) Repository(name string) string {
	dir := a.Path("~/repos/" + name)
	a.Mkdir(dir)
	a.Git(dir, "init", "-q")
	a.Write(dir+"/file.txt", "one\n")
	a.Git(dir, "add", ".")
	a.Git(dir, "commit", "-qm", "one")
	a.Mkdir(dir + "/.git/hooks")
	a.Write(dir+"/.git/info/attributes", "")
	a.Allow = append(a.Allow, dir)
	return dir
}

// Nested makes a repository with a commit in another one.
func (a *Arena) Nested(dir, name string) {
	dir = filepath.Join(dir, name)
	a.Mkdir(dir)
	a.Git(dir, "init", "-q")
	a.Git(dir, "commit", "-q", "--allow-empty", "-m", "one")
}

// Submodule gives a repository one, called sub.
func (a *Arena) Submodule(dir string) {
	of := "of-" + filepath.Base(dir)
	a.Nested(a.Path("~/repos"), of)
	a.Git(dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", a.Path("~/repos/"+of), "sub")
	a.Git(dir, "commit", "-qm", "two")
}

// Git runs git as the user does, outside.
func (a *Arena) Git(dir string, args ...string) {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + a.Home, "PATH=/usr/bin:/bin", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@example.com",
		"GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@example.com",
	}
	_ = cmd.Run() // what git makes of a configuration that the agent has spoilt is not the point
}

// Trap is a command for git to run, outside, and says whether it did once the user has worked in
// the repository.
func (a *Arena) Trap(dir string) (command string, sprung func() bool) {
	mark := a.Path("~/sprung-" + filepath.Base(dir))
	return "touch " + mark, func() bool {
		a.Write(dir+"/file.txt", "two\n")
		for _, args := range [][]string{{"status"}, {"diff"}, {"add", "."}, {"commit", "-qm", "two"}} {
			a.Git(dir, args...)
		}
		return a.Exists(mark)
	}
}
