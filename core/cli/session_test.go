package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/aside"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
)

// keeper is an App of a user who has sessions.
type keeper struct {
	*App
	t     *testing.T
	home  string
	store store.Store
}

func newKeeper(t *testing.T, files map[string]string) *keeper {
	t.Helper()
	a := ada(t, files)
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		t.Fatal(err)
	}
	return &keeper{a, t, own.Home, store.In(own)}
}

// run is what a command prints, on standard output and on standard error, and its exit code.
func (k *keeper) run(args ...string) (out, says string, code int) {
	k.t.Helper()
	dir := k.t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			k.t.Fatal(err)
		}
		return f
	}
	stdout, stderr := open("out"), open("err")
	defer stdout.Close()
	defer stderr.Close()
	app := *k.App
	app.Stdout, app.Stderr = stdout, stderr
	code = app.Run(k.t.Context(), args)
	read := func(f *os.File) string {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			k.t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), k.home, "/home/ada")
	}
	return read(stdout), read(stderr), code
}

// live is a session that this process holds, with a log of three events.
func (k *keeper) live(name, dir string, began time.Time) (*store.Session, *events.Log) {
	k.t.Helper()
	s, err := k.store.Create(lease.NewID())
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = s.Close() })
	self, err := store.ProcessOf("nono", os.Getpid())
	if err != nil {
		k.t.Fatal(err)
	}
	if err := s.Update(func(r *store.Record) {
		r.Name, r.Dir, r.Created, r.Started = name, filepath.Join(k.home, dir), began, began
		r.Command, r.Processes = []string{"python", "my agent.py"}, []store.Process{self}
		r.Tier, r.Trees = sdk.TierA, []string{r.Dir}
	}); err != nil {
		k.t.Fatal(err)
	}
	f, err := s.OpenEvents()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = f.Close() })
	log, err := events.Create(f, s.ID(), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	log.Add(events.Event{Time: began, Layer: events.Core, Name: "session.began"})
	log.Add(events.Event{
		Time: began, Layer: "netfilter", Name: "refused", Rule: "network.deny.0", Count: 3,
		Source: "agent.hcl:4:12", Fields: map[string]string{"host": "a.example\x1b[2J"},
	})
	return s, log
}

// ended is such a session that is finished.
func (k *keeper) ended(name, dir string, began time.Time) string {
	k.t.Helper()
	s, log := k.live(name, dir, began)
	k.end(s, log, began.Add(time.Minute))
	return s.ID()
}

func (k *keeper) end(s *store.Session, log *events.Log, at time.Time) {
	k.t.Helper()
	chain, err := log.Close(events.Event{Time: at, Layer: events.Core, Name: "session.finished"})
	if err != nil {
		k.t.Fatal(err)
	}
	code := 7
	finished, err := s.End(func(r *store.Record) {
		r.Ended, r.Events, r.End = at, &chain, &store.End{Reason: sdk.EndExited, ExitCode: &code}
	})
	if !finished || err != nil {
		k.t.Fatal(finished, err)
	}
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)

func TestSessionList(t *testing.T) {
	k := newKeeper(t, nil)
	if out, says, code := k.run("session", "list"); out != "" || code != 0 || !strings.Contains(says, "no session is stored yet") {
		t.Errorf("%q, %q, %d", out, says, code)
	}
	first := k.ended("", "proj", noon)
	second := k.ended("nightly", "other", noon.Add(time.Hour))
	out, says, code := k.run("session", "list")
	want := "ID          NAME     STATE         BEGAN                TOOK  DIRECTORY  COMMAND\n" +
		second + "  nightly  ended with 7  2026-11-26 13:00:00  1m0s  ~/other    python 'my agent.py'\n" +
		first + "  -        ended with 7  2026-11-26 12:00:00  1m0s  ~/proj     python 'my agent.py'\n"
	if out != want || says != "" || code != 0 {
		t.Errorf("%s%s%d, want\n%s", out, says, code, want)
	}
	var list []struct{ ID, State string }
	out, _, _ = k.run("session", "list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 || list[0].ID != second || list[0].State != "finished" {
		t.Errorf("as JSON: %v, %v", list, err)
	}
}

// Which session is meant, by what is typed and where.
func TestWhichSession(t *testing.T) {
	k := newKeeper(t, nil)
	here := k.ended("", "proj", noon)
	k.ended("nightly", "other", noon.Add(time.Hour))
	above := k.ended("nightshift", ".", noon.Add(2*time.Hour))
	for _, tt := range []struct{ word, want, problem string }{
		{"", here, ""},
		{"nights", above, ""},
		{above[:9], above, ""},
		{"night", "", "\"night\" could be any of 2 sessions"},
		{"day", "", "there is no session \"day\""},
	} {
		args := []string{"session", "show"}
		if tt.word != "" {
			args = append(args, tt.word)
		}
		out, says, code := k.run(args...)
		if !strings.Contains(says, tt.problem) || (code == 0) != (tt.problem == "") {
			t.Errorf("%q: %s, %d", tt.word, says, code)
		}
		if tt.want != "" && !strings.HasPrefix(out, "session    "+tt.want+"\n") {
			t.Errorf("%q shows\n%s", tt.word, out)
		}
	}
	k.Getwd = func() (string, error) { return "/", nil }
	if _, says, code := k.run("session", "show"); code != session.ExitOurs || !strings.Contains(says, "there is no session of /") {
		t.Errorf("%s, %d", says, code)
	}
}

func TestLogs(t *testing.T) {
	k := newKeeper(t, nil)
	k.ended("", "proj", noon)
	out, says, code := k.run("logs")
	want := "2026-11-26 12:00:00.000 core session.began\n" +
		`2026-11-26 12:00:00.000 netfilter refused host=$'a.example\x1b[2J' (agent.hcl:4:12), 3 times` + "\n" +
		"2026-11-26 12:01:00.000 core session.finished\n"
	if out != want || says != "" || code != 0 {
		t.Errorf("%s%s%d, want\n%s", out, says, code, want)
	}
	out, _, _ = k.run("logs", "--json")
	lines := slices.Collect(strings.Lines(out))
	var r events.Record
	if len(lines) != 3 || json.Unmarshal([]byte(lines[1]), &r) != nil || r.Fields["host"] != "a.example\x1b[2J" || r.Count != 3 {
		t.Errorf("as JSON:\n%s", out)
	}
}

// A log that is followed is printed to its end, and what comes meanwhile as it comes.
func TestLogsFollow(t *testing.T) {
	k := newKeeper(t, nil)
	s, log := k.live("", "proj", noon)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	app := *k.App
	app.Stdout = w
	done := make(chan int, 1)
	go func() {
		done <- app.Run(t.Context(), []string{"logs", "-f"})
		w.Close()
	}()
	var got bytes.Buffer
	wait := func(text string) {
		t.Helper()
		chunk := make([]byte, 4096)
		if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for !strings.Contains(got.String(), text) {
			n, err := r.Read(chunk)
			got.Write(chunk[:n])
			if err != nil {
				t.Fatalf("there is no %q in\n%s: %v", text, got.String(), err)
			}
		}
	}
	wait("refused")
	log.Add(events.Event{Layer: "netfilter", Name: "allowed"})
	wait("allowed")
	k.end(s, log, time.Now())
	wait("session.finished")
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("it ended with %d", code)
		}
	case <-time.After(time.Minute):
		t.Error("it goes on, and the session is over")
	}
}

// A session that is finished between being looked for and being read is found where it lies then.
func TestLogsOfASessionThatMoves(t *testing.T) {
	k := newKeeper(t, nil)
	s, log := k.live("", "proj", noon)
	e, err := k.store.Open(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	k.end(s, log, noon)
	lines := 0
	count := func(events.Record) string { lines++; return "" }
	app := *k.App
	app.Stdout, err = os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Stdout.Close()
	for _, follow := range []bool{false, true} {
		lines = 0
		if err := app.printEvents(t.Context(), k.store, e, follow, count); err != nil || lines == 0 {
			t.Errorf("follow %v: %d lines, %v", follow, lines, err)
		}
	}
}

// What `audit verify` says of a log that was cut, changed or reordered. The first is the control.
func TestAuditVerify(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(lines []string) []string
		says   string
	}{
		{"nothing", func(l []string) []string { return l }, "3 events, as they were written; unsigned"},
		{
			"the end cut off", func(l []string) []string { return l[:3] },
			"NOT what was written: line 4: the end is missing: 3 events were written, and 2 are there",
		},
		{
			"one cut out", func(l []string) []string { return slices.Delete(l, 2, 3) },
			"NOT what was written: line 3: event 3 stands where 2 was to come",
		},
		{
			"one changed",
			func(l []string) []string {
				l[2] = strings.Replace(l[2], "a.example", "b.example", 1)
				return l
			},
			"NOT what was written: line 4: it does not follow line 3, of which one was changed",
		},
		{
			"two in another order",
			func(l []string) []string {
				l[1], l[2] = l[2], l[1]
				return l
			},
			"NOT what was written: line 2: event 2 stands where 1 was to come",
		},
		{"all of it", func([]string) []string { return nil }, "NOT what was written: line 1: there is no whole line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKeeper(t, nil)
			id := k.ended("", "proj", noon)
			e, err := k.store.Open(id)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(e.Path, store.EventsFile)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines := tt.change(slices.Collect(strings.Lines(string(text))))
			if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			bad := 0
			if strings.HasPrefix(tt.says, "NOT") {
				bad = 1
			}
			out, _, code := k.run("audit", "verify")
			if out != id+": "+tt.says+"\n" || code != bad {
				t.Errorf("%s%d, want\n%s", out, code, tt.says)
			}
			if _, _, code := k.run("audit", "verify", "--all", "--json"); code != bad {
				t.Errorf("all of them, as JSON: %d", code)
			}
		})
	}
}

func TestAuditVerifyWhatIsNotOver(t *testing.T) {
	k := newKeeper(t, nil)
	s, _ := k.live("", "proj", noon)
	out, _, code := k.run("audit", "verify")
	want := s.ID() + ": 2 events so far, as they were written; the session is not over, and a cut at the end cannot be noticed\n"
	if out != want || code != 0 {
		t.Errorf("%s%d, want\n%s", out, code, want)
	}
}

// A session that is finished and does not say where its log ends has lost that.
func TestAuditVerifyWithoutAnEnd(t *testing.T) {
	k := newKeeper(t, nil)
	s, _ := k.live("", "proj", noon)
	if _, err := s.End(func(r *store.Record) { r.End = &store.End{Reason: sdk.EndExited} }); err != nil {
		t.Fatal(err)
	}
	out, _, code := k.run("audit", "verify")
	if code != 1 || !strings.Contains(out, "does not say where its log ends") {
		t.Errorf("%s%d", out, code)
	}
}

func TestAuditListAndShow(t *testing.T) {
	k := newKeeper(t, nil)
	id := k.ended("", "proj", noon)
	e, err := k.store.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("ID          STATE     EVENTS  HASH OF THE LAST\n%s  finished  3       %s\n", id, e.Record.Events.Head)
	if out, _, code := k.run("audit", "list"); out != want || code != 0 {
		t.Errorf("%s%d, want\n%s", out, code, want)
	}
	out, _, code := k.run("audit", "show")
	lines := slices.Collect(strings.Lines(out))
	if code != 0 || len(lines) != 3 || !strings.HasPrefix(lines[2], "3 ") || !strings.HasSuffix(lines[2], "core session.finished\n") {
		t.Errorf("%s%d", out, code)
	}
}

func TestSessionRemove(t *testing.T) {
	k := newKeeper(t, nil)
	over := k.ended("over", "proj", noon)
	live, _ := k.live("live", "proj", noon)
	dead, _ := k.live("dead", "proj", noon)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		says string
		left []string
	}{
		{"session rm over nothing", "there is no session \"nothing\"", []string{over, live.ID(), dead.ID()}},
		{"session rm live", "session " + live.ID() + " (live) is live\n  stop it first: nono stop", []string{over, live.ID(), dead.ID()}},
		{"session rm dead", "is dead, and what its layers took is not released yet", []string{over, live.ID(), dead.ID()}},
		{"session rm --force dead", "", []string{over, live.ID()}},
		{"session rm over", "", []string{live.ID()}},
	} {
		_, says, code := k.run(strings.Fields(tt.args)...)
		if (code == 0) != (tt.says == "") || !strings.Contains(says, tt.says) {
			t.Errorf("%s: %s, %d", tt.args, says, code)
		}
		list, err := k.store.List()
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range list {
			left = append(left, e.ID)
		}
		slices.Sort(left)
		slices.Sort(tt.left)
		if diff := cmp.Diff(tt.left, left); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.args, diff)
		}
	}
}

// The user's own config.hcl says how many are kept.
func TestSessionPrune(t *testing.T) {
	k := newKeeper(t, map[string]string{
		".config/nono/config.hcl": "session {\n  keep = { sessions = 1, age = \"1000000h\" }\n}\n",
	})
	old := k.ended("", "proj", noon)
	k.ended("", "proj", noon.Add(time.Hour))
	if out, says, code := k.run("session", "prune", "--dry-run"); out != old+"\n" || code != 0 || !strings.Contains(says, "would remove 1 session") {
		t.Errorf("%s%s%d", out, says, code)
	}
	if out, says, code := k.run("prune"); out != old+"\n" || code != 0 {
		t.Errorf("%s%s%d", out, says, code)
	}
	if out, _, code := k.run("session", "prune", "--json"); out != "[]\n" || code != 0 {
		t.Errorf("nothing is left to remove: %s%d", out, code)
	}
}

func TestPs(t *testing.T) {
	k := newKeeper(t, nil)
	if out, says, code := k.run("ps"); out != "" || code != 0 || !strings.Contains(says, "no session runs") {
		t.Errorf("%s%s%d", out, says, code)
	}
	k.ended("", "proj", noon)
	live, _ := k.live("nightly", "proj", time.Now().Add(-time.Minute))
	out, _, code := k.run("ps")
	lines := slices.Collect(strings.Lines(out))
	begins := fmt.Sprintf("%s  nightly  %d  1m0s  ~/proj     python 'my agent.py'\n", live.ID(), os.Getpid())
	if code != 0 || len(lines) != 2 || lines[1] != begins {
		t.Errorf("%s%d, want\n%s", out, code, begins)
	}
}

// Of several that run in one directory none is ended because it is the last.
func TestStopWhich(t *testing.T) {
	k := newKeeper(t, nil)
	if _, says, code := k.run("stop"); code != session.ExitOurs || !strings.Contains(says, "there is no live session of ~/proj") {
		t.Errorf("%s%d", says, code)
	}
	k.live("one", "proj", noon)
	k.live("two", "proj", noon.Add(time.Hour))
	if _, says, code := k.run("stop"); code != session.ExitOurs || !strings.Contains(says, "several sessions run in ~/proj") {
		t.Errorf("%s%d", says, code)
	}
}

func TestSessionsComplete(t *testing.T) {
	k := newKeeper(t, nil)
	id := k.ended("nightly", "proj", noon)
	out, _, _ := k.run("__complete", "logs", "")
	if want := id + "\t~/proj\nnightly\t~/proj\n:4\n"; out != want {
		t.Errorf("%s, want\n%s", out, want)
	}
}

// What was kept aside is put back by the session's word, and the last one that kept anything is meant
// without one.
func TestSessionRestore(t *testing.T) {
	k := newKeeper(t, map[string]string{"proj/.git/config": "settings", "proj/agent.hcl": "policy"})
	config := filepath.Join(k.home, "proj/.git/config")
	s, log := k.live("kept", "proj", noon)
	kept, err := aside.Keep(s.AsideDir(), []aside.Want{{Path: config}, {Path: filepath.Join(k.home, "proj/agent.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, says, code := k.run("session", "restore", "kept"); code == 0 || !strings.Contains(says, "is live\n  wait for its end") {
		t.Errorf("while it lives: %s, %d", says, code)
	}
	for _, name := range []string{config, filepath.Join(k.home, "proj/agent.hcl")} {
		if err := os.WriteFile(name, []byte("the agent's"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kept.End(); err != nil {
		t.Fatal(err)
	}
	k.end(s, log, noon.Add(time.Minute))
	k.ended("other", "proj", noon.Add(time.Hour))
	if err := os.WriteFile(filepath.Join(k.home, "proj/agent.hcl"), []byte("the user's, later"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct{ args, out, says, config string }{
		{"session restore other", "", "kept nothing aside", "the agent's"},
		{"session restore --dry-run", "", "/.git/config is as it was before the session\n", "the agent's"},
		{"session restore", "", "agent.hcl is left as it is: it was changed after the session\n", "settings"},
		{"session restore kept --json", `"result": "already"`, "not all is as it was before session", "settings"},
	} {
		out, says, code := k.run(strings.Fields(tt.args)...)
		if code == 0 || !strings.Contains(out, tt.out) || !strings.Contains(says, tt.says) {
			t.Errorf("%s: %s%s%d", tt.args, out, says, code)
		}
		if got, _ := os.ReadFile(config); string(got) != tt.config {
			t.Errorf("%s: the file is %q", tt.args, got)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(k.home, "proj/agent.hcl")); string(got) != "the user's, later" {
		t.Errorf("what was changed later is %q", got)
	}
}

// A log that a later start has closed is not signed, and says why.
func TestAuditVerifyOfALaterStart(t *testing.T) {
	for reason, says := range map[sdk.EndReason]string{
		sdk.EndExited:   "unsigned: a layer could not clean up when it ended, and a later start closed the log\n",
		sdk.EndCoreLost: "unsigned: its nono was killed, and a later start closed the log\n",
	} {
		k := newKeeper(t, nil)
		s, log := k.live("", "proj", noon)
		chain, err := log.Close(events.Event{
			Time: noon, Layer: events.Core, Name: session.EventFinished,
			Fields: map[string]string{"by": "k3v9qapzw2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		finished, err := s.End(func(r *store.Record) {
			r.Events, r.End = &chain, &store.End{Reason: reason}
		})
		if !finished || err != nil {
			t.Fatal(finished, err)
		}
		if out, _, code := k.run("audit", "verify"); !strings.HasSuffix(out, says) || code != 0 {
			t.Errorf("%s: %s%d", reason, out, code)
		}
	}
}
