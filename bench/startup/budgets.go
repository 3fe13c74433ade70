//go:build linux

package main

import (
	"fmt"
	"slices"
)

// budget is what nono may take, and what it took.
type budget struct {
	what string
	most float64
	got  comparison
	unit string
}

// budgets are those for which there are figures.
func (r report) budgets() []budget {
	codex := r.codex(false).rounds
	one, five := r.roundsOf(nonoName), r.roundsOf(fiveName)
	all := []budget{
		{"one layer, of the Codex sandbox's time", 0.40, ratioOf(one, codex, wallOf), ""},
		{"one layer, of its CPU time", 0.40, ratioOf(one, codex, cpuOf), ""},
		{"five layers, of the Codex sandbox's time", 0.75, ratioOf(five, codex, wallOf), ""},
		{"five layers, of its CPU time", 0.75, ratioOf(five, codex, cpuOf), ""},
		{
			"one more idle layer, CPU time", 12,
			differenceOf(r.roundsOf(fiveIdleName), five, cpuOf), " ms",
		},
	}
	for _, w := range r.Work {
		i := slices.IndexFunc(w.Times, func(t result) bool { return t.Name == nonoName })
		if i > 0 {
			of := ratioOf(w.Times[i].rounds, w.Times[0].rounds, wallOf)
			all = append(all, budget{w.Name + ", of the time outside", 1.05, of, ""})
		}
	}
	return slices.DeleteFunc(all, func(b budget) bool { return b.got == comparison{} })
}

func (r report) roundsOf(name string) []sample {
	for _, x := range r.Results {
		if x.Name == name {
			return x.rounds
		}
	}
	return nil
}

// budgetRows is the table of budgets, its header first.
func (r report) budgetRows() [][]string {
	rows := [][]string{{"", "at most", "measured", ""}}
	for _, b := range r.budgets() {
		kept := "kept"
		switch {
		case b.got.Low > b.most:
			kept = "missed"
		case b.got.High > b.most:
			kept = "within the bounds of measuring"
		}
		rows = append(rows, []string{
			b.what, fmt.Sprintf("%.2f%s", b.most, b.unit), b.got.String() + b.unit, kept,
		})
	}
	return rows
}
