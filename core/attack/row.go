//go:build linux

package attack

import (
	"slices"

	"github.com/nono-run/nono/core/attack/arena"
	"github.com/nono-run/nono/core/limits"
)

// A Row is one way out that a sandbox has to close, and how to see whether it does.
type Row struct {
	// Threat is its number among the threats that the sandbox is built against (threats.go), and Tried
	// is what is done.
	Threat, Tried string
	// Arrange puts into an arena what the attack is after.
	Arrange func(*arena.Arena) arena.Attempt
	// Works is the outcome with no sandbox, where it is not "ok"; "*" is whatever is not an answer that
	// a sandbox gives.
	Works string
	// A is what holds it where nono has namespaces, and B where it has none. Where B is left out the
	// same holds it in both.
	A, B Hold
	// NoLayer marks what has to hold with no filesystem layer too.
	NoLayer bool
	// Lacks says what this machine lacks for the attack; nil if it needs nothing special. It is
	// asked in the arena with no sandbox.
	Lacks func(*arena.Arena) string
}

// Name is unique in the table.
func (r *Row) Name() string { return r.Threat + " " + r.Tried }

// In is what is to be seen in a tier.
func (r *Row) In(tier Tier) Hold {
	if tier == TierB && (r.B.By != "" || r.B.Not != "") {
		return r.B
	}
	return r.A
}

// Worked says whether an ending is that of an attack that worked with no sandbox.
func (r *Row) Worked(e Ending) bool {
	switch r.Works {
	case "":
		if e.Outcome != "ok" {
			return false
		}
	case "*":
		if slices.Contains(r.A.Answers, e.Outcome) {
			return false
		}
	default:
		if e.Outcome != r.Works {
			return false
		}
	}
	return !e.Looked || e.Happened
}

// Holds says whether an ending is that of an attack that was held.
func (h Hold) Holds(e Ending) bool {
	answered := slices.Contains(h.Answers, e.Outcome)
	if len(h.Answers) == 0 {
		answered = e.Looked
	}
	return answered && !e.Happened
}

// in is what is true with this version of Landlock's interface.
func (h Hold) in(landlock int) Hold {
	if h.Unless != nil {
		if why := h.Unless(); why != "" {
			return open(why)
		}
	}
	switch {
	case h.Since == 0:
		return h
	case landlock < h.Since:
		return Hold{Not: h.Not}
	}
	return Hold{By: h.By, Answers: h.Answers}
}

// Table is all rows: those that only root can try are left out for everybody else.
func Table(root bool) []Row {
	rows := slices.Concat(networkRows(), kernelRows(), processRows(), fileRows(), serviceRows(),
		handOverRows())
	if root {
		rows = append(rows, rootRows()...)
	}
	return rows
}

// by is what holds an attack, and what the attacker may be told then.
func by(what string, answers ...string) Hold { return Hold{By: what, Answers: answers} }

// open is an attack that works all the same.
func open(why string) Hold { return Hold{Not: why} }

// since is what holds from a version of Landlock's interface on; before it, the attack works.
func since(landlock int, h Hold, before string) Hold {
	h.Since, h.Not = landlock, before
	return h
}

// made is what core holds by making the agent's calls, which takes a look into the agent's memory.
func made(what string, answers ...string) Hold {
	return Hold{By: what, Answers: answers, Unless: limits.NoTracing}
}

// What holds most of the rows.
const (
	theFilter  = "the filter of system calls"
	theNetwork = "a network namespace of its own"
	theView    = "a mount namespace with nothing but what is granted"
	readOnly   = "a read-only mount"
	theRules   = "Landlock's rules"
	theScope   = "Landlock's scope"
	theDomain  = "Landlock's domain"
	processes  = "a process namespace of its own"
	theIPC     = "an IPC namespace of its own"

	// firstScope is the version of Landlock's interface with signals and abstract sockets.
	firstScope = 6
)

// filter is an attack that the filter of system calls holds, in both tiers.
func filter(answers ...string) Hold { return by(theFilter, answers...) }

// rules is what Landlock answers for what is not granted.
func rules() Hold { return by(theRules, "EACCES") }

// just is an attempt that needs nothing arranged.
func just(try string) func(*arena.Arena) arena.Attempt {
	return func(*arena.Arena) arena.Attempt { return arena.Attempt{Try: try} }
}

// at is an attempt on a path of the user's, whose outcome says it all.
func at(try, name string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt { return arena.Attempt{Try: try + "=" + a.Path(name)} }
}

// on is an attempt that would change a file.
func on(try, name, more string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		return arena.Attempt{Try: try + "=" + a.Path(name) + more, Happened: a.Changed(name)}
	}
}

// contact is an attempt to reach a service of the user's.
func contact(try, network, address string) func(*arena.Arena) arena.Attempt {
	return func(a *arena.Arena) arena.Attempt {
		to, reached := a.Serve(network, address)
		return arena.Attempt{Try: try + "=" + to, Happened: reached}
	}
}
