package remains

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
)

// project is a directory with a git directory and another agent's settings.
type project struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T) project {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := project{t, dir}
	p.repository(".git")
	p.write(".mcp.json", "{}")
	p.mkdir("cfg")
	p.link("cfg", ".cursor")
	return p
}

func (p project) path(name string) string { return filepath.Join(p.dir, name) }

func (p project) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p project) mkdir(name string) { p.t.Helper(); p.ok(os.MkdirAll(p.path(name), 0o755)) }

func (p project) link(to, name string) { p.t.Helper(); p.ok(os.Symlink(to, p.path(name))) }

func (p project) write(name, content string) {
	p.t.Helper()
	p.mkdir(filepath.Dir(name))
	p.ok(os.WriteFile(p.path(name), []byte(content), 0o600))
}

// repository makes a git directory.
func (p project) repository(name string) {
	p.t.Helper()
	p.write(name+"/HEAD", "ref: refs/heads/main\n")
	p.mkdir(name + "/objects")
	p.mkdir(name + "/refs")
	p.write(name+"/config", "[core]\n")
}

// look is a look before a run that has not begun yet: what is made from now on is newer.
func (p project) look() *Before {
	p.t.Helper()
	p.pass()
	look := hostfile.Once(hostfile.Host)
	finder := git.New(look, p.dir, p.dir)
	names := []string{".git/hooks", ".git/config", ".git/commondir", ".mcp.json", ".cursor/mcp.json", ".claude/settings.json"}
	for i := range names {
		names[i] = p.path(names[i])
	}
	return Look(Watched{
		Names: names, Projects: []string{p.dir}, Repositories: finder.Repositories(p.dir, git.Around).Repositories,
		Reported: []string{
			".envrc", ".vscode/", ".git/rebase-merge/git-rebase-todo", p.path("state/config"), p.path("state/rules") + "/",
		}, Home: p.dir, ConfigHome: p.dir,
	}, look, finder)
}

// pass waits until the clock of the file system has left behind what was made so far, which a look
// would take for new.
func (p project) pass() {
	p.t.Helper()
	for began := time.Now(); ; {
		p.write("clock", "")
		info, err := os.Stat(p.path("clock"))
		p.ok(err)
		if info.ModTime().Sub(began) > 50*time.Millisecond {
			return
		}
		if time.Since(began) > time.Minute {
			p.t.Fatal("the clock of the file system stands still")
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(p project)
		want []string
	}{
		{"nothing", func(project) {}, nil},
		{"what agents do", func(p project) {
			p.write("x.txt", "x")
			p.write(".git/index.lock", "")
			p.write(".git/refs/heads/main", strings.Repeat("1", 40))
			p.write("cfg/other", "")
		}, nil},
		{"a new name", func(p project) { p.write(".git/commondir", ".") }, []string{"new .git/commondir"}},
		{"a new name behind a link", func(p project) { p.write("cfg/mcp.json", "{}") }, []string{"new .cursor/mcp.json"}},
		{"a name of another type", func(p project) {
			p.ok(os.Remove(p.path(".mcp.json")))
			p.mkdir(".mcp.json")
		}, []string{"changed .mcp.json: a file, a directory"}},
		{"a link for a file", func(p project) {
			p.ok(os.Remove(p.path(".mcp.json")))
			p.link("x.txt", ".mcp.json")
			p.write("x.txt", "{}")
		}, []string{"changed .mcp.json: a file, a link to x.txt"}},
		{"a link on the way, replaced", func(p project) {
			p.ok(os.Remove(p.path(".cursor")))
			p.write(".cursor/mcp.json", "{}")
		}, []string{"new .cursor/mcp.json"}},
		{"a link to nothing", func(p project) {
			p.mkdir(".claude")
			p.link("nowhere", ".claude/settings.json")
		}, []string{"changed .claude/settings.json: missing, a link to nowhere"}},
		{"a new repository", func(p project) { p.repository("a/b/c/d/e/.git") }, []string{"repository a/b/c/d/e"}},
		{"one from before, moved in", func(p project) {
			p.mkdir("sub")
			p.ok(os.Rename(p.path("a/b/c/d/kept"), p.path("sub/.git")))
		}, []string{"repository sub"}},
		{"a bare one", func(p project) { p.repository("src") }, []string{"repository src (bare)"}},
		{"the root itself", func(p project) { p.repository(".") }, []string{"repository . (bare)"}},
		{"a submodule's directory", func(p project) { p.repository(".git/modules/x") }, []string{"repository .git/modules/x"}},
		{"another branch", func(p project) { p.write(".git/HEAD", "ref: refs/heads/x") }, []string{"head .: refs/heads/main, refs/heads/x"}},
		{"no HEAD", func(p project) { p.ok(os.Remove(p.path(".git/HEAD"))) }, []string{"lost .git"}},
		{"a HEAD that is none", func(p project) { p.write(".git/HEAD", "x") }, []string{"lost .git"}},
		{"no refs", func(p project) { p.ok(os.Rename(p.path(".git/refs"), p.path("r"))) }, []string{"lost .git"}},
		{"an index that is none", func(p project) { p.write(".git/index", "x") }, []string{"unread .: it ends too early"}},
		{"a hook of a deep one, written over", func(p project) { p.program(deep + "/.git/hooks/post-commit") }, []string{"repository " + deep}},
		{"a hook where a deep one's settings say, written over", func(p project) { p.program("shared/pre-commit") }, []string{"repository " + deep}},
		{"a hook where a deep one's settings say, made", func(p project) { p.program("shared/pre-push") }, []string{"repository " + deep}},
		{"a link in the place of those hooks", func(p project) {
			p.ok(os.Rename(p.path("shared"), p.path("moved")))
			p.link("moved", "shared")
		}, []string{"repository " + deep}},
		{"a file that a deep one's settings include", func(p project) { p.write("included", "[core]\n") }, []string{"repository " + deep}},
		{"what lies beside these", func(p project) { p.write("beside/pre-commit", "") }, nil},
		{"what tools run", func(p project) {
			p.write(".envrc", "")
			p.write(".vscode/tasks.json", "{}")
			p.write(".git/rebase-merge/git-rebase-todo", "exec x")
		}, []string{"run later .envrc", "run later .git/rebase-merge/git-rebase-todo", "run later .vscode/tasks.json"}},
		{"what was named by its path", func(p project) {
			p.write("state/config", "x")
			p.write("state/rules/a", "x")
			p.write("sub/state/config", "x")
		}, []string{"run later state/config", "run later state/rules/a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProject(t)
			p.repository("a/b/c/d/kept") // too deep to be known
			p.repository(deep + "/.git")
			p.write(deep+"/.git/config", "[core]\n\thooksPath = ../../../../../shared\n[include]\n\tpath = ../../../../../../included\n")
			p.program(deep + "/.git/hooks/post-commit")
			p.program("shared/pre-commit")
			p.write("included", "")
			before := p.look()
			tt.do(p)
			if diff := cmp.Diff(tt.want, said(p, before.compare())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// deep is a repository that is too deep to be protected, with hooks and settings elsewhere.
const deep = "a/b/c/d/deep"

// program writes a program, in place where there is one.
func (p project) program(name string) {
	p.t.Helper()
	p.write(name, "#!/bin/sh\n")
	p.ok(os.Chmod(p.path(name), 0o700))
}

// said is a report in short.
func said(p project, r Outside) []string {
	var all []string
	add := func(kind, at, more string) {
		rel, err := filepath.Rel(p.dir, at)
		p.ok(err)
		all = append(all, kind+" "+rel+more)
	}
	for _, at := range r.New {
		add("new", at, "")
	}
	for _, c := range r.Changed {
		add("changed", c.Path, ": "+c.Was+", "+c.Is)
	}
	for _, at := range r.Repositories {
		add("repository", at.Path, map[bool]string{true: " (bare)"}[at.Bare])
	}
	for _, u := range r.Unread {
		add("unread", u.Repository, ": "+u.Why)
	}
	for _, at := range r.Lost {
		add("lost", at, "")
	}
	for _, c := range r.Heads {
		add("head", c.Path, ": "+c.Was+", "+c.Is)
	}
	for _, at := range r.RunLater {
		add("run later", at, "")
	}
	return all
}
