package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/fragment"
)

// What a filter answers.
const (
	allow       = unix.SECCOMP_RET_ALLOW
	killProcess = unix.SECCOMP_RET_KILL_PROCESS
)

func refuse(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// Assemble makes the program for the machine it runs on: classic BPF instructions, 8 bytes each, in
// its byte order.
func Assemble(allowed []string, refused []fragment.Seccomp) ([]byte, error) {
	return AssembleFor(Native, allowed, refused)
}

// AssembleFor makes the program for another machine.
func AssembleFor(m Machine, allowed []string, refused []fragment.Seccomp) ([]byte, error) {
	program, err := assemble(m, allowed, refused)
	if err != nil {
		return nil, fmt.Errorf("assembling the system-call filter: %w", err)
	}
	return program, nil
}

func assemble(m Machine, allowed []string, refused []fragment.Seccomp) ([]byte, error) {
	audit, err := m.audit()
	if err != nil {
		return nil, err
	}
	fixed, looked, err := judge(m, allowed, refused)
	if err != nil {
		return nil, err
	}
	instructions := compile(audit, fixed, looked, refuse(unix.ENOSYS))
	if len(instructions) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("the system-call filter has %d instructions, "+
			"and the kernel takes %d: use fewer seccomp steps", len(instructions), unix.BPF_MAXINSNS)
	}
	return encode(instructions), nil
}

// encode writes instructions as the kernel reads them.
func encode(instructions []unix.SockFilter) []byte {
	program := make([]byte, 0, 8*len(instructions))
	for _, i := range instructions {
		program = binary.NativeEndian.AppendUint16(program, i.Code)
		program = append(program, i.Jt, i.Jf)
		program = binary.NativeEndian.AppendUint32(program, i.K)
	}
	return program
}

// Check refuses a step that the assembler would refuse.
func Check(s fragment.Seccomp) error {
	if _, ok := errnos()[s.Errno]; !ok {
		return fmt.Errorf("rule %s: there is no error called %q", s.For, s.Errno)
	}
	if len(s.Syscalls) == 0 {
		return fmt.Errorf("rule %s names no system call", s.For)
	}
	for _, name := range s.Syscalls {
		if !known(name) {
			return fmt.Errorf("rule %s: there is no system call named %q", s.For, name)
		}
	}
	if err := checkConditions(s.When); err != nil {
		return fmt.Errorf("rule %s: %w", s.For, err)
	}
	return nil
}

// checkConditions refuses a test that could never say anything, which is always a mistake of its
// author's.
func checkConditions(when []fragment.Condition) error {
	for _, c := range when {
		if len(c) == 0 {
			return errors.New("a condition without tests")
		}
		for _, t := range c {
			if t.Arg < 0 || t.Arg > 5 {
				return fmt.Errorf("a system call has no argument %d", t.Arg)
			}
			if t.Op != fragment.OpIn && t.Op != fragment.OpNotIn {
				return fmt.Errorf("there is no comparison called %q", t.Op)
			}
			if len(t.Values) == 0 {
				return fmt.Errorf("a test of argument %d against no value", t.Arg)
			}
			for _, v := range t.Values {
				if v&^mask(t) != 0 {
					return fmt.Errorf("argument %d is compared with %#x, "+
						"which has bits outside the mask %#x", t.Arg, v, mask(t))
				}
			}
		}
	}
	return nil
}

func mask(t fragment.Comparison) uint64 {
	if t.Mask == 0 {
		return ^uint64(0)
	}
	return t.Mask
}

// errnos maps the names of errors to their numbers.
var errnos = sync.OnceValue(func() map[string]unix.Errno {
	// Second names, of numbers for which ErrnoName tells the first.
	names := map[string]unix.Errno{
		"EOPNOTSUPP": unix.EOPNOTSUPP, "EWOULDBLOCK": unix.EWOULDBLOCK, Done: 0,
	}
	for e := unix.Errno(1); e <= 133; e++ {
		if name := unix.ErrnoName(e); name != "" {
			names[name] = e
		}
	}
	return names
})

// call is a system call that is allowed, and what may be refused about it.
type call struct {
	number   uint32
	refusals []refusal
}

// refusal answers with an error when one of its conditions holds, or always if it has none.
type refusal struct {
	when   []fragment.Condition
	answer uint32
}

// judge finds the answer of every number: fixed has those whose answer is always the same, up to
// the highest that is not ENOSYS, and looked those whose arguments have to be looked at, in the
// order in which the rules name them. The numbers of those may have any answer in fixed.
func judge(
	m Machine, allowed []string, refused []fragment.Seccomp,
) (fixed []uint32, looked []call, err error) {
	if len(allowed) == 0 {
		return nil, nil, errors.New("it allows no system call at all")
	}
	// set says what becomes of a call that is not looked at.
	set := func(number, answer uint32) {
		for uint32(len(fixed)) <= number {
			fixed = append(fixed, refuse(unix.ENOSYS))
		}
		fixed[number] = answer
	}
	for _, name := range allowed {
		if number, ok := Number(m, name); ok {
			set(number, allow)
		} else if !known(name) {
			return nil, nil, fmt.Errorf("there is no system call named %q", name)
		}
	}
	always := map[uint32]bool{}
	for _, s := range refused {
		if err := Check(s); err != nil {
			return nil, nil, err
		}
		r := refusal{s.When, refuse(errnos()[s.Errno])}
		for _, name := range s.Syscalls {
			number, ok := Number(m, name)
			if !ok || always[number] {
				continue // nothing gets past the rule before
			}
			always[number] = len(r.when) == 0
			at := slices.IndexFunc(looked, func(c call) bool { return c.number == number })
			switch {
			case at >= 0:
				looked[at].refusals = append(looked[at].refusals, r)
			case always[number]:
				set(number, r.answer)
			case number < uint32(len(fixed)) && fixed[number] == allow:
				looked = append(looked, call{number, []refusal{r}})
			}
		}
	}
	return fixed, looked, nil
}
