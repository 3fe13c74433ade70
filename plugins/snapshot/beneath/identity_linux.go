package beneath

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Identity says which directory one is, and still does after the machine was started again: a
// device may have another number by then, and what btrfs and network file systems have is made up
// when they are mounted.
type Identity struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// FileSystem is what the file system calls itself (f_fsid): on ext4, btrfs and most others it
	// comes from what mkfs has written. Zero where there is none.
	FileSystem uint64 `json:"filesystem,omitempty"`
	// Born is when the directory was made, which nobody can set: an inode that was given up goes to
	// the next one. Zero where the file system does not keep it.
	Born int64 `json:"born,omitempty"`
}

// Same reports whether two identities are of one directory. What one of them does not know decides
// nothing.
func (i Identity) Same(other Identity) bool {
	switch {
	case i.Inode != other.Inode:
		return false
	case i.Born != 0 && other.Born != 0 && i.Born != other.Born:
		return false
	case i.Device == other.Device:
		return true
	}
	return i.FileSystem != 0 && i.FileSystem == other.FileSystem
}

// Identity says which directory it is.
func (d *Dir) Identity() (Identity, error) {
	i, err := IdentityOf(d.fd)
	if err != nil {
		return Identity{}, problem("looking at", d.path, err)
	}
	return i, nil
}

// IdentityOf says which directory a descriptor holds.
func IdentityOf(fd int) (Identity, error) {
	var x unix.Statx_t
	var fs unix.Statfs_t
	const flags = unix.AT_EMPTY_PATH | unix.AT_NO_AUTOMOUNT
	err := retry(func() error {
		return unix.Statx(fd, "", flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	})
	if err != nil {
		return Identity{}, err
	}
	if err := retry(func() error { return unix.Fstatfs(fd, &fs) }); err != nil {
		return Identity{}, err
	}
	i := Identity{
		Device: unix.Mkdev(x.Dev_major, x.Dev_minor), Inode: x.Ino,
		FileSystem: uint64(uint32(fs.Fsid.Val[0])) | uint64(uint32(fs.Fsid.Val[1]))<<32,
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		i.Born = nanoseconds(x.Btime)
	}
	return i, nil
}

// retry does again what a signal has interrupted.
func retry(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
