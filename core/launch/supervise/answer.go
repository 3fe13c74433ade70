package supervise

import (
	"errors"
	"syscall"
)

// Answer is what the caller of a system call is told. The zero is no answer: whoever gives it
// refuses the call.
type Answer struct {
	given bool
	value int64
	errno syscall.Errno
}

// Value says that the call was made, and what it returns.
func Value(v int64) Answer { return Answer{given: true, value: v} }

// Refuse says that the call failed. It is the kernel's error if there is one in the chain, and
// EPERM for any other.
func Refuse(err error) Answer {
	errno := syscall.EPERM
	var kernel syscall.Errno
	if errors.As(err, &kernel) && kernel != 0 {
		errno = kernel
	}
	return Answer{given: true, errno: errno}
}

// Result is a call that returns 0, or failed with an error.
func Result(err error) Answer {
	if err != nil {
		return Refuse(err)
	}
	return Value(0)
}

// Handler makes one call in the place of its caller, and says how it went.
type Handler func(*Call) Answer

// Handlers are handlers by the names of their calls in the kernel's table. A call that has none is
// refused.
type Handlers map[string]Handler
