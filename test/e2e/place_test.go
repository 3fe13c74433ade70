//go:build linux

package e2e

import (
	"os"
	"strings"
	"testing"
)

// An agent swaps a directory for a link; the user grants that directory to the next one. The control
// is the same grant of what the link leads to: it is given where the user types it.
func TestALinkOfAnEarlierAgentGrantsNothing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/outside/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	u.mkdir("sub")
	swap := "rmdir sub && ln -s " + u.path("~/outside") + " sub"
	u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", swap))
	const write = "echo x > ~/outside/written"

	for _, flags := range [][]string{{"--allow", "sub"}, {"--read", "sub", "--write", "sub"}} {
		r := u.nono(append(append([]string{"run"}, flags...), "--", "sh", "-c", write)...)
		u.refused(r, "leads through the link ~/proj/sub, which the agent of an earlier run could have made",
			"name what it leads to: "+flags[0]+" ~/outside")
	}
	u.refused(u.nono("run", "-c", "sub/agent.hcl", "--", "sh", "-c", write),
		"sub/agent.hcl asks to read, change and run ~/outside, and that is not approved",
		"it was found through the link ~/proj/sub")
	if u.exists("~/outside/written") {
		t.Error("a run was given what a link leads to")
	}
	for _, flags := range [][]string{
		{"--allow", "~/outside"},
		{"--allow", "sub", "--allow", "~/outside"}, // and then the link's name exists too
		{"-c", u.path("~/outside/agent.hcl")},
	} {
		u.succeeds(u.nono(append(append([]string{"run"}, flags...), "--", "sh", "-c", write)...))
		if !u.exists("~/outside/written") {
			t.Errorf("control: %q grants nothing", flags)
		}
		if err := os.Remove(u.path("~/outside/written")); err != nil {
			t.Fatal(err)
		}
	}

	// Who stands in it is told where that is.
	cmd := u.command("run", "--allow-cwd", "--", "true")
	cmd.Dir = u.path("sub")
	cmd.Env = append(cmd.Env, "PWD="+cmd.Dir)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "nono: rw ~/outside;") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A stranger's file that was saved to the home directory is given nothing there by its place. The
// control is the same file in a project.
func TestAFileInTheHomeGrantsNothing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const policy = "filesystem {\n  allow = [\".\"]\n}\n"
	u.write("~/x.hcl", policy)
	u.write("~/secret", "secret")
	u.write("secret", "secret")
	u.refused(u.nono("run", "-c", u.path("~/x.hcl"), "--", "cat", u.path("~/secret")),
		"asks to read, change and run ~, and that is not approved",
		"~ is your home directory, so a file there grants nothing by its place")
	u.write("x.hcl", policy)
	r := u.succeeds(u.nono("run", "-c", "x.hcl", "--", "cat", "secret"))
	if r.Stdout != "secret" {
		t.Errorf("control: a project's file grants nothing\n%s", r)
	}
}

// A user's own rules that cannot be read are not left out.
func TestOwnRulesAreNotLost(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("denied", "secret")
	u.write("~/rules.hcl", "filesystem {\n  deny = [\"$WORKDIR/denied\"]\n}\n")
	u.mkdir("~/.config/nono")
	if err := os.Symlink("../../rules.hcl", u.path("~/.config/nono/config.hcl")); err != nil {
		t.Fatal(err)
	}
	if r := u.nono("run", "--allow-cwd", "--", "cat", "denied"); r.Code != 1 || r.Stdout != "" {
		t.Fatalf("control: the rule does not hold\n%s", r)
	}
	if err := os.Rename(u.path("~/rules.hcl"), u.path("~/moved.hcl")); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "--allow-cwd", "--", "cat", "denied"),
		"cannot read ~/.config/nono/config.hcl: ~/.config/nono/config.hcl is a link to nothing")
}

// Names that mean something to a shell, to the policy language or to nothing at all can be written
// in a rule, and typed.
func TestAnyNameInARule(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for written, name := range map[string]string{
		`routes/$$id.ts`: "routes/$id.ts", `$*.log`: "*.log", `caf$xe9`: "caf\xe9",
		`e\u0301`: "e\u0301", `a\\b`: `a\b`, `$$HOME`: "$HOME", `50%%{x}`: "50%{x}",
	} {
		u.write(name, "content")
		u.write("agent.hcl", "filesystem {\n  read = [\""+written+"\"]\n}\n")
		for _, flags := range [][]string{{"-c", "agent.hcl"}, {"--read", name}} {
			r := u.nono(append(append([]string{"run"}, flags...), "--", "cat", name)...)
			if r.Code != 0 || r.Stdout != "content" {
				t.Errorf("%q: %s", flags, r)
			}
		}
		r := u.nono("run", "--allow-cwd", "--deny", name, "--", "cat", name)
		if r.Code != 1 || r.Stdout != "" {
			t.Errorf("--deny %q: %s", name, r)
		}
	}
}
