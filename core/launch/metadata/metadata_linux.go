package metadata

import (
	"path"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/supervise"
)

// Handlers answer for the calls of [Calls]. What is named, and all that lies beneath it, is what
// the agent may write: paths without links, the same that the Landlock rules are made of.
func Handlers(writable []string) supervise.Handlers {
	w := grants{}
	for _, p := range writable {
		w[p] = true
	}
	handlers := supervise.Handlers{}
	for name, f := range forms {
		handlers[name] = func(c *supervise.Call) supervise.Answer {
			return supervise.Result(f.make(c, w))
		}
	}
	return handlers
}

// form is how a call says what it changes.
type form struct {
	// file says which of its arguments names the file.
	file file
	// change copies what is to be done to it, all but the file.
	change func(*supervise.Call) (change, error)
}

// change does to an open file what the call asked for.
type change func(fd int) error

// none stands for an argument that a call does not have.
const none = -1

// file says which arguments of a call name a file. At least one of at and path is there.
type file struct {
	at    int // the descriptor of a directory, or of the file itself
	path  int
	flags int  // AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
	link  bool // a link at the end is meant itself, whatever the flags
	null  bool // without a path the descriptor is meant
}

var forms = map[string]form{
	"chmod":     {file{at: none, path: 0, flags: none}, mode(1)},
	"fchmod":    {file{at: 0, path: none, flags: none}, mode(1)},
	"fchmodat":  {file{at: 0, path: 1, flags: none}, mode(2)},
	"fchmodat2": {file{at: 0, path: 1, flags: 3}, mode(2)},

	"chown":    {file{at: none, path: 0, flags: none}, owner(1)},
	"lchown":   {file{at: none, path: 0, flags: none, link: true}, owner(1)},
	"fchown":   {file{at: 0, path: none, flags: none}, owner(1)},
	"fchownat": {file{at: 0, path: 1, flags: 4}, owner(2)},

	"utime":     {file{at: none, path: 0, flags: none}, times(1, 2*8, seconds)},
	"utimes":    {file{at: none, path: 0, flags: none}, times(1, 4*8, microseconds)},
	"futimesat": {file{at: 0, path: 1, flags: none, null: true}, times(2, 4*8, microseconds)},
	"utimensat": {file{at: 0, path: 1, flags: 3, null: true}, times(2, 4*8, nanoseconds)},

	"setxattr":     {file{at: none, path: 0, flags: none}, attribute},
	"lsetxattr":    {file{at: none, path: 0, flags: none, link: true}, attribute},
	"fsetxattr":    {file{at: 0, path: none, flags: none}, attribute},
	"removexattr":  {file{at: none, path: 0, flags: none}, noAttribute},
	"lremovexattr": {file{at: none, path: 0, flags: none, link: true}, noAttribute},
	"fremovexattr": {file{at: 0, path: none, flags: none}, noAttribute},
}

// make makes a call: it copies, opens, looks and changes, in this order.
func (f form) make(c *supervise.Call, w grants) error {
	do, err := f.change(c)
	if err != nil {
		return err
	}
	fd, err := f.file.open(c)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	where, err := place(fd)
	if err != nil {
		return err
	}
	if !w.hold(where) && !nowhere(where) {
		return unix.EPERM
	}
	return do(fd)
}

// open opens the file that a call means, as something that can be changed and neither read nor
// written.
func (f file) open(c *supervise.Call) (int, error) {
	at := unix.AT_FDCWD
	if f.at != none {
		at = c.Int(f.at)
	}
	flags := 0
	if f.flags != none {
		flags = c.Int(f.flags)
	}
	if flags&^(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return -1, unix.EINVAL
	}
	if f.path == none {
		if at < 0 { // no working directory is meant here
			return -1, unix.EBADF
		}
		return itself(c, at)
	}
	if f.null && c.Arg(f.path) == 0 && at != unix.AT_FDCWD {
		if flags != 0 {
			return -1, unix.EINVAL
		}
		return itself(c, at)
	}
	name, err := c.Text(c.Arg(f.path), unix.PathMax)
	if err != nil {
		return -1, err
	}
	if name == "" && flags&unix.AT_EMPTY_PATH != 0 {
		return itself(c, at)
	}
	if n, ok := ownDescriptor(name); ok {
		return itself(c, n)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	if f.link || flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		how.Flags |= unix.O_NOFOLLOW
	}
	from := unix.AT_FDCWD // of core's, which an absolute path does not look at
	if !path.IsAbs(name) {
		if from, err = callers(c, at); err != nil {
			return -1, err
		}
		defer func() { _ = unix.Close(from) }()
	}
	if !c.Waiting() {
		return -1, unix.ESRCH
	}
	return unix.Openat2(from, name, &how)
}

// itself opens a file that the caller has open, or its working directory.
func itself(c *supervise.Call, at int) (int, error) {
	fd, err := callers(c, at)
	if err == nil && !c.Waiting() {
		err = unix.ESRCH
		_ = unix.Close(fd)
	}
	return fd, err
}

// callers opens a descriptor of the caller's, or its working directory: these links of /proc are
// the only ones that are followed. Whether the thread was the caller's until then is to be asked
// after.
func callers(c *supervise.Call, at int) (int, error) {
	of := "/proc/" + strconv.Itoa(c.Thread())
	if at == unix.AT_FDCWD {
		return unix.Open(of+"/cwd", unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	if at < 0 {
		return -1, unix.EBADF
	}
	fd, err := unix.Open(of+"/fd/"+strconv.Itoa(at), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		err = unix.EBADF
	}
	return fd, err
}

// ownDescriptor is the descriptor that a path names in the one way that libraries do.
func ownDescriptor(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "/proc/self/fd/")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), err == nil
}

// own is the directory of core's descriptors, opened once: a name that begins there is found faster
// than one that begins at the root.
var own = sync.OnceValues(func() (int, error) {
	return unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
})

// place is where an open file is now, by the kernel's word. What was removed has a place too, with
// a mark at its end. One whose name is too long to be told has an error.
func place(fd int) (string, error) {
	descriptors, err := own()
	if err != nil {
		return "", err
	}
	var text [unix.PathMax]byte
	n, err := unix.Readlinkat(descriptors, strconv.Itoa(fd), text[:])
	if err != nil {
		return "", err
	}
	if n == len(text) {
		return "", unix.ENAMETOOLONG
	}
	return string(text[:n]), nil
}

// link is the name of an open file that every call follows to that file and no other, whatever came
// to stand where it was. A link that is open itself is not followed further.
func link(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// nowhere reports whether a file has no place among others: a pipe, a socket, memory. Such a one
// can only be the caller's own.
func nowhere(where string) bool {
	for _, kind := range []string{"pipe:[", "socket:[", "anon_inode:"} {
		if strings.HasPrefix(where, kind) {
			return true
		}
	}
	return strings.HasPrefix(where, "/memfd:") && strings.HasSuffix(where, " (deleted)")
}

// grants are the paths that the agent may write, with all that lies beneath.
type grants map[string]bool

// hold reports whether a place is in them. Nothing of /proc is: what is changed there is not a
// file.
func (g grants) hold(where string) bool {
	if !path.IsAbs(where) || where == "/proc" || strings.HasPrefix(where, "/proc/") {
		return false
	}
	for {
		if g[where] {
			return true
		}
		end := strings.LastIndexByte(where, '/')
		switch {
		case where == "/":
			return false
		case end == 0:
			where = "/"
		default:
			where = where[:end]
		}
	}
}
