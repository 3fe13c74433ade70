// Package scratch has the directories of a session's own on a host where nothing can be mounted:
// one that the agent writes what is temporary in, and one with what core has for it to read.
//
//	d, err := scratch.Make(scratch.Among(lookup), id)
//	d.Temporary // /tmp/nono-run-q3v7.../tmp: all rights
//	d.Own       // /tmp/nono-run-q3v7.../own: read-only
//	...
//	err = d.Remove()
//
// Both lie in one directory that nobody but the user can enter, and of which the agent has no more
// than these two. The session holds a lease on it: what a killed one left, the next one removes.
//
// What lies in the agent's directory is the agent's, so whatever is done there goes through the
// directory that was opened when it was made, and follows no link.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk/hostfile"
)

// prefix begins the name of each session's directory.
const prefix = "nono-run-"

// The two directories in it.
const (
	temporary = "tmp"
	own       = "own"
)

// Places are a session's directories by name. They need not be there.
type Places struct {
	// Temporary is the agent's, Own is core's.
	Temporary, Own string
}

// In are the directories that the session of this id has beneath a directory for what is temporary.
func In(dir, id string) Places {
	session := filepath.Join(dir, prefix+id)
	return Places{filepath.Join(session, temporary), filepath.Join(session, own)}
}

// Session is the directory that both lie in.
func (p Places) Session() string { return filepath.Dir(p.Own) }

// Directory is a session's directory that was made.
type Directory struct {
	Places
	// Stuck are warnings of what killed sessions left and could not be removed.
	Stuck diag.Problems
	name  string
	base  *os.Root
	lease *lease.Lease
}

// Among finds the directory for what is temporary in which a session can have its own: the user's,
// or one of the system's. Outside is what it must not lie in.
func Among(
	lookup func(string) (string, bool), uid int, outside func(dir string) bool,
) (string, error) {
	var all []string
	for _, name := range []string{"TMPDIR", "", "XDG_RUNTIME_DIR"} {
		if name == "" {
			all = append(all, "/tmp", "/var/tmp")
		} else if dir, ok := lookup(name); ok && filepath.IsAbs(dir) {
			all = append(all, dir)
		}
	}
	for _, dir := range all {
		resolved, err := hostfile.Resolve(dir)
		if err == nil && usable(resolved, uid) && outside(resolved) {
			return resolved, nil
		}
	}
	return "", diag.Errorf("there is no directory for what is temporary: none of %s can be used",
		strings.Join(all, ", ")).
		Try("set TMPDIR to a directory of your own that the agent is not granted")
}

// usable reports whether a name that the user makes in a directory stays the user's.
func usable(dir string, uid int) bool {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	trusted := st.Uid == rootsNumber() || int(st.Uid) == uid
	shared := st.Mode&0o022 != 0
	return trusted && (!shared || st.Mode&unix.S_ISVTX != 0) &&
		unix.Access(dir, unix.W_OK|unix.X_OK) == nil
}

// rootsNumber is who root is here: whoever the root directory belongs to. In a user namespace that
// does not know root it is nobody.
func rootsNumber() uint32 {
	var st unix.Stat_t
	if unix.Stat("/", &st) != nil {
		return 0
	}
	return st.Uid
}

// Make removes what killed sessions left in a directory for what is temporary, and makes a
// session's own there.
func Make(dir, id string) (*Directory, error) {
	base, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the directory for what is temporary: %w", err)
	}
	d := &Directory{Places: In(dir, id), name: prefix + id, base: base}
	d.sweep(dir)
	if d.lease, err = lease.Make(base, d.name); err != nil {
		return nil, errors.Join(fmt.Errorf("making the session's directory in %s: %w", dir, err),
			base.Close())
	}
	for _, name := range []string{temporary, own} {
		if err := base.Mkdir(filepath.Join(d.name, name), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("making the session's directory in %s: %w", dir, err),
				d.Remove())
		}
	}
	return d, nil
}

// Remove removes the session's directory with all that is in it.
func (d *Directory) Remove() error {
	return errors.Join(remove(d.base, d.name), d.lease.Close(), d.base.Close())
}

// sweep removes the directories that no session holds. What cannot be removed is told and left.
func (d *Directory) sweep(dir string) {
	entries, err := fs.ReadDir(d.base.FS(), ".")
	if err != nil {
		return // one may make files there and not look; then this one is removed by its own session
	}
	for _, e := range entries {
		if !e.IsDir() || !isSession(e.Name()) {
			continue
		}
		abandoned, err := lease.Take(d.base, e.Name())
		if err != nil {
			continue // it is held, gone, or another user's
		}
		if err := errors.Join(remove(d.base, e.Name()), abandoned.Close()); err != nil {
			at := filepath.Join(dir, e.Name())
			d.Stuck = append(d.Stuck, diag.Warningf("%s, which a run has left, cannot be removed: %v",
				at, err).Try("run `chmod -R u+rwX %[1]s; rm -r %[1]s`", at))
		}
	}
}

// isSession reports whether a name is that of a session's directory, one that is being made among
// them.
func isSession(name string) bool {
	id, ok := strings.CutPrefix(strings.TrimPrefix(name, lease.BeingMade), prefix)
	return ok && lease.IsID(id)
}

// remove removes a tree in which the agent may have taken from its own directories the right to be
// written: Go's modules are kept so.
func remove(base *os.Root, name string) error {
	err := base.RemoveAll(name)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	tree, err := base.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }() // nothing was written through it
	opened := fs.WalkDir(tree.FS(), ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return tree.Chmod(p, 0o700)
		}
		return nil
	})
	return errors.Join(opened, base.RemoveAll(name))
}
