//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sample is one run of one program.
type sample struct {
	wall, cpu time.Duration
	peak      int64 // KiB of memory
}

// figures are a program's medians.
type figures struct {
	Name             string
	Wall, Least, CPU time.Duration
	Peak             int64
}

// turns has each program do something in turn, so many rounds after one that does not count, each
// round beginning with another program. A program without a command is passed over.
func turns(
	programs []*program, rounds int, do func(*program, int) (sample, error),
) ([]figures, error) {
	samples := make([][]sample, len(programs))
	for round := range 1 + rounds {
		for i := range programs {
			which := (i + round) % len(programs)
			s, err := do(programs[which], round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", programs[which].name, err)
			}
			if round > 0 && s.wall > 0 {
				samples[which] = append(samples[which], s)
			}
		}
	}
	var all []figures
	for i, s := range samples {
		if len(s) == 0 {
			continue
		}
		all = append(all, medians(programs[i].name, s))
	}
	return all, nil
}

// medians are a program's.
func medians(name string, samples []sample) figures {
	median := func(of func(sample) int64) int64 {
		values := make([]int64, len(samples))
		for i := range samples {
			values[i] = of(samples[i])
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figures{
		Name:  name,
		Wall:  time.Duration(median(func(s sample) int64 { return int64(s.wall) })),
		CPU:   time.Duration(median(func(s sample) int64 { return int64(s.cpu) })),
		Peak:  median(func(s sample) int64 { return s.peak }),
		Least: slices.MinFunc(samples, func(a, b sample) int { return int(a.wall - b.wall) }).wall,
	}
}

// ahead says that what is measured runs before other work on the machine, which root may ask for.
var ahead = os.Getuid() == 0

// prefer sets how this thread is scheduled.
func prefer(policy, priority uintptr) error {
	if !ahead {
		return nil
	}
	_, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, policy,
		uintptr(unsafe.Pointer(&[1]int32{int32(priority)})))
	if errno != 0 {
		return fmt.Errorf("setting the priority: %w", errno)
	}
	return nil
}

// once runs a command and measures it.
func once(cmd *exec.Cmd) (sample, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	runtime.LockOSThread() // what is started has the priority of the thread that starts it
	defer runtime.UnlockOSThread()
	if err := prefer(unix.SCHED_RR, 1); err != nil {
		return sample{}, err
	}
	begin := time.Now()
	err := cmd.Start()
	if err := prefer(unix.SCHED_NORMAL, 0); err != nil {
		return sample{}, err
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return sample{}, fmt.Errorf("%v: %w\n%s", cmd.Args, err, said.String())
	}
	wall := time.Since(begin)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return sample{
		wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss,
	}, nil
}
