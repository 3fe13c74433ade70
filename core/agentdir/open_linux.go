package agentdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// InUse is a directory while a run has it.
type InUse struct {
	Directory
	where copies.Where
	// root is nono's directory around it. users is the same one, opened to be locked: each run that
	// uses it holds a shared lock.
	root  *os.Root
	users *os.File
	// home is the agent's directory in it, and own the one in whose place that is.
	home, own *os.File
	// outcomes is what became of the copies so far.
	outcomes []copies.Outcome
}

// Open makes what is missing, and takes over what an earlier run could not.
func (d Directory) Open(where copies.Where) (*InUse, error) {
	o := &InUse{Directory: d, where: where}
	if err := o.open(); err != nil {
		o.release()
		return nil, fmt.Errorf("opening what the agent has in the place of %s: %w", d.Own, err)
	}
	return o, nil
}

func (o *InUse) open() error {
	around := path.Dir(o.Home)
	if err := os.MkdirAll(around, 0o700); err != nil {
		return err
	}
	var err error
	if o.root, err = os.OpenRoot(around); err != nil {
		return err
	}
	for _, name := range []string{home, both} {
		if err := o.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// The agent may have taken rights away, from the user as well.
	if err := o.root.Chmod(home, 0o700); err != nil {
		return err
	}
	if o.users, err = o.root.Open("."); err != nil {
		return err
	}
	if o.home, err = openDir(o.Home); err != nil {
		return err
	}
	if o.own, err = openDir(o.Own); err != nil {
		return err
	}
	return o.settle()
}

// Close makes the copies the same again, when nothing inside runs any more, and says what became of
// them.
func (o *InUse) Close() ([]copies.Outcome, error) {
	err := o.settle()
	o.release()
	return o.outcomes, err
}

func (o *InUse) release() {
	for _, f := range []*os.File{o.users, o.home, o.own} {
		_ = f.Close() // also where there is none
	}
	if o.root != nil {
		_ = o.root.Close()
	}
}

// settle brings what is inside and what is outside together, one run after the other. In the end
// this run is among those that use the directory.
func (o *InUse) settle() error {
	f, err := o.root.OpenFile(lock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := ownfile.Lock(context.Background(), f); err != nil {
		return err
	}
	err = o.syncCopies()
	if flock(o.users, unix.LOCK_EX|unix.LOCK_NB) == nil {
		err = errors.Join(err, o.handOver())
	}
	return errors.Join(err, flock(o.users, unix.LOCK_SH))
}

// syncCopies makes the copies and the host's files the same again.
func (o *InUse) syncCopies() error {
	for _, p := range o.copied {
		host, err := openDir(path.Dir(p))
		if err != nil {
			return err
		}
		name := path.Join(both, path.Base(p))
		was, err := o.root.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, host.Close())
		}
		pair := copies.Pair{Path: p, Host: host, Inside: o.home}
		outcome, now := pair.Sync(o.where, string(was))
		_ = host.Close()
		o.outcomes = append(o.outcomes, outcome)
		if now == string(was) {
			continue
		}
		if err := o.root.WriteFile(name+".new", []byte(now), 0o600); err != nil {
			return err
		}
		if err := o.root.Rename(name+".new", name); err != nil {
			return err
		}
	}
	return nil
}

// handOver makes directories that the agent has made such of its own directory's, where that has
// none of the name. Nobody uses either of them. What lies on another file system stays, and what
// would make it more names than a run looks at.
func (o *InUse) handOver() error {
	names, err := list(o.home)
	if err != nil {
		return err
	}
	outside, err := list(o.own)
	if err != nil {
		return err
	}
	room := mostHandedOver - len(outside)
	for _, name := range names {
		if room <= 0 {
			return nil
		}
		var st unix.Stat_t
		err := unix.Fstatat(int(o.home.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || slices.Contains(o.protected, name) ||
			path.Join(o.Own, name) == o.Denied {
			continue
		}
		from, to := int(o.home.Fd()), int(o.own.Fd())
		if unix.Renameat2(from, name, to, name, unix.RENAME_NOREPLACE) != nil {
			continue
		}
		room--
		if err := unix.Symlinkat(path.Join(o.Own, name), from, name); err != nil {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}

// Names are those in the agent's own directory.
func (o *InUse) Names() ([]string, error) { return list(o.own) }

// Link makes links to what the policy gives of the agent's own directory, and removes those to what
// is not given any more. What the agent has made under the name of something that is protected
// gives way, and is kept beside it.
func (o *InUse) Link(p *policy.Policy) error {
	decide := policy.NewDecider(p)
	outside, err := list(o.own)
	if err != nil {
		return err
	}
	inside, err := list(o.home)
	if err != nil {
		return err
	}
	given := func(name string) bool {
		return slices.Contains(outside, name) &&
			decide.Path(path.Join(o.Own, name), policy.OpRead).Allowed
	}
	at := int(o.home.Fd())
	for _, name := range inside {
		if o.isOurs(name) && !given(name) {
			if err := unix.Unlinkat(at, name, 0); err != nil {
				return fmt.Errorf("removing the link %s: %w", name, err)
			}
		}
	}
	for _, name := range outside {
		if !given(name) || o.isOurs(name) {
			continue
		}
		if slices.Contains(o.protected, name) && slices.Contains(inside, name) {
			beside := name + ".nono-" + o.where.Session
			if err := unix.Renameat2(at, name, at, beside, unix.RENAME_NOREPLACE); err != nil {
				return fmt.Errorf("making room for %s: %w", name, err)
			}
		}
		err := unix.Symlinkat(path.Join(o.Own, name), at, name)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}

// isOurs reports whether a name is a link of ours, to what has the name in the agent's own
// directory.
func (o *InUse) isOurs(name string) bool {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(o.home.Fd()), name, target)
	return err == nil && string(target[:n]) == path.Join(o.Own, name)
}

// list are the names in a directory, of which there are no more than are looked at.
func list(dir *os.File) ([]string, error) {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir.Name(), err)
	}
	again := os.NewFile(uintptr(fd), dir.Name())
	defer again.Close()
	names, err := again.Readdirnames(mostNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > mostNames {
		return nil, fmt.Errorf("%s has more than %d names", dir.Name(), mostNames)
	}
	slices.Sort(names)
	return names, nil
}

// openDir opens a directory without following a link.
func openDir(name string) (*os.File, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
