package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	fileName = "memory"
	lockName = "memory.lock"
)

// DamagedError says that the memory is there and cannot be read.
type DamagedError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("what was ever signed here cannot be read from %s: %v",
		policy.Printable(e.Path), e.Err)
}

// Unwrap is why.
func (e *DamagedError) Unwrap() error { return e.Err }

// Try says what to do about it.
func (e *DamagedError) Try() string {
	if errors.Is(e.Err, errNewer) {
		return "run this with that nono, or a newer one"
	}
	return "put back a copy of the file; or begin anew with `nono trust forget --all`, and " +
		"look at your instruction files before you sign them again"
}

// Load reads the memory in a directory. Where there is none, nothing was ever signed.
func Load(dir string) (*Memory, error) {
	name := path.Join(dir, fileName)
	content, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Memory{}, nil
	}
	var m *Memory
	if err == nil {
		m, err = parse(content)
	}
	if err != nil {
		return nil, &DamagedError{Path: name, Err: err}
	}
	return m, nil
}

func read(name string) ([]byte, error) {
	content, err := hostfile.Read(name, maxFile+1)
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return content, err
}

// Update changes the memory in a directory, while nobody else does. Nothing is written where the
// change is an error, or none.
func Update(ctx context.Context, dir string, change func(*Memory) error) error {
	return locked(ctx, dir, func(root *os.Root) error {
		m, err := Load(dir)
		if err != nil {
			return err
		}
		return m.store(root, change)
	})
}

// Reset forgets everything, whatever state the memory is in.
func Reset(ctx context.Context, dir string) error {
	return locked(ctx, dir, func(root *os.Root) error {
		err := root.Remove(fileName)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, ownfile.Sync(root))
	})
}

func (m *Memory) store(root *os.Root, change func(*Memory) error) error {
	before, err := m.marshal()
	if err != nil {
		return err
	}
	if err := change(m); err != nil {
		return err
	}
	after, err := m.marshal()
	if err != nil || string(before) == string(after) {
		return err
	}
	if err := ownfile.ReplaceSynced(root, fileName, after); err != nil {
		return fmt.Errorf("remembering what is signed: %w", err)
	}
	return nil
}

// locked does something while this process holds the lock.
func locked(ctx context.Context, dir string, do func(*os.Root) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	lock, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := ownfile.Lock(ctx, lock); err != nil {
		return fmt.Errorf("remembering what is signed, in %s: %w", policy.Printable(dir), err)
	}
	return do(root)
}
