package doctor

import "golang.org/x/sys/unix"

// AskLandlock asks the kernel which version of Landlock it has for this process.
func AskLandlock() Landlock {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0,
		unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		none := Known(0)
		none.Off = errno == unix.EOPNOTSUPP
		return none
	}
	return Known(int(abi))
}
