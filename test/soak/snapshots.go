//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/test/machine"
)

// breaker is an agent that changes everything it can, in a while.
const breaker = `for i in $(seq 1 40); do
  echo agent > dir$i/changed; rm dir$i/removed; mv dir$i/moved dir$i/elsewhere
  chmod 600 dir$i/mode; ln -sf /etc/passwd dir$i/link; echo x > dir$i/new
  rm -r dir$i/sub; echo x > dir$i/sub
done`

// snapshots kills nono, or its snapshot layer, at random moments of runs and of rollbacks. After
// each the next start has finished the session, and the next rollback gives the tree back whole.
type snapshots struct {
	nono string
	user *user
	r    *rand.Rand
	want map[string]string
	// takes is how long a run and a rollback take that nobody kills.
	runs, rollbacks time.Duration
	counts          map[string]int
	longest         time.Duration // that one took, which is
	slowest         string
}

func soakSnapshots(nono string, kills int, seed uint64) (err error) {
	nono, err = filepath.Abs(nono)
	if err != nil {
		return err
	}
	u, err := newUser()
	if err != nil {
		return err
	}
	defer func() {
		_, _ = machine.RemoveAll(u.home), machine.RemoveAll(u.runtime)
	}()
	s := &snapshots{
		nono: nono, user: u, r: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{},
	}
	if err := s.plant(); err != nil {
		return err
	}
	fmt.Printf("soak: %d kills of runs with a snapshot and of rollbacks, seed %d\n", kills, seed)
	for n := range kills + 1 {
		if err := s.round(n > 0); err != nil {
			return fmt.Errorf("kill %d: %w", n, err)
		}
	}
	for name, n := range s.counts {
		fmt.Printf("  %4d %s\n", n, name)
	}
	fmt.Printf("soak: the longest took %s: %s\n", s.longest.Round(time.Millisecond), s.slowest)
	return nil
}

// plant makes the tree.
func (s *snapshots) plant() error {
	for i := 1; i <= 40; i++ {
		dir := filepath.Join(s.user.project(), fmt.Sprintf("dir%d", i))
		if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
			return err
		}
		for _, name := range []string{"changed", "removed", "moved", "mode", "link", "sub/file"} {
			text := fmt.Sprintf("%s of %d", name, i)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	var err error
	s.want, err = s.standing()
	return err
}

// standing is what is in the tree now.
func (s *snapshots) standing() (map[string]string, error) {
	all := map[string]string{}
	root := s.user.project()
	return all, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		says := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			says += " " + info.ModTime().String() + " " + string(text)
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			says += " " + target
		}
		all[strings.TrimPrefix(path, root)] = says
		return nil
	})
}

func (s *snapshots) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.nono, args...)
	cmd.Dir, cmd.Env = s.user.project(), s.user.environ()
	return cmd
}

// round is one run and one rollback, each of them killed, and what has to follow.
func (s *snapshots) round(kills bool) error {
	var within time.Duration
	if kills {
		within = s.runs
	}
	took, out, err := s.killed(within, "run", "--allow-cwd", "--snapshot", "--", "sh", "-c", breaker)
	if err != nil {
		return fmt.Errorf("a run: %w\n%s", err, out)
	}
	if !kills {
		s.runs = took
	}
	// The next start finishes what is not finished.
	if out, err := s.command("run", "--", "true").CombinedOutput(); err != nil {
		return fmt.Errorf("the next start: %w\n%s", err, out)
	}
	if wrong := s.user.unfinished(); len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	id, err := s.last()
	if err != nil || id == "" {
		return errors.Join(err, s.compare("the agent never ran"))
	}
	if kills {
		within = s.rollbacks
	}
	took, out, err = s.killed(within, "session", "rollback", "--yes", id)
	if err != nil {
		return fmt.Errorf("a rollback: %w\n%s", err, out)
	}
	if !kills {
		s.rollbacks = took
	}
	if again, err := s.command("session", "rollback", "--yes", id).CombinedOutput(); err != nil {
		return fmt.Errorf("the rollback after it: %w\n%s\nthe first one said\n%s", err, again, out)
	}
	if err := s.compare("after the rollback"); err != nil {
		return fmt.Errorf("%w\nthe killed one said\n%s", err, out)
	}
	if out, err := s.command("session", "verify", id).CombinedOutput(); err != nil {
		return fmt.Errorf("verifying: %w\n%s", err, out)
	}
	if out, err := s.command("session", "rm", id).CombinedOutput(); err != nil {
		return fmt.Errorf("removing it: %w\n%s", err, out)
	}
	return nil
}

// killed runs nono, and kills it or one of its layers at a random moment within a time; zero lets
// it come to its end. The error is of somebody who outlived it.
func (s *snapshots) killed(within time.Duration, args ...string) (time.Duration, string, error) {
	cmd := s.command(args...)
	began := time.Now()
	wait, err := begin(cmd)
	if err != nil {
		return 0, "", err
	}
	var out string
	done := make(chan struct{})
	go func() {
		out, err = wait() // how it ended is what the tree says
		close(done)
	}()
	what := args[0] + ": not killed"
	if within > 0 {
		select {
		case <-done:
			what = args[0] + ": over before it was killed"
		case <-time.After(s.moment(within)):
			victim, name := cmd.Process.Pid, "nono"
			for _, child := range machine.Children(victim) {
				if strings.HasPrefix(nameOf(child), "nono-layer-") && s.r.IntN(2) == 0 {
					victim, name = child, "the layer"
				}
			}
			_ = syscall.Kill(victim, syscall.SIGKILL)
			what = args[0] + ": killed was " + name
		}
		s.counts[what]++
	}
	<-done
	took := time.Since(began)
	if took > s.longest {
		s.longest, s.slowest = took, what
	}
	return took, out, err
}

// moment is at random, and early more often than late: most that is killed has less to do than what
// was measured.
func (s *snapshots) moment(within time.Duration) time.Duration {
	f := s.r.Float64()
	return time.Duration(f * f * float64(within))
}

// last is the session of which there is a snapshot; "" if there is none.
func (s *snapshots) last() (string, error) {
	text, err := s.command("session", "list", "--json").Output()
	if err != nil {
		return "", err
	}
	var list []struct {
		ID      string
		Session struct{ Recorded []string }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return "", err
	}
	for _, e := range list {
		if len(e.Session.Recorded) == 0 {
			continue
		}
		err := s.command("session", "diff", "--name-only", e.ID).Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			return "", nil // it was killed before its snapshot was whole, and so before the agent ran
		}
		return e.ID, err
	}
	return "", nil
}

// compare holds the tree against what it was.
func (s *snapshots) compare(when string) error {
	now, err := s.standing()
	if err != nil {
		return err
	}
	if maps.Equal(now, s.want) {
		return nil
	}
	var wrong []string
	for name, want := range s.want {
		if now[name] != want {
			wrong = append(wrong, fmt.Sprintf("%s was %q and is %q", name, want, now[name]))
		}
	}
	for name, is := range now {
		if _, ok := s.want[name]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s is new: %q", name, is))
		}
	}
	return fmt.Errorf("%s %d paths are not as before:\n%s", when, len(wrong),
		strings.Join(wrong[:min(len(wrong), 10)], "\n"))
}
