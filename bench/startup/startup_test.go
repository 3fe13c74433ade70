//go:build linux

package main

import (
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.5, 3},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0.9, 10},
		{[]float64{1, 2}, 1, 2},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

// Watching tells a process from its child, and finds CPU time where some was used.
func TestWatchTellsProcessesApart(t *testing.T) {
	s := sandbox{args: []string{"sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.3; exit 0", "sh"}}
	processes, err := watch(s, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	byName := func(name string) process {
		i := slices.IndexFunc(processes, func(p process) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("%s was not seen: %v", name, processes)
		}
		return processes[i]
	}
	if busy, idle := byName("sh"), byName("sleep"); busy.CPU < 5*idle.CPU || busy.Peak == 0 {
		t.Errorf("the busy process took %v and the idle one %v", busy, idle)
	}
}

// Memory that a process has for itself is found with that process, while the command waits.
func TestHoldTellsProcessesApart(t *testing.T) {
	const large = `x=$(head -c 20000000 /dev/zero | tr '\0' x); "$@"; exit $?`
	held, err := hold(sandbox{args: []string{"sh", "-c", large, "sh"}}, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 2 || held[0].Name != "sh" || held[1].Name != "cat" {
		t.Fatalf("there is %v", held)
	}
	if sh, cat := held[0], held[1]; sh.Own < 19 || cat.Own > 5 || cat.Files == 0 {
		t.Errorf("the large process has %v and the small one %v", sh, cat)
	}
}

// Processes of one program are added up.
func TestHoldAddsUp(t *testing.T) {
	const twice = `x=$(head -c 20000000 /dev/zero | tr '\0' x); (true; "$@"; exit $?); exit $?`
	held, err := hold(sandbox{args: []string{"sh", "-c", twice, "sh"}}, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 2 || held[0].Own < 38 {
		t.Errorf("two shells of 19 MiB, and cat, have %v", held)
	}
}

// A sandbox that runs nothing, or leaves the network open, is not measured.
func TestCheckRefuses(t *testing.T) {
	open := sandbox{Name: "open", Sandboxed: true, args: []string{"env"}}
	if err := open.check(t.TempDir()); err == nil {
		t.Error("a sandbox with the host's network was accepted")
	}
	deaf := sandbox{Name: "deaf", args: []string{"true"}}
	if err := deaf.check(t.TempDir()); err == nil {
		t.Error("a sandbox that loses the exit code was accepted")
	}
	none := sandbox{Name: "none", args: []string{"env"}}
	if err := none.check(t.TempDir()); err != nil {
		t.Errorf("running without a sandbox was refused: %v", err)
	}
}

// A ratio is that of the rounds, and not of the medians; what was not measured has none.
func TestRatioPairsRounds(t *testing.T) {
	var one, other []sample
	for i := range 40 {
		slow := float64(1 + i%2*9) // every other round is ten times as slow, for both
		other = append(other, sample{wall: 10 * slow})
		one = append(one, sample{wall: (4 + float64(i)/100) * slow})
	}
	r := ratioOf(one, other, wallOf)
	if r.Median < 0.41 || r.Median > 0.43 || r.Low < 0.40 || r.High > 0.44 || r.Low >= r.High {
		t.Errorf("the ratio is %v", r)
	}
	if got := ratioOf(one, nil, wallOf).String(); got != "-" {
		t.Errorf("without a peer it is %q", got)
	}
	if got := ratioOf(one, other, cpuOf).String(); got != "-" {
		t.Errorf("without CPU time it is %q", got)
	}
}

// A budget is missed where both bounds are above it, is kept where neither is, and is not told
// without figures.
func TestBudgets(t *testing.T) {
	of := func(name string, cpu ...float64) result {
		r := result{sandbox: sandbox{Name: name}}
		for i := range 40 {
			r.rounds = append(r.rounds, sample{wall: 20, cpu: cpu[i%len(cpu)]})
		}
		return r
	}
	for name, c := range map[string]struct {
		one  []float64 // what nono takes, of 100
		want string
	}{
		"below":            {[]float64{30}, "kept"},
		"equal":            {[]float64{40}, "kept"},
		"both bounds over": {[]float64{41, 50}, "missed"},
		"high bound over":  {[]float64{30, 41}, "within the bounds of measuring"},
		"low bound under":  {[]float64{39, 50, 50}, "within the bounds of measuring"},
	} {
		r := report{Results: []result{
			of(nonoName, c.one...), of(fiveName, 70), of(fiveIdleName, 80), of(codexName, 100),
		}}
		var got []string
		for _, row := range r.budgetRows()[1:] {
			got = append(got, row[3])
		}
		if want := []string{"missed", c.want, "missed", "kept", "kept"}; !slices.Equal(got, want) {
			t.Errorf("%s: the budgets are %v, want %v: %v", name, got, want, r.budgetRows())
		}
	}
	if rows := (report{}).budgetRows(); len(rows) != 1 {
		t.Errorf("without figures they are %v", rows)
	}
}

// A program that is started at a terminal has one.
func TestOnceAtTerminal(t *testing.T) {
	const controlled = `test -t 0 && test -t 1 && test -t 2 && : >/dev/tty`
	s := sandbox{args: []string{"sh", "-c", controlled}, atTerminal: true}
	if _, err := s.once(t.TempDir()); err != nil {
		t.Error(err)
	}
	s.args[2] = "exit 3"
	if _, err := s.once(t.TempDir()); err == nil {
		t.Error("a program that fails was measured")
	}
}
