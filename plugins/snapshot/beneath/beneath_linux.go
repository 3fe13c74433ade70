package beneath

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// resolve is how everything beneath a root is opened.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS |
	unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

const (
	// MaxPath is how long a path beneath a root may be. The kernel's own limit (PATH_MAX) is for one
	// call, and deeper trees are easily made; but whoever lists what changed has each path in memory,
	// and few programs get along with longer ones than the kernel takes.
	MaxPath = 8 << 10
	// maxNames bounds what one directory takes of our memory.
	maxNames = 1 << 24
	// maxXattrs is what the kernel allows for the names of a file's attributes, and for a value.
	maxXattrs = 64 << 10
)

// ErrNotRegular says that what stands there is no regular file.
var ErrNotRegular = errors.New("no regular file")

// Dir is an open directory.
type Dir struct {
	fd   int
	path string // for errors: as it was opened
}

// Open opens a tree's root. No component of its path may be a link.
func Open(path string) (*Dir, error) {
	fd, err := open(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, problem("opening", path, err)
	}
	return &Dir{fd: fd, path: path}, nil
}

// Dir opens the directory at a path beneath d; "" is d itself, opened once more.
func (d *Dir) Dir(rel string) (*Dir, error) {
	path := d.join(rel)
	if len(rel) > MaxPath {
		return nil, problem("opening", path, unix.ENAMETOOLONG)
	}
	how := unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolve,
	}
	if rel == "" {
		rel = "."
	}
	from := d.fd
	for {
		part, rest := firstPart(rel)
		fd, err := open(from, part, &how)
		if from != d.fd {
			_ = unix.Close(from)
		}
		if err != nil {
			return nil, problem("opening", path, err)
		}
		if rest == "" {
			return &Dir{fd: fd, path: path}, nil
		}
		from, rel = fd, rest
	}
}

// firstPart cuts a path where the kernel would take no more of it at once.
func firstPart(rel string) (part, rest string) {
	if len(rel) < unix.PathMax {
		return rel, ""
	}
	cut := strings.LastIndexByte(rel[:unix.PathMax-1], '/')
	if cut <= 0 {
		return rel, "" // the kernel says what is wrong with such a name
	}
	return rel[:cut], rel[cut+1:]
}

// open is openat2, which a signal may interrupt.
func open(at int, path string, how *unix.OpenHow) (int, error) {
	for {
		fd, err := unix.Openat2(at, path, how)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSYS):
			return -1, fmt.Errorf("the kernel has no openat2 (it came with Linux 5.6): %w", err)
		}
		return fd, err
	}
}

// Fd is the directory's descriptor, for calls that take a name in it.
func (d *Dir) Fd() int { return d.fd }

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// List lists the names in the directory, in the order of their bytes.
func (d *Dir) List() ([]string, error) {
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(d.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, problem("listing", d.path, err)
		}
		if n == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
		if len(names) > maxNames {
			return nil, problem("listing", d.path, fmt.Errorf("more than %d names", maxNames))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Stat is what the kernel says of a file.
type Stat struct {
	Mode     uint32 // the type, and the permissions
	UID, GID uint32
	Links    uint32 // how many names it has
	Device   uint64
	Inode    uint64
	Size     int64
	// MTime and CTime are in nanoseconds since 1970. What lies before 1678 or after 2261 is as near as
	// that can be.
	MTime, CTime int64
	// Mount says that something is mounted there, so that this is about another tree.
	Mount bool
}

// Type is the type in the mode, such as unix.S_IFREG.
func (s Stat) Type() uint32 { return s.Mode & unix.S_IFMT }

// Stat looks at a name in the directory, and at a link itself.
func (d *Dir) Stat(name string) (Stat, error) {
	if !isName(name) {
		return Stat{}, problem("looking at", d.join(name), unix.EINVAL)
	}
	s, err := stat(d.fd, name, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return Stat{}, problem("looking at", d.join(name), err)
	}
	return s, nil
}

// Self looks at the directory itself.
func (d *Dir) Self() (Stat, error) {
	s, err := stat(d.fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return Stat{}, problem("looking at", d.path, err)
	}
	return s, nil
}

func stat(at int, name string, flags int) (Stat, error) {
	var x unix.Statx_t
	for {
		err := unix.Statx(at, name, flags|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &x)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Stat{}, err
		}
		break
	}
	return Stat{
		Mode: uint32(x.Mode), UID: x.Uid, GID: x.Gid, Links: x.Nlink,
		Device: unix.Mkdev(x.Dev_major, x.Dev_minor), Inode: x.Ino, Size: int64(x.Size),
		MTime: nanoseconds(x.Mtime), CTime: nanoseconds(x.Ctime),
		Mount: x.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0,
	}, nil
}

func nanoseconds(t unix.StatxTimestamp) int64 {
	const (
		second   = 1_000_000_000
		most     = 1<<63 - 1
		least    = -1 << 63
		farAhead = most/second - 1
	)
	switch {
	case t.Sec > farAhead:
		return most
	case t.Sec < -farAhead:
		return least
	}
	return t.Sec*second + int64(t.Nsec)
}

// Readlink tells where a link in the directory leads.
func (d *Dir) Readlink(name string) (string, error) {
	if !isName(name) {
		return "", problem("reading the link", d.join(name), unix.EINVAL)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd, name, buf)
	if err != nil {
		return "", problem("reading the link", d.join(name), err)
	}
	return string(buf[:n]), nil
}

// Xattrs reads the directory's own attributes.
func (d *Dir) Xattrs() ([]Xattr, error) { return xattrs(d.fd, d.path) }

// isName reports whether a name can only mean what stands in the directory that is asked.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0
}

func (d *Dir) join(rel string) string {
	if rel == "" {
		return d.path
	}
	return strings.TrimSuffix(d.path, "/") + "/" + rel
}

func problem(doing, path string, err error) error {
	return &fs.PathError{Op: doing, Path: path, Err: err}
}
