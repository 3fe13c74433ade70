package inside

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Parts of /proc that belong to the machine. The kernel guards most of them with capabilities, but
// goes by the user alone for some: real root, mapped to root, could open core_pattern for writing
// without any capability, and what stands there runs on the host.
var (
	procReadOnly = []string{"sys", "irq", "bus", "fs", "acpi", "scsi"}
	procMasked   = []string{"sysrq-trigger", "kcore", "kmsg", "keys", "timer_list"}
)

// mountProc makes a /proc of the new pid namespace. It is put into the view later; making it now is
// the rehearsal of all that a host may refuse.
func mountProc(l *launcher) error {
	var err error
	l.proc, err = newMount("proc", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return fail("mounting a fresh /proc", err)
	}
	// A descriptor of the directory itself leads past what guardProc puts on top of it.
	l.sys, err = unix.Openat(l.proc, "sys", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return fail("opening /proc/sys", err)
}

// guardProc takes the machine's part of the fresh /proc out of reach, for every user and whatever
// layers are on. What covers it comes into the view with it.
func guardProc(l *launcher) error {
	for _, name := range procReadOnly {
		if err := l.coverIfThere(name, l.proc, name); err != nil {
			return err
		}
	}
	for _, name := range procMasked {
		if err := l.coverIfThere(name, l.view.stage, stageNone); err != nil {
			return err
		}
	}
	if os.Getuid() != 0 {
		return nil // the rest is root's, and modes hold
	}
	return l.coverRoots()
}

// coverRoots covers everything in /proc that belongs to no process. It is for an agent of root's,
// who owns it all: without any capability root may read what nobody else may, such as the flags of
// every page of memory, write where only the mode says who may, and change these modes, in every
// /proc of the machine.
func (l *launcher) coverRoots() error {
	const doing = "covering what is root's in /proc"
	dir, err := unix.Openat(l.proc, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(doing, err)
	}
	f := os.NewFile(uintptr(dir), "/proc")
	defer func() { _ = f.Close() }() // nothing was written to it
	names, err := f.Readdirnames(-1)
	if err != nil {
		return fail(doing, err)
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fail(doing, err)
		}
		kind := st.Mode & unix.S_IFMT
		_, notANumber := strconv.Atoi(name)
		switch {
		case notANumber == nil, kind == unix.S_IFLNK: // a process, or a link to one's own
		case slices.Contains(procReadOnly, name), slices.Contains(procMasked, name):
		case kind == unix.S_IFREG && st.Mode&0o004 == 0:
			err = l.cover(name, l.view.stage, stageNone)
		default:
			err = l.cover(name, l.proc, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// coverIfThere covers what this kernel may lack. It looks before there is a copy that would have to
// be given up: taking a mount away waits until every processor has let go of it.
func (l *launcher) coverIfThere(name string, dir int, shown string) error {
	var st unix.Stat_t
	err := unix.Fstatat(l.proc, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fail("covering /proc/"+name, err)
	}
	return l.cover(name, dir, shown)
}

// cover puts something over a name in /proc. What has gone since it was seen needs no cover.
func (l *launcher) cover(name string, dir int, shown string) error {
	tree, err := clone(dir, shown, readOnly)
	if err == nil {
		err = attachIn(tree, l.proc, name)
		closeFD(tree)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fail("covering /proc/"+name, err)
}

// readSetting reads a setting of our own namespaces.
func (l *launcher) readSetting(name string) (string, error) {
	fd, err := unix.Openat(l.sys, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	defer closeFD(fd)
	buf := make([]byte, 64)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(buf[:n]), nil
}

// writeSetting changes one.
func (l *launcher) writeSetting(name, value string) error {
	fd, err := unix.Openat(l.sys, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer closeFD(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
