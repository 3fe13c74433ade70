//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What README shows of `make demo` is what it prints, in a clone in the home directory.
func TestReadmeShowsTheDemo(t *testing.T) {
	t.Parallel()
	needs(t, "/usr/bin/python3")
	needs(t, "git")
	u := newUser(t)
	u.mkdir("~/.ssh")
	u.mkdir("~/nono/examples")
	u.Project = u.path("~/nono")
	u.host("git", "init", "-q")
	demo := u.path("~/nono/examples/demo")
	if err := os.CopyFS(demo, os.DirFS("../../examples/demo")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "demo.py")
	cmd.Dir = demo
	cmd.Env = append(u.command().Env, "PATH="+u.Programs+":/usr/bin:/bin")
	r := u.finish(u.begin(cmd, ""))
	// The two streams are one on a terminal; nono's lines come after the line that shows its command.
	lines := strings.SplitAfter(r.Stdout, "\n")
	shown := -1
	for i, line := range lines {
		if line == "$ nono run -c agent.hcl\n" {
			shown = i + 1
		}
	}
	if r.Code != 0 || shown < 0 {
		t.Fatal(r)
	}
	printed := strings.Join(lines[:shown], "") + r.Stderr + strings.Join(lines[shown:], "")
	readme, err := os.ReadFile(filepath.Join("../..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```\n"+strings.TrimRight(printed, "\n")+"\n```\n") {
		t.Errorf("README does not show what the demo prints:\n%s", printed)
	}
}
