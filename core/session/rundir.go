package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/dirs"
)

// A runDir is a directory of this run's own beneath the runtime directory. While the run lives it
// holds a lock on the directory: a directory that nobody holds belongs to a run whose core was
// killed, and the next start removes it.
type runDir struct {
	ID   string
	Path string
	base *os.Root // the runtime directory
	lock *os.File
}

// newRunDir removes what killed runs left and makes a directory for this one.
//
// Both happen under one lock on the runtime directory itself. Without it a start that sweeps could
// find the directory of another start between its making and its locking, and take it for
// abandoned.
func newRunDir(d dirs.Dirs, uid int) (*runDir, error) {
	base, err := d.OpenRuntime(uid)
	if err != nil {
		return nil, err
	}
	r, err := makeRunDir(base, d.Runtime)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	return r, nil
}

func makeRunDir(base *os.Root, path string) (*runDir, error) {
	whole, err := base.Open(".")
	if err != nil {
		return nil, fmt.Errorf("opening the runtime directory: %w", err)
	}
	defer whole.Close()
	if err := unix.Flock(int(whole.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("locking the runtime directory: %w", err)
	}
	if err := sweep(base); err != nil {
		return nil, err
	}

	id := newID()
	if err := base.Mkdir(id, 0o700); err != nil {
		return nil, fmt.Errorf("making this run's directory: %w", err)
	}
	lock, err := base.Open(id)
	if err != nil {
		return nil, fmt.Errorf("opening this run's directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking this run's directory: %w", err), lock.Close())
	}
	return &runDir{ID: id, Path: filepath.Join(path, id), base: base, lock: lock}, nil
}

// Remove removes the directory with all that is in it. The run is over.
func (r *runDir) Remove() error {
	return errors.Join(r.base.RemoveAll(r.ID), r.lock.Close(), r.base.Close())
}

// sweep removes the directories that no run holds a lock on. It removes whole trees by name, so it
// never leaves the directory that was opened and checked, whatever its path means by now.
func sweep(base *os.Root) error {
	entries, err := fs.ReadDir(base.FS(), ".")
	if err != nil {
		return fmt.Errorf("looking for what killed runs left: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		abandoned, err := isAbandoned(base, e.Name())
		if err == nil && abandoned {
			err = base.RemoveAll(e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what a killed run left: %w", err)
		}
	}
	return nil
}

func isAbandoned(base *os.Root, name string) (bool, error) {
	f, err := base.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// newID is short, for it becomes part of a socket's path, which may have no more than 100 bytes or
// so.
func newID() string { return strings.ToLower(rand.Text()[:10]) }
