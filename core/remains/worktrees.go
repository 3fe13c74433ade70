package remains

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/sdk/hostfile"
)

// Bounds of what is looked at: the agent may have made as many as it liked.
const (
	mostGrants    = 64
	mostWorktrees = 256
)

// lostWorktrees are the places of git worktrees that the run made where nothing was granted: git
// said that it worked, and they were in a directory of the session's own. What was committed there
// is in the repository; what was not is gone.
func lostWorktrees(writable []string, began time.Time) []string {
	var lost []string
	for _, dir := range writable[:min(mostGrants, len(writable))] {
		lost = append(lost, lostFrom(dir, began)...)
	}
	slices.Sort(lost)
	return slices.Compact(lost)
}

// lostFrom are the places of the worktrees that the repository in a directory has had since
// then, and that are not there. No link leads out of the directory.
func lostFrom(dir string, since time.Time) []string {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	// A file's time lags behind the clock, by the kernel's tick.
	since = since.Add(-10 * time.Millisecond)
	var lost []string
	for _, all := range []string{".git/worktrees", "worktrees"} {
		for _, name := range namesIn(root, all) {
			at := filepath.Join(all, name)
			place, made := worktreePlace(root, at)
			if place == "" || made.Before(since) {
				continue
			}
			if !filepath.IsAbs(place) {
				place = filepath.Join(dir, at, place)
			}
			if _, err := os.Lstat(place); os.IsNotExist(err) {
				lost = append(lost, filepath.Dir(place))
			}
		}
	}
	return lost
}

func namesIn(root *os.Root, dir string) []string {
	f, err := root.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(mostWorktrees)
	if err != nil {
		return nil
	}
	return names
}

// worktreePlace is the .git file that a worktree's directory in the repository names, and when it
// was written. It is empty where there is none.
func worktreePlace(root *os.Root, dir string) (string, time.Time) {
	// Without waiting: anything may stand at that name.
	f, err := root.OpenFile(filepath.Join(dir, "gitdir"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", time.Time{}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeType != 0 {
		return "", time.Time{}
	}
	content, err := io.ReadAll(io.LimitReader(f, hostfile.MaxPath))
	place := strings.TrimRight(string(content), "\r\n")
	if err != nil || filepath.Base(place) != ".git" || strings.ContainsRune(place, 0) {
		return "", time.Time{}
	}
	return place, info.ModTime()
}
