package inside

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// viewFiles gives the agent, for each stream that is a file for reading, the same file through a
// mount of its own on which nothing can be changed: with the descriptor that the user gave, the
// agent could change the file's mode, times and attributes, whatever it was opened for. The view
// has no place in the agent's tree.
//
// Where there is no such view (the file was removed or replaced, or its path is closed to this
// user) the stream stays what core has put in its place: a pipe with the file's content. Core
// learns of a view by being given it.
func viewFiles(l *launcher) error {
	if omitted("files") {
		return nil
	}
	for n, s := range l.recipe.Streams {
		if !s.Viewed() {
			continue
		}
		fd, err := l.viewFile(s)
		if err != nil {
			continue
		}
		l.streams[n] = fd
		// The offset of an open file is shared by all descriptors that were copied from it.
		mine, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fail(fmt.Sprintf("copying the view of stream %d", n), err)
		}
		l.hand = append(l.hand, handed{mine, recipe.Descriptor{
			Kind: recipe.StreamDescriptor, Name: strconv.Itoa(n),
		}})
	}
	return nil
}

// viewFile opens a file of the host's by its path, on a read-only copy of its mount.
func (l *launcher) viewFile(s recipe.Stream) (int, error) {
	source, st, err := openPlanned(s.Path, s.Device, s.Inode, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer closeFD(source)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, unix.EINVAL
	}
	mount, err := clone(source, "", readOnly)
	if err != nil {
		return -1, err
	}
	defer closeFD(mount)
	// What was opened keeps the mount, which nobody else can find.
	name := "self/fd/" + strconv.Itoa(mount)
	return unix.Openat(l.proc, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// openDevices gives the agent, for each stream that is a device, the session's own file of that
// device, in the direction in which the stream was given. The driver behind it is the host's and
// keeps nothing; the file is read-only in the view, where the host's own has a mode and an owner
// that root could change for everybody through a descriptor. A stream that nono was started without
// is the session's /dev/null: a program that opens a file must not get one of the numbers 0 to 2.
func openDevices(l *launcher) error {
	if omitted("devices") {
		return nil
	}
	for n, s := range l.recipe.Streams {
		if s.Kind == recipe.ClosedStream {
			s = recipe.Stream{Kind: recipe.DeviceStream, Read: true, Write: true, Path: "/dev/null"}
		}
		if s.Kind != recipe.DeviceStream {
			continue
		}
		fd, err := openDevice(s)
		if err != nil {
			return &failure{
				path: s.Path, doing: fmt.Sprintf("opening %s for stream %d", s.Path, n), err: err,
			}
		}
		l.streams[n] = fd
	}
	return nil
}

// openDevice opens a device by its name inside. What stands there may be a layer's doing: it must
// be a device.
func openDevice(s recipe.Stream) (int, error) {
	flags := unix.O_RDONLY
	switch {
	case s.Read && s.Write:
		flags = unix.O_RDWR
	case s.Write:
		flags = unix.O_WRONLY
	}
	fd, err := unix.Open(s.Path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		closeFD(fd)
		return -1, errors.Join(err, errors.New("it is no device"))
	}
	return fd, nil
}

// allowStreams lets the agent open a stream that is a file by its name, as /dev/stdout or
// /proc/self/fd/1, in the direction in which it was given and in no other. Truncating goes with
// writing: that is how a shell opens what stands after >. The rule is about the file and not about
// one of its names, so the view must not show it under another where it could be reached; each
// mount of the view says that for itself.
func (l *launcher) allowStreams(r ruleset) error {
	if omitted("stream-rules") {
		return nil
	}
	for n, s := range l.recipe.Streams {
		var st unix.Stat_t
		err := unix.Fstat(l.streams[n], &st)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue // pipes need no rule
		}
		var access landlock.AccessFSSet
		if s.Read {
			access |= readFile
		}
		if s.Write {
			access |= writeFile
		}
		// A file that no path leads to, such as one that was made in memory and has nothing but
		// descriptors, Landlock lets everybody open, and takes no rule for it.
		if err := r.allow(l.streams[n], access); err != nil && !errors.Is(err, unix.EBADFD) {
			return fail(fmt.Sprintf("granting stream %d", n), err)
		}
	}
	return nil
}

// agentFiles are the agent's descriptors 0, 1 and 2.
func (l *launcher) agentFiles() []uintptr {
	files := make([]uintptr, len(l.streams))
	for n, fd := range l.streams {
		files[n] = uintptr(fd)
	}
	return files
}

// letGoOfStreams closes what the agent alone should hold: whoever reads its output must see the end
// of it when the agent closes it. In their place stands something that can be neither read nor
// written, so that no later descriptor gets one of these numbers.
func (l *launcher) letGoOfStreams() {
	for _, fd := range l.streams {
		if fd > 2 {
			closeFD(fd)
		}
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return // then they stay open a little longer than they should
	}
	for stream := range 3 {
		_ = unix.Dup3(fd, stream, unix.O_CLOEXEC)
	}
	closeFD(fd)
}
