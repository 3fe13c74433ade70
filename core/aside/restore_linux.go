package aside

import (
	"cmp"
	"crypto/rand"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Restore puts back what changed in the session.
func (k *Kept) Restore() []Outcome { return k.restoreAll(false) }

// TryRestore says what would become of that, and changes nothing.
func (k *Kept) TryRestore() []Outcome { return k.restoreAll(true) }

func (k *Kept) restoreAll(try bool) []Outcome {
	changes := slices.Clone(k.stored.Changes)
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(turn(a), turn(b)), inTurn(a, b))
	})
	outcomes := make([]Outcome, len(changes))
	for i, c := range changes {
		outcomes[i] = k.restore(c, try)
		outcomes[i].Path = c.Path
	}
	return outcomes
}

// The turns in which changes are put back: first what directories let be done in them, then what
// was made goes, and then what was there comes back.
const (
	turnModes = iota
	turnGoes
	turnReturns
)

func turn(c Change) int {
	switch {
	case c.Was.Kind == Directory && c.Is.Kind == Directory:
		return turnModes
	case c.Was.Kind == Missing:
		return turnGoes
	}
	return turnReturns
}

// inTurn has what was made in a directory go before it, and a directory come back before what was
// in it.
func inTurn(a, b Change) int {
	if turn(a) == turnGoes {
		return cmp.Compare(b.Path, a.Path)
	}
	return cmp.Compare(a.Path, b.Path)
}

var (
	errUnkept = errors.New("it was too much to be kept")
	errLater  = errors.New("it was changed after the session")
	errFull   = errors.New("more lies in it than was looked at")
)

func (k *Kept) restore(c Change, try bool) Outcome {
	dir, err := openDir(unix.AT_FDCWD, path.Dir(c.Path))
	switch {
	case err == nil:
	case c.Was.Kind == Missing && isGone(err):
		return Outcome{Result: Already}
	case try && isGone(err) && c.Was.restorable() && k.returns(path.Dir(c.Path)):
		return done(c) // its directory comes back before it
	default:
		return left(err)
	}
	defer func() { _ = unix.Close(dir) }()
	name := path.Base(c.Path)
	switch {
	case c.Is.Unseen && !c.Was.Unseen && stands(dir, name, c.Is):
		return left(errFull)
	case stands(dir, name, c.Was):
		return Outcome{Result: Already}
	case !stands(dir, name, c.Is):
		return left(errLater)
	case !c.Was.restorable():
		return left(errUnkept)
	case try:
		return done(c)
	}
	if err := k.put(dir, name, c); err != nil {
		return left(err)
	}
	return done(c)
}

// isGone reports that a directory is not there, or something else in its place.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// returns reports whether a directory is one that is put back.
func (k *Kept) returns(dir string) bool {
	return slices.ContainsFunc(k.stored.Changes, func(c Change) bool {
		return c.Path == dir && c.Was.Kind == Directory
	})
}

func done(c Change) Outcome {
	if c.Was.Kind == Missing {
		return Outcome{Result: Removed}
	}
	return Outcome{Result: Restored}
}

// left is the outcome where nothing was done, in words for a sentence that says so.
func left(err error) Outcome {
	var errno syscall.Errno
	switch {
	case isGone(err):
		return Outcome{Result: Left, Why: "the directory that it was in is not there"}
	case errors.Is(err, unix.ENOTEMPTY):
		return Outcome{Result: Left, Why: "something else lies in it"}
	case errors.As(err, &errno):
		return Outcome{Result: Left, Why: errno.Error()}
	}
	return Outcome{Result: Left, Why: err.Error()}
}

// stands reports whether that stands at a name.
func stands(dir int, name string, s State) bool {
	now, err := nowAt(dir, name, s)
	return err == nil && now == s
}

// standsRenamed is the same of what was renamed since: the time of its change is not compared.
func standsRenamed(dir int, name string, s State) bool {
	cut := func(stamp string) string { return stamp[:max(0, strings.LastIndexByte(stamp, ' '))] }
	now, err := nowAt(dir, name, s)
	now.Stamp, s.Stamp = cut(now.Stamp), cut(s.Stamp)
	return err == nil && now == s
}

// nowAt is what stands at a name, to be compared with a state: a file is read if its content can be
// the same, and whether all of a directory was seen nobody asks again.
func nowAt(dir int, name string, with State) (State, error) {
	now, err := stateAt(dir, name)
	if err == nil && with.SHA256 != "" && now.Kind == File && now.Size == with.Size {
		read(&now, func() ([]byte, error) { return contentAt(dir, name, now) })
	}
	now.Unseen = with.Unseen
	return now, err
}

// put puts back what was there, or takes away what was not. It is exchanged in one step with what
// is there now; if that turns out to be something else than the session left, it is exchanged back.
func (k *Kept) put(dir int, name string, c Change) error {
	if c.Is.Kind == Directory && c.Was.Kind == Directory {
		return chmod(dir, name, c.Was.Mode)
	}
	if c.Is.Kind == Directory && c.Was.Kind == Missing {
		return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) // one that holds something stays
	}
	beside := ".nono-" + strings.ToLower(rand.Text())
	if c.Was.Kind == Missing {
		if err := unix.Renameat2(dir, name, dir, beside, unix.RENAME_NOREPLACE); err != nil {
			return err
		}
	} else {
		if err := k.make(dir, beside, c.Was); err != nil {
			return err
		}
		flags := uint(unix.RENAME_EXCHANGE)
		if c.Is.Kind == Missing {
			flags = unix.RENAME_NOREPLACE
		}
		if err := unix.Renameat2(dir, beside, dir, name, flags); err != nil {
			return errors.Join(err, remove(dir, beside))
		}
		if c.Is.Kind == Missing {
			return nil
		}
	}
	// What came out has another time of its change now, for it was renamed.
	if !standsRenamed(dir, beside, c.Is) {
		return errors.Join(errLater, k.takeBack(dir, beside, name, c))
	}
	if err := remove(dir, beside); err != nil {
		return errors.Join(err, k.takeBack(dir, beside, name, c))
	}
	return nil
}

// takeBack undoes the exchange.
func (k *Kept) takeBack(dir int, beside, name string, c Change) error {
	if c.Was.Kind == Missing {
		return unix.Renameat2(dir, beside, dir, name, unix.RENAME_NOREPLACE)
	}
	if err := unix.Renameat2(dir, beside, dir, name, unix.RENAME_EXCHANGE); err != nil {
		return err
	}
	return remove(dir, beside)
}

// make makes what was there, under another name.
func (k *Kept) make(dir int, name string, s State) error {
	switch s.Kind {
	case Directory:
		if err := unix.Mkdirat(dir, name, 0o700); err != nil {
			return err
		}
		return chmod(dir, name, s.Mode)
	case Link:
		return unix.Symlinkat(s.Target, dir, name)
	case File:
		return k.makeFile(dir, name, s)
	case Missing, Other:
	}
	return errUnkept
}

func (k *Kept) makeFile(dir int, name string, s State) error {
	content, err := k.content(s.SHA256)
	if err != nil {
		return err
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(content)
	if err == nil {
		err = unix.Fchmod(fd, s.Mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, remove(dir, name))
	}
	return nil
}

// chmod sets the mode of a directory, and of nothing else that may stand there.
func chmod(dir int, name string, mode uint32) error {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: noLinks,
	})
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchmod(fd, mode), unix.Close(fd))
}

// remove removes a file, a link, or a directory that is empty.
func remove(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	return err
}
