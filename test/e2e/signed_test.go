//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/nono-run/nono/test/keyrings"
	"github.com/nono-run/nono/test/machine"
)

// identity is a file with an identity of age's, which opens what is encrypted to it unasked.
func (u *user) identity() string {
	u.t.Helper()
	own, err := age.GenerateX25519Identity()
	if err != nil {
		u.t.Fatal(err)
	}
	path := u.path("~/identity")
	if err := os.WriteFile(path, []byte(own.String()+"\n"), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// withKey is a user whose logs are signed.
func withKey(t *testing.T) *user {
	t.Helper()
	u := newUser(t)
	u.succeeds(u.nono("trust", "keygen", "--identity", u.identity()))
	return u
}

// ran runs something, and is the session.
func (u *user) ran(flags ...string) storedSession {
	u.t.Helper()
	before := map[string]bool{}
	for _, s := range u.stored("sessions") {
		before[s.Path] = true
	}
	u.succeeds(u.nono(append(append([]string{"run", "--allow-cwd"}, flags...), "--", "true")...))
	for _, s := range u.stored("sessions") {
		if !before[s.Path] {
			return s
		}
	}
	u.t.Fatal("there is no session of it")
	return storedSession{}
}

// verified is what `nono audit verify` says of a session.
func (u *user) verified(s storedSession, flags ...string) result {
	u.t.Helper()
	return u.nono(append(append([]string{"audit", "verify"}, flags...), filepath.Base(s.Path))...)
}

// verdict holds what that says, and whether it is a fault.
func (u *user) verdict(s storedSession, code int, says string, flags ...string) {
	u.t.Helper()
	if r := u.verified(s, flags...); r.Code != code || !strings.Contains(r.Stdout, says) {
		u.t.Errorf("it should be %d and say %q\n%s", code, says, r)
	}
}

// The files of a session that a forger changes.
func (s storedSession) log() string       { return filepath.Join(s.Path, "events.jsonl") }
func (s storedSession) signature() string { return s.log() + ".sigstore.json" }

// forge cuts the last line off a log, and makes all that has no secret in it fit again: the chain
// does by itself, and the session is given the new end.
func forge(t *testing.T, s storedSession, change func(lines [][]byte) [][]byte) {
	t.Helper()
	text, err := os.ReadFile(s.log())
	if err != nil {
		t.Fatal(err)
	}
	lines := change(bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")))
	if err := os.WriteFile(s.log(), append(bytes.Join(lines, []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(s.Path, "session.json")
	if text, err = os.ReadFile(record); err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	last := sha256.Sum256(lines[len(lines)-1])
	all["events"], err = json.Marshal(map[string]any{
		"count": len(lines) - 1, "head": hex.EncodeToString(last[:]),
	})
	if err == nil {
		text, err = json.Marshal(all)
	}
	if err == nil {
		err = os.WriteFile(record, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSignedLog: a log whose end is signed cannot be made another one by whoever can write it. Each
// forgery passes where the signature is taken away.
func TestSignedLog(t *testing.T) {
	t.Parallel()
	u := withKey(t)
	other := u.ran()
	for name, test := range map[string]struct {
		forge func(t *testing.T, s storedSession)
		says  string
	}{
		"as it is": {func(*testing.T, storedSession) {}, ""},
		"the end is cut": {func(t *testing.T, s storedSession) {
			forge(t, s, func(l [][]byte) [][]byte { return l[:len(l)-1] })
		}, "the end of the log is missing: 4 events were signed, and 3 are there"},
		"an event is added": {func(t *testing.T, s storedSession) {
			forge(t, s, func(l [][]byte) [][]byte {
				before := sha256.Sum256(l[len(l)-1])
				return append(l, []byte(`{"number":5,"time":"2026-01-01T00:00:00Z","count":1,"layer":"core","name":"x","previous":"`+
					hex.EncodeToString(before[:])+`"}`))
			})
		}, "something was added to the log"},
		"the last event is another": {func(t *testing.T, s storedSession) {
			forge(t, s, func(l [][]byte) [][]byte {
				last := l[len(l)-1]
				l[len(l)-1] = bytes.Replace(last, []byte(`"code":"0"`), []byte(`"code":"7"`), 1)
				if bytes.Equal(last, l[len(l)-1]) {
					t.Fatalf("nothing was changed in %s", last)
				}
				return l
			})
		}, "the log is not the one that was signed"},
	} {
		t.Run(name, func(t *testing.T) {
			u := u.in(t)
			s := u.ran()
			test.forge(t, s)
			if test.says == "" {
				u.verdict(s, 0, "as they were written; signed with default (")
			} else {
				u.verdict(s, 1, "its signature is NOT good: "+test.says)
			}
			if err := os.Remove(s.signature()); err != nil {
				t.Fatal(err)
			}
			u.verdict(s, 0, "as they were written; unsigned") // the control
			u.verdict(s, 1, "as they were written; unsigned", "--signed")
		})
	}
	t.Run("a signature of another session", func(t *testing.T) {
		u := u.in(t)
		s := u.ran()
		text, err := os.ReadFile(other.signature())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.signature(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		u.verdict(s, 1, "its signature is NOT good: it is the signature of another session's log: "+filepath.Base(other.Path))
		u.verdict(other, 0, "signed with default") // the control
	})
	t.Run("a change that needs no key to be seen", func(t *testing.T) {
		u := u.in(t)
		s := u.ran()
		text, err := os.ReadFile(s.log())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.log(), bytes.Replace(text, []byte("true"), []byte("fals"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		u.verdict(s, 1, "NOT what was written: line ")
	})
	t.Run("a bundle that is none, and one that is large", func(t *testing.T) {
		u := u.in(t)
		s := u.ran()
		for text, says := range map[string]string{
			"{}": "reading a bundle", strings.Repeat(" ", 70_000): "it is longer than 65536 bytes", "": "reading a bundle",
		} {
			if err := os.WriteFile(s.signature(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			u.verdict(s, 1, "its signature is NOT good: "+says)
		}
	})
	t.Run("without the layer", func(t *testing.T) {
		u := u.in(t)
		s := u.ran("--disable", "trust")
		if _, err := os.Lstat(s.signature()); err == nil {
			t.Error("it is signed")
		}
		u.verdict(s, 0, "; unsigned")
	})
	t.Run("as JSON", func(t *testing.T) {
		u := u.in(t)
		var all []struct {
			ID        string
			Signature struct{ State, By, Key, Why string }
		}
		r := u.succeeds(u.verified(other, "--json"))
		if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil {
			t.Fatalf("%v\n%s", err, r)
		}
		if len(all) != 1 || all[0].Signature.State != "signed" || all[0].Signature.By != "default" || len(all[0].Signature.Key) != 64 {
			t.Errorf("it says %+v", all)
		}
	})
}

// The log of a session whose key was revoked since is signed by nobody who counts.
func TestSignedLogOfARevokedKey(t *testing.T) {
	t.Parallel()
	u := withKey(t)
	s := u.ran()
	u.verdict(s, 0, "signed with default")
	u.succeeds(u.nono("trust", "revoke", "default", "--yes"))
	u.verdict(s, 1, "its signature is NOT good: verifying a bundle: it was signed with a key that was revoked")
	after := u.ran()
	if _, err := os.Lstat(after.signature()); err == nil {
		t.Error("a revoked key signs")
	}
	u.verdict(after, 0, "; unsigned")
}

// A session that a later start finishes is not signed: whoever signs has not seen it.
func TestSignedLogOfAKilledSession(t *testing.T) {
	t.Parallel()
	u := withKey(t)
	u.write("~/.config/nono/config.hcl", "")
	g := u.guarded("run", "--allow-cwd", "--", "sh", "-c", "echo up; read line")
	in := g.openInput()
	defer in.Close()
	g.start()
	g.wait(&g.out, "up")
	u.kill(g)
	u.ran()
	killed := u.finished(2, "core lost")
	u.verdict(killed, 0, "; unsigned: its nono was killed, and a later start closed the log")
}

// Where nobody has a key that may sign unasked no process is started for it: the run is the same
// without the layer's program. Where it should sign and is not there, that is said, and is all.
func TestSignedLogWithoutTheLayersProgram(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	dir, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	entries, err := os.ReadDir(programs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "nono-layer-trust" {
			continue
		}
		if err := os.Link(filepath.Join(programs, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	with, without := u.Programs, dir
	u.Programs = without
	u.verdict(u.ran(), 0, "; unsigned")
	u.Programs = with
	u.succeeds(u.nono("trust", "keygen", "--identity", u.identity()))
	u.Programs = without
	r := u.nono("run", "--allow-cwd", "--disable", "trust", "--", "sh", "-c", "exit 7")
	if r.Code != 7 || strings.Contains(r.Stderr, "not signed") {
		t.Errorf("with the layer switched off: %s", r)
	}
}

// With a key in a real keyring the log is signed while that is unlocked. A keyring that is locked,
// gone or hangs costs no exit code, asks nobody, and says what it was.
func TestSignedLogByTheKeyring(t *testing.T) {
	t.Parallel()
	bus := keyrings.Bus(t, "")
	daemon := keyrings.Gnome(t, bus, "password")
	u := newUser(t)
	u.Env = append(u.Env, "DBUS_SESSION_BUS_ADDRESS="+bus)
	r := u.succeeds(u.nono("trust", "keygen"))
	if !strings.Contains(r.Stderr, "in your keyring") {
		t.Errorf("it says %s", r)
	}
	u.verdict(u.ran(), 0, "signed with default")
	failing := func() result { return u.nono("run", "--allow-cwd", "--", "sh", "-c", "exit 7") }
	unsigned := func(state, why string, said bool) {
		t.Helper()
		began := time.Now()
		r := failing()
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: it took %s", state, took)
		}
		if r.Code != 7 || strings.Contains(r.Stderr, "the session's log is not signed: ") != said {
			t.Errorf("%s: %s", state, r)
		}
		last := u.succeeds(u.nono("audit", "verify")) // the last session of this directory
		if !strings.Contains(last.Stdout, "; unsigned: ") || !strings.Contains(last.Stdout, why) {
			t.Errorf("%s: %s", state, last)
		}
	}
	keyrings.Lock(t, bus)
	unsigned("locked", "the keyring is locked", false)
	keyrings.Hang(t, daemon)
	unsigned("hanging", "it took too long", true)
	u.Env = append(u.Env, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent")
	unsigned("gone", "no session bus answers", false)
}

// The key of a passphrase signs no log: nobody is asked at the end of a run.
func TestSignedLogAsksNobody(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	y := newTTY(t)
	y.bash(u)
	y.enter("nono trust keygen --age\n")
	y.expect("A passphrase for ")
	y.enter("\x03") // given up
	y.expect(prompt)
	if left, err := filepath.Glob(u.path("~/.config/nono/trust/*")); err != nil || len(left) > 0 {
		t.Errorf("there is %q, %v", left, err)
	}
	y.enter("nono trust keygen --age\n")
	y.expect("A passphrase for ")
	y.enter("correct horse\n")
	y.expect("And once more:")
	y.enter("correct horse\n")
	y.expect("encrypted with a passphrase")
	y.expect(prompt)
	y.run("nono run --allow-cwd -- true", "tier A")
	y.enter("nono audit verify\n")
	y.expect("; unsigned")
	y.expect(prompt)
	if strings.Contains(string(y.shown), "correct horse") {
		t.Error("the passphrase appears")
	}
}
