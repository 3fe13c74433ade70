package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessOf is the process that has this number now. Without an error it can be told from all that
// get the number later.
func ProcessOf(is string, pid int) (Process, error) {
	since, _, err := looked(pid)
	return Process{Is: is, PID: pid, Since: since}, err
}

// looked is when a process began, and whether it still runs: one that has ended and that nobody has
// asked about has a number, and does nothing any more.
func looked(pid int) (since uint64, runs bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	// The name, in brackets, may hold anything.
	const state, start = 0, 19
	_, rest, ok := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(") "))
	fields := bytes.Fields(rest)
	if !ok || len(fields) <= start {
		return 0, false, fmt.Errorf("/proc/%d/stat has another form than expected", pid)
	}
	since, err = strconv.ParseUint(string(fields[start]), 10, 64)
	return since, fields[state][0] != 'Z' && fields[state][0] != 'X', err
}

// Alive reports whether it still runs.
func (p Process) Alive() bool {
	since, runs, err := looked(p.PID)
	return err == nil && runs && since == p.Since
}

// Wait returns when the process is gone, or the context ends.
func (p Process) Wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", p.Is, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// Asked after the opening: the descriptor is of this process for good, if it is this one now.
	for p.Alive() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s, process %d, still runs: %w", p.Is, p.PID, err)
		}
		const look = 50 * time.Millisecond
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, int(look.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for %s: %w", p.Is, err)
		}
	}
	return nil
}
