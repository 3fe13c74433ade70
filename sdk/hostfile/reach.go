package hostfile

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Reach is what this user may do with a file by the host's own rules, whatever nono allows.
type Reach struct {
	Read, Write bool
	// ReadOnly says that the file system is mounted read-only, and so that nobody may write.
	ReadOnly bool
}

// ReachOf finds out without opening the file. What cannot be found out is taken for allowed: the
// kernel will say so, and this is for messages.
//
// Inside, nobody has capabilities. So root is asked like any other owner, and not what root may do
// outside.
func ReachOf(path string) Reach {
	r := Reach{Read: true, Write: true}
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) == nil && readOnly(&fs) {
		r.Write, r.ReadOnly = false, true
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return r
	}
	may := func(bit uint32) bool {
		if unix.Geteuid() != 0 {
			return unix.Faccessat(unix.AT_FDCWD, path, bit, unix.AT_EACCESS) == nil
		}
		return mode(&st)&bit != 0
	}
	r.Read = r.Read && may(unix.R_OK)
	// An owner may give himself the right to write.
	r.Write = r.Write && (int(st.Uid) == unix.Geteuid() || may(unix.W_OK))
	return r
}

// mode is the three bits of the file's mode that hold for this process.
func mode(st *unix.Stat_t) uint32 {
	m := uint32(st.Mode) //nolint:unconvert // narrower on macOS
	groups, _ := unix.Getgroups()
	switch {
	case int(st.Uid) == unix.Geteuid():
		return m >> 6 & 7
	case int(st.Gid) == unix.Getegid(), slices.Contains(groups, int(st.Gid)):
		return m >> 3 & 7
	}
	return m & 7
}
