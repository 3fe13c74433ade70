package attack

import (
	"errors"
	"strings"
	"testing"
)

// TestJudge: what is counted as held is an attack that works outside and was refused inside in every
// session, as the table says.
func TestJudge(t *testing.T) {
	worked, refused := Ending{Outcome: "ok"}, Ending{Outcome: "EACCES"}
	happened := Ending{Outcome: "EACCES", Looked: true, Happened: true}
	row := Row{Threat: "E00", Tried: "something", A: by("a wall", "EACCES")}
	gap := open("there is no wall")
	for name, test := range map[string]struct {
		hold            Hold
		lacks           string
		outside         Ending
		closed, allowed Ending
		want            Result
		says            string
	}{
		"refused":                     {hold: row.A, outside: worked, closed: refused, allowed: refused, want: Held},
		"worked in one session":       {hold: row.A, outside: worked, closed: refused, allowed: worked, want: NotHeld, says: "allowed: ok"},
		"refused in another way":      {hold: row.A, outside: worked, closed: refused, allowed: Ending{Outcome: "EIO"}, want: NotHeld, says: "EIO"},
		"refused, and it happened":    {hold: row.A, outside: worked, closed: happened, allowed: refused, want: NotHeld, says: "it happened"},
		"known to be open":            {hold: gap, outside: worked, closed: worked, allowed: worked, want: Open, says: "there is no wall"},
		"known to be open, held here": {hold: gap, outside: worked, closed: refused, allowed: refused, want: Held},
		"does not work outside":       {hold: row.A, outside: refused, closed: refused, allowed: refused, want: Inapplicable, says: "EACCES"},
		"something is lacking":        {hold: row.A, lacks: "a door", outside: worked, closed: refused, allowed: refused, want: Inapplicable, says: "a door"},
		"not arranged":                {hold: row.A, outside: Ending{Err: errors.New("full")}, closed: refused, allowed: refused, want: Inapplicable, says: "full"},
		"not arranged inside":         {hold: row.A, outside: worked, closed: Ending{Err: errors.New("full")}, allowed: refused, want: Inapplicable, says: "full"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(row, test.hold, test.lacks, test.outside, map[string]Ending{"closed": test.closed, "allowed": test.allowed})
			if got.Result != test.want || !strings.Contains(got.Why, test.says) {
				t.Errorf("got %+v, want %q, saying %q", got, test.want, test.says)
			}
		})
	}
}

// TestHolds: what happened counts beside what the attacker was told, and a row that says nothing of
// either holds nothing.
func TestHolds(t *testing.T) {
	looked := Ending{Outcome: "ok", Looked: true}
	for name, test := range map[string]struct {
		hold Hold
		end  Ending
		want bool
	}{
		"an answer of the table's":           {by("w", "EACCES", "EPERM"), Ending{Outcome: "EPERM"}, true},
		"another answer":                     {by("w", "EACCES"), Ending{Outcome: "ok"}, false},
		"its answer, but it happened":        {by("w", "ok"), Ending{Outcome: "ok", Looked: true, Happened: true}, false},
		"no answer named, nothing happened":  {by("w"), looked, true},
		"no answer named, nobody has looked": {by("w"), Ending{Outcome: "EACCES"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.hold.Holds(test.end); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestSince: what a later kernel holds is said to be open on an earlier one.
func TestSince(t *testing.T) {
	h := since(6, by("a scope", "EPERM"), "from 6 on")
	if before := h.in(5); before.By != "" || before.Not != "from 6 on" || len(before.Answers) != 0 {
		t.Errorf("before: %+v", before)
	}
	if then := h.in(6); then.Not != "" || then.By != "a scope" || len(then.Answers) != 1 {
		t.Errorf("then: %+v", then)
	}
}

// TestUnless: what a machine lacks for it is not held there, and says why.
func TestUnless(t *testing.T) {
	why := ""
	h := Hold{By: "a look", Answers: []string{"EPERM"}, Unless: func() string { return why }}
	if held := h.in(7); held.By != "a look" || held.Not != "" {
		t.Errorf("where nothing is in the way: %+v", held)
	}
	why = "nobody may look"
	if not := h.in(7); not.By != "" || not.Not != why {
		t.Errorf("where something is: %+v", not)
	}
}

// TestTableIsWhole: no row is there twice, and each says what becomes of it in both tiers.
func TestTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Table(true) {
		if seen[r.Name()] {
			t.Errorf("%s is there twice", r.Name())
		}
		seen[r.Name()] = true
		if r.Arrange == nil {
			t.Errorf("%s is not arranged", r.Name())
		}
		for _, tier := range []Tier{TierA, TierB} {
			h := r.In(tier)
			if h.By == "" && h.Not == "" || h.By != "" && h.Not != "" && h.Since == 0 {
				t.Errorf("%s in tier %s: by %q, not %q", r.Name(), tier, h.By, h.Not)
			}
		}
	}
}

// TestReport: an empty report, and one with a hole, are not sound.
func TestReport(t *testing.T) {
	var r Report
	if r.Sound() {
		t.Error("nothing was tried, and it is sound")
	}
	r.Findings = []Finding{{Result: Held}, {Result: Open}, {Result: Inapplicable}}
	if !r.Sound() || r.Count(Open) != 1 {
		t.Errorf("%+v", r)
	}
	r.Findings = append(r.Findings, Finding{Result: NotHeld})
	if r.Sound() {
		t.Error("something is not held, and it is sound")
	}
}

// TestWrite: a line for each, in one line whatever was answered, and what it comes to.
func TestWrite(t *testing.T) {
	r := Report{Tier: TierB, Landlock: 7, Findings: []Finding{
		{Threat: "E01", Tried: "one", Result: Held, By: "a wall", Outside: "ok", Inside: "EACCES"},
		{Threat: "E02", Tried: "two", Result: NotHeld, Why: "a host allowed: ok\n\x1b[2J"},
	}}
	var b strings.Builder
	r.Write(&b)
	for _, want := range []string{
		"tier B, Landlock 7\n", "held            E01  one: a wall\n", "NOT HELD        E02  two: a host allowed: ok",
		"1 held, 0 open in this tier, 0 not applicable here, 1 NOT HELD\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("it is not in its lines:\n%q", b.String())
	}
}
