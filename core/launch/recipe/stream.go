package recipe

import (
	"errors"
	"fmt"
)

// Stream is one of the agent's three standard streams, as nono-init is to hand it on. The three
// have the numbers 0, 1 and 2 in nono-init as well.
type Stream struct {
	Kind StreamKind
	// Read and Write are the directions in which it was opened, and the only ones in which the agent
	// gets it.
	Read  bool
	Write bool
	// Path is, of a device, where it is inside. Of a file that is only read it is where the file is
	// outside, with the device and inode that must be found there: nono-init makes a view of it.
	Path   string
	Device uint64
	Inode  uint64
}

// Viewed reports whether nono-init is to make a read-only view of the file that the stream is, and
// to read that in its place.
func (s Stream) Viewed() bool { return s.Kind == FileStream && s.Path != "" }

// StreamKind is what a stream is. The zero is none of them.
type StreamKind string

// The kinds of stream that an agent can have. What else a descriptor can be is refused before there
// is a recipe.
const (
	// TerminalStream is a terminal.
	TerminalStream StreamKind = "terminal"
	// PipeStream is a pipe, or a FIFO by its name.
	PipeStream StreamKind = "pipe"
	// SocketStream is a socket. The agent never has one: it gets a pipe.
	SocketStream StreamKind = "socket"
	// FileStream is a regular file.
	FileStream StreamKind = "file"
	// DeviceStream is one of the devices without a state that every session has, such as /dev/null.
	DeviceStream StreamKind = "device"
	// ClosedStream is none: nono was started without it.
	ClosedStream StreamKind = "closed"
)

func (s Stream) check() error {
	switch s.Kind {
	case TerminalStream, PipeStream, ClosedStream:
		if s.Path != "" {
			return fmt.Errorf("a %s has no path", s.Kind)
		}
		return nil
	case FileStream:
		if s.Path != "" && (s.Write || s.Inode == 0) {
			return errors.New("there is no view of a file that is written to, or that nobody looked at")
		}
		return nil
	case DeviceStream:
		if s.Path == "" {
			return errors.New("a device without a path")
		}
		return nil
	case SocketStream:
		return errors.New("a socket would lead to other addresses, and must be relayed")
	default:
		return fmt.Errorf("nobody said what it is: %q", s.Kind)
	}
}
