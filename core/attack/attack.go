// Package attack is the table of ways out of a sandbox, and tries them on the machine it runs on.
//
// A [Row] says which threat it is, how it is arranged, what the attacker may be told in each tier,
// and what holds it there; or, in words, that nothing does. [Run] makes each attempt twice: with no
// sandbox, where it has to work, or seeing it fail inside would prove nothing; and in a session of
// nono's as users start it. So each row ends as [Held], [NotHeld], [Open] where the table says that
// this tier does not hold it, or [Inapplicable] where the attack does not work on this machine in
// the first place, which is never a pass.
//
// It does no harm: see package arena, where the attacks are arranged, and package attacker, which
// makes them. What cannot be tried on a user's machine is listed in threats.go, with its reason
// and the test that tries it. docs/threats.md is made of all that.
package attack

// A Tier is what a host lets an ordinary user have.
type Tier string

// The tiers. A host that allows user namespaces is of tier A; elsewhere nono has Landlock and a
// filter of system calls alone.
const (
	TierA Tier = "A"
	TierB Tier = "B"
)

// Result is how an attack ended.
type Result string

const (
	// Held is an attack that works with no sandbox, and did not work inside.
	Held Result = "held"
	// NotHeld is one that worked inside, or whose answer there is not what it should have been.
	NotHeld Result = "not held"
	// Open is one that worked inside, where the table says that this tier does not hold it.
	Open Result = "open"
	// Inapplicable is one that could not be tried: this machine lacks what it takes.
	Inapplicable Result = "not applicable"
)

// A Request says with what the attacks are made.
type Request struct {
	// Nono and Attacker are the two programs: nono as a user starts it, and nono-attack.
	Nono, Attacker string
	// Base is the directory in which directories for the attacks are made, and removed again. It should
	// be in the user's home, as a project would be.
	Base string
	// Root adds what only root can try.
	Root bool
}

// Hold is what becomes of an attack in one tier.
type Hold struct {
	// By says what keeps it from working.
	By string
	// Answers are what the attacker may be told. Where there are none, what happened says it all.
	Answers []string
	// Not says why it works all the same; empty where it does not.
	Not string
	// Since is the first version of Landlock's interface with what By says. Before it, Not is true.
	Since int
	// Unless says why this machine lacks what By says; nil or empty where it does not.
	Unless func() string
}

// A Finding is how one row ended on this machine.
type Finding struct {
	Threat  string `json:"threat"`
	Tried   string `json:"tried"`
	Result  Result `json:"result"`
	By      string `json:"held_by,omitempty"`
	Why     string `json:"why,omitempty"`
	Outside string `json:"outside,omitempty"`
	Inside  string `json:"inside,omitempty"`
}

// A Report is how all rows ended.
type Report struct {
	Tier     Tier `json:"tier"`
	Landlock int  `json:"landlock"`
	// Refused are the kinds of session that nono does not start here, each with its reason: there
	// nothing could be tried.
	Refused  map[string]string `json:"refused,omitempty"`
	Findings []Finding         `json:"findings"`
}

// Sound says that all that must hold here does, and that something was tried.
func (r *Report) Sound() bool { return r.Count(NotHeld) == 0 && r.Count(Held) > 0 }

// Count says how many ended so.
func (r *Report) Count(result Result) int {
	n := 0
	for _, f := range r.Findings {
		if f.Result == result {
			n++
		}
	}
	return n
}
