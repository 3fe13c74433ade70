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
// CPU time is what the kernel counted for all processes of a run. How it divides between nono's
// processes is measured in runs of their own, for watching costs time; see watch.go.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	markdown := flag.String("markdown", "", "also write the table to this file")
	here := flag.Bool("walled", false, "measure nono alone, on this host, and print JSON")
	inside := flag.Bool("calls", false, "measure system calls here and now, and print that only")
	flag.Parse()
	if *here {
		if err := walledHere(o); err != nil {
			fmt.Fprintln(os.Stderr, "startup:", err)
			os.Exit(1)
		}
		return
	}
	if *inside {
		if err := measureCalls(); err != nil {
			fmt.Fprintln(os.Stderr, "startup:", err)
			os.Exit(1)
		}
		return
	}

	if err := run(o, *asJSON, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	nono, codex                          string
	runs, warmup, watched, grown, signed int
}

func run(o options, asJSON bool, markdown string) error {
	if o.runs < 1 || o.warmup < 0 || o.watched < 0 || o.grown < 0 || o.signed < 0 {
		return fmt.Errorf(
			"-n is at least 1, and -warmup, -watched, -grown and -signed are not negative")
	}
	where, err := newPlace("nono-bench")
	if err != nil {
		return err
	}
	defer where.remove()

	sandboxes, missing := find(o, where)
	var measured []sandbox
	for _, s := range sandboxes {
		if err := s.check(where.work); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", s.Name, err))
			continue
		}
		measured = append(measured, s)
	}
	for _, m := range missing {
		fmt.Fprintln(os.Stderr, "left out:", m)
	}

	r := report{Machine: thisMachine(), Runs: o.runs, Warmup: o.warmup, Missing: missing}
	if r.Results, err = measure(measured, where.work, o.runs, o.warmup); err != nil {
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
	nono, err := filepath.Abs(o.nono)
	if err != nil {
		return err
	}
	if exists(nono) {
		if r.Stored, err = stored(nono, where, o.runs, o.warmup); err != nil {
			return err
		}
	}
	if exists(nono) {
		if r.Walled, err = measureWalled(o); err != nil {
			return err
		}
	}
	if exists(nono) && o.signed > 0 {
		if r.SignedFiles, err = signed(nono, where, o.signed); err != nil {
			return err
		}
		r.Signed = o.signed
	}
	if exists(nono) && o.grown > 0 {
		if r.Growth, err = grow(nono, where.root, o.grown); err != nil {
			return err
		}
		if r.Refusal, err = refusal(nono, where.work); err != nil {
			return err
		}
		r.Grown = o.grown
	}
	if o.watched > 0 {
		if r.Calls, err = perCall(measured, where.work, o.watched); err != nil {
			return err
		}
	}
	if markdown != "" {
		if err := os.WriteFile(markdown, []byte(r.markdown()), 0o644); err != nil {
			return err
		}
	}
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err = fmt.Print(r.text())
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
