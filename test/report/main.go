// Command report runs `go test -json`, shows what matters of it, and holds the rule that no test is
// skipped in silence.
//
//	go run ./test/report -skips test/skips.txt -- go test -json ./...
//
// It prints one line a package, the whole output of each test that failed, each skipped test with
// its reason, and last "N passed, N failed, N skipped". Where the variable CI is set, a skipped
// test that is not on the list is a failure: there a skip means that a defence went untested. The
// list has one line a test, "PACKAGE TEST: reason", the package relative to the module; a test's
// subtests are covered by its own line.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
)

// module is what package paths on the list are relative to.
const module = "github.com/nono-run/nono/"

func main() {
	skips := flag.String("skips", "", "file that lists the tests that may be skipped")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "report: give the command to run after --")
		os.Exit(2)
	}
	ok, err := run(*skips, flag.Args(), os.Getenv("CI") != "", os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run runs the command and reports on it. It is true only if the command succeeded, something
// passed, and no skip was forbidden.
func run(skips string, command []string, strict bool, out io.Writer) (bool, error) {
	allowed, err := readSkips(skips)
	if err != nil {
		return false, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	r := newReport(out)
	readErr := r.read(stdout)
	// The exit status counts too: go test may fail with no test failing, when a package does not
	// build.
	waitErr := cmd.Wait()
	ok := r.close(allowed, strict)
	return ok && waitErr == nil, errors.Join(readErr, ignoreExit(waitErr))
}

// ignoreExit drops an error that says only that the command failed: what failed has been shown by
// then.
func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Elapsed    float64
	Output     string
}

// test names one test, the package relative to the module.
type test struct{ Package, Name string }

func (t test) String() string { return t.Package + " " + t.Name }

// report collects events.
type report struct {
	out    io.Writer
	output map[test][]string // of tests that are still running; Name is empty for the package's own
	passed int
	failed []string
	skips  map[test]string // with the reason
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[test][]string{}, skips: map[test]string{}}
}

// read takes the stream to its end.
func (r *report) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the test's output: %w", err)
		}
	}
}

func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line) // not from test2json: shown as it is
		return
	}
	t := test{strings.TrimPrefix(e.Package, module), e.Test}
	switch e.Action {
	case "output":
		r.output[t] = append(r.output[t], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		r.end(t, e)
	}
}

// end takes the result of a test, or of a package where the test has no name.
func (r *report) end(t test, e event) {
	output := r.output[t]
	delete(r.output, t)
	if t.Name == "" {
		r.endPackage(t.Package, e, output)
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skips[t] = reason(output)
	case "fail":
		r.failed = append(r.failed, t.String())
		fmt.Fprintf(r.out, "--- FAIL %s\n%s", t, strings.Join(output, ""))
	}
}

func (r *report) endPackage(name string, e event, output []string) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(r.out, "ok    %-40s %6.1fs\n", name, e.Elapsed)
	case "fail":
		fmt.Fprintf(r.out, "FAIL  %-40s %6.1fs\n", name, e.Elapsed)
		if !r.failedIn(name) { // the package itself: it did not build, panicked, or TestMain failed
			r.failed = append(r.failed, name)
			fmt.Fprint(r.out, strings.Join(output, ""))
			r.unfinished(name)
		}
	}
}

// unfinished shows the output of tests that a crash or a time limit cut short.
func (r *report) unfinished(name string) {
	for t, output := range r.output {
		if t.Package == name {
			fmt.Fprintf(r.out, "--- CUT SHORT %s\n%s", t, strings.Join(output, ""))
		}
	}
}

func (r *report) failedIn(name string) bool {
	for _, f := range r.failed {
		if strings.HasPrefix(f, name+" ") {
			return true
		}
	}
	return false
}

// reason is what the test said when it skipped itself.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}

// close prints the skips and the last line, and says whether all is well.
func (r *report) close(allowed map[string]string, strict bool) bool {
	skipped := make([]test, 0, len(r.skips))
	for t := range r.skips {
		skipped = append(skipped, t)
	}
	sort.Slice(skipped, func(i, j int) bool { return skipped[i].String() < skipped[j].String() })

	for _, t := range skipped {
		why, listed := listed(t, allowed)
		switch {
		case listed:
			fmt.Fprintf(r.out, "skip  %s: %s (allowed: %s)\n", t, r.skips[t], why)
		case strict:
			fmt.Fprintf(r.out, "FAIL  %s was skipped: %s\n"+
				"      a skip in CI is a failure unless test/skips.txt lists it\n", t, r.skips[t])
			r.failed = append(r.failed, t.String())
			delete(r.skips, t)
		default:
			fmt.Fprintf(r.out, "skip  %s: %s\n", t, r.skips[t])
		}
	}
	for _, f := range r.failed {
		fmt.Fprintf(r.out, "failed: %s\n", f)
	}
	if r.passed == 0 {
		fmt.Fprintln(r.out, "FAIL  no test ran")
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, len(r.failed), len(r.skips))
	return len(r.failed) == 0 && r.passed > 0
}

// listed finds the line that allows a skip: the test's own, or that of a test it is a part of.
func listed(t test, allowed map[string]string) (string, bool) {
	for name := t.Name; ; {
		if why, ok := allowed[test{t.Package, name}.String()]; ok {
			return why, true
		}
		cut := strings.LastIndexByte(name, '/')
		if cut < 0 {
			return "", false
		}
		name = name[:cut]
	}
}

// readSkips reads the list. A line without a reason is an error.
func readSkips(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the list of skips: %w", err)
	}
	allowed := map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, why, ok := strings.Cut(line, ": ")
		if !ok || strings.TrimSpace(why) == "" || len(strings.Fields(name)) != 2 {
			return nil, fmt.Errorf("%s:%d: a line is \"PACKAGE TEST: reason\"", path, i+1)
		}
		allowed[name] = strings.TrimSpace(why)
	}
	return allowed, nil
}
