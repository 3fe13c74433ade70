package inside

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

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
			s = recipe.Stream{Kind: recipe.DeviceStream, Read: true, Write: true, Device: "/dev/null"}
		}
		if s.Kind != recipe.DeviceStream {
			continue
		}
		fd, err := openDevice(s)
		if err != nil {
			return &failure{
				path: s.Device, doing: fmt.Sprintf("opening %s for stream %d", s.Device, n), err: err,
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
	fd, err := unix.Open(s.Device, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOCTTY, 0)
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
