//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nono-run/nono/test/machine"
)

// state is where nono keeps what outlives a run.
func (u *user) state(names ...string) string {
	return filepath.Join(append([]string{u.home, ".local", "state", "nono"}, names...)...)
}

// brief is the agent of a run that is killed: it ends by itself, so that the end is a moment too.
const brief = "sleep 0.2; exit 7"

// allKills kills runs, in as many lines as there are to be runs at once. Each line has a user of
// its own, so that it is known which start is the next one.
func (s *soak) allKills() {
	var lines sync.WaitGroup
	for i, u := range s.users[1:] {
		lines.Go(func() {
			// How long a run takes that nobody kills.
			r := s.start(u, trial{name: "nobody killed", agent: brief, policy: twoLayers, clean: true})
			r.end()
			s.judge(r, r.code == 7)
			for n := i; n < s.kills; n += s.beside {
				s.kill(u, r.took, rand.New(rand.NewPCG(s.seed, uint64(s.runs+n))))
			}
			s.nextStart(u)
		})
	}
	lines.Wait()
}

// kill kills a process of a run at a moment between its first and its last. What follows is the
// next start, or it is the next kill, which may hit the one that finishes this session.
func (s *soak) kill(u *user, takes time.Duration, r *rand.Rand) {
	moment := time.Duration(r.Int64N(int64(takes)))
	run := s.start(u, trial{
		name: "over before it was killed", agent: brief, policy: twoLayers, signal: syscall.SIGKILL,
	})
	select {
	case <-run.done:
	case <-time.After(time.Until(run.began.Add(moment))):
		victim := run.cmd.Process.Pid // one time in two: what is lost with it is the most
		if others := run.others(); len(others) > 0 && r.IntN(2) == 0 {
			victim = others[r.IntN(len(others))]
		}
		run.name = "killed at some time: " + nameOf(victim)
		run.send(victim, syscall.SIGKILL)
	}
	run.end()
	s.judge(run, true)
	if r.IntN(2) == 0 {
		s.nextStart(u)
	}
}

// others are nono-init and the layers, as far as they are there.
func (r *running) others() []int {
	var all []int
	for _, child := range machine.Children(r.cmd.Process.Pid) {
		if strings.HasPrefix(nameOf(child), "nono-") {
			all = append(all, child)
		}
	}
	return all
}

// nextStart starts an ordinary run, after which every session must be finished.
func (s *soak) nextStart(u *user) {
	r := s.start(u, trial{name: "the next start", agent: "exit 7", clean: true})
	r.end()
	s.judge(r, r.code == 7)
	for _, wrong := range u.unfinished() {
		s.fail("after the next start: %s\n%s", wrong, r.said)
	}
}

// unfinished is what is wrong with the user's stored sessions when all should be finished.
func (u *user) unfinished() (wrong []string) {
	for _, dir := range left(u.state("unfinished")) {
		wrong = append(wrong, "a session is not finished: "+dir)
	}
	for _, file := range glob(u.state("sessions", "*", "session.json")) {
		var session struct {
			Layers []struct {
				Name string
				Owed bool
			}
			End *struct{ Reason string }
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &session)
		}
		switch {
		case err != nil:
			wrong = append(wrong, err.Error())
		case session.End == nil:
			wrong = append(wrong, file+" does not say how it ended")
		}
		for _, l := range session.Layers {
			if l.Owed {
				wrong = append(wrong, fmt.Sprintf("%s still owes layer %s its end", file, l.Name))
			}
		}
	}
	for _, file := range glob(u.state("sessions", "*", "aside", "kept.json")) {
		var kept struct{ Ended bool }
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil || !kept.Ended {
			wrong = append(wrong, fmt.Sprintf("%s was never compared at the end: %v", file, err))
		}
	}
	for _, dir := range glob(filepath.Join(u.temporary(), "nono-run-*")) {
		wrong = append(wrong, "a session's own directory is left: "+dir)
	}
	keeper := u.state("layers", "test.keeper")
	for _, taken := range glob(filepath.Join(keeper, "taken-*")) {
		wrong = append(wrong, "what the keeper took is not released: "+taken)
	}
	for _, started := range glob(filepath.Join(keeper, "start-*")) {
		_, id, _ := strings.Cut(filepath.Base(started), "-")
		if _, err := os.Lstat(filepath.Join(keeper, "finish-"+id)); err != nil {
			wrong = append(wrong, "the keeper was started and never finished, in session "+id)
		}
	}
	return wrong
}

// left are the directories of runs in one of nono's. One of a start that was killed before it had
// its lock stays for a minute.
func left(in string) []string {
	var dirs []string
	for _, dir := range glob(filepath.Join(in, "*")) {
		if !strings.HasPrefix(filepath.Base(dir), "new-") {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func glob(pattern string) []string {
	found, _ := filepath.Glob(pattern) // the pattern is well-formed
	return found
}
