package buildcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Limit is how many bytes the caches of all projects together may have.
	Limit = 10 << 30
	// Unused is how long the caches of a project are kept that nobody works in.
	Unused = 60 * 24 * time.Hour
	// seldom is how long nobody looks again after somebody has pruned.
	seldom = 24 * time.Hour
)

// stamp is a file whose time is that of the last pruning.
const stamp = ".pruned"

// Prune removes the caches that are not to be kept any longer, if nobody has looked for a day. own
// is nono's own cache directory. It stops without an error when the context ends, and the next one
// goes on.
func Prune(ctx context.Context, own string) error {
	return pruner{Limit, time.Now()}.prune(ctx, own)
}

type pruner struct {
	limit int64
	now   time.Time
}

// project is the store of one, as it lies on the disk.
type project struct {
	name string
	used time.Time
	size int64
}

func (p pruner) prune(ctx context.Context, own string) error {
	root, err := os.OpenRoot(path.Join(own, directory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the build caches: %w", err)
	}
	defer root.Close()
	if last, err := root.Stat(stamp); err == nil && p.now.Sub(last.ModTime()) < seldom {
		return nil
	}
	projects, err := measure(ctx, root)
	if err != nil || ctx.Err() != nil {
		return err
	}
	var total int64
	for _, one := range projects {
		total += one.size
	}
	slices.SortFunc(projects, func(a, b project) int { return a.used.Compare(b.used) })
	for _, one := range projects {
		if ctx.Err() != nil {
			return nil
		}
		if total <= p.limit && p.now.Sub(one.used) < Unused && !strings.HasPrefix(one.name, gone) {
			continue
		}
		removed, err := remove(ctx, root, one.name)
		if err != nil {
			return fmt.Errorf("removing build caches that were used longest ago: %w", err)
		}
		if removed {
			total -= one.size
		}
	}
	f, err := root.OpenFile(stamp, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("noting that the build caches were pruned: %w", err)
	}
	return errors.Join(f.Close(), root.Chtimes(stamp, p.now, p.now))
}

// measure finds out what there is. Nothing that takes long goes on when the context has ended.
func measure(ctx context.Context, root *os.Root) ([]project, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("listing the build caches: %w", err)
	}
	var projects []project
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // another run has pruned it meanwhile
		}
		one := project{name: e.Name(), used: info.ModTime()}
		dir, err := root.Open(e.Name())
		if err != nil {
			continue
		}
		one.size = size(ctx, dir, 0)
		projects = append(projects, one)
	}
	return projects, nil
}

// deepest is how many directories inside one another are looked into: no tool makes more.
const deepest = 64

// size is how much lies in a directory, which it closes. The tree is the agent's work, so no link
// of it is followed, and a directory that may not be read counts as nothing.
func size(ctx context.Context, dir *os.File, depth int) int64 {
	defer dir.Close()
	var total int64
	for ctx.Err() == nil {
		entries, err := dir.ReadDir(512)
		for _, e := range entries {
			var st unix.Stat_t
			fd := int(dir.Fd())
			if unix.Fstatat(fd, e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue
			}
			total += st.Blocks * 512
			if st.Mode&unix.S_IFMT != unix.S_IFDIR || depth == deepest {
				continue
			}
			const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
			if inner, err := unix.Openat(fd, e.Name(), flags, 0); err == nil {
				total += size(ctx, os.NewFile(uintptr(inner), e.Name()), depth+1)
			}
		}
		if err != nil || len(entries) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return total
			}
			break
		}
	}
	return total
}

// gone begins the name of a store that is being removed: no run finds it any more.
const gone = ".gone-"

// remove removes the store of a project that no run uses. What it does not get done before the
// context ends, the next one does.
func remove(ctx context.Context, root *os.Root, name string) (bool, error) {
	dir, err := root.Open(name)
	if err != nil {
		return false, err
	}
	if err := lock(dir, unix.LOCK_EX); err != nil {
		return false, nil // a run uses it
	}
	defer dir.Close()
	doomed := name
	if !strings.HasPrefix(name, gone) {
		doomed = gone + name
		if err := root.Rename(name, doomed); err != nil {
			return false, err
		}
	}
	// The agent may have taken rights away, from the user as well, who needs them to remove the rest.
	makeRemovable(ctx, root, doomed, 0)
	for _, inner := range beneath(root, doomed) {
		if ctx.Err() != nil {
			return true, nil
		}
		if err := root.RemoveAll(inner); err != nil {
			return false, err
		}
	}
	return true, root.RemoveAll(doomed)
}

// beneath lists what lies two names below a directory: parts of a cache, each soon removed.
func beneath(root *os.Root, dir string) []string {
	found, err := fs.Glob(root.FS(), dir+"/*/*")
	if err != nil {
		return nil
	}
	return found
}

// makeRemovable lets the user change every directory of a tree.
func makeRemovable(ctx context.Context, root *os.Root, name string, depth int) {
	if depth == deepest || ctx.Err() != nil || root.Chmod(name, 0o700) != nil {
		return
	}
	entries, err := fs.ReadDir(root.FS(), name)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			makeRemovable(ctx, root, path.Join(name, e.Name()), depth+1)
		}
	}
}
