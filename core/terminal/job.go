package terminal

import "syscall"

// jobs is job control as a state machine: what happens goes in, what is to be done comes out.
//
// Its rule: while nono is not in the foreground of the user's terminal, the foreground of the
// session's own is nono-init's. The kernel then stops an agent that reads, as it would outside.
type jobs struct {
	at state
	// unclaimed says that nobody inside has asked for the terminal yet, in a pipeline, where somebody
	// else may be using it.
	unclaimed bool
}

// state is how nono stands to the user's terminal.
type state int

const (
	// waiting is in the foreground, where nobody inside has claimed the terminal yet.
	waiting state = iota + 1
	// front has it: what is typed is for the agent.
	front
	// away is in the background.
	away
	// suspended is a nono that has stopped, and everything inside with it.
	suspended
)

// event is something that happened.
type event struct {
	what what
	// foreground says whether nono is in the foreground of the user's terminal. It is asked when the
	// event is noticed.
	foreground bool
	// signal is what stopped the agent; behind says that nono-init's group had the foreground then.
	signal syscall.Signal
	behind bool
}

type what int

const (
	// looked is nothing but a look at where nono stands.
	looked what = iota + 1
	// continued is a SIGCONT: the settings may be somebody else's by now.
	continued
	// agentStopped is an agent that a signal stopped.
	agentStopped
	// asked is a SIGTSTP for nono itself.
	asked
	// wrote is output in the background of a terminal that does not want that (stty tostop).
	wrote
	// typed is input that waits, where nobody inside has claimed the terminal, and nobody outside
	// seems to be reading from it.
	typed
	// woken is nono going on after it stopped itself.
	woken
)

// action is something to be done.
type action struct {
	do do
	// signal and group are for stop: with what, and whether the whole process group is stopped too.
	signal syscall.Signal
	group  bool
}

type do int

const (
	// take makes the user's terminal raw, passes its size on, and begins to read. What is read before
	// the agent is in front inside would be nobody's, a Ctrl-Z too.
	take do = iota + 1
	// pause stops reading.
	pause
	// giveBack stops reading, lets what was written arrive, and puts the settings back.
	giveBack
	// innerFront, innerBack, freeze and thaw are nono-init's to do.
	innerFront
	innerBack
	freeze
	thaw
	// stop stops nono itself.
	stop
)

// begin is where a run begins: the agent has just been started. It reports whether the agent starts
// in the foreground of the session's terminal.
func (j *jobs) begin(foreground, claimed bool) (agentInFront bool) {
	j.unclaimed = !claimed
	j.at = j.awake(foreground)
	return j.at == front
}

// awake is where nono stands when nothing is being stopped.
func (j *jobs) awake(foreground bool) state {
	switch {
	case !foreground:
		return away
	case j.unclaimed:
		return waiting
	default:
		return front
	}
}

// next takes one event and says what is to be done for it, in order. Each is done before the next.
func (j *jobs) next(e event) []action {
	if j.at != suspended {
		return append(j.stand(e), j.react(e)...)
	}
	if e.what != woken {
		return nil
	}
	j.at = j.awake(e.foreground)
	switch j.at {
	case front:
		return acts(innerFront, take, thaw)
	case away:
		return acts(innerBack, thaw)
	case waiting, suspended: // which awake does not give
	}
	return acts(thaw)
}

// stand goes where the user's shell has put nono meanwhile.
func (j *jobs) stand(e event) []action {
	before := j.at
	j.at = j.awake(e.foreground)
	switch {
	case j.at == front && before != front:
		return acts(innerFront, take)
	case j.at == front && e.what == continued:
		return acts(take)
	case j.at == away && before == front:
		// The settings are left alone: they are those of whoever has the terminal now.
		return acts(pause, innerBack)
	}
	return nil
}

// react does what the event itself asks for.
func (j *jobs) react(e event) []action {
	switch e.what {
	case agentStopped:
		claims := e.behind && (e.signal == syscall.SIGTTIN || e.signal == syscall.SIGTTOU)
		if !claims || !e.foreground {
			return j.suspend(e.signal, true)
		}
		return j.claim()
	case asked:
		return j.suspend(syscall.SIGTSTP, false)
	case wrote:
		if j.at == away {
			return j.suspend(syscall.SIGTTOU, true)
		}
	case typed:
		if j.at == waiting {
			return j.claim()
		}
	case looked, continued, woken: // where nono stands is all that they tell
	}
	return nil
}

// claim takes the terminal for the agent, which has asked for it.
func (j *jobs) claim() []action {
	j.unclaimed = false
	if j.at == front {
		return acts(innerFront) // it asked in the moment in which it got it
	}
	j.at = front
	return acts(innerFront, take)
}

// suspend stops everything inside, and then nono. What began inside stops the whole process group,
// as the terminal would have: a pipeline stops as one job. SIGSTOP is not used: it would stop nono
// also where nobody is there to continue it, and the kernel drops the others.
func (j *jobs) suspend(by syscall.Signal, group bool) []action {
	if by != syscall.SIGTTIN && by != syscall.SIGTTOU {
		by = syscall.SIGTSTP
	}
	j.at = suspended
	return append(acts(pause, freeze, giveBack), action{do: stop, signal: by, group: group})
}

func acts(all ...do) []action {
	actions := make([]action, len(all))
	for i, d := range all {
		actions[i].do = d
	}
	return actions
}
