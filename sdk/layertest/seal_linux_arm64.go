package layertest

import "golang.org/x/sys/unix"

// lookingHere are the calls that only this architecture calls so.
var lookingHere = []uint32{unix.SYS_FSTATAT}
