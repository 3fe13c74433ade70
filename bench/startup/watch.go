//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is what one of nono's programs took in a run, the medians over the watched runs.
type process struct {
	Name string `json:"name"`
	// CPU is in milliseconds; what a process used after it was last looked at is missing, a few
	// hundredths of one.
	CPU float64 `json:"cpu_ms"`
	// Peak is its largest resident set, in MiB.
	Peak float64 `json:"peak_mib"`
}

// watch runs the sandbox and looks, without pause, at the CPU clock of each process that descends
// from it. Only the last look at a process counts. The kernel adds up CPU time over waited
// children, so from outside there is no better way to tell a layer from the core that waits for it.
func watch(s sandbox, dir string, runs int) ([]process, error) {
	cpu, peak := map[string][]float64{}, map[string][]float64{}
	var order []string
	for range runs {
		cmd := s.command(dir, "true")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		seen := follow(cmd)
		if err := cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%v: %w", cmd.Args, err)
		}
		for _, p := range byProgram(seen) {
			if _, known := cpu[p.Name]; !known {
				order = append(order, p.Name)
			}
			cpu[p.Name] = append(cpu[p.Name], p.CPU)
			peak[p.Name] = append(peak[p.Name], p.Peak)
		}
	}
	processes := make([]process, 0, len(order))
	for _, name := range order {
		processes = append(processes, process{name, quantile(cpu[name], 0.5), quantile(peak[name], 0.5)})
	}
	return processes, nil
}

// byProgram adds up the processes of each program: some layers' is started again at the end.
func byProgram(seen []process) []process {
	var all []process
	for _, p := range seen {
		i := slices.IndexFunc(all, func(q process) bool { return q.Name == p.Name })
		if i < 0 {
			all = append(all, p)
			continue
		}
		all[i].CPU += p.CPU
		all[i].Peak = max(all[i].Peak, p.Peak)
	}
	return all
}

// follow looks at a started command and its descendants until the command has ended, and returns
// what was seen last of each.
func follow(cmd *exec.Cmd) []process {
	root := cmd.Process.Pid
	seen := map[int]process{}
	order := []int{root}
	strangers := map[int]bool{} // processes that were there before, or belong to someone else
	for _, pid := range pids() {
		strangers[pid] = pid != root
	}
	for {
		for _, pid := range pids() {
			if strangers[pid] || slices.Contains(order, pid) {
				continue
			}
			if !slices.Contains(order, parent(pid)) {
				strangers[pid] = true
				continue
			}
			order = append(order, pid)
		}
		for _, pid := range order {
			if p, ok := look(pid); ok {
				seen[pid] = p
			}
		}
		if state(root) == "Z" {
			break
		}
	}
	processes := make([]process, 0, len(seen))
	for _, pid := range order {
		if p, ok := seen[pid]; ok && p.Name != "" {
			processes = append(processes, p)
		}
	}
	return processes
}

// look reads a process's CPU clock, which anyone may, whoever the process belongs to and whatever
// it forbids.
func look(pid int) (process, bool) {
	// The kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED): the scheduler's own count, in
	// nanoseconds, of the whole process.
	clock := int32(^pid<<3 | 2)
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return process{}, false
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return process{}, false
	}
	p := process{CPU: float64(t.Nano()) / 1e6}
	for line := range strings.SplitSeq(string(status), "\n") {
		key, value, _ := strings.Cut(line, ":")
		switch fields := strings.Fields(value); {
		case key == "Name" && len(fields) > 0:
			p.Name = fields[0]
		case key == "VmHWM" && len(fields) > 0:
			kib, err := strconv.ParseFloat(fields[0], 64)
			if err != nil {
				return process{}, false
			}
			p.Peak = kib / 1024
		}
	}
	return p, p.Peak > 0 // a process that has ended keeps its clock but has no memory any more
}

func pids() []int {
	names, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		return nil
	}
	all := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// stat is the fields of /proc/PID/stat after the program's name, which may hold blanks.
func stat(pid int) []string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	_, fields, _ := strings.Cut(string(text), ") ")
	return strings.Fields(fields)
}

func state(pid int) string {
	if f := stat(pid); len(f) > 0 {
		return f[0]
	}
	return "Z"
}

func parent(pid int) int {
	if f := stat(pid); len(f) > 1 {
		if ppid, err := strconv.Atoi(f[1]); err == nil {
			return ppid
		}
	}
	return 0
}
