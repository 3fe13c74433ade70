//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestLiveSession: what runs is listed, logged and told to whoever starts beside it, and ended when
// it is asked to be.
func TestLiveSession(t *testing.T) {
	u := newUser(t)
	g := u.guard("run", "--allow-cwd", "--name", "nightly", "--", "sh", "-c", "echo up; exec sleep 600")
	g.wait(&g.out, "up")

	for _, tt := range []struct{ args, says string }{
		{"ps", "nightly"},
		{"session list", "live"},
		{"inspect night", "--allow-cwd"},
		{"logs", "core gate.opened"},
		{"audit verify nightly", "the session is not over"},
	} {
		if r := u.succeeds(u.nono(strings.Fields(tt.args)...)); !strings.Contains(r.Stdout, tt.says) {
			t.Errorf("%s does not say %q\n%s", tt.args, tt.says, r)
		}
	}
	live := u.unfinished().ID
	u.says(u.succeeds(u.nono("run", "--allow-cwd", "--", "true")),
		"nono: warning: others may write where this one may: session "+live+" (sh)")
	u.mkdir("~/other")
	// The control: one that writes elsewhere mixes with nothing.
	u.quiet(u.succeeds(u.nono("run", "--allow", u.path("~/other"), "--", "true")), "may write where")
	u.refused(u.nono("run", "--name", "nightly", "--", "true"), "a session that is called nightly runs already")

	u.says(u.succeeds(u.nono("stop")), "nono: session "+live+" (nightly) has ended")
	if r, _ := g.over(); r.Code != 128+int(syscall.SIGTERM) {
		t.Errorf("it was asked to end\n%s", r)
	}
	u.succeeds(u.nono("run", "--name", "nightly", "--", "true")) // the name is free again
	r := u.succeeds(u.nono("audit", "verify", "--all"))
	if n := strings.Count(r.Stdout, "as they were written"); n != 5 {
		t.Errorf("%d logs are as they were written\n%s", n, r)
	}
}

// TestJSONEvents: whoever reads the events gets the lines of the log as they are written.
func TestJSONEvents(t *testing.T) {
	u := newUser(t)
	cmd := u.command("run", "--json-events=3", "--", "sh", "-c", "exit 4")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	running := u.begin(cmd, "")
	w.Close()
	var lines, names []string
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		var event struct{ Name string }
		if err := json.Unmarshal(scanner.Bytes(), &event); err != nil {
			t.Errorf("%v: %s", err, scanner.Text())
		}
		lines, names = append(lines, scanner.Text()), append(names, event.Name)
	}
	if got := u.finish(running); got.Code != 4 {
		t.Errorf("the exit code is the command's\n%s", got)
	}
	want := []string{"", "session.began", "gate.opened", "agent.ended", "session.finished"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	u.finished(1, "exited")
	log := u.read(filepath.Join(u.stored("sessions")[0].Path, "events.jsonl"))
	if log != strings.Join(lines, "\n")+"\n" {
		t.Errorf("the log is\n%s", log)
	}
	u.refused(u.nono("run", "--json-events=997", "--", "true"), "nono was started without a descriptor 997")
}

// TestLogOfLayers: what layers report is in the log, and a log that was cut is noticed.
func TestLogOfLayers(t *testing.T) {
	u := newUser(t)
	u.use("keeper", "")
	u.succeeds(u.nono(configured("true")...))
	logs := u.succeeds(u.nono("logs")).Stdout
	for _, event := range []string{"test/keeper keeper.started", "test/keeper keeper.finished", "core session.finished"} {
		if !strings.Contains(logs, event) {
			t.Errorf("the log has no %q\n%s", event, logs)
		}
	}
	u.succeeds(u.nono("audit", "verify"))
	file := filepath.Join(u.finished(1, "exited").Path, "events.jsonl")
	plan := filepath.Join(filepath.Dir(file), "plan.json")
	kept := u.read(plan)
	u.write(plan, strings.Replace(kept, "enforced", "lax", 1))
	if r := u.nono("audit", "verify"); r.Code != 1 || !strings.Contains(r.Stdout, "the plan was changed") {
		t.Errorf("the plan was changed\n%s", r)
	}
	u.write(plan, kept)
	u.succeeds(u.nono("audit", "verify"))
	lines := slices.Collect(strings.Lines(u.read(file)))
	u.write(file, strings.Join(lines[:len(lines)-1], ""))
	r := u.nono("audit", "verify")
	if r.Code != 1 || !strings.Contains(r.Stdout, "the end is missing") {
		t.Errorf("the last line was cut off\n%s", r)
	}
}

// TestOldSessionsGo: at the end of a run what the user does not want to keep is gone.
func TestOldSessionsGo(t *testing.T) {
	u := newUser(t)
	for range 2 {
		u.succeeds(u.nono("run", "--", "true"))
	}
	u.finished(2, "exited") // the control: where nobody says anything, they are kept
	u.write("~/.config/nono/config.hcl", "session {\n  keep = { sessions = 1 }\n}\n")
	u.succeeds(u.nono("run", "--name", "last", "--", "true"))
	if r := u.nono("session", "show", "last"); u.finished(1, "exited").ID != strings.Fields(r.Stdout)[1] {
		t.Errorf("another one is left than the last\n%s", r)
	}
}

// TestLogOfAKilledSession: the log of a session whose nono was killed goes on where it ended, and
// says who finished it.
func TestLogOfAKilledSession(t *testing.T) {
	u := newUser(t)
	u.use("keeper", "")
	u.killed()
	id := u.unfinished().ID
	u.succeeds(u.nono("run", "--", "true"))
	logs := u.succeeds(u.nono("logs", id)).Stdout
	for _, event := range []string{"keeper.started", "core gate.opened", "keeper.finished", "core session.finished by="} {
		if !strings.Contains(logs, event) {
			t.Errorf("the log has no %q\n%s", event, logs)
		}
	}
	u.succeeds(u.nono("audit", "verify", "--all"))
}
