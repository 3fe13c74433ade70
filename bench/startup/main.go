//go:build linux

// Command startup measures how long `true` takes in nono's sandbox and in others, in one run on one
// machine.
//
//	go run ./bench/startup -nono bin/nono -codex bench/node_modules -n 40
//
// The sandboxes take turns, each round in another order, so that a slow moment of the machine falls
// on all of them. Compared are medians and their ratios; an absolute time says little about another
// machine. Before anything is measured each sandbox shows that it passes an exit code on and that
// it closes the network. A sandbox that is not installed is left out, with a line that says so.
//
// With -rules it measures nono alone instead, against the size of what it is given: rules, the
// project, stored sessions, signed files. With -rt every sandbox runs in a real-time class, which
// keeps other work of the machine out: for a machine that is not quiet.
//
// CPU time is what the kernel counted for all processes of a run. How it divides between nono's
// processes is measured in runs of their own, for watching costs time; see watch.go.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
)

func main() {
	hosts.Arrange() // the program is started once more, to be a host without user namespaces
	var o options
	flag.StringVar(&o.nono, "nono", "bin/nono", "the nono to measure")
	flag.StringVar(&o.codex, "codex", "bench/node_modules", "where npm put @openai/codex")
	flag.IntVar(&o.runs, "n", 40, "measured runs of each sandbox")
	flag.IntVar(&o.warmup, "warmup", 5, "runs of each before that")
	flag.IntVar(&o.grown, "grown", 9, "runs of nono for each size of policy")
	flag.IntVar(&o.watched, "watched", 20,
		"runs of nono that are watched for the CPU time of each process")
	flag.IntVar(&o.signed, "signed", 5, "runs of nono for each number of signed files")
	flag.IntVar(&o.projects, "projects", 15, "runs of nono in each size of project")
	flag.StringVar(&o.idle, "idle", "bin/bench/nono-layer-idle", "the layer that does nothing")
	flag.StringVar(&o.plugins, "goplugin", "bin/bench/goplugin", "the host of plugins that do nothing")
	flag.IntVar(&o.worked, "worked", 15, "rounds of work inside and outside")
	flag.BoolVar(&o.rules, "rules", false, "measure nono against the size of what it is given")
	flag.BoolVar(&o.realTime, "rt", false, "run everything in a real-time class")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	markdown := flag.String("markdown", "", "also write the table to this file")
	here := flag.Bool("walled", false, "measure nono alone, on this host, and print JSON")
	inside := flag.Bool("calls", false, "measure system calls here and now, and print that only")
	project := flag.String("piece", "", "do the work in that project, and print that only")
	flag.Parse()
	var err error
	switch {
	case *here:
		err = walledHere(o)
	case *inside:
		err = measureCalls()
	case *project != "":
		err = doWork(*project)
	default:
		err = run(o, *asJSON, *markdown)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	nono, codex, idle, plugins                             string
	runs, warmup, watched, grown, signed, projects, worked int
	rules, realTime                                        bool
}

func run(o options, asJSON bool, markdown string) error {
	if o.runs < 1 || min(o.warmup, o.watched, o.grown, o.signed, o.projects, o.worked) < 0 {
		return fmt.Errorf("-n is at least 1, and no other number is negative")
	}
	if o.realTime {
		if err := becomeRealTime(); err != nil {
			return err
		}
	}
	where, err := newPlace("nono-bench")
	if err != nil {
		return err
	}
	defer where.remove()

	if exists(o.nono) {
		if o.nono, err = where.installed(o.nono); err != nil {
			return err
		}
	}
	r := report{Machine: thisMachine(), Runs: o.runs, Warmup: o.warmup, RealTime: o.realTime}
	var page, text string
	if o.rules {
		err = r.measureRules(o, where)
		page, text = r.rulesMarkdown(), r.rulesText()
	} else {
		err = r.measureStarts(o, where)
		page, text = r.markdown(), r.text()
	}
	if err != nil {
		return err
	}
	if markdown != "" {
		if err := os.WriteFile(markdown, []byte(page), 0o644); err != nil {
			return err
		}
	}
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err = fmt.Print(text)
	return err
}

// becomeRealTime puts this process, and all that it starts, before all that is in no such class.
func becomeRealTime() error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 10}
	for _, thread := range threads() {
		if err := unix.SchedSetAttr(thread, &attr, 0); err != nil {
			return fmt.Errorf("entering a real-time class, which root may: %w", err)
		}
	}
	return nil
}

// threads are this process's.
func threads() []int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// measureStarts is what a start takes beside others, and what it costs the work inside.
func (r *report) measureStarts(o options, where place) error {
	sandboxes, missing := find(o, where)
	var measured []sandbox
	for _, s := range sandboxes {
		if err := s.check(where.work); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", s.Name, err))
			continue
		}
		measured = append(measured, s)
	}
	defer func() {
		for _, m := range r.Missing {
			fmt.Fprintln(os.Stderr, "left out:", m)
		}
	}()
	r.Missing = missing
	var err error
	if r.Results, err = measure(measured, where.work, o.runs, o.warmup); err != nil {
		return err
	}
	if err := holdAll(r.Results, where.work, min(o.watched, 5)); err != nil {
		return err
	}
	for _, s := range measured {
		if (s.Name == nonoName || s.Name == fiveName) && o.watched > 0 {
			inside, err := lookInto(s, where.work, o.watched)
			if err != nil {
				return err
			}
			r.Inside = append(r.Inside, inside)
			r.Watched = o.watched
		}
	}
	if exists(o.nono) {
		if r.Walled, err = measureWalled(o); err != nil {
			return err
		}
	}
	if o.watched > 0 {
		if r.Calls, err = perCall(measured, where.work, o.watched); err != nil {
			return err
		}
	}
	if o.worked > 0 {
		r.Worked = o.worked
		if r.Work, missing, err = measureWork(measured, where.work, o.worked); err != nil {
			return err
		}
		r.Missing = append(r.Missing, missing...)
	}
	return nil
}

// measureRules is what a start takes against the size of what it is given.
func (r *report) measureRules(o options, where place) error {
	nono, err := filepath.Abs(o.nono)
	if err != nil {
		return err
	}
	if r.Stored, err = stored(nono, where, o.runs, o.warmup); err != nil {
		return err
	}
	if o.projects > 0 {
		r.InProjects = o.projects
		if r.Projects, err = inProjects(nono, where, o.projects); err != nil {
			return err
		}
	}
	if o.signed > 0 {
		r.Signed = o.signed
		if r.SignedFiles, err = signed(nono, where, o.signed); err != nil {
			return err
		}
	}
	if o.grown > 0 {
		r.Grown = o.grown
		if r.Growth, err = grow(nono, where.root, o.grown); err != nil {
			return err
		}
		r.Refusal, err = refusal(nono, where.work)
	}
	return err
}

// place is where the sandboxed programs run. It is not under /tmp, which every sandbox here
// replaces by one of its own.
type place struct{ root, work, codexHome string }

func newPlace(name string) (place, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return place{}, err
	}
	root := filepath.Join(cache, name)
	p := place{root, filepath.Join(root, "work"), filepath.Join(root, "codex")}
	for _, dir := range []string{p.work, p.codexHome} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return place{}, err
		}
	}
	return p, nil
}

// installed copies nono's programs, as installing them does, and says where nono is then. What the
// linker has just written lies in the page cache in small pieces, and costs a run 5 ms of CPU more.
func (p place) installed(nono string) (string, error) {
	from, to := filepath.Dir(nono), filepath.Join(p.root, "bin")
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	programs, err := filepath.Glob(filepath.Join(from, "nono*"))
	if err != nil {
		return "", err
	}
	for _, program := range programs {
		// Not through this program's memory, which what it starts is taken to have had.
		out, err := exec.Command("cp", "--", program, to).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("copying %s: %w: %s", program, err, firstLine(out))
		}
	}
	return filepath.Join(to, filepath.Base(nono)), nil
}

func (p place) remove() {
	if err := os.RemoveAll(p.root); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
	}
}

// check runs two small programs in the sandbox: a sandbox that does not pass the exit code on, or
// that leaves the network open, would be compared to nono for nothing.
func (s sandbox) check(dir string) error {
	if err := s.checkExit(dir); err != nil || !s.Sandboxed {
		return err
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	theirs, err := s.command(dir, "readlink", "/proc/self/ns/net").Output()
	if err != nil {
		return fmt.Errorf("looking at its network: %w", err)
	}
	if got := strings.TrimSpace(string(theirs)); got == ours || !strings.HasPrefix(got, "net:[") {
		return fmt.Errorf("its network is the host's: %q", got)
	}
	return nil
}

func (s sandbox) checkExit(dir string) error {
	seven := s.command(dir, "sh", "-c", "exit 7")
	out, _ := seven.CombinedOutput() // it fails, as it should; how is what counts
	if code := seven.ProcessState.ExitCode(); code != 7 {
		return fmt.Errorf("a program that exits with 7 ended with %d: %s", code, firstLine(out))
	}
	return nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
