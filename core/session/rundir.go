package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/lease"
)

// A runDir is a directory of this run's own beneath the runtime directory, with what it needs only
// while it lives. The run holds a lease on it: a directory that nobody holds belongs to a run whose
// core was killed, and the next start removes it.
type runDir struct {
	ID   string
	Path string
	// Stuck are warnings of what killed runs left and could not be removed.
	Stuck diag.Problems
	base  *os.Root // the runtime directory
	lease *lease.Lease
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

func makeRunDir(base *os.Root, path string) (*runDir, error) {
	stuck, err := sweep(base, path)
	if err != nil {
		return nil, err
	}
	r := &runDir{ID: lease.NewID(), Stuck: stuck, base: base}
	r.Path = filepath.Join(path, r.ID)
	if r.lease, err = lease.Make(base, r.ID); err != nil {
		return nil, fmt.Errorf("making this run's directory: %w", err)
	}
	return r, nil
}

// Remove removes the directory with all that is in it. The run is over.
func (r *runDir) Remove() error {
	return errors.Join(r.base.RemoveAll(r.ID), r.lease.Close(), r.base.Close())
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
		abandoned, err := lease.Take(base, e.Name())
		switch {
		case errors.Is(err, lease.ErrHeld):
		case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		case err != nil:
			stuck = append(stuck, diag.Warningf("nobody can tell whether a run still uses %s: %v",
				dir, causeOf(err)).Try("if no nono of yours runs, "+removeByHand, dir))
		default:
			if err := errors.Join(base.RemoveAll(e.Name()), abandoned.Close()); err != nil {
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
