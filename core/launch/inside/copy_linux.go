package inside

import (
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// reading opens a file without waiting, should a pipe have come to stand there.
const reading = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// copy puts a copy of a file of the host's into a tmpfs, where the agent can replace it by rename
// as it can outside, and hands core the directory that it is in. What becomes of it is brought back
// by core, after the end: nothing in here can reach the host's file.
func (l *launcher) copy(s fragment.Copy) error {
	source, st, err := openPlanned(s.Path, s.Device, s.Inode, reading)
	if err != nil {
		return err
	}
	defer closeFD(source)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fail("copying "+s.Path, errors.New("it is not a regular file"))
	}
	parent, err := l.ownParent(s.Path)
	if err != nil {
		return err
	}
	mode := st.Mode & 0o777
	if s.NoExec {
		mode &^= 0o111
	}
	if err := fill(parent, path.Base(s.Path), mode, source, st, io.Discard); err != nil {
		return fail("copying "+s.Path, err)
	}
	// The directory's own descriptor names a place and reads nothing.
	dir, err := unix.Openat(parent, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("opening the directory of "+s.Path, err)
	}
	l.hand = append(
		l.hand, handed{dir, recipe.Descriptor{Kind: recipe.CopyDescriptor, Name: s.Path}},
	)
	return nil
}

// fill makes a file with the content and the time of another one. What is copied goes to seen as
// well.
func fill(
	dir int, name string, mode uint32, source int, st unix.Stat_t, seen io.Writer,
) error {
	to, err := unix.Openat(
		dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode,
	)
	if err != nil {
		return err
	}
	defer closeFD(to)
	buffer := make([]byte, 64<<10)
	for total := 0; ; {
		n, err := unix.Read(source, buffer)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if total += n; total > fragment.MaxCopy {
			return fmt.Errorf("it has grown, and at most %d bytes are copied", fragment.MaxCopy)
		}
		if _, err := seen.Write(buffer[:n]); err != nil {
			return err
		}
		for rest := buffer[:n]; len(rest) > 0; {
			n, err := unix.Write(to, rest)
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	// Tools compare times. A copy that is new would be news to them.
	times := []unix.Timespec{st.Atim, st.Mtim}
	return unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW)
}
