package launch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/core/launch"
)

// In tier B no namespace ends what is left. These are the ways in which a run can end there, with
// the fence of a newer Landlock and as it is without.

// fences runs a test with the fence, where this kernel has it, and without.
func fences(t *testing.T, test func(t *testing.T)) {
	t.Run("a fence", test)
	t.Run("no fence", func(t *testing.T) {
		launch.WithoutFence(t)
		test(t)
	})
}

// stranger is a process of the user's that no end may reach.
func stranger(t *testing.T) (lives func() bool) {
	t.Helper()
	c := exec.Command(built.prober, "sleep=1h")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return func() bool { return alive(c.Process.Pid) }
}

// inside counts the processes that run in a directory.
func inside(dir string) int { return inState(dir, "") }

// inState counts those of a state, or of any.
func inState(dir, state string) int {
	all, _ := filepath.Glob("/proc/[0-9]*/cwd")
	n := 0
	for _, link := range all {
		if to, err := os.Readlink(link); err != nil || to != dir {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
		if err == nil && strings.Contains(string(stat), ") "+state) {
			n++
		}
	}
	return n
}

// TestDescendantsB: two hundred processes, in sessions of their own, end with the main process and
// are counted; the user's other ones go on.
func TestDescendantsB(t *testing.T) {
	fences(t, func(t *testing.T) {
		lives := stranger(t)
		r := newPlainBox(t, "leave=200").run(t)
		if r.err != nil || r.Left != 200 {
			t.Errorf("got %+v, %v", r.Exit, r.err)
		}
		if !lives() {
			t.Error("a process that has nothing to do with it was ended")
		}
	})
}

// TestForkOnB: processes that go on forking, as children of nono-init's, do not keep a run.
func TestForkOnB(t *testing.T) {
	fences(t, func(t *testing.T) {
		lives := stranger(t)
		b := newPlainBox(t, "fork-on=50", "exit=3")
		init, _, err := b.prepare(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := init.Go(deadline(t), false); err != nil {
			t.Fatal(err)
		}
		defer time.AfterFunc(30*time.Second, init.Kill).Stop()
		if exit, err := init.Wait(); err != nil || exit.Code != 3 || exit.Left == 0 {
			t.Errorf("got %+v, %v", exit, err)
		}
		noneLeft(t, b)
		if !lives() {
			t.Error("a process that has nothing to do with it was ended")
		}
	})
}

// TestTracedB: the end of the main process is the end of the run, also where its tracer says
// nothing.
func TestTracedB(t *testing.T) { endTraced(t, newPlainBox(t, "held")) }

// TestCoreKilledB: after core is gone by SIGKILL there is nothing left, however far it had come.
func TestCoreKilledB(t *testing.T) { killCore(t, "plain") }

// TestInitKilledB: the loss of nono-init is not the agent's end, and what it leaves core ends, with
// no word to the user's other processes.
func TestInitKilledB(t *testing.T) {
	fences(t, func(t *testing.T) {
		for n := range 10 {
			lives := stranger(t)
			mark := fmt.Sprintf("say=left-%d-%d", os.Getpid(), n)
			b := newPlainBox(t, mark, "fork-on=3", "leave=20", "say=started", "sleep=1h")
			init, lines := b.begin(t)
			if n == 0 { // once when all runs, and then while it begins
				for line := range lines {
					if line == "started" {
						break
					}
				}
			} else {
				time.Sleep(time.Duration(n) * time.Millisecond)
			}
			init.Kill()
			if exit, err := init.Wait(); err == nil || !strings.Contains(err.Error(), "without a word") {
				t.Errorf("got %+v, %v", exit, err)
			}
			noneLeft(t, b)
			if !lives() {
				t.Error("a process that has nothing to do with it was ended")
			}
		}
	})
}

// TestLifelineB: the end of the lifeline alone is the end of everything inside.
func TestLifelineB(t *testing.T) {
	b := newPlainBox(t, "leave=3", "say=started", "sleep=1h")
	init, _ := b.until(t, "started")
	if err := init.CutLifeline(); err != nil {
		t.Fatal(err)
	}
	if _, err := init.Wait(); err == nil {
		t.Error("Wait says how an agent ended that was ended with everything else")
	}
	noneLeft(t, b)
}

// noneLeft waits for the last process of a sandbox to be gone. The processes of a test are told by
// the project that they were started in.
func noneLeft(t *testing.T, b *box) {
	t.Helper()
	eventually(t, "nothing of the sandbox is left", func() bool { return inside(b.project) == 0 })
}

// TestForkApart: nor do processes of which each makes the next in a session of its own, and ends,
// so that no group holds two of them.
func TestForkApart(t *testing.T) {
	fences(t, func(t *testing.T) {
		lives := stranger(t)
		b := newPlainBox(t, "fork-apart=8", "exit=3")
		init, _, err := b.prepare(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := init.Go(deadline(t), false); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if exit, err := init.Wait(); err != nil || exit.Code != 3 || exit.Left == 0 {
			t.Errorf("got %+v, %v", exit, err)
		}
		t.Logf("the end took %v", time.Since(began))
		noneLeft(t, b)
		if !lives() {
			t.Error("a process that has nothing to do with it was ended")
		}
	})
}
