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
	names   int      // what was found in directories so far, whether it was looked at yet or not
	text    int      // how long its paths are
	depth   int
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
	switch is.Kind {
	case File:
		l.read(p, &is, func() ([]byte, error) { return contentAt(dir, name, is) })
	case Link:
		if l.text += len(is.Target); l.text > mostText {
			is = State{Kind: Link, Stamp: digest([]byte(is.Target))}
		}
	case Missing, Directory, Other:
	}
	at := len(l.entries)
	l.add(p, is)
	if is.Kind == Directory && !l.inside(dir, p) {
		l.entries[at].Unseen = true
		l.unseen = append(l.unseen, p)
	}
}

// alone looks at a path and at nothing beneath it. Of a directory nobody knows then whether more
// lies in it than before.
func (l *looker) alone(p string, was State) State {
	dir, err := openDir(unix.AT_FDCWD, path.Dir(p))
	if err != nil {
		return State{Kind: Missing}
	}
	defer func() { _ = unix.Close(dir) }()
	is, err := stateAt(dir, path.Base(p))
	switch {
	case err != nil:
		return State{Kind: Other, Stamp: err.Error()}
	case is.Kind == File:
		l.read(p, &is, func() ([]byte, error) { return contentAt(dir, path.Base(p), is) })
	case is.Kind == Directory && was.Kind == Directory:
		is.Unseen = was.Unseen
	}
	return is
}

func (l *looker) add(p string, is State) { l.entries = append(l.entries, entry{p, is}) }

// inside looks at what lies in a directory, and reports whether it did.
func (l *looker) inside(dir int, p string) bool {
	if l.depth == mostDeep {
		return false
	}
	names, err := l.namesIn(dir, p)
	if err != nil {
		return false
	}
	inner, err := openDir(dir, path.Base(p))
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(inner) }()
	l.depth++
	for _, name := range names {
		l.within(inner, path.Join(p, name))
	}
	l.depth--
	return true
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

// namesIn lists a directory, unless that would be more than is looked at in all. What it lists is
// counted at once, for the directories in it are looked through before the rest of it.
func (l *looker) namesIn(dir int, p string) ([]string, error) {
	fd, err := unix.Openat2(dir, path.Base(p), &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: noLinks,
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), p)
	defer func() { _ = f.Close() }()
	var all []string
	text := 0
	for {
		names, err := f.Readdirnames(256)
		for _, name := range names {
			text += len(p) + len("/") + len(name)
		}
		all = append(all, names...)
		switch {
		case l.names+len(all) > MostEntries || l.text+text > mostText:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			l.names, l.text = l.names+len(all), l.text+text
			slices.Sort(all)
			return all, nil
		case err != nil:
			return nil, err
		}
	}
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
