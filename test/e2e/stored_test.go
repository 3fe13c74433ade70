//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// storedSession is what a test looks at of a session.json.
type storedSession struct {
	Version int
	ID, Dir string
	Command []string
	Started time.Time
	Layers  []struct {
		Name string
		Owed bool
	}
	End *struct {
		Reason   string
		ExitCode *int `json:"exit_code"`
		Report   []string
	}

	Path string `json:"-"`
}

// stored are the user's sessions that lie in one of the two directories, "sessions" and
// "unfinished".
func (u *user) stored(in string) []storedSession {
	u.t.Helper()
	files, err := filepath.Glob(u.path("~/.local/state/nono/" + in + "/*/session.json"))
	if err != nil {
		u.t.Fatal(err)
	}
	var list []storedSession
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			u.t.Fatal(err)
		}
		s := storedSession{Path: filepath.Dir(file)}
		if err := json.Unmarshal(text, &s); err != nil {
			u.t.Fatalf("%s: %v\n%s", file, err, text)
		}
		list = append(list, s)
	}
	return list
}

// unfinished is the one session of the user's that is not finished.
func (u *user) unfinished() storedSession {
	u.t.Helper()
	list := u.stored("unfinished")
	if len(list) != 1 {
		u.t.Fatalf("%d sessions are unfinished", len(list))
	}
	return list[0]
}

// finished fails the test unless every session is, and so many are, and gives the one that ended
// so.
func (u *user) finished(n int, reason string) storedSession {
	u.t.Helper()
	if left := u.stored("unfinished"); len(left) != 0 {
		u.t.Fatalf("not finished: %+v", left)
	}
	list := u.stored("sessions")
	if len(list) != n {
		u.t.Fatalf("%d sessions are finished, and should be %d: %+v", len(list), n, list)
	}
	for _, s := range list {
		if s.End != nil && s.End.Reason == reason {
			return s
		}
	}
	u.t.Fatalf("none has ended with %q: %+v", reason, list)
	return storedSession{}
}

// killed starts a run with the keeper, kills nono when the agent runs, and waits until all is gone.
func (u *user) killed(flags ...string) {
	u.t.Helper()
	args := append(append([]string{"run"}, flags...), configured("sh", "-c", "echo 1 > new; "+ran)[1:]...)
	g := u.guard(args...)
	g.wait(&g.out, "up")
	u.kill(g)
}

// kill kills nono itself, and waits until all that it had started is gone.
func (u *user) kill(g *guarded) {
	u.t.Helper()
	g.signal(syscall.SIGKILL)
	if r, report := g.over(); r.Code != 128+int(syscall.SIGKILL) || report.Gone < 0 {
		u.t.Fatalf("it was not killed, or there is still some of %q\n%s", report.Left, r)
	}
}

// TestSessionIsStored: what a run leaves says how it was and how it ended, and is not open to
// others.
func TestSessionIsStored(t *testing.T) {
	u := newUser(t)
	u.use("keeper", "")
	r := u.nono(configured("sh", "-c", "echo 1 > new; exit 3")...)
	s := u.finished(1, "exited")
	if r.Code != 3 || s.Version != 1 || s.Dir != u.Project || s.Command[0] != "sh" || *s.End.ExitCode != 3 ||
		s.Started.IsZero() || s.Layers[1].Owed || len(s.End.Report) != 1 || s.End.Report[0] != "keeper: added new" {
		t.Errorf("%+v, %+v\n%s", s, s.End, r)
	}
	var plan struct {
		Version int
		Plan    struct {
			Session string
			Mounts  []json.RawMessage
		}
	}
	text, err := os.ReadFile(filepath.Join(s.Path, "plan.json"))
	if err == nil {
		err = json.Unmarshal(text, &plan)
	}
	if err != nil || plan.Version != 1 || plan.Plan.Session != s.ID || len(plan.Plan.Mounts) == 0 {
		t.Errorf("the plan: %+v, %v", plan, err)
	}
	err = filepath.WalkDir(u.path("~/.local/state/nono"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRefusedRunIsNotStored: what never began owes nothing.
func TestRefusedRunIsNotStored(t *testing.T) {
	u := newUser(t)
	u.use("keeper", `misbehave = "refuse-plan"`)
	u.refused(u.nono(configured("true")...), "told to refuse")
	for _, in := range []string{"sessions", "unfinished"} {
		entries, err := os.ReadDir(u.path("~/.local/state/nono/" + in))
		if err != nil || len(entries) != 0 {
			t.Errorf("in %s is %v, %v", in, entries, err)
		}
	}
}

// TestKilledSessionIsFinished: the next start, whatever it runs, finishes a session whose core was
// killed, in a fresh process that gets what Start returned.
func TestKilledSessionIsFinished(t *testing.T) {
	u := newUser(t)
	u.use("keeper", "")
	u.killed()
	s := u.unfinished()
	if !s.Layers[1].Owed || s.End != nil {
		t.Errorf("what is on disk when the agent runs: %+v", s)
	}
	r := u.nono("run", "-v", "--allow-cwd", "--", "true")
	line := regexp.MustCompile(`(?m)^nono: finished session ` + s.ID + ` \(sh -c .*, in ~/proj\), whose nono was killed$`)
	if r.Code != 0 || len(line.FindAllString(r.Stderr, -1)) != 1 || !strings.Contains(r.Stderr, "reason=core lost") {
		t.Errorf("it is not told in a line\n%s", r)
	}
	if over := u.finished(2, "core lost"); over.ID != s.ID || over.End.ExitCode != nil ||
		strings.Join(over.End.Report, "") != "keeper: added new ran" {
		t.Errorf("it has ended so: %+v", over.End)
	}
	if starts, finishes := u.calls(); starts != 1 || finishes != 1 {
		t.Errorf("it was started %d times and finished %d times", starts, finishes)
	}
	if r := u.nono("run", "--allow-cwd", "--", "true"); strings.Contains(r.Stderr, "finished session") {
		t.Errorf("it is told again\n%s", r)
	}
}

// TestKilledInStart: Finish is owed as soon as Start is called. There is no state then.
func TestKilledInStart(t *testing.T) {
	u := newUser(t)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		u.write("files/"+name, name)
	}
	u.use("keeper", "slowly = true")
	g := u.guard(append([]string{"run", "-v"}, configured("true")[1:]...)...)
	g.wait(&g.err, "looking at files")
	u.kill(g)
	u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
	if s := u.finished(2, "core lost"); len(s.End.Report) != 1 || s.End.Report[0] != "keeper: nothing was remembered" {
		t.Errorf("it has ended so: %+v", s.End)
	}
}

// TestDeadSessionIsFinishedOnce: of many starts one finishes it, and none waits for that.
func TestDeadSessionIsFinishedOnce(t *testing.T) {
	u := newUser(t)
	u.use("keeper", `misbehave = "once"`)
	u.killed()
	const starts = 4
	results := make([]result, starts)
	var wg sync.WaitGroup
	for i := range starts {
		run := u.start("", "run", "--allow-cwd", "--", "true")
		wg.Go(func() { results[i] = u.finish(run) })
	}
	wg.Wait()
	told := 0
	for _, r := range results {
		told += strings.Count(r.Stderr, "finished session")
		if r.Code != 0 || strings.Contains(r.Stderr, "is not finished") {
			t.Errorf("a start beside others\n%s", r)
		}
	}
	if told != 1 {
		t.Errorf("%d have told it", told)
	}
	u.finished(1+starts, "core lost")
}

// TestUnfinishableSessionIsKept: a session whose layer cannot be called is told at each start, with
// what to do, and is not lost: with the layer back, it is finished with all that it had.
func TestUnfinishableSessionIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, program string)
		says  string
	}{
		"its program is gone": {
			func(t *testing.T, program string) {
				t.Helper()
				if err := os.Remove(program); err != nil {
					t.Fatal(err)
				}
			}, "there is no layer test/keeper",
		},
		// An agent of another run may have been granted the place where it lies, and nobody has named it
		// for this start.
		"its program is another": {
			func(t *testing.T, program string) {
				t.Helper()
				if err := os.WriteFile(program, []byte("#!/bin/sh\ntouch "+program+"-ran\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}, "is not the program that you locked",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			program := u.path("~/own/nono-layer-keeper")
			original, err := os.ReadFile(layers + "/nono-layer-keeper")
			if err != nil {
				t.Fatal(err)
			}
			u.mkdir("~/own")
			put := func() {
				if err := os.WriteFile(program, original, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			put()
			u.write("agent.hcl", layerConfig("keeper", "test/keeper", program, ""))
			u.killed()
			s := u.unfinished()
			c.spoil(t, program)
			for range 2 {
				r := u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
				for _, says := range []string{c.says, "session " + s.ID, "is not finished", "nono session rm " + s.ID} {
					if !strings.Contains(r.Stderr, says) {
						t.Errorf("it does not say %q\n%s", says, r)
					}
				}
				if !u.unfinished().Layers[1].Owed {
					t.Error("nothing is owed any more")
				}
			}
			if u.exists(program + "-ran") {
				t.Error("the other program was run")
			}
			put()
			if r := u.succeeds(u.nono("run", "--allow-cwd", "--", "true")); !strings.Contains(r.Stderr, "finished session "+s.ID) {
				t.Errorf("the layer is back\n%s", r)
			}
			if over := u.finished(4, "core lost"); strings.Join(over.End.Report, "") != "keeper: added new ran" {
				t.Errorf("it has ended so: %+v", over.End)
			}
		})
	}
}

// TestFinishThatFailedIsTriedAgain: a layer that could not clean up at the end of its run may be
// able to later, and is told how the run had ended.
func TestFinishThatFailedIsTriedAgain(t *testing.T) {
	u := newUser(t)
	u.use("keeper", `misbehave = "refuse-finish"`)
	if r := u.nono(configured("true")...); r.Code != 125 || !strings.Contains(r.Stderr, "told to refuse in finish") {
		t.Fatalf("the layer should fail\n%s", r)
	}
	s := u.unfinished()
	if s.End == nil || s.End.Reason != "exited" || *s.End.ExitCode != 125 || !s.Layers[1].Owed {
		t.Errorf("it has ended so: %+v", s)
	}
	if log := u.read(filepath.Join(s.Path, "events.jsonl")); strings.Contains(log, "session.finished") ||
		!strings.Contains(log, "session.unfinished") {
		t.Errorf("its log says\n%s", log)
	}
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
	if !strings.Contains(r.Stderr, "which could not be cleaned up when it ended, is not finished") ||
		!strings.Contains(r.Stderr, "told to refuse in finish") {
		t.Errorf("it is not tried again\n%s", r)
	}
	if _, finishes := u.calls(); finishes != 0 {
		t.Errorf("it was finished %d times", finishes)
	}
}

// TestNewerSessionIsLeft: what a newer nono has written is refused by name, and stays as it is.
func TestNewerSessionIsLeft(t *testing.T) {
	u := newUser(t)
	u.use("keeper", "")
	u.killed()
	file := filepath.Join(u.unfinished().Path, "session.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Replace(text, []byte(`"version":1`), []byte(`"version":2,"unheard_of":true`), 1)
	if err := os.WriteFile(file, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "true"))
	if !strings.Contains(r.Stderr, file+" was written by a newer nono: it has version 2") {
		t.Errorf("it is not told\n%s", r)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, newer) {
		t.Errorf("it is not what it was: %s, %v", now, err)
	}
	// The newer nono comes back, as this one is with the version that it knows.
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := u.nono("run", "--allow-cwd", "--", "true"); !strings.Contains(r.Stderr, "finished session") {
		t.Errorf("nothing is lost, and yet it is not finished\n%s", r)
	}
}

// TestSensitiveSettingIsNotStored: it reaches the layer, and no file but the user's own.
func TestSensitiveSettingIsNotStored(t *testing.T) {
	u := newUser(t)
	const password, greeting = "hunter2-and-more", "good morning"
	u.useEcho("password = \"" + password + "\"\n  greeting = \"" + greeting + "\"")
	u.succeeds(u.nono(configured("true")...))
	state := u.path("~/.local/state")
	if len(u.mentioningIn([]string{greeting}, state)) == 0 {
		t.Error("its settings are not stored at all")
	}
	for _, path := range u.mentioningIn([]string{password}, state) {
		t.Errorf("the password is in %s", path)
	}
}

// TestAskingForNamesFillsNoDisk: an agent asks for as many names as it likes, each is an event of
// core's, and the log ends at its bound with how many were left out.
func TestAskingForNamesFillsNoDisk(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("flood.py", `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(30)
rest = b"".join(bytes([50]) + b"x" * 50 for _ in range(4)) + b"\0" + struct.pack(">HH", 1, 1)
asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
for n in range(int(sys.argv[1])):
    s.sendto(asked + b"\x0a%010d" % n + rest, ("127.0.0.1", 53))
    s.recv(600)
`)
	const bound = 16 << 20 // half of a log's, which one kind of event has
	log := func(names string) (size int64, last string) {
		t.Helper()
		u.succeeds(u.nono("run", "--allow-cwd", "--", "python3", "flood.py", names))
		path := filepath.Join(u.finished(len(u.stored("sessions")), "exited").Path, "events.jsonl")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last = strings.Join(lines[max(0, len(lines)-3):], "\n")
		u.host("rm", "-r", filepath.Dir(path))
		return int64(len(text)), last
	}
	size, last := log("1000")
	if size < 100_000 || strings.Contains(last, "events.skipped") {
		t.Fatalf("the control: the log of a thousand names has %d bytes, and ends with\n%s", size, last)
	}
	size, last = log("100000")
	if size < bound || size > bound+1<<20 {
		t.Errorf("the log of a hundred thousand names has %d bytes", size)
	}
	for _, event := range []string{"agent.ended", "events.skipped", "session.finished"} {
		if !strings.Contains(last, event) {
			t.Errorf("it does not end with %s:\n%s", event, last)
		}
	}
}
