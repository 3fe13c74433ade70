package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nono-run/nono/test/kernels/serial"
)

// outcome is what a trial came to.
type outcome struct {
	// Short is it in a word or two, and Detail what there is to say about it, one thing a line.
	Short  string
	Detail []string
	// Failed is that it is not as it should be.
	Failed bool
}

func (o outcome) line(r serial.Result) string {
	who := "user"
	if r.Root {
		who = "root"
	}
	line := fmt.Sprintf("  %-40s %-12s %-4s %6.1f s  %s\n",
		r.Situation, r.Trial, who, r.Took.Seconds(), o.Short)
	if o.Failed {
		line += "    " + strings.Join(o.Detail, "\n    ") + "\n"
	}
	return line
}

// outcomeOf reads what a trial printed.
func outcomeOf(r serial.Result) outcome {
	switch {
	case slices.Contains(tested, r.Trial):
		return testsOutcome(r)
	case r.TimedOut:
		return outcome{Short: "no end", Failed: true, Detail: last(r.Out + r.Err)}
	case r.Trial == demo:
		return demoOutcome(r)
	case r.Trial == doctor:
		return doctorOutcome(r)
	case r.Trial == attack:
		return attackOutcome(r)
	}
	return outcome{Short: "what is it?", Detail: []string{r.Trial}, Failed: true}
}

var (
	startLine = regexp.MustCompile(`(?m)^nono: (?:rw|ro) .*; tier ([AB]).*$`)
	openLine  = regexp.MustCompile(`(?m)^nono: (not held: .*)$`)
	errorLine = regexp.MustCompile(`(?m)^nono: error: (.*)$`)
)

// demoOutcome is the tier that nono had, or why it refused to start.
func demoOutcome(r serial.Result) outcome {
	if m := startLine.FindStringSubmatch(r.Err); m != nil {
		o := outcome{Short: m[1], Detail: []string{strings.TrimPrefix(m[0], "nono: ")}}
		if open := openLine.FindStringSubmatch(r.Err); open != nil {
			o.Detail = append(o.Detail, open[1])
		}
		if r.Code != 0 {
			o.Failed = true
			o.Short += ", not all held"
			o.Detail = append(o.Detail, reached(r.Out)...)
		}
		return o
	}
	if o, ok := refused(r); ok {
		return o
	}
	return outcome{
		Short: fmt.Sprintf("exit code %d", r.Code), Detail: last(r.Out + r.Err), Failed: true,
	}
}

// refused is that nono did not begin, and said why: no failure on a host that lacks something.
func refused(r serial.Result) (outcome, bool) {
	m := errorLine.FindStringSubmatch(r.Err)
	if m == nil || r.Code != 125 || !strings.HasPrefix(m[1], "this host cannot enforce") {
		return outcome{}, false
	}
	return outcome{Short: "refused", Detail: []string{m[1]}}, true
}

var marked = regexp.MustCompile(`(?m)^(\S.*?) {2,}\S+ {2,}.* <-- `)

// reached are the rows of the demo's table that it marks as what should not be.
func reached(table string) []string {
	var all []string
	for _, m := range marked.FindAllStringSubmatch(table, -1) {
		all = append(all, "not held: "+m[1])
	}
	return all
}

// doctorOutcome is whether nono could say what this host is.
func doctorOutcome(r serial.Result) outcome {
	if o, ok := refused(r); ok {
		return o
	}
	if !json.Valid([]byte(r.Out)) {
		return outcome{Short: "nothing", Detail: last(r.Err), Failed: true}
	}
	return outcome{Short: "said", Detail: []string{r.Out}}
}

// attackReport is what of the table of attacks is read.
type attackReport struct {
	Tier     string
	Findings []struct{ Threat, Tried, Result, Why, Outside, Inside string }
}

// isOpen is the result of an attack that works and is told of: no failure.
const isOpen = "open"

// attackOutcome counts how the attacks ended.
func attackOutcome(r serial.Result) outcome {
	var report attackReport
	if o, ok := refused(r); ok {
		return o
	}
	if err := json.Unmarshal([]byte(r.Out), &report); err != nil {
		return outcome{Short: "nothing", Detail: last(r.Err), Failed: true}
	}
	count := map[string]int{}
	var o outcome
	for _, f := range report.Findings {
		count[f.Result]++
		switch f.Result {
		case "held", "not applicable", isOpen:
		default:
			o.Failed = true
			o.Detail = append(o.Detail, fmt.Sprintf("%s: %s %s: outside %q, inside %q: %s",
				f.Result, f.Threat, f.Tried, f.Outside, f.Inside, f.Why))
		}
	}
	o.Short = fmt.Sprintf("%d held, %d open, %d not applicable",
		count["held"], count[isOpen], count["not applicable"])
	if o.Failed {
		other := len(report.Findings) - count["held"] - count[isOpen] - count["not applicable"]
		o.Short += fmt.Sprintf(", **%d not held**", other)
	}
	return o
}

var (
	testLine  = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`)
	testBegun = regexp.MustCompile(`(?m)^=== RUN +(\S+)`)
)

// What became of tests that did not say how they ended, and of a batch that ended with no test at
// fault.
const (
	unended = "unended"
	lost    = "lost"
)

// testsOutcome counts how the tests of one or several batches ended.
func testsOutcome(batches ...serial.Result) outcome {
	count := map[string]int{}
	var o outcome
	for _, r := range batches {
		ended := map[string]bool{}
		failed := false
		for _, m := range testLine.FindAllStringSubmatch(r.Out, -1) {
			count[m[1]]++
			ended[m[2]] = true
			if m[1] == "FAIL" {
				failed = true
				o.Detail = append(o.Detail, m[2])
			}
		}
		for _, m := range testBegun.FindAllStringSubmatch(r.Out, -1) {
			if !ended[m[1]] {
				failed = true
				count[unended]++
				o.Detail = append(o.Detail, m[1]+" had no end")
			}
		}
		if r.Code != 0 && !failed {
			count[lost]++
			o.Detail = append(o.Detail, last(r.Out+r.Err)...)
		}
		o.Failed = o.Failed || failed || r.Code != 0
	}
	o.Short = fmt.Sprintf("%d passed, %d skipped", count["PASS"], count["SKIP"])
	for _, bad := range []struct{ what, says string }{
		{"FAIL", "failed"}, {unended, "without an end"}, {lost, "batches that broke"},
	} {
		if n := count[bad.what]; n > 0 {
			o.Short += fmt.Sprintf(", **%d %s**", n, bad.says)
		}
	}
	return o
}

// last are the last lines of what was printed.
func last(text string) []string {
	const some = 5
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[max(0, len(lines)-some):]
}
