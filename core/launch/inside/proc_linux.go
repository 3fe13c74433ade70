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
	const doing = "guarding /proc"
	// Covers are named from here: no link can stand in the yard, nor in the root of /proc under a name
	// that is covered.
	if err := unix.Fchdir(l.view.yard); err != nil {
		return fail(doing, err)
	}
	for _, name := range procReadOnly {
		if err := cover(name, yardProc+"/"+name); err != nil {
			return err
		}
	}
	for _, name := range procMasked {
		if err := cover(name, yardStage+"/"+stageNone); err != nil {
			return err
		}
	}
	if os.Getuid() == 0 { // else the rest is root's, and modes hold
		if err := l.coverRoots(); err != nil {
			return err
		}
	}
	// All covers at once, with /proc itself, which is then opened again: what belongs to processes may
	// be written.
	if err := seal(l.proc, readOnly, unix.AT_RECURSIVE); err != nil {
		return fail(doing, err)
	}
	return fail(doing, setAttributes(l.proc, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}, 0))
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
			err = cover(name, yardStage+"/"+stageNone)
		default:
			err = cover(name, yardProc+"/"+name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cover puts something over a name in /proc, both in the yard. What this kernel lacks, or what has
// gone since it was seen, needs no cover.
func cover(name, with string) error {
	err := unix.Mount(with, yardProc+"/"+name, "", unix.MS_BIND, "")
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
