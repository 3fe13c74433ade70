package diag

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/nono-run/nono/sdk/policy"
)

// Printer writes nono's own lines. They all go to one place, stderr, and start with "nono: ", so
// that they can be told from the agent's. A silent printer writes errors only.
type Printer struct {
	w       io.Writer
	texts   Texts
	silent  bool
	verbose bool
	red     *color.Color
	yellow  *color.Color
}

// NewPrinter returns a printer; colour is for a terminal only.
func NewPrinter(w io.Writer, silent, verbose, colour bool) *Printer {
	p := &Printer{
		w: w, silent: silent, verbose: verbose,
		red: color.New(color.FgRed, color.Bold), yellow: color.New(color.FgYellow),
	}
	for _, c := range []*color.Color{p.red, p.yellow} {
		if colour {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
	}
	return p
}

// With returns a printer that shows each problem with its line, where one of the texts has it.
func (p *Printer) With(texts Texts) *Printer {
	with := *p
	with.texts = texts
	return &with
}

// Hide shows no problem with these lines any more; see [Texts.Hide].
func (p *Printer) Hide(at policy.Source) { p.texts.Hide(at) }

// Line says something that the user should know, unless the run is silent.
func (p *Printer) Line(format string, args ...any) {
	if !p.silent {
		fmt.Fprintf(p.w, "nono: %s\n", policy.Printable(fmt.Sprintf(format, args...)))
	}
}

// Detail says something that only a user who asked for more wants to know.
func (p *Printer) Detail(format string, args ...any) {
	if p.verbose && !p.silent {
		p.Line(format, args...)
	}
}

// Problem prints one problem whole. A warning is silenced like any line.
func (p *Printer) Problem(pr Problem) {
	if pr.Severity == Warning && p.silent {
		return
	}
	text := pr.Show(p.texts)
	if head, rest, ok := strings.Cut(text, ":"); ok {
		c := p.red
		if pr.Severity == Warning {
			c = p.yellow
		}
		text = c.Sprint(head+":") + rest
	}
	fmt.Fprintf(p.w, "nono: %s", text)
}

// Error prints any error: the problem or each of the problems in it, with their lines and advice,
// or else the error's text.
func (p *Printer) Error(err error) {
	var list Problems
	var one Problem
	switch {
	case errors.As(err, &list):
		for _, pr := range list {
			p.Problem(pr)
		}
	case errors.As(err, &one):
		p.Problem(one)
	default:
		p.Problem(Errorf("%s", err))
	}
}

// Lines is a writer for text that somebody else composed, a layer's log for one: control characters
// are escaped, and of what is written at once only the first line starts at the margin, where
// nono's own lines start.
func Lines(w io.Writer) io.Writer { return lines{w} }

type lines struct{ w io.Writer }

// Write implements io.Writer.
func (l lines) Write(b []byte) (int, error) {
	all := strings.Split(string(b), "\n")
	for i := range all {
		all[i] = policy.Printable(all[i])
		if i > 0 && all[i] != "" && all[i][0] != ' ' {
			all[i] = "  " + all[i]
		}
	}
	if _, err := io.WriteString(l.w, strings.Join(all, "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}
