package metadata

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
)

// mode reads a change of permissions.
func mode(at int) func(*supervise.Call) (change, error) {
	return func(c *supervise.Call) (change, error) {
		const all = 0o7777 // the kernel looks at no more
		bits := uint32(c.Arg(at)) & all
		return func(fd int) error {
			err := unix.Fchmodat(fd, "", bits, unix.AT_EMPTY_PATH)
			if errors.Is(err, unix.EOPNOTSUPP) { // Linux before 6.6, or the file is a link
				err = unix.Fchmodat(unix.AT_FDCWD, link(fd), bits, 0)
			}
			return err
		}, nil
	}
}

// owner reads a change of owner and group, which are two arguments in a row.
func owner(at int) func(*supervise.Call) (change, error) {
	return func(c *supervise.Call) (change, error) {
		user, group := c.Int(at), c.Int(at+1)
		return func(fd int) error { return unix.Fchownat(fd, "", user, group, unix.AT_EMPTY_PATH) }, nil
	}
}

// times reads a change of the times of access and modification, which lie in so many bytes. Without
// them it is now.
func times(
	at int, size uint64, read func(numbers []int64) ([]unix.Timespec, error),
) func(*supervise.Call) (change, error) {
	return func(c *supervise.Call) (change, error) {
		var to []unix.Timespec
		if address := c.Arg(at); address != 0 {
			raw, err := c.Read(address, size)
			if err != nil {
				return nil, err
			}
			var numbers []int64
			for ; len(raw) > 0; raw = raw[8:] {
				numbers = append(numbers, int64(binary.NativeEndian.Uint64(raw)))
			}
			if to, err = read(numbers); err != nil {
				return nil, err
			}
		}
		return func(fd int) error { return unix.UtimesNanoAt(fd, "", to, unix.AT_EMPTY_PATH) }, nil
	}
}

// seconds reads struct utimbuf.
func seconds(n []int64) ([]unix.Timespec, error) {
	return []unix.Timespec{{Sec: n[0]}, {Sec: n[1]}}, nil
}

// microseconds reads two struct timeval. Numbers that have a meaning of their own as nanoseconds
// have none here.
func microseconds(n []int64) ([]unix.Timespec, error) {
	const second = 1_000_000
	if n[1] < 0 || n[1] >= second || n[3] < 0 || n[3] >= second {
		return nil, unix.EINVAL
	}
	return []unix.Timespec{{Sec: n[0], Nsec: 1000 * n[1]}, {Sec: n[2], Nsec: 1000 * n[3]}}, nil
}

// nanoseconds reads two struct timespec, which the kernel judges.
func nanoseconds(n []int64) ([]unix.Timespec, error) {
	return []unix.Timespec{{Sec: n[0], Nsec: n[1]}, {Sec: n[2], Nsec: n[3]}}, nil
}

const (
	mostName  = 255     // XATTR_NAME_MAX
	mostValue = 1 << 16 // XATTR_SIZE_MAX
)

// attribute reads an extended attribute that is to be set: name, value, size and flags.
func attribute(c *supervise.Call) (change, error) {
	flags := c.Int(4)
	if flags&^(unix.XATTR_CREATE|unix.XATTR_REPLACE) != 0 {
		return nil, unix.EINVAL
	}
	name, err := attributeName(c)
	if err != nil {
		return nil, err
	}
	size := c.Arg(3)
	if size > mostValue {
		return nil, unix.E2BIG
	}
	value, err := c.Read(c.Arg(2), size)
	if err != nil {
		return nil, err
	}
	return func(fd int) error { return unix.Setxattr(link(fd), name, value, flags) }, nil
}

// noAttribute reads an extended attribute that is to be removed.
func noAttribute(c *supervise.Call) (change, error) {
	name, err := attributeName(c)
	if err != nil {
		return nil, err
	}
	return func(fd int) error { return unix.Removexattr(link(fd), name) }, nil
}

// attributeName reads the name of an attribute, which has an error of its own for one that is empty
// or too long.
func attributeName(c *supervise.Call) (string, error) {
	name, err := c.Text(c.Arg(1), mostName+1)
	if errors.Is(err, unix.ENAMETOOLONG) || err == nil && name == "" {
		err = unix.ERANGE
	}
	return name, err
}
