package peer

import "golang.org/x/sys/unix"

// ask reads LOCAL_PEERPID and LOCAL_PEERCRED, which macOS keeps apart.
func ask(fd int) (Process, error) {
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return Process{}, err
	}
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, UID: int(cred.Uid)}, nil
}
