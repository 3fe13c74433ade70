// Package ownfile is about files of the user's own by which nono goes: who else could have written
// them, and how one is replaced so that it is whole at any moment.
//
//	root, err := os.OpenRoot(dir)
//	info, err := root.Stat(".")
//	err = ownfile.CheckPrivate(dir, info, os.Geteuid(), "set XDG_STATE_HOME")
//	err = ownfile.Replace(root, "session.json", text)
package ownfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Fault is why nono does not go by a file.
type Fault struct {
	Path string
	// Foreign says that it belongs to another user. Otherwise its mode gives others too much.
	Foreign bool
	Mode    fs.FileMode
}

// Error implements error.
func (f *Fault) Error() string {
	switch {
	case f.Foreign:
		return f.Path + " belongs to another user"
	case f.Mode&Writing != 0:
		return fmt.Sprintf("others can write to %s (mode %04o)", f.Path, f.Mode)
	}
	return fmt.Sprintf("%s is open to others (mode %04o)", f.Path, f.Mode)
}

// What others may do with a file, as bits of its mode.
const (
	Anything fs.FileMode = 0o077
	Writing  fs.FileMode = 0o022
)

// CheckPrivate refuses what is not a directory of the user's that is closed to all others. What is
// said about another user's besides is the caller's.
func CheckPrivate(dir string, info fs.FileInfo, uid int, foreign string) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	switch fault := look(dir, info, uid, Anything); {
	case fault == nil:
		return nil
	case fault.Foreign:
		return fmt.Errorf("%w; %s", fault, foreign)
	default:
		return fmt.Errorf("%w; run `chmod 700 %s`", fault, dir)
	}
}

// CheckWriters refuses a file or a directory that is not the user's, or that others can write to,
// with a *Fault.
func CheckWriters(path string, info fs.FileInfo, uid int) error {
	if fault := look(path, info, uid, Writing); fault != nil {
		return fault
	}
	return nil
}

func look(path string, info fs.FileInfo, uid int, closed fs.FileMode) *Fault {
	switch mode := info.Mode().Perm(); {
	case !BelongsTo(info, uid):
		return &Fault{Path: path, Foreign: true, Mode: mode}
	case mode&closed != 0:
		return &Fault{Path: path, Mode: mode}
	}
	return nil
}

// BelongsTo reports whether a file is this user's.
func BelongsTo(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}

// Guard says whose a file must be that is read, and what others may not do with it.
type Guard struct {
	// UID is the user that it belongs to; root may own it too.
	UID int
	// Closed are the rights that others must not have.
	Closed fs.FileMode
	// Could says what they could do with them, as "change it", for the error.
	Could string
	// Most is how many bytes of it are wanted. One more is read, which tells a longer file.
	Most int64
}

// Read reads a file that is guarded like this. What is checked is the file that is read: it is
// opened once, without following a link at its end, and nothing is waited for that is no file. An
// error does not name the file.
func Read(path string, g Guard) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, reason(err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	case !BelongsTo(info, g.UID) && !BelongsTo(info, 0):
		return nil, fmt.Errorf("it belongs to another user, who could %s", g.Could)
	case info.Mode().Perm()&g.Closed != 0:
		return nil, fmt.Errorf("its mode %04o lets others %s: chmod 600 %s",
			info.Mode().Perm(), g.Could, path)
	}
	return io.ReadAll(io.LimitReader(file, g.Most+1))
}

// reason is an error without the file's name.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, syscall.ELOOP) {
		return errors.New("it is a link, and the file itself is wanted")
	}
	return err
}

// Replace puts a file in its place, in a directory or beneath it, in one step: whoever reads it,
// and whenever its writer is killed, it is the old one or the new one, and whole. A crash of the
// machine can lose both.
func Replace(dir *os.Root, name string, content []byte) error {
	return replace(dir, name, content, func(*os.File) error { return nil })
}

// ReplaceSynced is Replace, in the directory itself, for what must survive a crash of the machine:
// it does, once this has returned.
func ReplaceSynced(dir *os.Root, name string, content []byte) error {
	if err := replace(dir, name, content, (*os.File).Sync); err != nil {
		return err
	}
	return Sync(dir)
}

// Sync sees to it that the names in a directory survive a crash of the machine.
func Sync(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// replace writes the file beside its place first, under a name that nobody else takes.
func replace(dir *os.Root, name string, content []byte, written func(*os.File) error) error {
	beside := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text())
	f, err := dir.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &fs.PathError{Op: "write", Path: filepath.Join(dir.Name(), name), Err: reason(err)}
	}
	_, err = f.Write(content)
	if err == nil {
		err = written(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = dir.Rename(beside, name)
	}
	if err != nil {
		return errors.Join(err, dir.RemoveAll(beside))
	}
	return nil
}
