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

// thisMachine is the class of the machine: enough to know whether two tables may be compared.
func thisMachine() string {
	kernel := "unknown"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s/%s, %d cores, kernel %s, as an ordinary user, load average %s",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel, average)
}

// text is the page.
func (r *report) text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	b.WriteString(`# What two layers cost

Written by "make bench-net PAGE=1"; every figure is from one run of it. Compare the ratios, and the
CPU time before all: it is the proxy's own, whereas rates and times are also those of the client and
the server, which are on the same cores.

`)
	say("%s. Medians of %d turns each, after one that does not count.\n", r.Machine, r.rounds)
	for _, missing := range r.Missing {
		say("\nLeft out: %s\n", missing)
	}
	say("\nnono's CPU time is the layer's and core's, which keeps the log of what it tells.\n")
	if r.only != keys {
		b.WriteString(r.networkText())
	}
	if r.Keyed != nil {
		b.WriteString(r.Keyed.text())
	}
	say("\n## What was run\n\n")
	for _, shown := range r.Shown {
		say("- %s\n", strings.ReplaceAll(shown, "\n", " "))
	}
	return b.String()
}

func (r *report) networkText() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	b.WriteString(`
## The network layer

By a synthetic address means that the client knows no proxy: it asks the resolver inside, and
connects. nginx is told the server beforehand; each of the others is asked for it and asks a
resolver.
`)
	for _, beside := range besides {
		say("\n### Tunnels, %d at once\n\n"+
			"Each is opened, has a ClientHello and 1 KiB back, and ends.\n\n", beside)
		b.WriteString(table("tunnel", r.Tunnels[beside]))
	}
	for _, beside := range besides {
		say("\n### Requests, %d at once\n\nPlain HTTP, 1 KiB back, over connections that are kept where "+
			"the proxy keeps them.\n\n", beside)
		b.WriteString(table("request", r.Request[beside]))
	}
	say("\n### %d MiB through one tunnel\n\n", r.bulk>>20)
	b.WriteString(r.bulkTable())
	say("\n### %d idle tunnels\n\n", r.idle)
	b.WriteString(r.idleTable())
	say("\n### A start\n\n")
	say("`true`, 20 runs each in turn; CPU of all processes.\n\n")
	say("| nono with | median | CPU |\n| --- | --- | --- |\n")
	for _, s := range r.Starts {
		say("| %s | %.1f ms | %.1f ms |\n", s.Name, milliseconds(s.Wall), milliseconds(s.CPU))
	}
	return b.String()
}

func table(what string, all []figures) string {
	var b strings.Builder
	var nono, direct float64
	for _, f := range all {
		switch f.Way {
		case byNono:
			nono = f.Rate
		case byDirect:
			direct = milliseconds(f.Median)
		}
	}
	fmt.Fprintf(&b, "| | CPU a %s | a second | nono's rate of it | median | over direct |\n"+
		"| --- | --- | --- | --- | --- | --- |\n", what)
	for _, f := range all {
		used, over := "-", "-"
		if f.Way != byDirect {
			used = fmt.Sprintf("%.0f us", microseconds(f.CPU))
			if f.Core > 0 {
				used += fmt.Sprintf(", %.0f of it core's", microseconds(f.Core))
			}
			over = fmt.Sprintf("%.2f ms", milliseconds(f.Median)-direct)
		}
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f | %.2f ms | %s |\n",
			f.Way, used, f.Rate, nono/f.Rate, milliseconds(f.Median), over)
	}
	return b.String()
}

func (r *report) bulkTable() string {
	var b strings.Builder
	b.WriteString("| | CPU | GiB a second | of nginx's |\n| --- | --- | --- | --- |\n")
	var baseline float64
	for _, f := range r.Bulk {
		if f.Way == bulkBaseline {
			baseline = f.Rate
		}
	}
	for _, f := range r.Bulk {
		used, ratio := "-", "-"
		if f.Way != byDirect {
			used = fmt.Sprintf("%.2f s", f.CPU.Seconds())
		}
		if baseline > 0 {
			ratio = fmt.Sprintf("%.2f", f.Rate/baseline)
		}
		fmt.Fprintf(&b, "| %s | %s | %.2f | %s |\n", f.Way, used, f.Rate*float64(r.bulk)/(1<<30), ratio)
	}
	return b.String()
}

func (r *report) idleTable() string {
	var b strings.Builder
	b.WriteString("| | private memory | with all else | descriptors | pipes |\n" +
		"| --- | --- | --- | --- | --- |\n")
	for _, i := range r.Idle {
		fmt.Fprintf(&b, "| %s | %.1f MiB | %.1f MiB | %d | %d |\n", i.Name,
			mebibytes(i.Grown.Private), mebibytes(i.Whole.Private), i.Grown.Descriptors, i.Grown.Pipes)
	}
	return b.String()
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
