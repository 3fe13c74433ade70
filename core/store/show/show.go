// Package show prints sessions, and what happened in them, for people. What a file or an agent
// chose is printed with its control characters escaped.
package show

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// A Printer prints for a person: where the home directory is, and what time it is for him.
type Printer struct {
	Home string
	Now  time.Time
	Zone *time.Location
}

// List is a line for each session.
func (p Printer) List(w io.Writer, list []store.Entry) error {
	rows := [][]string{{"ID", "NAME", "STATE", "BEGAN", "TOOK", "DIRECTORY", "COMMAND"}}
	for _, e := range list {
		r := e.Record
		if r == nil {
			rows = append(rows, []string{e.ID, "", string(e.State), "", "", "", "cannot be read"})
			continue
		}
		rows = append(rows, []string{
			e.ID, r.Name, outcome(e), p.moment(r.Created), p.took(e), p.short(r.Dir), command(r.Command),
		})
	}
	return table(w, rows)
}

// Running is a line for each session that is live.
func (p Printer) Running(w io.Writer, list []store.Entry) error {
	rows := [][]string{{"ID", "NAME", "PID", "FOR", "DIRECTORY", "COMMAND"}}
	for _, e := range list {
		r := e.Record
		if r == nil {
			rows = append(rows, []string{e.ID, "", "", "", "", "it is starting"})
			continue
		}
		pid := ""
		if len(r.Processes) > 0 {
			pid = fmt.Sprint(r.Processes[0].PID)
		}
		rows = append(rows, []string{e.ID, r.Name, pid, p.took(e), p.short(r.Dir), command(r.Command)})
	}
	return table(w, rows)
}

// Session is all that is known of one session.
func (p Printer) Session(w io.Writer, e store.Entry) error {
	var rows [][]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("session", e.ID)
	r := e.Record
	if r == nil {
		add("state", string(e.State))
		add("problem", fmt.Sprint(e.Err))
		add("stored in", p.short(e.Path))
		return table(w, rows)
	}
	add("name", r.Name)
	add("state", p.state(e))
	add("began", p.moment(r.Created))
	add("took", p.took(e))
	add("directory", p.short(r.Dir))
	add("command", diag.Words(r.Command))
	for _, f := range r.Files {
		add("policy", p.short(f.Path))
	}
	for _, tree := range r.Trees {
		add("writes", p.short(tree))
	}
	for _, secret := range r.Secrets {
		add("real key", "inside, in the variable "+secret)
	}
	add("tier", string(r.Tier))
	for _, l := range r.Layers {
		text := fmt.Sprintf("%s %s (%s)", l.Name, l.Version, l.Kind)
		if l.Owed && e.State != store.Live {
			text += ", has not cleaned up"
		}
		add("layer", text)
	}
	if e.State == store.Live {
		for _, of := range r.Processes {
			add("process", fmt.Sprintf("%d %s", of.PID, of.Is))
		}
	}
	if r.End != nil {
		for _, line := range r.End.Report {
			add("report", line)
		}
		if r.End.Remains != nil {
			for _, line := range r.End.Remains.Lines(p.Home) {
				add("remains", line.Says)
			}
		}
	}
	for _, line := range requests(e) {
		add("requests", line)
	}
	if r.Events != nil {
		add("log", fmt.Sprintf("%d events", r.Events.Count))
	}
	add("nono", r.Nono)
	add("stored in", p.short(e.Path))
	return table(w, rows)
}

// requests is a line for each credential of a session that is over.
func requests(e store.Entry) []string {
	end := e.Record.End
	if e.State != store.Finished || end == nil || len(e.Record.Services) == 0 ||
		end.Reason == sdk.EndStartFailed {
		return nil
	}
	if len(end.Credentials) == 0 {
		return []string{"not known: the layer with the keys did not tell at its end"}
	}
	var lines []string
	for _, c := range end.Credentials {
		lines = append(lines, fmt.Sprintf("%s: %d, of which %d refused; %d bytes sent, %d received",
			c.Service, c.Requests, c.Refused, c.Sent, c.Received))
	}
	return lines
}

// Event is a line of a log.
func (p Printer) Event(r events.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", r.Time.In(p.Zone).Format("2006-01-02 15:04:05.000"), r.Layer, r.Name)
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		fmt.Fprintf(&b, " %s=%s", name, diag.Word(r.Fields[name]))
	}
	if r.Rule != "" {
		fmt.Fprintf(&b, " (%s)", cmp.Or(r.Source, string(r.Rule)))
	}
	if r.Count > 1 {
		fmt.Fprintf(&b, ", %d times", r.Count)
	}
	if !r.Until.IsZero() {
		fmt.Fprintf(&b, " until %s", r.Until.In(p.Zone).Format("15:04:05.000"))
	}
	return policy.Printable(b.String())
}

// Named is a session as a message calls it.
func Named(e store.Entry) string {
	if e.Record != nil && e.Record.Name != "" {
		return e.ID + " (" + e.Record.Name + ")"
	}
	return e.ID
}

// outcome is a session's state in a word or two.
func outcome(e store.Entry) string {
	end := e.Record.End
	if e.State != store.Finished || end == nil {
		return string(e.State)
	}
	if end.Reason == sdk.EndExited && end.ExitCode != nil {
		return fmt.Sprintf("ended with %d", *end.ExitCode)
	}
	return string(end.Reason)
}

// state is a session's state with what follows from it.
func (p Printer) state(e store.Entry) string {
	switch e.State {
	case store.Live:
		return "live"
	case store.Dead:
		return "dead: its nono was killed, and the next start cleans up after it"
	case store.Finished:
	}
	end := e.Record.End
	if end == nil {
		return "finished"
	}
	text := "finished: " + string(end.Reason)
	if a := end.Agent; a != nil && a.Signal != 0 {
		text += ", by " + unix.SignalName(unix.Signal(a.Signal))
	}
	if end.ExitCode != nil {
		text += fmt.Sprintf(", exit code %d", *end.ExitCode)
	}
	return text
}

// took is how long the agent ran, or runs.
func (p Printer) took(e store.Entry) string {
	r := e.Record
	until := r.Ended
	if e.State == store.Live {
		until = p.Now
	}
	if r.Started.IsZero() || until.IsZero() {
		return ""
	}
	d := until.Sub(r.Started)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (p Printer) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(p.Zone).Format("2006-01-02 15:04:05")
}

func (p Printer) short(path string) string { return diag.Homely(path, p.Home) }

// longestCommand is how much of a command stands in a line with other things.
const longestCommand = 60

func command(args []string) string {
	text := []rune(diag.Words(args))
	if len(text) > longestCommand {
		return string(text[:longestCommand-3]) + "..."
	}
	return string(text)
}

func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = policy.Printable(cmp.Or(cell, "-"))
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
