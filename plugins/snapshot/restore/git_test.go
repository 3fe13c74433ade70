//go:build linux

package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// git runs git in the tree, without the settings of whoever runs the test.
func (p *place) git(args ...string) string {
	p.t.Helper()
	out, err := p.tryGit(args...)
	if err != nil {
		p.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (p *place) tryGit(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = p.root
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.journals, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@example.com",
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p *place) commit(file, text string) string {
	p.t.Helper()
	p.write(file, text)
	p.git("add", "-A")
	p.git("commit", "-q", "-m", text)
	return p.git("rev-parse", "HEAD")
}

// sound wants git to find nothing to complain about.
func (p *place) sound() {
	p.t.Helper()
	out, err := p.tryGit("fsck", "--full", "--strict", "--no-dangling")
	if err != nil || out != "" {
		p.t.Errorf("git fsck: %v\n%s", err, out)
	}
}

func newRepository(t *testing.T) *place {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	p := newPlace(t)
	p.git("init", "-q", "-b", "main")
	p.commit("a", "one")
	p.commit("b", "two")
	p.git("gc", "-q")
	p.commit("a", "three")
	p.git("tag", "v1")
	return p
}

// loose is the path of an object's file.
func loose(hash string) string { return ".git/objects/" + hash[:2] + "/" + hash[2:] }

func TestWhatAnAgentDoesToARepository(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(p *place)
		kept bool // the agent's commit stays, as an object
	}{
		"commits": {func(p *place) { p.commit("a", "agent") }, true},
		"packs":   {func(p *place) { p.commit("a", "agent"); p.git("gc", "-q", "--prune=now") }, true},
		"forgets": {func(p *place) {
			p.commit("a", "agent")
			p.git("checkout", "-q", "--detach")
			p.git("branch", "-q", "-D", "main")
			p.git("tag", "-d", "v1")
			p.git("reflog", "expire", "--expire=now", "--all")
			p.git("gc", "-q", "--prune=now")
		}, true},
		"removes it": {func(p *place) { p.must(os.RemoveAll(p.at(".git"))) }, false},
		"puts a link in its place": {func(p *place) {
			p.must(os.Rename(p.at(".git"), p.journals+"/stolen"))
			p.must(os.Symlink(p.journals+"/stolen", p.at(".git")))
		}, false},
		"fills it with rubbish": {func(p *place) {
			hash := p.commit("a", "agent")
			p.write(loose(strings.Repeat("ab", 20)), "no object")
			p.write(".git/objects/pack/pack-"+strings.Repeat("ab", 20)+".pack", "PACK no pack")
			p.write(".git/objects/pack/tmp_pack_1", strings.Repeat("x", 100000))
			p.write(".git/objects/info/alternates", "/nowhere\n")
			p.write(".git/refs/heads/broken", "rubbish")
			p.write(".git/index", "rubbish")
			p.write(".git/index.lock", "")
			p.write(".git/HEAD", "rubbish")
			p.write(".git/hooks/post-checkout", "#!/bin/sh\necho fooled")
			p.must(os.Chmod(p.at(".git/hooks/post-checkout"), 0o755))
			p.write(".git/config", "[core]\n\tfsmonitor = /nowhere\n")
			p.must(os.Chmod(p.at(loose(hash)), 0o600))
		}, true},
		"overwrites objects in place": {func(p *place) {
			p.commit("c", "agent")
			head := p.at(loose(p.git("rev-parse", "HEAD~")))
			p.must(os.Chmod(head, 0o600))
			p.must(os.WriteFile(head, []byte("rubbish"), 0o600))
			packs, err := filepath.Glob(p.at(".git/objects/pack/*.pack"))
			p.must(err)
			p.must(os.Chmod(packs[0], 0o600))
			p.must(os.WriteFile(packs[0], []byte("PACK rubbish"), 0o600))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newRepository(t)
			before := p.record()
			head, log, was := p.git("rev-parse", "HEAD"), p.git("log", "--all", "--oneline"), p.describe()
			agent := ""
			test.do(p)
			if test.kept {
				agent = p.objectSince(head)
			}
			after := p.record()
			plan := p.plan(Request{Before: before, After: after})
			p.clean(plan)
			if len(plan.Git) != 1 || plan.Git[0].Left {
				t.Fatalf("%+v", plan.Git)
			}
			_, r := p.apply(plan)
			p.whole(r)
			p.sound()
			if got := p.git("rev-parse", "HEAD"); got != head {
				t.Errorf("HEAD is %s, was %s", got, head)
			}
			if got := p.git("log", "--all", "--oneline"); got != log {
				t.Errorf("the log is %s, was %s", got, log)
			}
			if got := p.git("status", "--porcelain"); got != "" {
				t.Errorf("changes: %s", got)
			}
			if agent != "" {
				p.git("cat-file", "-e", agent)
			}
			// All of it is as before, but for objects that were added, and the times of their directories.
			got := p.describe()
			for path := range got {
				if strings.HasPrefix(path, ".git/objects") && (was[path] == "" || agent != "") {
					delete(got, path)
				}
			}
			for path := range was {
				if strings.HasPrefix(path, ".git/objects") && agent != "" || path == ".git/index" {
					delete(was, path) // git status writes the index
					delete(got, path)
				}
			}
			delete(was, ".git")
			delete(got, ".git")
			if d := difference(was, got); d != "" {
				t.Error(d)
			}
			if _, err := os.Lstat(p.at(loose(strings.Repeat("ab", 20)))); err == nil {
				t.Error("rubbish was kept")
			}
		})
	}
}

// objectSince is a commit that is there and was not before.
func (p *place) objectSince(head string) string {
	p.t.Helper()
	logs, err := os.ReadFile(p.at(".git/logs/HEAD"))
	if err != nil || len(logs) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(logs)), "\n")
	hash := strings.Fields(lines[len(lines)-1])[1]
	if hash == head {
		return ""
	}
	return hash
}

func TestARepositoryIsUndoneToo(t *testing.T) {
	p := newRepository(t)
	before := p.record()
	agent := p.commit("a", "agent")
	after, is := p.record(), p.describe()
	j := p.rollback(before, after)
	if p.git("rev-parse", "HEAD") == agent {
		t.Error("it is the agent's commit still")
	}
	// git status writes the index, and the same rollback once more has nothing to do.
	p.git("status")
	plan := p.plan(Request{Before: before, After: after})
	p.clean(plan)
	if plan.Git[0].Left || len(plan.Changes()) > 0 {
		t.Errorf("%+v, %d changes", plan.Git, len(plan.Changes()))
	}
	p.undo(j)
	index := func(d map[string]string) map[string]string {
		delete(d, ".git/index")
		delete(d, ".git")
		return d
	}
	if d := difference(index(is), index(p.describe())); d != "" {
		t.Errorf("undo: %s", d)
	}
	if p.git("status", "--porcelain") != "" {
		t.Errorf("%s", p.git("status", "--porcelain"))
	}
	p.sound()
}

// What the user commits after a rollback is as safe from its undoing.
func TestCommitsAfterARollback(t *testing.T) {
	p := newRepository(t)
	before := p.record()
	p.commit("agent", "by agent")
	after := p.record()
	j := p.rollback(before, after)
	user := p.commit("user", "mine")
	plan, err := j.Undo(t.Context(), false)
	p.must(err)
	if len(plan.Git) != 1 || !plan.Git[0].Left ||
		!slices.Contains(plan.Git[0].Since, "main has one more commit: mine") {
		t.Errorf("%+v", plan.Git)
	}
	_, r := p.apply(plan)
	p.whole(r)
	p.sound()
	if p.git("rev-parse", "HEAD") != user || p.read("agent") != "by agent" {
		t.Error("not as it should be")
	}
}

func TestCommitsOfTheUserOnTop(t *testing.T) {
	p := newRepository(t)
	before, was := p.record(), p.git("rev-parse", "HEAD")
	agent := p.commit("agent", "by agent")
	after := p.record()
	p.commit("user", "first")
	user := p.commit("user", "second")
	is := p.describe()

	plan := p.plan(Request{Before: before, After: after})
	if len(plan.Git) != 1 || !plan.Git[0].Left {
		t.Fatalf("%+v", plan.Git)
	}
	if want := []string{
		"main has 2 more commits, the last: second", "index: other changes are staged",
	}; !slices.Equal(plan.Git[0].Since, want) {
		t.Errorf("%q", plan.Git[0].Since)
	}
	if want := []string{"git rebase --onto " + was + " " + agent + " main"}; !slices.Equal(
		plan.Git[0].Try, want) {
		t.Errorf("%q", plan.Git[0].Try)
	}
	j, r := p.apply(plan)
	p.whole(r)
	p.sound()
	if p.git("rev-parse", "HEAD") != user || p.read("user") != "second" {
		t.Error("the user's commit is gone")
	}
	if _, err := os.Lstat(p.at("agent")); err == nil {
		t.Error("the agent's file is there")
	}
	p.undo(j)
	p.want("undo", is)

	// What is to be typed helps.
	p.git(strings.Fields(plan.Git[0].Try[0])[1:]...)
	if p.git("log", "--format=%s", was+"..main") != "second\nfirst" {
		t.Errorf("%s", p.git("log", "--format=%s"))
	}

	// Forced, the user's commits are still to be had.
	j, r = p.apply(p.plan(Request{Before: before, After: after, Force: true}))
	p.whole(r)
	p.sound()
	if p.git("rev-parse", "HEAD") != was {
		t.Error("it was not forced")
	}
	p.git("cat-file", "-e", user)
	p.undo(j)
	p.sound()
}

// What git does by itself is not the user's work.
func TestWhatGitDoesByItself(t *testing.T) {
	for name, do := range map[string]func(p *place){
		"status": func(p *place) {
			later := time.Now().Add(time.Hour)
			p.must(os.Chtimes(p.at("b"), later, later))
			p.git("status")
		},
		"gc": func(p *place) { p.git("gc", "-q", "--prune=now") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newRepository(t)
			before, head := p.record(), p.git("rev-parse", "HEAD")
			p.commit("a", "agent")
			p.git("branch", "agents")
			after := p.record()
			do(p)
			plan := p.plan(Request{Before: before, After: after})
			p.clean(plan)
			if len(plan.Git) != 1 || plan.Git[0].Left {
				t.Fatalf("%+v", plan.Git)
			}
			_, r := p.apply(plan)
			p.whole(r)
			p.sound()
			if p.git("rev-parse", "HEAD") != head || p.git("branch") != "* main" {
				t.Errorf("%s, %s", p.git("rev-parse", "HEAD"), p.git("branch"))
			}
		})
	}
}

func TestGitIsAtWork(t *testing.T) {
	p := newRepository(t)
	before := p.record()
	p.commit("a", "agent")
	after := p.record()
	p.write(".git/index.lock", "")
	is := p.describe()
	plan := p.plan(Request{Before: before, After: after, Paths: Selection{".git/HEAD"}})
	if len(plan.Git) != 1 || !plan.Git[0].Left ||
		plan.Git[0].Since[0] != "git is at work in it now (index.lock)" {
		t.Fatalf("%+v", plan.Git)
	}
	_, r := p.apply(plan)
	p.whole(r)
	p.want("left", is)
}

// Files of holes in the place of refs and logs neither keep a repository from being given back nor
// fill the memory of whoever does it.
func TestFilesOfHolesInARepository(t *testing.T) {
	p := newRepository(t)
	before, was := p.record(), p.describe()
	head := p.git("rev-parse", "HEAD")
	p.commit("a", "agent")
	for name, size := range map[string]int64{
		"refs/heads/x": 100 << 20, "refs/heads/y": 100 << 20, "logs/refs/heads/x": 100 << 20,
		"refs/heads/z": 513 << 20, "modules/m/HEAD": 100 << 20,
	} {
		p.write(".git/"+name, "")
		p.must(os.Truncate(p.at(".git/"+name), size))
	}
	after := p.record()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	plan := p.plan(Request{Before: before, After: after})
	runtime.ReadMemStats(&end)
	if took := end.TotalAlloc - start.TotalAlloc; took > 64<<20 {
		t.Errorf("planning took %d MiB", took>>20)
	}
	p.clean(plan)
	_, r := p.apply(plan)
	p.whole(r)
	for path := range p.describe() {
		if _, ok := was[path]; !ok && !strings.HasPrefix(path, ".git/objects/") {
			t.Errorf("%s is there still", path)
		}
	}
	if now := p.git("rev-parse", "HEAD"); now != head {
		t.Errorf("HEAD is %s, and was %s", now, head)
	}
}

// A repository that the agent made goes, unless the user works in it since.
func TestARepositoryOfTheAgents(t *testing.T) {
	for _, works := range []bool{false, true} {
		p := newRepository(t)
		before, was := p.record(), p.describe()
		p.must(os.Mkdir(p.at("sub"), 0o755))
		p.git("init", "-q", "sub")
		p.write("sub/x", "agent")
		p.git("-C", "sub", "add", "x")
		p.git("-C", "sub", "commit", "-q", "-m", "agent")
		after := p.record()
		if works {
			p.git("-C", "sub", "commit", "-q", "--allow-empty", "-m", "user")
		}
		plan := p.plan(Request{Before: before, After: after})
		p.clean(plan)
		if plan.Git[0].Left != works {
			t.Fatalf("%+v", plan.Git)
		}
		_, r := p.apply(plan)
		if !works {
			p.whole(r)
			p.want("rollback", was)
			continue
		}
		if len(r.Kept) != 1 || p.git("-C", "sub", "log", "-1", "--format=%s") != "user" {
			t.Errorf("%+v", r)
		}
	}
}
