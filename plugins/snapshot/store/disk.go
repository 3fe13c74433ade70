//go:build linux

package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is all that the store does to its directory, so that a test can keep a log of it, let power
// fail between any two steps, or let reading fail. Names are relative to the directory.
type disk interface {
	// create makes a file and holds a lock on it, by which others know that it is being written.
	create(name string) (file, error)
	open(name string) (file, error)
	rename(from, to string) error
	remove(name string) error
	list(dir string) ([]string, error)
	// syncDir has returned when the names in a directory outlive a loss of power.
	syncDir(dir string) error
	// rubbish removes a file that is no longer being written, and leaves one that is.
	rubbish(name string) error
}

// file is a file of the store.
type file interface {
	io.ReaderAt
	io.WriterAt
	// close lets it go. What was written is safe when sync says so, and no sooner.
	close()
	size() (int64, error)
	// used is what it takes of the disk.
	used() (int64, error)
	// start begins to write a part back to the disk, and does not wait.
	start(offset, length int64) error
	// sync has returned when all of its bytes outlive a loss of power.
	sync() error
	// clone makes a part share its blocks with a part of another file, where the filesystem can.
	clone(to int64, source *os.File, from, length int64) error
	// source is what can be cloned from, or nil.
	source() *os.File
	// punch gives the blocks of a part back.
	punch(offset, length int64) error
}

// onDisk is a directory. Links in it are not followed out of it.
type onDisk struct{ root *os.Root }

// tries is how often a new file may be taken for rubbish between its making and its locking.
const tries = 100

func (d onDisk) create(name string) (file, error) {
	for range tries {
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, unix.LOCK_EX); err != nil {
			return nil, errors.Join(err, f.Close(), d.root.Remove(name))
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return nil, errors.Join(err, f.Close(), d.root.Remove(name))
		}
		if st.Nlink > 0 {
			return onDiskFile{f}, nil
		}
		f.Close() // somebody was faster, and removed it
	}
	return nil, fmt.Errorf("%s was removed each of %d times that it was made", name, tries)
}

func (d onDisk) rubbish(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return ignore(err, fs.ErrNotExist)
	}
	defer f.Close()
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return ignore(err, unix.EWOULDBLOCK)
	}
	// Its writer may have given it its name, and closed it, since it was opened.
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := d.root.Lstat(name)
	if err != nil || !os.SameFile(mine, there) {
		return ignore(err, fs.ErrNotExist)
	}
	return ignore(d.root.Remove(name), fs.ErrNotExist)
}

func (d onDisk) open(name string) (file, error) {
	// Whatever lies there, it is not waited for.
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = damaged("%s is no file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return onDiskFile{f}, nil
}

func (d onDisk) rename(from, to string) error { return d.root.Rename(from, to) }
func (d onDisk) remove(name string) error     { return d.root.Remove(name) }

func (d onDisk) list(dir string) ([]string, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d onDisk) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

type onDiskFile struct{ *os.File }

func (f onDiskFile) close() { f.Close() }

func (f onDiskFile) size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f onDiskFile) used() (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return st.Blocks * 512, err
}

func (f onDiskFile) start(offset, length int64) error {
	return unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}

func (f onDiskFile) sync() error { return unix.Fdatasync(int(f.Fd())) }

func (f onDiskFile) clone(to int64, source *os.File, from, length int64) error {
	return unix.IoctlFileCloneRange(int(f.Fd()), &unix.FileCloneRange{
		Src_fd: int64(source.Fd()), Src_offset: uint64(from), Src_length: uint64(length),
		Dest_offset: uint64(to),
	})
}

func (f onDiskFile) source() *os.File { return f.File }

func (f onDiskFile) punch(offset, length int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	return unix.Fallocate(int(f.Fd()), mode, offset, length)
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// ignore is an error, unless it is one of a kind.
func ignore(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// newID is a name for a file that nobody else takes.
func newID() string { return strings.ToLower(rand.Text()) }

const idLength = 26

// isID reports whether newID could have made it.
func isID(name string) bool {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') }
	return len(name) == idLength && !strings.ContainsFunc(name, other)
}
