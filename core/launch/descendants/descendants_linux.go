package descendants

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process as /proc has it.
type Process struct {
	PID, Parent, Group int
	// State is the kernel's letter for it.
	State byte
}

// Stopped says that a signal has stopped it, and no debugger.
func (p Process) Stopped() bool { return p.State == 'T' }

// Runs says that it may do something. One that waits in the kernel (D), as a parent does for its
// child in vfork, stops before it does anything else.
func (p Process) Runs() bool { return !bytes.ContainsRune([]byte("TtDZX"), rune(p.State)) }

// Ended says that there is nothing left of it but the news of its end.
func (p Process) Ended() bool { return p.State == 'Z' || p.State == 'X' }

// All are the processes that /proc shows.
func All() []Process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }() // nothing was written to it
	names, _ := dir.Readdirnames(-1)
	var all []Process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, err := Look(pid); err == nil { // else it has just ended
				all = append(all, p)
			}
		}
	}
	return all
}

// Look looks at one process.
func Look(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	return parse(pid, stat)
}

// parse reads the line: the number, the name in parentheses, which may hold any byte, the state,
// the parent, the group.
func parse(pid int, stat []byte) (Process, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return Process{}, fmt.Errorf("the state of process %d cannot be read: %q", pid, stat)
	}
	p := Process{PID: pid, State: fields[0][0]}
	var err error
	if p.Parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return Process{}, err
	}
	p.Group, err = strconv.Atoi(string(fields[2]))
	return p, err
}

// Of are the descendants of a process, without itself. Those that are made meanwhile may be
// missing.
func Of(pid int) []Process {
	children := map[int][]Process{}
	for _, p := range All() {
		children[p.Parent] = append(children[p.Parent], p)
	}
	found := slices.Clone(children[pid])
	for n := 0; n < len(found); n++ {
		found = append(found, children[found[n].PID]...)
	}
	return found
}

// End ends all descendants of this process, which must have adopted orphans since before the first
// of them, and reaps them. It says how many of them this has killed, and whether some are left when
// the time is up.
//
// Processes that go on forking are met in three ways. A signal to a process group reaches all of it
// in one moment, and a fork fails in a process that has a signal waiting; so a chain of processes,
// of which each makes the next and ends, does not get away as long as it stays in its group. Of
// those that are seen alive the limit on processes is lowered to none, which their children have
// from them. And it is done again, until nothing is left.
//
// A number is used again only after all others have been, so that one which was read a moment ago
// is nobody else's by now.
func End(limit time.Duration) (killed int, left bool) {
	self, own := os.Getpid(), unix.Getpgrp()
	for end := time.Now().Add(limit); ; {
		more, none := reap()
		if killed += more; none {
			return killed, false
		}
		if time.Now().After(end) {
			return killed, true
		}
		for _, p := range Of(self) {
			if p.Ended() {
				continue // its parent ends before long
			}
			none := unix.Rlimit{}
			_ = unix.Prlimit(p.PID, unix.RLIMIT_NPROC, &none, nil)
			// It may have joined this process's own group, where a signal would reach that too.
			if p.Group != own {
				_ = unix.Kill(-p.Group, unix.SIGKILL)
			}
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
	}
}

// reap takes note of all children that have ended, and says how many of them were killed, and
// whether there is no child left.
func reap() (killed int, none bool) {
	for {
		var status unix.WaitStatus
		// WALL: also those that were cloned to end without SIGCHLD.
		pid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return killed, true
		case pid == 0:
			return killed, false
		case status.Signaled() && status.Signal() == unix.SIGKILL:
			killed++
		}
	}
}
