package aside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// A looker looks at what stands at paths and beneath them.
type looker struct {
	// read is asked whether to read a file, and notes what it has read.
	read func(p string, is *State, content func() ([]byte, error))

	entries []entry
	unseen  []string // directories that were not looked through
}

var errTooLarge = errors.New("it is too large")

// noLinks follows no link at all: the agent may have made any of them.
const noLinks = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// walk looks at a path, and at all beneath it.
func (l *looker) walk(p string) {
	dir, err := openDir(unix.AT_FDCWD, path.Dir(p))
	if err != nil {
		l.add(p, State{Kind: Missing})
		return
	}
	defer func() { _ = unix.Close(dir) }()
	l.within(dir, p)
}

// within looks at a path whose directory is open.
func (l *looker) within(dir int, p string) {
	name := path.Base(p)
	is, err := stateAt(dir, name)
	if err != nil {
		is = State{Kind: Other, Stamp: err.Error()}
	}
	if is.Kind == File {
		l.read(p, &is, func() ([]byte, error) { return contentAt(dir, name, is) })
	}
	l.add(p, is)
	if is.Kind == Directory {
		l.inside(dir, p)
	}
}

func (l *looker) add(p string, is State) { l.entries = append(l.entries, entry{p, is}) }

// inside looks at what lies in a directory.
func (l *looker) inside(dir int, p string) {
	names, err := namesIn(dir, path.Base(p), MostEntries-len(l.entries))
	if err != nil {
		l.unseen = append(l.unseen, p)
		return
	}
	inner, err := openDir(dir, path.Base(p))
	if err != nil {
		l.unseen = append(l.unseen, p)
		return
	}
	defer func() { _ = unix.Close(inner) }()
	for _, name := range names {
		l.within(inner, path.Join(p, name))
	}
}

// skipped reports whether a path lies in a directory that was not looked through.
func (l *looker) skipped(p string) bool {
	return slices.ContainsFunc(l.unseen, func(dir string) bool { return policy.Within(p, dir) })
}

// openDir opens a directory without following a link.
func openDir(at int, p string) (int, error) {
	return unix.Openat2(at, p, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: noLinks,
	})
}

// namesIn lists a directory of at most so many names.
func namesIn(dir int, name string, most int) ([]string, error) {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: noLinks,
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(max(most, 0) + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > most {
		return nil, errTooLarge
	}
	slices.Sort(names)
	return names, nil
}

// stateAt is what stands at a name in a directory, of a file without its content.
func stateAt(dir int, name string) (State, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return State{Kind: Missing}, nil
	}
	if err != nil {
		return State{}, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return State{Kind: File, Mode: st.Mode & 0o777, Size: st.Size, Stamp: stamp(&st)}, nil
	case unix.S_IFDIR:
		return State{Kind: Directory, Mode: st.Mode & 0o777}, nil
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, name, target)
		if err != nil {
			return State{}, err
		}
		return State{Kind: Link, Target: string(target[:n])}, nil
	}
	return State{Kind: Other, Stamp: stamp(&st)}, nil
}

// stamp changes whenever a file does, but for what is written by a mapping.
func stamp(st *unix.Stat_t) string {
	return fmt.Sprint(st.Dev, " ", st.Ino, " ", st.Size, " ", st.Mtim.Nano(), " ", st.Ctim.Nano())
}

// contentAt reads a file, which is no larger than it was said to be.
func contentAt(dir int, name string, is State) ([]byte, error) {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: noLinks,
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is no file any more"))
	}
	content, err := io.ReadAll(io.LimitReader(f, is.Size+1))
	if err == nil && int64(len(content)) > is.Size {
		err = errTooLarge
	}
	return content, err
}
