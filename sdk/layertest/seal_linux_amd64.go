package layertest

import "golang.org/x/sys/unix"

// lookingHere are the older calls that this architecture has beside.
var lookingHere = []uint32{
	unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_READLINK, unix.SYS_ACCESS,
	unix.SYS_GETDENTS, unix.SYS_NEWFSTATAT,
}
