//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/bytejson"
)

// handedOver is a trap that no mount can keep an agent from setting, because what it is made of did
// not exist before. Each makes git, used outside at the root of a protected project, run the agent's
// program; that is the control. What nono can do is to tell.
var handedOver = []struct {
	does string
	// set is what the agent runs; TRAP stands for the program that git is to run.
	set  string
	says []string
}{
	{
		"a repository entered into the index", `
		git init -q sub && git -C sub commit -q --allow-empty -m x
		git -C sub config core.fsmonitor TRAP && git -c advice.addEmbeddedRepo=false add sub`,
		[]string{
			"git repositories that are new since the start: ~/proj/sub",
			"the index of ~/proj has repositories in it since the start: sub",
		},
	},
	{
		"one that lies deep", `
		mkdir -p a/b/c/d/e && git init -q a/b/c/d/e/f && git -C a/b/c/d/e/f commit -q --allow-empty -m x
		git -C a/b/c/d/e/f config core.fsmonitor TRAP && git -c advice.addEmbeddedRepo=false add a/b/c/d/e/f`,
		[]string{"new since the start: ~/proj/a/b/c/d/e/f", "repositories in it since the start: a/b/c/d/e/f"},
	},
	{
		"one beside more directories than are looked into", `
		mkdir flood && cd flood && seq -f %05.0f 10001 | xargs mkdir && cd ..
		git init -q a/b/c/d && git -C a/b/c/d commit -q --allow-empty -m x
		git -C a/b/c/d config core.fsmonitor TRAP && git -c advice.addEmbeddedRepo=false add a/b/c/d`,
		[]string{"not all was looked at for what git would run"},
	},
	{
		"the root made a bare repository", `
		mv .git/HEAD .git/HEAD2 && mkdir objects refs && echo ref: refs/heads/main > HEAD
		git config -f config core.repositoryformatversion 0 && git config -f config core.worktree "$PWD"
		git config -f config core.fsmonitor TRAP`,
		[]string{
			"git repositories that are new since the start: ~/proj (bare", "git does not take ~/proj/.git for a repository any more",
		},
	},
	{
		"objects moved away", `
		mv .git/objects .git/o && git init -q --bare b && mv b/* . && git config -f config core.bare false
		git config -f config core.worktree "$PWD" && git config -f config core.fsmonitor TRAP`,
		[]string{"(bare", "its HEAD, objects or refs are gone"},
	},
}

func TestHandedOver(t *testing.T) {
	t.Parallel()
	for _, tt := range handedOver {
		t.Run(tt.does, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n")
			u.repository()
			u.write("~/trap", "#!/bin/sh\ntouch "+u.path("~/sprung")+"\n")
			if err := os.Chmod(u.path("~/trap"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := u.shell("set -e\n"+strings.ReplaceAll(tt.set, "TRAP", u.path("~/trap")), "--allow-cwd")
			u.succeeds(r)
			for _, say := range tt.says {
				if !strings.Contains(r.Stderr, say) {
					t.Errorf("the end does not say %q\n%s", say, r)
				}
			}
			check := u.nono("git", "check")
			if check.Code != 1 || !strings.Contains(check.Stdout, "core.fsmonitor is run: "+u.path("~/trap")) {
				t.Errorf("`nono git check` does not show what git will run\n%s", check)
			}
			status := exec.Command("git", "status")
			status.Dir, status.Env = u.Project, u.command().Env
			out, _ := status.CombinedOutput()
			if !u.exists("~/sprung") {
				t.Errorf("the control failed: git ran nothing\n%s", out)
			}
		})
	}
}

// What was there is told only where it became something else; and what an agent does every day is
// no warning.
func TestWhatIsNoNews(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n")
	u.repository()
	u.write(".mcp.json", "{}")
	u.write(".envrc", "")
	u.host("git", "init", "-q", "old")
	r := u.succeeds(u.shell("echo 2 > b.txt && git add b.txt && git commit -qm two && git gc -q && git status && touch old/x", "--allow-cwd"))
	u.quiet(r, "warning")
	u.quiet(r, "new")
	u.quiet(r, "HEAD")

	r = u.succeeds(u.shell("git switch -qc side && echo x > .envrc && mkdir -p .github/workflows && echo x > .github/workflows/ci.yml", "--allow-cwd"))
	u.quiet(r, "warning")
	u.says(r, "nono: HEAD of ~/proj was refs/heads/main, and is refs/heads/side")
	u.says(r, "nono: new or changed, and tools outside run what they say: ~/proj/.envrc, ~/proj/.github/workflows/ci.yml")

	u.mkdir(".claude/settings.json") // which is none of another agent's
	r = u.succeeds(u.shell("rmdir .claude/settings.json && echo {} > .claude/settings.json", "--allow-cwd"))
	if want := "~/proj/.claude/settings.json was a directory at the start, and is a file"; !strings.Contains(r.Stderr, want) {
		t.Errorf("it does not say %q\n%s", want, r)
	}
}

// `nono git check` says what git would run, in a form that scripts read too, and runs nothing.
func TestGitCheck(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.gitconfig", "[core]\n\tpager = less\n[alias]\n\tst = !evil\n") // the user's own are no news
	u.repository()
	u.write(".git/hooks/pre-commit.sample", "#!/bin/sh\n")
	r := u.succeeds(u.nono("git", "check"))
	if r.Stdout != "git runs nothing here but what your own settings say\n" {
		t.Errorf("there is nothing to find\n%s", r)
	}
	u.write(".git/hooks/pre-commit", "#!/bin/sh\ntouch "+u.path("~/sprung")+"\n")
	if err := os.Chmod(u.path(".git/hooks/pre-commit"), 0o755); err != nil {
		t.Fatal(err)
	}
	u.host("git", "config", "diff.x.textconv", "touch "+u.path("~/sprung"))
	u.mkdir("sub")
	r = u.nono("git", "check", "sub") // git begins at the root of the repository
	for _, say := range []string{"~/proj/.git/hooks/pre-commit: a hook\n", "diff.x.textconv is run: touch " + u.path("~/sprung")} {
		if r.Code != 1 || !strings.Contains(r.Stdout, say) {
			t.Errorf("it does not say %q\n%s", say, r)
		}
	}
	said := struct {
		Directory string `json:"directory"`
		Findings  []struct {
			Path string `json:"path"`
			Line int    `json:"line"`
			Says string `json:"says"`
			Runs string `json:"runs"`
		} `json:"findings"`
	}{}
	r = u.nono("git", "check", "--json")
	if err := bytejson.Unmarshal([]byte(r.Stdout), &said); err != nil || len(said.Findings) != 2 || said.Directory != u.Project {
		t.Errorf("as JSON: %v\n%s", err, r)
	}
	if u.exists("~/sprung") {
		t.Error("something was run")
	}
	u.refused(u.nono("git", "check", "a.txt"), "is no directory")
}

// A link that stands in the place of a protected name stays there, and what it leads to is as it
// was inside: it can be followed, and read.
func TestLinksAreHeld(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.repository()
	u.write("cfg/settings.json", "{}")
	u.mkdir("deep/er/.git/x")
	for name, to := range map[string]string{".claude": "cfg", ".cursor": "/usr/share", ".mcp.json": ".mcp.json", ".codex": "nowhere"} {
		if err := os.Symlink(to, u.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	r := u.tries(allowCwd,
		"yes: test \"$(readlink .claude)\" = cfg", "yes: cat .claude/settings.json", "yes: ls .cursor/",
		"no: rm .claude", "no: mv .claude x", "no: ln -sfn x .claude", "no: mv cfg c", "no: echo x > .claude/settings.json",
		"no: rm .cursor", "no: mv .mcp.json x", "no: echo x > .mcp.json", "no: rm .codex", "yes: touch new && mv new newer",
	)
	u.quiet(r, "warning")
	r = u.shell("mkdir nowhere && echo x > nowhere/config.toml", "--allow-cwd")
	if !strings.Contains(r.Stderr, "new since the start: ~/proj/.codex/config.toml") {
		t.Errorf("a link to what was not there is not told\n%s", r)
	}
}

// A name that is protected where it exists cannot be held where it does not. What git and agents
// outside would act on is told at the end.
func TestNewProtectedNamesAreTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	u.write(".git/config", "[core]\n")
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "echo ../evil > .git/commondir"))
	for _, say := range []string{"new since the start: ~/proj/.git/commondir", "look before you use git"} {
		if !strings.Contains(r.Stderr, say) {
			t.Errorf("the end does not say %q\n%s", say, r)
		}
	}
	if strings.Contains(r.Stderr, ".git/config,") {
		t.Errorf("what was there before is told as new\n%s", r)
	}

	// The control: a run that makes none of them has nothing to tell.
	u = newUser(t)
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	if r := u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "echo 1 > x")); strings.Contains(r.Stderr, "new since") {
		t.Errorf("nothing is new\n%s", r)
	}
}

// TestWhatRemainsIsKept: what the end of a run told stands in the stored session, for people and
// for machines.
func TestWhatRemainsIsKept(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.repository()
	r := u.succeeds(u.shell("printf x > ~/kept-not && git init -q sub && touch .envrc && printf y > \"$HOME/$(printf '\\377')\"", "--allow-cwd"))
	for _, say := range []string{"~ is private: 2 files left there are gone", "git repositories that are new since the start: ~/proj/sub"} {
		if !strings.Contains(r.Stderr, say) {
			t.Errorf("the end does not say %q\n%s", say, r)
		}
	}
	r = u.succeeds(u.nono("session", "show"))
	for _, say := range []string{"remains", "~ is private: 2 files left there are gone", "~/proj/.envrc"} {
		if !strings.Contains(r.Stdout, say) {
			t.Errorf("the session does not say %q\n%s", say, r)
		}
	}
	var shown struct {
		Session struct {
			End struct {
				Remains struct {
					Private []struct {
						Dir   string
						Files int
						Gone  []struct{ Path string }
					}
					Outside struct {
						Repositories []struct{ Path string }
						RunLater     []string `json:"run_later"`
					}
				}
			}
		}
	}
	r = u.succeeds(u.nono("session", "show", "--json"))
	if err := json.Unmarshal([]byte(r.Stdout), &shown); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	left := shown.Session.End.Remains
	if len(left.Private) != 1 || left.Private[0].Dir != u.Home || left.Private[0].Files != 2 || len(left.Private[0].Gone) != 2 ||
		!strings.HasSuffix(left.Private[0].Gone[0].Path+left.Private[0].Gone[1].Path, "\uefff") { // which is how bytejson writes the byte
		t.Errorf("what is gone: %+v\n%s", left.Private, r)
	}
	if len(left.Outside.Repositories) != 1 || left.Outside.Repositories[0].Path != u.path("sub") || len(left.Outside.RunLater) != 1 {
		t.Errorf("what is handed over: %+v\n%s", left.Outside, r)
	}
}
