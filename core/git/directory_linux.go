package git

import (
	"slices"

	"golang.org/x/sys/unix"
)

// counting are the file systems of which it is known that they count the names of directories.
// Others give all of them the same number, or take it from a server.
var counting = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC}

// countsNames reports whether the file system of a directory, which is on this device, counts the
// names of directories.
func countsNames(dir string, device uint64) bool {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open(dir, flags, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	var is unix.Stat_t
	var of unix.Statfs_t
	return unix.Fstat(fd, &is) == nil && is.Dev == device && unix.Fstatfs(fd, &of) == nil &&
		slices.Contains(counting, of.Type)
}
