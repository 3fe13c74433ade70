package terminal

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// String is an action as the tables below write it.
func (a action) String() string {
	names := map[do]string{
		take: "take", pause: "pause", giveBack: "give back",
		innerFront: "inner front", innerBack: "inner back", freeze: "freeze", thaw: "thaw", stop: "stop",
	}
	s := names[a.do]
	if a.do == stop {
		s += fmt.Sprintf(" by %v", a.signal)
		if a.group {
			s += ", all"
		}
	}
	return s
}

// TestJobs is job control: each row is what happens one after the other, and what is done for it.
func TestJobs(t *testing.T) {
	const (
		ttin = syscall.SIGTTIN
		ttou = syscall.SIGTTOU
		tstp = syscall.SIGTSTP
	)
	in, out := event{what: looked, foreground: true}, event{what: looked}
	with := func(e event, w what) event {
		e.what = w
		return e
	}
	stopped := func(e event, by syscall.Signal, behind bool) event {
		e.what, e.signal, e.behind = agentStopped, by, behind
		return e
	}
	type step struct {
		event event
		want  string
	}
	for _, test := range []struct {
		name                string
		foreground, claimed bool
		front               bool // the agent begins there
		steps               []step
	}{
		{
			"in front, nothing happens", true, true, true,
			[]step{{in, ""}, {with(in, typed), ""}, {with(in, woken), ""}},
		},
		{
			"Ctrl-Z inside, fg", true, true, true,
			[]step{
				{stopped(in, tstp, false), "pause; freeze; give back; stop by stopped, all"},
				{stopped(in, tstp, false), ""},
				{with(in, continued), ""},
				{with(in, woken), "inner front; take; thaw"},
			},
		},
		{
			"Ctrl-Z inside, bg, fg", true, true, true,
			[]step{
				{stopped(in, tstp, false), "pause; freeze; give back; stop by stopped, all"},
				{with(out, woken), "inner back; thaw"},
				{out, ""},
				{in, "inner front; take"},
			},
		},
		{
			"TSTP from outside stops nono alone", true, true, true,
			[]step{{with(in, asked), "pause; freeze; give back; stop by stopped"}},
		},
		{
			"the agent stops itself with SIGSTOP", true, true, true,
			[]step{
				{stopped(in, syscall.SIGSTOP, false), "pause; freeze; give back; stop by stopped, all"}, // never with that
			},
		},
		{
			"stopped from outside with SIGSTOP, bg", true, true, true,
			[]step{{with(out, continued), "pause; inner back"}, {in, "inner front; take"}},
		},
		{
			"stopped from outside with SIGSTOP, fg", true, true, true,
			[]step{{with(in, continued), "take"}},
		},
		{
			"in the background it reads", false, true, false,
			[]step{
				{stopped(out, ttin, true), "pause; freeze; give back; stop by stopped (tty input), all"},
				{with(in, woken), "inner front; take; thaw"},
			},
		},
		{
			"in the background it reads, bg, reads again", false, true, false,
			[]step{
				{stopped(out, ttin, true), "pause; freeze; give back; stop by stopped (tty input), all"},
				{with(out, woken), "inner back; thaw"},
				{stopped(out, ttin, true), "pause; freeze; give back; stop by stopped (tty input), all"},
			},
		},
		{
			"it reads in the moment in which it comes to the foreground", false, true, false,
			[]step{{stopped(in, ttin, true), "inner front; take; inner front"}},
		},
		{
			"it changes settings in the background", false, true, false,
			[]step{
				{stopped(out, ttou, true), "pause; freeze; give back; stop by stopped (tty output), all"},
			},
		},
		{
			"in front it reads from a group of its own that is not: a matter of the agent's", true, true, true,
			[]step{
				{stopped(in, ttin, false), "pause; freeze; give back; stop by stopped (tty input), all"},
			},
		},
		{
			"the report that it was too early comes late", true, true, true,
			[]step{{stopped(in, ttin, true), "inner front"}},
		},
		{
			"output in the background, with tostop", false, true, false,
			[]step{
				{with(out, wrote), "pause; freeze; give back; stop by stopped (tty output), all"},
				{with(in, woken), "inner front; take; thaw"},
			},
		},
		{"output that came to the foreground meanwhile", false, true, false, []step{{with(in, wrote), "inner front; take"}}},
		{
			"a pipeline: nobody asks", true, false, false,
			[]step{{in, ""}, {with(in, continued), ""}, {out, ""}, {in, ""}},
		},
		{
			"a pipeline: it reads the terminal", true, false, false,
			[]step{
				{stopped(in, ttin, true), "inner front; take"},
				{out, "pause; inner back"},
				{in, "inner front; take"}, // it has claimed it for good
			},
		},
		{
			"a pipeline: it waits for what is typed, without reading", true, false, false,
			[]step{{with(in, typed), "inner front; take"}},
		},
		{
			"a pipeline is stopped by Ctrl-Z, which comes as a signal", true, false, false,
			[]step{
				{with(in, asked), "pause; freeze; give back; stop by stopped"},
				{with(in, woken), "thaw"},
			},
		},
		{
			"a pipeline in the background reads, fg", false, false, false,
			[]step{
				{stopped(out, ttin, true), "pause; freeze; give back; stop by stopped (tty input), all"},
				{with(in, woken), "thaw"},
				{stopped(in, ttin, true), "inner front; take"}, // it reads again
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var j jobs
			if front := j.begin(test.foreground, test.claimed); front != test.front {
				t.Errorf("the agent begins in front: %v", front)
			}
			for i, s := range test.steps {
				var did []string
				for _, a := range j.next(s.event) {
					did = append(did, a.String())
				}
				if got := strings.Join(did, "; "); got != s.want {
					t.Fatalf("step %d: got %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

// TestJobsRule: whatever happens in whatever order, in the background nothing is read, and
// nono-init's group is in front inside; and nono never stops itself before everything inside stands
// still.
func TestJobsRule(t *testing.T) {
	var events []event
	for w := looked; w <= woken; w++ {
		for _, foreground := range []bool{false, true} {
			if w != agentStopped {
				events = append(events, event{what: w, foreground: foreground})
				continue
			}
			for _, s := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGSTOP} {
				for _, behind := range []bool{false, true} {
					events = append(events, event{w, foreground, s, behind})
				}
			}
		}
	}
	const depth = 4
	var walk func(j jobs, m model, trail []event)
	walk = func(j jobs, m model, trail []event) {
		if len(trail) == depth {
			return
		}
		for _, e := range events {
			if e.what == woken && j.at != suspended {
				continue // it was not stopped
			}
			next, now := j, m
			actions := next.next(e)
			if problem := now.do(actions, e.foreground, next.at); problem != "" {
				t.Fatalf("%+v, then %+v: %v: %s", trail, e, actions, problem)
			}
			walk(next, now, append(slices.Clone(trail), e))
		}
	}
	for _, foreground := range []bool{false, true} {
		for _, claimed := range []bool{false, true} {
			var j jobs
			m := model{}
			if j.begin(foreground, claimed) {
				m = model{reads: true, front: true}
			}
			walk(j, m, nil)
		}
	}
}

// model is what the actions come to.
type model struct{ reads, front, still bool }

// do does them, and says what must not be.
func (m *model) do(actions []action, foreground bool, at state) string {
	for _, a := range actions {
		switch a.do {
		case take:
			m.reads = true
			if !foreground {
				return "it takes a terminal that is somebody else's"
			}
			if !m.front {
				return "it reads for nobody"
			}
		case pause, giveBack:
			m.reads = false
		case innerFront:
			m.front = true
		case innerBack:
			m.front = false
		case freeze:
			m.still = true
		case thaw:
			m.still = false
		case stop:
			if !m.still || m.reads {
				return "it stops itself and leaves others running, or reading"
			}
			return ""
		}
	}
	stands := at == waiting || at == front || at == away
	switch {
	case stands && m.still:
		return "it goes on, and nothing inside does"
	case stands && m.reads != (at == front), stands && m.front && at != front:
		return "who reads is not who is in front"
	case stands && !foreground && at != away:
		return "in the background it does not know of it"
	}
	return ""
}
