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

// A runDir is a directory of this run's own beneath the runtime directory. While the run lives it holds a lock on the directory: a
// directory that nobody holds belongs to a run whose core was killed, and the next start removes it.
type runDir struct {
	ID   string
	Path string
	lock *os.File
}

// newRunDir removes what killed runs left and makes a directory for this one.
//
// Both happen under one lock on the runtime directory itself. Without it a start that sweeps could find the directory of
// another start between its making and its locking, and take it for abandoned.
func newRunDir(d dirs.Dirs, uid int) (*runDir, error) {
	if err := d.MakeRuntime(uid); err != nil {
		return nil, err
	}
	base, err := os.Open(d.Runtime)
	if err != nil {
		return nil, fmt.Errorf("opening the runtime directory: %w", err)
	}
	defer base.Close()
	if err := unix.Flock(int(base.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("locking the runtime directory: %w", err)
	}
	if err := sweep(d.Runtime); err != nil {
		return nil, err
	}

	id := newID()
	path := filepath.Join(d.Runtime, id)
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("making this run's directory: %w", err)
	}
	lock, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening this run's directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking this run's directory: %w", err), lock.Close())
	}
	return &runDir{ID: id, Path: path, lock: lock}, nil
}

// Remove removes the directory with all that is in it. The run is over.
func (r *runDir) Remove() error {
	return errors.Join(os.RemoveAll(r.Path), r.lock.Close())
}

// sweep removes the directories that no run holds a lock on.
func sweep(runtime string) error {
	entries, err := os.ReadDir(runtime)
	if err != nil {
		return fmt.Errorf("looking for what killed runs left: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := filepath.Join(runtime, e.Name())
		abandoned, err := isAbandoned(dir)
		if err == nil && abandoned {
			err = os.RemoveAll(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what a killed run left: %w", err)
		}
	}
	return nil
}

func isAbandoned(dir string) (bool, error) {
	f, err := os.Open(dir)
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

// newID is short, for it becomes part of a socket's path, which may have no more than 100 bytes or so.
func newID() string { return strings.ToLower(rand.Text()[:10]) }
