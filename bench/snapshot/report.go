//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is everything that one run of the command found.
type report struct {
	options
	Machine                   string
	Tree                      size
	First, Unchanged, Changed []figures
	Diff, Undo                []figures
	Small                     []scale
	Systems                   []system
	Missing                   []string
}

// scale is what was found about a tree of small files.
type scale struct {
	Files, Rounds    int
	First, Unchanged []figures
}

// system is what was found about a file system.
type system struct {
	Name   string
	Rounds int
	Runs   []coldness
}

type coldness struct {
	Cold             bool
	First, Unchanged []figures
}

// thisMachine is the class of the machine: enough to know whether two tables may be compared.
func thisMachine() string {
	kernel := "unknown"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	how := ""
	if ahead {
		how = "; what is measured runs before other work (SCHED_RR)"
	}
	return fmt.Sprintf("%s/%s, %d cores, kernel %s, load average %s%s",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel, average, how)
}

// text is the page.
func (r *report) text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	say(`# Snapshots

Written by "make bench-snapshot PAGE=1"; every figure is from one run of it. Compare the ratios, and
the CPU time before all.

%s. Medians of %d turns each, after one that does not count.
`, r.Machine, r.rounds)
	for _, missing := range r.Missing {
		say("\nLeft out: %s.\n", missing)
	}
	say(`
nono is a process that does what the snapshot layer does before the agent starts: it opens the store
and the cache, records the tree with its attributes and hard links, and seals. It syncs nothing, for
the layer does that while the agent runs already. restic syncs its packs. git is "git add --all",
and "git status" where nothing changed. cp is "cp -a".

## A project

A copy of %s: %d files, %d directories, %d MiB, in the page cache.
`, r.tree, r.Tree.Files, r.Tree.Directories, r.Tree.Bytes>>20)
	say("\nFirst:\n\n%s", table(r.First))
	say("\nNothing changed:\n\n%s", table(r.Unchanged))
	say("\n100 files changed:\n\n%s", table(r.Changed))
	say("\n%d files changed, and recorded: what is different (git: diff --name-status):\n\n%s",
		undone, table(r.Diff))
	say("\nPut back, with a journal and synced (git: restore, which does neither):\n\n%s",
		table(r.Undo))
	if len(r.Small) > 0 {
		say("\n## Small files\n\nOf about a KiB, a hundred in a directory, on %s.\n", r.filesIn)
	}
	for _, s := range r.Small {
		say("\n%d files, %d turns, first:\n\n%s", s.Files, s.Rounds, table(s.First))
		say("\n%d files, nothing changed:\n\n%s", s.Files, table(s.Unchanged))
	}
	if len(r.Systems) > 0 {
		say("%s", `
## File systems

The same tree, and what keeps it, on a file system of their own in an image. Cold: it was mounted
anew before each run. That empties the cache of its files; what the block device, and a virtual
machine's disk, have in memory may stay, so the cold figures are a lower bound. All of it stays
where a process in a mount namespace of its own still has the file system: then cold is as fast as
warm.

Where the first time goes, by profiles: of the processor's time in memory on ext4, compressing is
three tenths, SHA-256 a fifth, the kernel a third. On btrfs the kernel takes 0.2 s more, to write.
With nothing in memory, on an image as here, half of the time is that of reading alone, with 16
readers and nothing else done.
`)
	}
	for _, s := range r.Systems {
		for _, run := range s.Runs {
			how := "warm"
			if run.Cold {
				how = "cold"
			}
			say("\n%s, %s, %d turns, first:\n\n%s", s.Name, how, s.Rounds, table(run.First))
			say("\n%s, %s, nothing changed:\n\n%s", s.Name, how, table(run.Unchanged))
		}
	}
	return b.String()
}

func table(all []figures) string {
	var b strings.Builder
	b.WriteString("| | median | least | nono's of it | CPU | peak memory |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- |\n")
	var ours time.Duration
	for _, f := range all {
		if f.Name == "nono" {
			ours = f.Wall
		}
	}
	for _, f := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f | %s | %d MiB |\n", f.Name, milliseconds(f.Wall),
			milliseconds(f.Least), float64(ours)/float64(f.Wall), milliseconds(f.CPU), f.Peak>>10)
	}
	return b.String()
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
