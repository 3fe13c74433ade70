package peer

import "golang.org/x/sys/unix"

// ask reads SO_PEERCRED: of an accepted socket it is the process that connected, of a connected one
// the process that listened, each at the moment it did.
func ask(fd int) (Process, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: int(cred.Pid), UID: int(cred.Uid)}, nil
}
