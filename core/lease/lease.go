// Package lease has directories that belong to a process for as long as it lives.
//
// Whoever makes one holds a lock on it, and the kernel takes that away with the process, however it
// ended. So what a killed process left can be told from what is in use, and somebody else takes it
// over:
//
//	mine, err := lease.Make(root, "q3v7")
//	...
//	abandoned, err := lease.Take(root, name) // ErrHeld: its process lives
//
// Nobody waits for a lock: a process that is stopped in the middle stops nobody else.
package lease

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld means that a living process holds the directory.
var ErrHeld = errors.New("a living process holds it")

// Lease is a directory that this process holds.
type Lease struct{ lock *os.File }

// BeingMade begins the name of a directory that its process may not have locked yet. It is renamed
// when that is done, so that nobody finds a directory between its making and its locking and takes
// it for abandoned.
const BeingMade = "new-"

// makingTime is far more than what that takes. What is older was left by a process that was killed
// in the middle.
const makingTime = time.Minute

// NewID is a name for a directory. It is short, for it may become part of a socket's path, which
// may have no more than 100 bytes or so.
func NewID() string { return strings.ToLower(rand.Text()[:idLength]) }

const idLength = 10

// IsID reports whether a name is one that NewID can make.
func IsID(name string) bool {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') }
	return len(name) == idLength && !strings.ContainsFunc(name, other)
}

// Make makes a directory in base and holds it from the moment in which it has its name.
func Make(base *os.Root, name string) (*Lease, error) {
	making := BeingMade + name
	if err := base.Mkdir(making, 0o700); err != nil {
		return nil, err
	}
	lock, err := base.Open(making)
	if err != nil {
		return nil, errors.Join(err, base.Remove(making))
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		err = fmt.Errorf("locking it: %w", err)
	} else {
		err = base.Rename(making, name)
	}
	if err != nil {
		return nil, errors.Join(err, base.Remove(making), lock.Close())
	}
	return &Lease{lock}, nil
}

// Take takes over a directory whose process is gone. It is ErrHeld where that lives, or may be
// about to lock what it has just made.
func Take(base *os.Root, name string) (*Lease, error) {
	lock, err := base.Open(name)
	if err != nil {
		return nil, err
	}
	mine, err := lock.Stat()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// Before it is locked, for whoever makes it would find it so.
	if strings.HasPrefix(name, BeingMade) && time.Since(mine.ModTime()) < makingTime {
		return nil, errors.Join(ErrHeld, lock.Close())
	}
	if err := take(lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// It may have been finished, and have another name, since it was opened.
	there, err := base.Stat(name)
	if err == nil && !os.SameFile(mine, there) {
		err = ErrHeld
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Lease{lock}, nil
}

// Held reports whether a living process holds the directory.
func Held(base *os.Root, name string) (bool, error) {
	f, err := base.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	return held(f)
}

func held(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// looks is how often a directory is found to be looked at by others before it counts as held.
const looks = 1000

// take locks a directory that nobody holds. Somebody may just look whether it is held, and shares a
// lock for that; so the own is tried again.
func take(f *os.File) error {
	for range looks {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if taken, err := held(f); err != nil || taken {
			return errors.Join(ErrHeld, err)
		}
		runtime.Gosched()
	}
	return ErrHeld
}

// Close lets the directory go.
func (l *Lease) Close() error { return l.lock.Close() }
