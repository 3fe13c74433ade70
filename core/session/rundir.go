package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
)

// A runDir is a directory of this run's own beneath the runtime directory. While the run lives it
// holds a lock on the directory: a directory that nobody holds belongs to a run whose core was
// killed, and the next start removes it.
type runDir struct {
	ID   string
	Path string
	// Stuck are warnings of what killed runs left and could not be removed.
	Stuck diag.Problems
	base  *os.Root // the runtime directory
	lock  *os.File
}

// newRunDir removes what killed runs left and makes a directory for this one.
//
// No start waits for another: one that is stopped in the middle of this stops nobody else.
func newRunDir(d dirs.Dirs, uid int) (*runDir, error) {
	base, err := d.OpenRuntime(uid)
	if err != nil {
		return nil, runtimeProblem(d.Runtime, err)
	}
	r, err := makeRunDir(base, d.Runtime)
	if err != nil {
		return nil, errors.Join(runtimeProblem(d.Runtime, err), base.Close())
	}
	return r, nil
}

// runtimeProblem is about a runtime directory in which nothing can be made.
func runtimeProblem(dir string, err error) error {
	for _, refused := range []error{
		unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR,
	} {
		if errors.Is(err, refused) {
			return diag.Errorf("making a directory for this run in %s: %v", dir, refused).
				Try("set XDG_RUNTIME_DIR to a directory of your own with mode 0700 and space left, " +
					"beneath which nono can make its own")
		}
	}
	return err
}

// beingMade begins the name of a directory that its run may not have locked yet. It is renamed when
// that is done, so that no sweep finds the directory of another start between its making and its
// locking and takes it for abandoned.
const beingMade = "new-"

// makingTime is far more than what a start takes for that. What is older was left by one that was
// killed in the middle.
const makingTime = time.Minute

func makeRunDir(base *os.Root, path string) (*runDir, error) {
	stuck, err := sweep(base, path)
	if err != nil {
		return nil, err
	}
	r := &runDir{ID: newID(), Stuck: stuck, base: base}
	r.Path = filepath.Join(path, r.ID)
	making := beingMade + r.ID
	if err := base.Mkdir(making, 0o700); err != nil {
		return nil, fmt.Errorf("making this run's directory: %w", err)
	}
	if r.lock, err = base.Open(making); err != nil {
		return nil, errors.Join(fmt.Errorf("opening this run's directory: %w", err), base.Remove(making))
	}
	err = unix.Flock(int(r.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = base.Rename(making, r.ID)
	}
	if err != nil {
		return nil, errors.Join(
			fmt.Errorf("locking this run's directory: %w", err), base.Remove(making), r.lock.Close(),
		)
	}
	return r, nil
}

// Remove removes the directory with all that is in it. The run is over.
func (r *runDir) Remove() error {
	return errors.Join(r.base.RemoveAll(r.ID), r.lock.Close(), r.base.Close())
}

// sweep removes the directories that no run holds a lock on. It removes whole trees by name, so it
// never leaves the directory that was opened and checked, whatever its path means by now.
//
// What cannot be removed is told and left: it is in nobody's way.
func sweep(base *os.Root, path string) (stuck diag.Problems, err error) {
	entries, err := fs.ReadDir(base.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("looking for what killed runs left: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := filepath.Join(path, e.Name())
		abandoned, err := isAbandoned(base, e.Name())
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		case err != nil:
			stuck = append(stuck, diag.Warningf("nobody can tell whether a run still uses %s: %v",
				dir, causeOf(err)).Try("if no nono of yours runs, "+removeByHand, dir))
		case abandoned:
			if err := base.RemoveAll(e.Name()); err != nil {
				stuck = append(stuck, stuckProblem(dir, err))
			}
		}
	}
	return stuck, nil
}

// removeByHand is what to type.
const removeByHand = "run `chmod -R u+rwX %[1]s; rm -r %[1]s`"

// stuckProblem is about a directory of a run that is over.
func stuckProblem(dir string, err error) diag.Problem {
	return diag.Warningf("%s, which a run has left, cannot be removed: %v", dir, causeOf(err)).
		Try(removeByHand, dir)
}

// causeOf is an error of an [os.Root] without its path, which is relative to a directory that it
// does not name.
func causeOf(err error) error {
	if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
		return cause.Err
	}
	return err
}

func isAbandoned(base *os.Root, name string) (bool, error) {
	f, err := base.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if strings.HasPrefix(name, beingMade) {
		info, err := f.Stat()
		if err != nil || time.Since(info.ModTime()) < makingTime {
			return false, err
		}
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// newID is short, for it becomes part of a socket's path, which may have no more than 100 bytes or
// so.
func newID() string { return strings.ToLower(rand.Text()[:10]) }
