package filter

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// AssembleNotices makes a second program, which is loaded beside the one of [Assemble] and refuses
// nothing: it holds the calls of the notices until the supervisor has answered, and lets all others
// be. Where the two differ about a call, the kernel takes what refuses: a supervisor is never asked
// for what the other program refuses.
func AssembleNotices(notices []Notice) ([]byte, error) {
	const doing = "assembling the filter of notifications"
	audit, err := Native.audit()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if len(notices) == 0 {
		return nil, fmt.Errorf("%s: %w", doing, errors.New("no call is named"))
	}
	fixed := []uint32{allow}
	var looked []call
	for _, n := range notices {
		if err := checkConditions(n.When); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		for _, name := range n.Calls {
			number, ok := Number(Native, name)
			if !ok && !known(name) {
				return nil, fmt.Errorf("%s: there is no system call named %q", doing, name)
			}
			if !ok {
				continue
			}
			for uint32(len(fixed)) <= number {
				fixed = append(fixed, allow)
			}
			at := slices.IndexFunc(looked, func(c call) bool { return c.number == number })
			switch {
			case len(n.When) == 0:
				fixed[number] = unix.SECCOMP_RET_USER_NOTIF
				looked = slices.DeleteFunc(looked, func(c call) bool { return c.number == number })
			case fixed[number] != allow: // it is asked for always
			case at >= 0:
				looked[at].refusals[0].when = append(looked[at].refusals[0].when, n.When...)
			default:
				asked := refusal{slices.Clone(n.When), unix.SECCOMP_RET_USER_NOTIF}
				looked = append(looked, call{number, []refusal{asked}})
			}
		}
	}
	return encode(compile(audit, fixed, looked, allow)), nil
}
