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
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/ownfile"
)

// This file is about the copies of programs that were run, which spare the next run to copy them
// into memory and to take their digests.
//
// A copy is made of what a run has held against the list, is named by its digest, and lies in
// nono's state directory. Two stamps vouch for it, of the program's file and of the copy itself.
// They lie beside the list: who could write them could put another digest into that. A state
// directory may be elsewhere in another run, where that run's agent could write.
//
// If the file's stamp is another one now, the file is copied and held against the list again, so
// that an update is noticed. That a file can be changed and keep its stamp does not matter, for it
// is not what is run. If the copy's own is another one, the copy is not used.
//
// Nothing is kept in a mount with noexec. Where the host refuses to execute a copy all the same,
// layerhost seals its content in memory and runs that.

// copiesDir is where they lie, and stampsDir where the stamps do, by the same names.
func copiesDir(own dirs.Dirs) string { return filepath.Join(own.State, "programs") }
func stampsDir(own dirs.Dirs) string { return filepath.Join(own.Config, "programs") }

// stamps are what vouches for a copy, as a file.
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
	copies, vouching := copiesDir(l.own), stampsDir(l.own)
	for _, dir := range []string{copies, vouching} {
		if _, err := checkDir(dir); err != nil {
			return nil, err
		}
	}
	f, err := hostfile.OpenDirect(filepath.Join(copies, digest))
	if err != nil {
		return nil, err
	}
	if err := checkCopy(f, filepath.Join(vouching, digest), program); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func checkDir(dir string) (fs.FileInfo, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	return info, ownfile.CheckPrivate(dir, info, os.Geteuid(), "it is not used")
}

// openPrivate opens a directory that is the user's alone, and is no link.
func openPrivate(dir string) (*os.Root, error) {
	checked, err := checkDir(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(opened, checked) {
		err = fmt.Errorf("%s was exchanged while it was opened", dir)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
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
	return runnable(f)
}

// runnable reports a file that cannot be run where it lies, as far as the kernel says beforehand.
func runnable(f *os.File) error {
	return unix.Access(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.X_OK)
}

// Keep keeps the copy that was made of a program for this run, if one was and the list has it.
func Keep(own dirs.Dirs, b *layerhost.Binary) error {
	made, program := b.NewCopy()
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
	copies, err := makePrivate(copiesDir(l.own))
	if err != nil {
		return err
	}
	defer func() { _ = copies.Close() }()
	vouching, err := makePrivate(stampsDir(l.own))
	if err != nil {
		return err
	}
	defer func() { _ = vouching.Close() }()
	copied, err := writeCopy(copies, digest, content)
	if err != nil {
		return err
	}
	return ownfile.Replace(vouching, digest, []byte(stamps(program, copied)))
}

func makePrivate(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return openPrivate(dir)
}

// writeCopy puts a copy in its place, if it can be run there, and returns its stamp. Whenever the
// machine fails, it is whole or not there.
func writeCopy(dir *os.Root, name string, content io.Reader) (stamp string, err error) {
	beside := "." + name + "." + rand.Text()
	f, err := dir.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err = runnable(f); err == nil {
		_, err = io.Copy(f, content)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = dir.Rename(beside, name)
	}
	if err != nil {
		return "", errors.Join(err, dir.Remove(beside))
	}
	return layerhost.Stamp(f)
}

// prune removes the copies of what is not in the list, what vouches for them, and what was left
// half-way. What has no name of nono's is somebody else's, and stays.
func (l *Lock) prune() error {
	locked := map[string]bool{}
	for _, p := range l.Programs {
		locked[p.SHA256] = true
	}
	return errors.Join(prune(copiesDir(l.own), locked), prune(stampsDir(l.own), locked))
}

func prune(dir string, locked map[string]bool) error {
	root, err := openPrivate(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	files, err := fs.ReadDir(root.FS(), ".")
	for _, f := range files {
		if !locked[f.Name()] && ownName.MatchString(f.Name()) {
			err = errors.Join(err, root.Remove(f.Name()))
		}
	}
	return err
}

// ownName are the names of copies and stamps, and of what becomes one.
var ownName = lazyregexp.New(`^([0-9a-f]{64}|\.[0-9a-f]{64}\.[A-Z0-9]+)$`)
