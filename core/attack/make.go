//go:build linux

package attack

import (
	"fmt"
	"os/exec"

	"github.com/nono-run/nono/core/attack/arena"
)

// An Ending is how one row ended in one arena.
type Ending struct {
	// Outcome is what the attacker was told.
	Outcome string
	// Happened says that the arena shows that the attack worked, where one can look at that.
	Happened, Looked bool
	// Err says why the row could not be arranged; then nothing was tried.
	Err error
}

// Make arranges rows in an arena and has the attacker make them all, with the command that start
// returns. There is an ending for each row.
func Make(a *arena.Arena, rows []Row, start func(tries []string) *exec.Cmd) ([]Ending, error) {
	endings := make([]Ending, len(rows))
	attempts := make([]arena.Attempt, len(rows))
	var tries []string
	for i := range rows {
		attempts[i] = rows[i].Arrange(a)
		if endings[i].Err = a.Err(); endings[i].Err == nil {
			tries = append(tries, attempts[i].Try)
		}
	}
	outcomes, err := a.Outcomes(start(tries), len(tries))
	if err != nil {
		return nil, fmt.Errorf("the attacker came to an end of its own: %w", err)
	}
	for i := range rows {
		e := &endings[i]
		if e.Err != nil {
			continue
		}
		e.Outcome, outcomes = outcomes[0], outcomes[1:]
		if e.Looked = attempts[i].Happened != nil; e.Looked {
			e.Happened = attempts[i].Happened()
		}
	}
	return endings, a.Err()
}
