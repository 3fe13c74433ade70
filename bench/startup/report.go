//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// report is everything that one run of the command found.
type report struct {
	Machine   string    `json:"machine"`
	Runs      int       `json:"runs"`
	Warmup    int       `json:"warmup"`
	Results   []result  `json:"results"`
	Watched   int       `json:"watched,omitempty"`
	Processes []process `json:"processes,omitempty"`
	Phases    []phase   `json:"phases,omitempty"`
	Grown     int       `json:"grown,omitempty"`
	Growth    []growth  `json:"growth,omitempty"`
	Refusal   string    `json:"refusal,omitempty"`
	Stored    []result  `json:"stored,omitempty"`
	Calls     []calls   `json:"calls,omitempty"`
	Missing   []string  `json:"missing,omitempty"`
}

// thisMachine is the class of the machine: enough to know whether two tables may be compared.
func thisMachine() string {
	kernel := "unknown"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	who := "an ordinary user"
	if os.Getuid() == 0 {
		who = "root"
	}
	return fmt.Sprintf("%s/%s, %d cores, kernel %s, as %s",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel, who)
}

// rows is the table of results, its header first.
func (r report) rows() [][]string {
	var codex float64
	for _, x := range r.Results {
		if x.Name == codexName {
			codex = x.Median
		}
	}
	rows := [][]string{{"", "median", "p10 to p90", "of Codex's", "CPU", "peak memory"}}
	for _, x := range r.Results {
		ratio := "-"
		if codex > 0 {
			ratio = fmt.Sprintf("%.2f", x.Median/codex)
		}
		rows = append(rows, []string{
			x.Name, fmt.Sprintf("%.1f ms", x.Median), fmt.Sprintf("%.1f to %.1f", x.P10, x.P90), ratio,
			fmt.Sprintf("%.1f ms", x.CPU), fmt.Sprintf("%.1f MiB", x.Peak),
		})
	}
	return rows
}

// processRows is the table of nono's processes, its header first.
func (r report) processRows() [][]string {
	rows := [][]string{{"nono's processes", "CPU", "peak memory"}}
	for _, p := range r.Processes {
		rows = append(rows, []string{
			p.Name, fmt.Sprintf("%.1f ms", p.CPU), fmt.Sprintf("%.1f MiB", p.Peak),
		})
	}
	return rows
}

// phaseRows is the table of the phases of nono's start, its header first. What is left of the whole
// is before main and after the command's end.
func (r report) phaseRows() [][]string {
	rows := [][]string{{"phase", "median", "what is done"}}
	var rest float64
	for _, x := range r.Results {
		if x.Name == nonoName {
			rest = x.Median
		}
	}
	for _, p := range r.Phases {
		rest -= p.Time
		rows = append(rows, []string{p.Name, fmt.Sprintf("%.1f ms", p.Time), p.What})
	}
	return append(rows, []string{
		"the rest", fmt.Sprintf("%.1f ms", rest),
		"exec of nono and the initialisation of its packages; the command itself; " +
			"the end of all processes and namespaces",
	})
}

// growthRows is the table of starts against the size of the policy, its header first.
func (r report) growthRows() [][]string {
	header := []string{""}
	for _, n := range numbers {
		header = append(header, strconv.Itoa(n))
	}
	rows := [][]string{append(header, "one more, at the end")}
	for _, g := range r.Growth {
		row := []string{g.What}
		last := 0
		for i, ms := range g.Medians {
			if ms == 0 {
				row = append(row, "refused")
				continue
			}
			row, last = append(row, fmt.Sprintf("%.0f ms", ms)), i
		}
		if last == 0 {
			rows = append(rows, append(row, ""))
			continue
		}
		slope := (g.Medians[last] - g.Medians[last-1]) / float64(numbers[last]-numbers[last-1])
		rows = append(rows, append(row, fmt.Sprintf("%.2f ms", slope)))
	}
	return rows
}

// storedRows is the table of stored sessions, its header first.
func (r report) storedRows() [][]string {
	rows := [][]string{{"stored", "median", "p10 to p90", "CPU"}}
	for _, x := range r.Stored {
		rows = append(rows, []string{
			x.Name, fmt.Sprintf("%.1f ms", x.Median), fmt.Sprintf("%.1f to %.1f", x.P10, x.P90),
			fmt.Sprintf("%.1f ms", x.CPU),
		})
	}
	return rows
}

func (r report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "start-up of `true`: %d runs each, interleaved, after %d to warm up; %s\n\n",
		r.Runs, r.Warmup, r.Machine)
	table(&b, r.rows())
	if len(r.Processes) > 0 {
		fmt.Fprintf(&b, "\nCPU time by process, medians of %d watched runs\n\n", r.Watched)
		table(&b, r.processRows())
		fmt.Fprintf(&b, "\nphases of nono's start, medians of %d runs\n\n", r.Watched)
		table(&b, r.phaseRows())
	}
	if len(r.Growth) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the size of the policy, medians of %d runs\n\n", r.Grown)
		table(&b, r.growthRows())
		fmt.Fprintf(&b, "\n9000 grants: %s\n", r.Refusal)
	}
	if len(r.Stored) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the number of stored sessions, %d runs each\n\n", r.Runs)
		table(&b, r.storedRows())
	}
	if len(r.Calls) > 0 {
		fmt.Fprintf(&b, "\nsystem calls, medians of %d runs\n\n", r.Watched)
		table(&b, r.callRows())
	}
	return b.String()
}

func table(b *strings.Builder, rows [][]string) {
	w := tabwriter.NewWriter(b, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// markdown is the page bench/RESULTS.md.
func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# Start-up\n\n" +
		"Written by `make bench`; every figure is from one run of it. Compare the ratios: the times\n" +
		"belong to the machine.\n\n")
	fmt.Fprintf(&b, "`true`, %d runs of each sandbox in turn after %d to warm up, on %s.\n"+
		"Each reads the system, may write one directory, and has a closed network. \"nono, no layer\"\n"+
		"is no peer: it sees the host's files as they are, and shows what the filesystem layer and\n"+
		"its process cost. Those with hosts, and with hosts and a key, are none either: they reach\n"+
		"language models, and show what the network layer and the credential layer, processes that\n"+
		"stay, cost. The one with a snapshot records that directory before and after, of few files.\n\n",
		r.Runs, r.Warmup, r.Machine)
	markdownTable(&b, r.rows())
	b.WriteString("\n" +
		"CPU is user and system time of every process that the run waited for; peak memory is that\n" +
		"of its largest process, and readings below 5 MiB are those of the measuring program it was\n" +
		"started from.\n\n")
	for _, x := range r.Results {
		fmt.Fprintf(&b, "- %s: `%s`\n", x.Name, x.Shown)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "- left out: %s\n", m)
	}
	if len(r.Growth) > 0 {
		fmt.Fprintf(&b, "\n## Against the size of the policy\n\n"+
			"Medians of %d runs each. What there is many of lies in one directory: directories that\n"+
			"are granted for writing, each a mount; files denied in a directory that is granted; and\n"+
			"read rules beneath a grant, which change nothing.\n\n", r.Grown)
		markdownTable(&b, r.growthRows())
		fmt.Fprintf(&b, "\nBeyond the limit, 9000 grants: `%s`\n", r.Refusal)
	}
	if len(r.Stored) > 0 {
		fmt.Fprintf(&b, "\n## Against the number of stored sessions\n\n"+
			"%d runs each, in turn. A start looks at the sessions that are not finished, and at no\n"+
			"other.\n\n", r.Runs)
		markdownTable(&b, r.storedRows())
	}
	if len(r.Processes) > 0 {
		fmt.Fprintf(&b, "\n## Where nono's CPU time goes\n\n"+
			"Medians of %d runs of their own, in which each process's CPU clock was read without\n"+
			"pause.\n\n", r.Watched)
		markdownTable(&b, r.processRows())
		fmt.Fprintf(&b, "\n## Where nono's milliseconds go\n\n"+
			"Medians of %d runs of `nono run -v --allow-cwd -- true`, which tells them. Processes run\n"+
			"beside each other, on all cores.\n\n", r.Watched)
		markdownTable(&b, r.phaseRows())
		b.WriteString(costs)
	}
	if len(r.Calls) > 0 {
		fmt.Fprintf(&b, "\n## What a system call costs\n\n"+
			"Medians of %d runs, and what that is of the time without a sandbox. getppid and statfs are\n"+
			"always allowed, which the kernel knows without running the filter; of fcntl and ioctl the\n"+
			"filter looks at an argument; to open is also a matter of Landlock's, and so of the layer.\n"+
			"bubblewrap has no filter.\n\n", r.Watched)
		markdownTable(&b, r.callRows())
	}
	return b.String()
}

// costs says what the figures above come from. It has no figures of its own.
const costs = `
## Why

The budget is half of the Codex sandbox's time. Where the ratio above is higher, this is where the
rest goes:

- **Two more programs than a sandbox needs that decides and enforces in one.** Policy is decided by
  core and a layer, which speak gRPC, and enforced by nono-init, which does not. Starting a Go
  program that links gRPC, protobuf and go-plugin is page faults and package initialisation before
  main, once in core and once in the layer: that is most of "processes", and most of the rest.
- **The kernel.** About half of the CPU time is the kernel's: page faults, clone into six
  namespaces, mounts, their end.
- **The layer's answer** initialises protobuf's tables on both sides at first use.
- Not in it: digests of our own programs, anything synced to disk, a layer that has nothing to do.
`

func markdownTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
}
