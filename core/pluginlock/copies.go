package pluginlock

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// This file is about the copies of programs that were run, which spare the next run to copy them
// into memory and to take their digests.
//
// A copy is made of what a run has held against the list, and is named by its digest. It lies in
// nono's state directory, which is as closed as that of the list: who could put another program
// there could put another digest into the list.
//
// Beside it lies what it was then, and what the file was that it is of. If that file is another one
// now, it is held against the list again, so that an update is noticed. That it could be changed
// without a trace does not matter, for it is not what is run. If the copy is another one, as after
// an accident, it is not used.

// copiesDir is where they lie.
func copiesDir(own dirs.Dirs) string { return filepath.Join(own.State, "programs") }

// stampsName is the name of what lies beside a copy, and stamps its content.
func stampsName(digest string) string { return digest + ".stamps" }

func stamps(program, copied string) string {
	return fmt.Sprintf("program: %s\ncopy: %s\n", program, copied)
}

// Kept is the copy of the program that the list has under a name, and its digest, if there is one
// and the file is what it was. It is a [layerhost.Kept].
func (l *Lock) Kept(layer, stamp string) (*os.File, string) {
	locked, ok := l.Find(layer)
	if !ok {
		return nil, ""
	}
	f, err := l.kept(locked.SHA256, stamp)
	if err != nil {
		return nil, ""
	}
	return f, locked.SHA256
}

func (l *Lock) kept(digest, program string) (*os.File, error) {
	dir := copiesDir(l.own)
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	f, err := hostfile.OpenDirect(filepath.Join(dir, digest))
	if err != nil {
		return nil, err
	}
	err = checkCopy(f, filepath.Join(dir, stampsName(digest)), program)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	return ownfile.CheckPrivate(dir, info, os.Geteuid(), "it is not used")
}

// checkCopy checks that a copy is what was made of this program, and can be run where it lies.
func checkCopy(f *os.File, stampsFile, program string) error {
	copied, err := layerhost.Stamp(f)
	if err != nil {
		return err
	}
	want := stamps(program, copied)
	is, err := ownfile.Read(stampsFile, ownfile.Guard{
		UID: os.Geteuid(), Closed: ownfile.Writing, Could: "change it", Most: int64(len(want)),
	})
	if err != nil {
		return err
	}
	if string(is) != want {
		return errors.New("the program or its copy is another one")
	}
	return unix.Access(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.X_OK)
}

// Keep keeps the copy that was made of a program for this run, if one was and the list has it.
func Keep(own dirs.Dirs, b *layerhost.Binary) error {
	made, program := b.Copied()
	if made == nil {
		return nil
	}
	digest, err := b.Digest()
	if err != nil {
		return err
	}
	l, err := Read(own)
	if err == nil {
		err = l.Permit(b, digest)
	}
	if err != nil {
		return err
	}
	return errors.Join(l.keep(digest, program, io.NewSectionReader(made, 0, math.MaxInt64)), l.prune())
}

func (l *Lock) keep(digest, program string, content io.Reader) error {
	dir := copiesDir(l.own)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	copied, err := writeCopy(root, digest, content)
	if err != nil {
		return err
	}
	return ownfile.Replace(root, stampsName(digest), []byte(stamps(program, copied)))
}

// writeCopy puts a copy in its place, and says what it is there. Whenever the machine fails, it is
// whole or not there.
func writeCopy(dir *os.Root, name string, content io.Reader) (stamp string, err error) {
	beside := "." + name + "." + rand.Text()
	f, err := dir.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err = io.Copy(f, content); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = dir.Rename(beside, name)
	}
	if err != nil {
		return "", errors.Join(err, dir.RemoveAll(beside))
	}
	return layerhost.Stamp(f)
}

// prune removes the copies of what is not in the list, and what was left half-way.
func (l *Lock) prune() error {
	root, err := os.OpenRoot(copiesDir(l.own))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	locked := map[string]bool{}
	for _, p := range l.Programs {
		locked[p.SHA256], locked[stampsName(p.SHA256)] = true, true
	}
	files, err := fs.ReadDir(root.FS(), ".")
	for _, f := range files {
		if !locked[f.Name()] {
			err = errors.Join(err, root.RemoveAll(f.Name()))
		}
	}
	return err
}
