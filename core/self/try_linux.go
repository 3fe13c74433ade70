package self

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Try asks the kernel whether this process may do something with a file, and changes nothing: what
// is to be read or written is opened and closed again, and for the rest its rights are looked at.
// nil means that it may.
func Try(name string, op why.Op) error {
	switch op {
	case why.Read, why.List:
		return tryRead(name, op == why.List)
	case why.Write:
		return tryWrite(name)
	case why.Execute:
		return tryExecute(name)
	case why.Create:
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); errors.Is(err, unix.ENOENT) {
			return tryMake(path.Dir(name))
		}
		return tryRemove(name)
	case why.Delete:
		return tryRemove(name)
	}
	return unix.EINVAL
}

// careful opens a file without waiting for anybody, or making a terminal its own.
const careful = unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY

func access(name string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, name, mode, unix.AT_EACCESS)
}

func tryRead(name string, list bool) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFDIR:
		dir, err := os.OpenFile(name, os.O_RDONLY|careful|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer dir.Close()
		if _, err = dir.Readdirnames(1); errors.Is(err, io.EOF) {
			return nil
		}
		return err
	case list:
		return unix.ENOTDIR
	case kind == unix.S_IFREG:
		return open(name, os.O_RDONLY)
	}
	return access(name, unix.R_OK) // to open a device or a pipe does something
}

func tryWrite(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return tryMake(name)
	case unix.S_IFREG:
		return open(name, os.O_WRONLY)
	}
	return access(name, unix.W_OK)
}

// tryMake makes a file without a name in a directory: Landlock is not asked about a mere look at
// rights. Where a file system has no such files, that look is the answer.
func tryMake(dir string) error {
	if err := access(dir, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	err := open(dir, unix.O_TMPFILE|os.O_WRONLY)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return nil
	}
	return err
}

// executeCheck asks execveat whether a file would be executed, and no more (Linux 6.14).
const executeCheck = 0x10000

func tryExecute(name string) error {
	if err := access(name, unix.X_OK); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	file, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	args, none := []*byte{file, nil}, []*byte{nil}
	here := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(here), uintptr(unsafe.Pointer(file)),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&none[0])), executeCheck, 0)
	if errno == 0 || errno == unix.EINVAL { // an older kernel
		return nil
	}
	return errno
}

func open(name string, flags int) error {
	f, err := os.OpenFile(name, flags|careful, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// tryRemove looks at what the removal of a name takes: a directory that may be written, which is
// not one where everybody removes only his own, and nothing mounted there or beneath.
func tryRemove(name string) error {
	var st, in unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := unix.Stat(dir, &in); err != nil {
		return err
	}
	if err := access(dir, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	me := uint32(unix.Geteuid())
	if in.Mode&unix.S_ISVTX != 0 && st.Uid != me && in.Uid != me {
		return unix.EPERM
	}
	// To give a name to what has it changes nothing, and takes what to take it away does.
	if err := unix.Rename(name, name); errors.Is(err, unix.EACCES) {
		return err
	}
	if route, err := hostfile.Follow(hostfile.Host, dir); err == nil {
		dir = route.Path
	}
	mounts, err := hostfile.Read("/proc/self/mountinfo", 16<<20)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && policy.Within(unescaped(fields[4]), path.Join(dir, path.Base(name))) {
			return unix.EBUSY
		}
	}
	return nil
}

// unescaped is a path as mountinfo has it: what would end a field is written in octal.
func unescaped(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
