package doctor

import "golang.org/x/sys/unix"

// LandlockABI asks the kernel which version of Landlock it has, for this process; 0 is none.
func LandlockABI() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0,
		unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}
