package hostfile

import "golang.org/x/sys/unix"

func readOnly(fs *unix.Statfs_t) bool { return fs.Flags&unix.MNT_RDONLY != 0 }
