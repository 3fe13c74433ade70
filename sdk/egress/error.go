package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// Reason is why a host was not reached.
type Reason int

// The zero is no reason. New ones are added at the end.
const (
	// NoSuchName: the name does not exist, or has no address.
	NoSuchName Reason = iota + 1
	// LookupFailed: whoever was asked for the name gave no answer, or one that is none.
	LookupFailed
	// Forbidden: each address that there is was refused by Permit, whose error is wrapped.
	Forbidden
	// NoAnswer: nobody answered in time.
	NoAnswer
	// Refused: the host is there and refuses the connection.
	Refused
	// Unreachable: no way leads there.
	Unreachable
	// UpstreamFailed: the upstream proxy itself could not be reached, or was not understood.
	UpstreamFailed
	// UpstreamRefused: the upstream proxy answered, and did not connect.
	UpstreamRefused
)

func (r Reason) String() string {
	switch r {
	case NoSuchName:
		return "there is no such name"
	case LookupFailed:
		return "its name could not be looked up"
	case Forbidden:
		return "its address is refused"
	case NoAnswer:
		return "it does not answer"
	case Refused:
		return "it refuses the connection"
	case Unreachable:
		return "no way leads there"
	case UpstreamFailed:
		return "the upstream proxy does not work"
	case UpstreamRefused:
		return "the upstream proxy does not connect to it"
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Error says which host was not reached, and why.
type Error struct {
	Reason Reason
	// Host is the name that was meant, or the address where that was asked for.
	Host string
	Port uint16
	// Addr is the address at fault, where it is one.
	Addr netip.Addr
	// Err is the cause: what Permit said, what the kernel said, what the upstream proxy said.
	Err error
}

func (e *Error) Error() string {
	host := net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
	text := fmt.Sprintf("connecting to %s: %s", host, e.Reason)
	if e.Addr.IsValid() && e.Addr.String() != e.Host {
		text += fmt.Sprintf(" (%s)", e.Addr)
	}
	if e.Err != nil {
		text += fmt.Sprintf(": %v", e.Err)
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// refusal sorts what came of trying to connect to one address.
func refusal(err error) Reason {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return Refused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled),
		errors.As(err, &timeout) && timeout.Timeout():
		return NoAnswer
	}
	return Unreachable
}
