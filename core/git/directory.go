package git

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// directory is one that is looked into, or what was put in its place since it was listed.
type directory struct {
	path string
	is   unix.Stat_t
}

func lookAt(path string) (directory, error) {
	d := directory{path: path}
	err := unix.Lstat(path, &d.is)
	return d, err
}

// closedInside reports a directory that root can enter outside and the agent cannot: it has root's
// number, and no power over the files of others.
func (d *directory) closedInside() bool {
	if os.Geteuid() != 0 || d.is.Uid == 0 || d.is.Mode&0o001 != 0 {
		return false
	}
	groups, err := os.Getgroups()
	mine := err != nil || d.is.Gid == 0 || slices.Contains(groups, int(d.is.Gid))
	if mine && d.is.Mode&0o010 != 0 {
		return false
	}
	_, err = unix.Getxattr(d.path, "system.posix_acl_access", nil)
	return errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP)
}

// counted says of file systems, by their device, whether a directory has as many names there as it
// takes: its own, "." in it, and ".." in each directory beneath it.
type counted map[uint64]bool

// leaf reports whether a directory is known to have no other in it. Where names are counted a look
// at it says so, and however many files are in it they need not be listed.
func (c counted) leaf(d directory) bool {
	const alone = 2 // its own name, and "."
	if d.is.Mode&unix.S_IFMT != unix.S_IFDIR || d.is.Nlink != alone {
		return false
	}
	device := uint64(d.is.Dev) //nolint:unconvert // narrower on macOS
	counts, known := c[device]
	if !known {
		counts = countsNames(d.path, device)
		c[device] = counts
	}
	return counts
}
