//go:build linux

package e2e

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// calls are how often the keeper's Start and Finish were called, over all runs of the user's. It
// notes them where they outlive a run.
func (u *user) calls() (starts, finishes int) {
	u.t.Helper()
	count := func(call string) int {
		found, err := filepath.Glob(u.path("~/.local/state/nono/layers/test.keeper/" + call + "-*"))
		if err != nil {
			u.t.Fatal(err)
		}
		return len(found)
	}
	return count("start"), count("finish")
}

// TestBracketLayer: what a layer remembered at the gate is what it compares with when the agent is
// gone, in a fresh process, and nothing of it runs in between.
func TestBracketLayer(t *testing.T) {
	u := newUser(t)
	u.write("data", "1")
	u.use("keeper", "")
	g := u.guarded(append([]string{"run", "-v"}, configured("sh", "-c", "echo up; read line; echo 2 > data; echo 1 > new")[1:]...)...)
	in := g.openInput()
	g.start()
	g.wait(&g.out, "up")
	g.until("ended the layer", func() bool { _, there := g.child("nono-layer-keeper"); return !there })
	if _, err := in.Write([]byte("go on\n")); err != nil {
		t.Fatal(err)
	}
	r := g.succeeds()
	if !strings.Contains(r.Stderr, "nono: keeper: added new, changed data\n") {
		t.Errorf("its report is missing\n%s", r)
	}
	pids := regexp.MustCompile(`keeper\.(?:started|finished) .*pid=(\d+)`).FindAllStringSubmatch(r.Stderr, -1)
	if len(pids) != 2 || pids[0][1] == pids[1][1] {
		t.Errorf("Start and Finish should be in two processes: %q\n%s", pids, r)
	}
	// The next run begins with what is there now.
	if r := u.guard(configured("true")...).succeeds(); !strings.Contains(r.Stderr, "nono: keeper: nothing has changed\n") {
		t.Errorf("the second run tells something else\n%s", r)
	}
	if starts, finishes := u.calls(); starts != 2 || finishes != 2 {
		t.Errorf("it was started %d times and finished %d times", starts, finishes)
	}
}

// TestBracketLayerWhenTheAgentIsKilled: however the agent ends, the layer is heard, with its state.
func TestBracketLayerWhenTheAgentIsKilled(t *testing.T) {
	for name, c := range map[string]struct {
		agent  string
		end    func(*guarded)
		code   int
		reason string
	}{
		"by itself": {
			"echo 1 > new; echo up; kill -9 $$", func(*guarded) {}, 128 + int(syscall.SIGKILL), "exited",
		},
		"by the user": {
			"echo 1 > new; echo up; exec sleep 60", func(g *guarded) { g.signal(syscall.SIGTERM) },
			128 + int(syscall.SIGTERM), "exited",
		},
		"because it would not end": {
			"trap '' TERM; echo 1 > new; echo up; while :; do sleep 0.1; done",
			func(g *guarded) { g.signal(syscall.SIGTERM) }, 128 + int(syscall.SIGKILL), "signalled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.Program = "nono-short" // the agent has two seconds to end
			u.use("keeper", "")
			g := u.guard(append([]string{"run", "-v"}, configured("sh", "-c", c.agent)[1:]...)...)
			g.wait(&g.out, "up")
			c.end(g)
			r := g.end()
			if r.Code != c.code || !strings.Contains(r.Stderr, "nono: keeper: added new\n") {
				t.Errorf("want code %d, and the report\n%s", c.code, r)
			}
			if !strings.Contains(r.Stderr, "keeper.finished") || !strings.Contains(r.Stderr, "reason="+c.reason) {
				t.Errorf("want the reason %q\n%s", c.reason, r)
			}
		})
	}
}

// TestProgressExtendsADeadline: a Start that takes longer than it may goes on as long as it says
// how far it is. The control is a Start that hangs, among the failures before the agent.
func TestProgressExtendsADeadline(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.Program = "nono-short" // a call may take two seconds
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		u.write("files/"+name, name)
	}
	u.use("keeper", "slowly = true") // three seconds and more
	r := u.guard(append([]string{"run", "-v"}, configured("true")[1:]...)...).succeeds()
	if !strings.Contains(r.Stderr, "[test/keeper] looking at files") {
		t.Errorf("its progress is not shown\n%s", r)
	}
	if !strings.Contains(r.Stderr, "nono: keeper: nothing has changed\n") {
		t.Errorf("its report is missing\n%s", r)
	}
}
