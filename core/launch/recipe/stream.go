package recipe

import "fmt"

// Stream is one of the agent's three standard streams, as nono-init is to hand it on. The three
// have the numbers 0, 1 and 2 in nono-init as well.
type Stream struct {
	Kind StreamKind `json:"kind"`
	// Read and Write are the directions in which it was opened, and the only ones in which the agent
	// gets it.
	Read  bool `json:"read,omitempty"`
	Write bool `json:"write,omitempty"`
	// Device is the path inside of the device that it is.
	Device string `json:"device,omitempty"`
}

// StreamKind is what a stream is. The zero is none of them.
type StreamKind string

// The kinds of stream that an agent can have. What else a descriptor can be is refused before there
// is a recipe.
const (
	// TerminalStream is a terminal.
	TerminalStream StreamKind = "terminal"
	// PipeStream is a pipe, or a FIFO by its name.
	PipeStream StreamKind = "pipe"
	// SocketStream is a connected socket.
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
	case TerminalStream, PipeStream, SocketStream, FileStream, ClosedStream:
		if s.Device != "" {
			return fmt.Errorf("a %s is not the device %s", s.Kind, s.Device)
		}
		return nil
	case DeviceStream:
		if s.Device == "" {
			return fmt.Errorf("a device without a name")
		}
		return nil
	default:
		return fmt.Errorf("nobody said what it is: %q", s.Kind)
	}
}
