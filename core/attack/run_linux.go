package attack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/attack/arena"
)

// sandboxes are the flags of the sessions in which everything is tried: with the network closed, and
// with the network layer there, for which a host is allowed that nobody asks for.
var sandboxes = map[string][]string{
	closed:           nil,
	"a host allowed": {"--allow-host", "host.example"},
}

const (
	bare   = "no sandbox"
	closed = "network closed"
)

// Run tries all that the table has, and says how each ended. It fails where nono starts no sandbox.
func Run(ctx context.Context, req Request) (*Report, error) {
	t := trial{req: req, rows: Table(req.Root), endings: map[string][]Ending{}, lacks: map[string]string{}, refused: map[string]string{}}
	var all sync.WaitGroup
	all.Go(func() { t.in(ctx, bare) })
	for name := range sandboxes {
		all.Go(func() { t.in(ctx, name) })
	}
	all.Wait()
	if why, ok := t.refused[bare]; ok {
		return nil, errors.New(why)
	}
	if len(t.refused) == len(sandboxes) {
		return nil, errors.New(t.refused[closed])
	}
	return t.report(), nil
}

// A trial is all rows, made in every arena.
type trial struct {
	req  Request
	rows []Row

	sync.Mutex
	endings map[string][]Ending // by arena, in the order of the rows
	lacks   map[string]string   // by row: what this machine lacks for it
	refused map[string]string   // by arena: why it could not be
}

// where is a row of no threat's, by which one sees whether the attacker had namespaces of its own.
func where() Row { return Row{Arrange: just("namespaces")} }

// in makes all rows in one arena.
func (t *trial) in(ctx context.Context, name string) {
	endings, err := t.try(ctx, name)
	t.Lock()
	defer t.Unlock()
	if err != nil {
		t.refused[name] = err.Error()
		return
	}
	t.endings[name] = endings
}

func (t *trial) try(ctx context.Context, name string) (endings []Ending, err error) {
	a, err := arena.New(t.req.Base, t.req.Attacker, t.req.Nono)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	a.Sandboxed = name != bare
	if !a.Sandboxed {
		t.look(a)
	}
	return Make(a, append(t.rows[:len(t.rows):len(t.rows)], where()), func(tries []string) *exec.Cmd {
		if !a.Sandboxed {
			return a.Bare(ctx, tries)
		}
		return a.Sandbox(ctx, sandboxes[name], "", tries)
	})
}

// look notes what this machine lacks.
func (t *trial) look(a *arena.Arena) {
	for _, r := range t.rows {
		if r.Lacks == nil {
			continue
		}
		if why := r.Lacks(a); why != "" {
			t.Lock()
			t.lacks[r.Name()] = why
			t.Unlock()
		}
	}
}

// report judges every row.
func (t *trial) report() *Report {
	report := &Report{Tier: TierA, Landlock: landlockVersion(), Refused: t.refused}
	outside := t.endings[bare]
	delete(t.endings, bare)
	last := len(t.rows)
	for _, endings := range t.endings {
		if shares(outside[last].Outcome, endings[last].Outcome) {
			report.Tier = TierB
		}
	}
	for i, r := range t.rows {
		inside := map[string]Ending{}
		for name, endings := range t.endings {
			inside[name] = endings[i]
		}
		report.Findings = append(report.Findings,
			judge(r, r.In(report.Tier).in(report.Landlock), t.lacks[r.Name()], outside[i], inside))
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return strings.Compare(a.Threat, b.Threat) })
	return report
}

// shares says whether an attacker inside was in any of the namespaces that one outside is in.
func shares(outside, inside string) bool {
	for name := range strings.FieldsSeq(inside) {
		if strings.Contains(outside, name) {
			return true
		}
	}
	return false
}

// judge says how one row ended.
func judge(r Row, hold Hold, lacks string, outside Ending, inside map[string]Ending) Finding {
	f := Finding{Threat: r.Threat, Tried: r.Tried}
	inapplicable := func(format string, args ...any) Finding {
		f.Result, f.Why = Inapplicable, fmt.Sprintf(format, args...)
		return f
	}
	switch {
	case lacks != "":
		return inapplicable("this machine lacks %s", lacks)
	case outside.Err != nil:
		return inapplicable("it could not be arranged: %v", outside.Err)
	case !r.Worked(outside):
		f.Outside = outside.Outcome
		return inapplicable("it does not work here with no sandbox either: %s", outside)
	}
	f.Outside = outside.Outcome
	for name, e := range inside {
		var result Result
		switch {
		case e.Err != nil:
			return inapplicable("it could not be arranged: %v", e.Err)
		case hold.Not == "" && hold.Holds(e):
			result = Held
		case hold.Not == "":
			result = NotHeld
		case r.Worked(e):
			result = Open
		default: // by something that the table does not know of
			result = Held
		}
		if worse(result, f.Result) {
			f.Result, f.Inside, f.Why, f.By = result, e.Outcome, hold.Not, hold.By
			if result == NotHeld {
				f.Why = fmt.Sprintf("%s: %s", name, e)
			}
		}
	}
	return f
}

// worse orders results: of two arenas' the worse one counts.
func worse(a, b Result) bool {
	order := map[Result]int{"": 0, Held: 1, Open: 2, NotHeld: 3}
	return order[a] > order[b]
}

// String is what the attacker was told, and whether it worked all the same.
func (e Ending) String() string {
	if e.Happened {
		return e.Outcome + ", and it happened"
	}
	return e.Outcome
}

// landlockVersion is the version of Landlock's interface, or 0.
func landlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}
