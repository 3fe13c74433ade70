// Package diag is how nono tells the user of a problem: what was being done, what went wrong, the
// line of HCL or the flag at fault, and what to do.
//
//	error: cannot read /home/ada/agent.hcl: no such file or directory
//	  try `nono init` to write one
//
//	error: unknown attribute "raed"
//	  agent.hcl:3:3
//	    3 |   raed = ["/srv/data"]
//	  did you mean "read"?
//
// Problems travel as a value of type [Problems], which is an error, so that all of them are shown
// and not only the first. A problem carries its [policy.Source] and never the text of the line: the
// [Printer] finds that in the [Texts] that it was given.
package diag

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// Severity is how bad a problem is. The zero value is invalid.
type Severity string

// The severities. Only an error stops a run.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing to tell the user.
type Problem struct {
	Severity Severity
	// Summary is one line in lower case, without a full stop: what was being done and what went wrong.
	Summary string
	// Detail says what to do about it; it may have several lines.
	Detail string
	// Source is the line or the flag at fault; its zero value means that there is none.
	Source policy.Source
}

// Errorf is a problem with no line of its own.
func Errorf(format string, args ...any) Problem {
	return Problem{Severity: Error, Summary: fmt.Sprintf(format, args...)}
}

// Warningf is a problem that does not stop a run.
func Warningf(format string, args ...any) Problem {
	return Problem{Severity: Warning, Summary: fmt.Sprintf(format, args...)}
}

// At returns the problem with its line.
func (p Problem) At(s policy.Source) Problem {
	p.Source = s
	return p
}

// Try returns the problem with what to do about it.
func (p Problem) Try(format string, args ...any) Problem {
	p.Detail = fmt.Sprintf(format, args...)
	return p
}

// Error makes a single problem usable as an error.
func (p Problem) Error() string {
	if at := p.where(); at != "" {
		return at + ": " + p.Summary
	}
	return p.Summary
}

// String is the message without the text of its line; see [Problem.Show].
func (p Problem) String() string { return p.Show(nil) }

// Show is the whole message, over several lines, ending in a newline; the text of its line comes
// from the texts. Control characters that came from a file are escaped.
func (p Problem) Show(texts Texts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Severity, printable(p.Summary))
	if at := p.where(); at != "" {
		fmt.Fprintf(&b, "  %s\n", at)
	}
	if line := texts.Excerpt(p.Source); line != "" {
		fmt.Fprintf(&b, "  %4d | %s\n", p.Source.Line, policy.Printable(line))
	}
	if p.Detail != "" {
		for line := range strings.SplitSeq(p.Detail, "\n") {
			fmt.Fprintf(&b, "  %s\n", printable(line))
		}
	}
	return b.String()
}

// longestLine is what a line of a message may have; the longest honest ones hold two paths.
const longestLine = 10_000

// printable is a line of a message as it is shown. A stranger's file can bring about a thousand
// problems, with its one long line in each.
func printable(s string) string {
	s = policy.Printable(s)
	if runes := []rune(s); len(runes) > longestLine {
		return string(runes[:longestLine]) + "..."
	}
	return s
}

// longestExcerpt is how much of a line of HCL is shown.
const longestExcerpt = 160

// excerpt is the part of a line around a column.
func excerpt(line string, column int) string {
	runes := []rune(line)
	if len(runes) <= longestExcerpt {
		return line
	}
	const before = 40
	from := max(0, min(column-1-before, len(runes)-longestExcerpt))
	to := from + longestExcerpt
	shown := string(runes[from:to])
	if from > 0 {
		shown = "..." + shown
	}
	if to < len(runes) {
		shown += "..."
	}
	return shown
}

func (p Problem) where() string {
	if p.Source == (policy.Source{}) {
		return ""
	}
	return p.Source.String()
}

// Problems is a list of problems, in the order in which they are to be shown.
type Problems []Problem

// Error joins the short forms.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Failed reports whether one of the problems is an error.
func (ps Problems) Failed() bool {
	for _, p := range ps {
		if p.Severity != Warning {
			return true
		}
	}
	return false
}

// Err is the list as an error, or nil if nothing in it stops the run.
func (ps Problems) Err() error {
	if ps.Failed() {
		return ps
	}
	return nil
}

// Homely is a path as people write it: with ~ for the home directory.
func Homely(path, home string) string {
	if home != "/" && policy.Within(path, home) {
		return "~" + strings.TrimPrefix(path, home)
	}
	return path
}
