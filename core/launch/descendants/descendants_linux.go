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
func Of(pid int) []Process { return of(pid, nil) }

// of are the descendants of a process by way of those children for which mine holds, if it is
// given.
func of(pid int, mine func(Process) bool) []Process {
	children := map[int][]Process{}
	for _, p := range All() {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var found []Process
	for _, p := range children[pid] {
		if mine == nil || mine(p) {
			found = append(found, p)
		}
	}
	for n := 0; n < len(found); n++ {
		found = append(found, children[found[n].PID]...)
	}
	return found
}

// End ends all descendants of this process, which must have adopted orphans since before the first
// of them, and reaps them; where mine is given, only those children for which it holds, with all
// that they started. It says how many of them this has killed, and whether some are left when the
// time is up.
//
// Processes that go on forking are met in three ways. A signal to a process group reaches all of it
// in one moment, and a fork fails in a process that has a signal waiting; so a chain of processes,
// of which each makes the next and ends, does not get away as long as it stays in its group. Of
// those that are seen alive the limit on processes is lowered to none, which their children have
// from them. And it is done again, until nothing is left.
//
// A number is used again only after all others have been, so that one which was read a moment ago
// is nobody else's by now.
func End(limit time.Duration, mine func(Process) bool) (killed int, left bool) {
	for end := time.Now().Add(limit); ; {
		for range rounds {
			more, none := endChildren(mine)
			if killed += more; none {
				break
			}
		}
		found := of(os.Getpid(), mine)
		kill(found)
		if mine == nil {
			more, none := reapAll()
			if killed += more; none {
				return killed, false
			}
		} else if len(found) == 0 {
			return killed, false
		}
		if time.Now().After(end) {
			return killed, true
		}
	}
}

// rounds is how often the children are met before all of /proc is looked at, which takes as long as
// there are processes: orphans that fork and end are gone before.
const rounds = 64

// endChildren kills this process's children, and reaps those that have ended. It says whether there
// was none.
func endChildren(mine func(Process) bool) (killed int, none bool) {
	found := children()
	if mine != nil {
		found = slices.DeleteFunc(found, func(p Process) bool { return !mine(p) })
	}
	kill(found)
	for _, p := range found {
		if reap(p.PID) {
			killed++
		}
	}
	return killed, len(found) == 0
}

// children are this process's, without a look at any of them: nothing is known but their numbers. A
// kernel may not have such a list.
func children() []Process {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var all []Process
	for _, thread := range threads {
		pids, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/children")
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range bytes.Fields(pids) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, Process{PID: pid})
			}
		}
	}
	return all
}

// Kill is one round of End over all descendants, without taking note of any.
func Kill() { kill(Of(os.Getpid())) }

// kill signals each process and each of their groups, once: there may be thousands in one.
func kill(found []Process) {
	// One may have joined this process's own group, where a signal would reach that too; 0 is not
	// known.
	signalled := map[int]bool{unix.Getpgrp(): true, 0: true}
	for _, p := range found {
		none := unix.Rlimit{}
		_ = unix.Prlimit(p.PID, unix.RLIMIT_NPROC, &none, nil)
		if !signalled[p.Group] {
			signalled[p.Group] = true
			_ = unix.Kill(-p.Group, unix.SIGKILL)
		}
		_ = unix.Kill(p.PID, unix.SIGKILL)
	}
}

// reapAll takes note of all children that have ended. It says how many of them were killed, and
// whether there is no child left.
func reapAll() (killed int, none bool) {
	for {
		pid, status, err := wait(-1)
		switch {
		case err != nil:
			return killed, true
		case pid == 0:
			return killed, false
		case status.Signaled() && status.Signal() == unix.SIGKILL:
			killed++
		}
	}
}

// reap takes note of a child that has ended, and says whether it was killed.
func reap(child int) bool {
	pid, status, err := wait(child)
	return err == nil && pid == child && status.Signaled() && status.Signal() == unix.SIGKILL
}

// wait asks for a child that has ended, without waiting for one. WALL: also those that were cloned
// to end without SIGCHLD.
func wait(child int) (pid int, status unix.WaitStatus, err error) {
	for {
		pid, err = unix.Wait4(child, &status, unix.WALL|unix.WNOHANG, nil)
		if err != unix.EINTR {
			return pid, status, err
		}
	}
}
