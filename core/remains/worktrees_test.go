package remains

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// What is looked at is the agent's work, and nothing of it leads further or keeps anybody waiting.
func TestLostWorktrees(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	since := time.Now()
	write("proj/.git/worktrees/gone/gitdir", dir+"/gone/.git\n")
	write("proj/.git/worktrees/relative/gitdir", "../../../../near/.git\n")
	write("proj/.git/worktrees/there/gitdir", dir+"/there/.git\n")
	write("there/.git", "gitdir: x")
	write("proj/.git/worktrees/old/gitdir", dir+"/old/.git\n")
	if err := os.Chtimes(filepath.Join(dir, "proj/.git/worktrees/old/gitdir"), time.Time{}, since.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	write("proj/.git/worktrees/empty/gitdir", "")
	write("proj/.git/worktrees/strange/gitdir", "/etc/passwd\x00/.git")
	write("proj/.git/worktrees/none/x", "")
	write("outside/gitdir", dir+"/outside-gone/.git\n")
	if err := os.Symlink(dir+"/outside", filepath.Join(dir, "proj/.git/worktrees/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "proj/.git/worktrees/pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "proj/.git/worktrees/pipe/gitdir"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := lostFrom(filepath.Join(dir, "proj"), since)
	slices.Sort(got)
	if want := []string{dir + "/gone", dir + "/near"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := lostFrom(filepath.Join(dir, "proj/.git"), since); len(got) != 2 {
		t.Errorf("of the git directory itself: %q", got)
	}
	if got := lostFrom(filepath.Join(dir, "nowhere"), since); got != nil {
		t.Errorf("of what is not there: %q", got)
	}
}
