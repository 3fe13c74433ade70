package base

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/policy"
)

// controlling are the kinds of file system through which the kernel takes orders, and tells of all
// processes. A file of theirs that root may write makes the host run a program (core_pattern,
// uevent_helper, release_agent).
var controlling = []string{
	"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "configfs", "securityfs",
	"efivarfs", "bpf", "binfmt_misc",
}

// Controls reads a mountinfo, as in proc(5), and lists where such file systems are mounted besides
// /proc, of which the session has its own, and /sys, which is protected as a whole: in a chroot,
// for one.
func Controls(mountinfo string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) == 0 || !slices.Contains(controlling, kind[0]) {
			continue
		}
		at := path.Clean(unescape(fields[4]))
		if !policy.Within(at, "/proc") && !policy.Within(at, "/sys") {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, view.ComparePaths)
	return slices.Compact(found)
}

// unescape undoes how mountinfo writes spaces and the like: a backslash and three octal digits.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
