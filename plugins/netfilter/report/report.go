// Package report is what a session asked of the network, as a table: each host that was allowed or
// denied, how often, by which line.
//
//	entries := report.Of(session.Events, &session.Run.Policy)
//	err := report.Table(os.Stdout, entries)
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Entry is one host and what became of asking for it.
type Entry struct {
	// Decision is "allowed" or "denied", or "failed" for an allowed connection that could not be.
	Decision string `json:"decision"`
	Host     string `json:"host"`
	// Port is empty where a name was looked up and not reached.
	Port string `json:"port,omitempty"`
	Why  string `json:"why,omitempty"`
	// Rule decided, and Source is its line.
	Rule   policy.RuleID `json:"rule,omitempty"`
	Source string        `json:"source,omitempty"`
	Count  uint64        `json:"count"`
	First  time.Time     `json:"first"`
	Last   time.Time     `json:"last"`
}

// Of gathers events of the layer's, in the order in which a host was first asked for.
func Of(events []sdk.StoredEvent, p *policy.Policy) []Entry {
	all := []Entry{}
	index := map[Entry]int{}
	for _, told := range events {
		decision, ok := strings.CutPrefix(told.Event.Name, "network.")
		if !ok {
			continue
		}
		fields := told.Event.Fields
		e := Entry{
			Decision: decision, Host: fields["host"], Port: fields["port"], Why: fields["why"],
			Rule: told.Event.Rule,
		}
		i, known := index[e]
		if !known {
			i = len(all)
			index[e] = i
			if rule, ok := p.Find(e.Rule); ok {
				e.Source = rule.Source.String()
			}
			e.First = told.Time
			all = append(all, e)
		}
		all[i].Count += max(1, told.Event.Count)
		all[i].Last = told.Time
	}
	return all
}

// JSON writes the entries for a program.
func JSON(w io.Writer, entries []Entry) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(entries)
}

// Table writes the entries for a person. What the agent chose is printed with its control
// characters escaped.
func Table(w io.Writer, entries []Entry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(w, "nothing was asked of the network")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DECISION\tHOST\tPORT\tTIMES\tLINE\tWHY")
	for i := range entries {
		e := &entries[i]
		why := policy.Printable(e.Why)
		if e.Decision == "allowed" {
			why = "" // the line says it
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", e.Decision, policy.Printable(e.Host),
			cmp.Or(policy.Printable(e.Port), "-"), e.Count, cmp.Or(e.Source, "-"), why)
	}
	return table.Flush()
}
