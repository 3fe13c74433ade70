package limits

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
)

// What the smallest run takes, and a little more.
const (
	files     = 64      // that are open at once, in core
	fileSize  = 1 << 20 // of the recipe, which is a file in memory
	pending   = 16      // signals that wait: nono-init's threads are told of system calls by them
	processes = 48      // and threads: core's, nono-init's and a layer's
	// plenty is so many processes that nobody has to count those that there are.
	plenty = 4096
)

// Check refuses a start that would fail in the middle, for want of something that the user's limits
// take away.
func Check(uid int) error {
	for _, l := range []struct {
		resource int
		what     string
		need     uint64
		flag     string
	}{
		{unix.RLIMIT_NOFILE, "open files", files, "-n"},
		{unix.RLIMIT_FSIZE, "the size of a file", fileSize, "-f"},
		{unix.RLIMIT_SIGPENDING, "pending signals", pending, "-i"},
	} {
		have, err := soft(l.resource)
		if err != nil {
			return err
		}
		if have < l.need {
			return tooLow(l.what, have, l.need, l.flag)
		}
	}
	return checkProcesses(uid)
}

func soft(resource int) (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil {
		return 0, fmt.Errorf("reading the limits: %w", err)
	}
	return limit.Cur, nil
}

// checkProcesses holds what the user runs already against the limit on that, where it is low. Root
// has none.
func checkProcesses(uid int) error {
	limit, err := soft(unix.RLIMIT_NPROC)
	if err != nil || uid == 0 || limit >= plenty {
		return err
	}
	running, err := tasksOf(uid)
	if err != nil {
		return fmt.Errorf("counting your processes: %w", err)
	}
	if running+processes > limit {
		return diag.Errorf("you may have %d processes and threads, %d run already, "+
			"and a run of nono needs %d", limit, running, processes).
			Try("end some, or raise the limit: ulimit -u")
	}
	return nil
}

// tasksOf counts a user's processes and threads, as far as they can be seen.
func tasksOf(uid int) (uint64, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	var count uint64
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		info, err := os.Stat("/proc/" + name + "/task")
		if err != nil {
			continue // it has ended
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && int(stat.Uid) == uid {
			count += threads(name)
		}
	}
	return count, nil
}

func threads(process string) uint64 {
	status, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nThreads:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 1
	}
	return n
}
