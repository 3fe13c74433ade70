// Package hostfile looks at the host's files: what stands at a path, where a path leads, and what a
// small file holds.
//
// The files may be the work of an agent, of this run's or of an earlier one's. So nothing here
// waits for anyone, follows more links than the kernel does, or reads more than it was told to: a
// name that was swapped for a pipe, a chain of a thousand links or a file without an end is an
// error.
//
// A [Look] is all that is asked of the file system, so that a test can hand in one that no disk
// holds.
package hostfile

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// Look looks at one file, without following a link. A file that does not exist is an [Entry] of
// type policy.Missing and no error.
type Look func(path string) (Entry, error)

// Entry is what stands at a path.
type Entry struct {
	Type   policy.FileType
	Device uint64
	Inode  uint64
	// Links is the number of names that the file has.
	Links uint64
	// Executable says that somebody may execute it, as far as its mode says; of a directory it means
	// nothing.
	Executable bool
	// Size is a regular file's length.
	Size int64
	// Ours says of a regular file that this user owns it and may read and write it.
	Ours bool
	// Target is set for a symbolic link, whose Type is policy.Special.
	Target string
	// Fixed, for a directory, says that this user can neither change its entries nor give himself
	// the right to.
	Fixed bool
	// Rooted says that root owns it and, of a directory, that nobody else can change its entries.
	Rooted bool
}

// IsLink reports whether a symbolic link stands there.
func (e Entry) IsLink() bool { return e.Target != "" }

// Host looks at the real files.
func Host(path string) (Entry, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return Entry{Type: policy.Missing}, nil
	}
	if err != nil {
		return Entry{}, &fs.PathError{Op: "looking at", Path: path, Err: err}
	}
	e := Entry{
		Type:   policy.Special,
		Device: uint64(st.Dev), //nolint:unconvert // narrower on macOS
		Inode:  st.Ino,
		Links:  uint64(st.Nlink), //nolint:unconvert // narrower on macOS
		Rooted: st.Uid == 0,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type = policy.Regular
		e.Executable = st.Mode&0o111 != 0
		e.Size, e.Ours = st.Size, int(st.Uid) == unix.Geteuid() && st.Mode&0o600 == 0o600
	case unix.S_IFDIR:
		e.Type = policy.Directory
		e.Fixed = int(st.Uid) != unix.Geteuid() &&
			unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) != nil
		e.Rooted = e.Rooted && !OthersWrite(&st)
	case unix.S_IFLNK:
		if e.Target, err = readLink(path, st.Size); err != nil {
			return Entry{}, &fs.PathError{Op: "reading the link", Path: path, Err: err}
		}
	}
	return e, nil
}

// readLink is where a link leads. Its size says how long that is, but for links that the kernel
// makes up, and for one that was replaced meanwhile.
func readLink(path string, size int64) (string, error) {
	buf := make([]byte, min(max(size, 64)+1, unix.PathMax))
	for {
		n, err := unix.Readlink(path, buf)
		if err != nil {
			return "", err
		}
		if n < len(buf) || n == unix.PathMax {
			return string(buf[:n]), nil
		}
		buf = make([]byte, unix.PathMax)
	}
}

// OthersWrite reports whether a directory's mode lets somebody else than its owner change its
// entries. The group that has its owner's own number is the owner alone, by the convention of most
// systems.
func OthersWrite(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IWOTH != 0 || st.Mode&unix.S_IWGRP != 0 && st.Gid != st.Uid
}

// Once looks at each path one time only: the ways to most files have most of their names in common,
// and an answer that changes between two questions helps nobody. Beneath what is missing it looks
// at nothing. It is for one goroutine.
func Once(look Look) Look {
	seen := map[string]*Entry{} // entries are large, and would be copied as it grows
	missing := &Entry{Type: policy.Missing}
	return func(path string) (Entry, error) {
		if e, ok := seen[path]; ok {
			return *e, nil
		}
		dir := path[:max(0, strings.LastIndexByte(path, '/'))]
		if above, ok := seen[dir]; ok && above.Type == policy.Missing {
			seen[path] = missing
			return *missing, nil
		}
		e, err := look(path)
		switch {
		case err == nil && e == *missing:
			seen[path] = missing
		case err == nil:
			seen[path] = &e
		}
		return e, err
	}
}
