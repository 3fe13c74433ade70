package copies

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sync makes both the same again, as one session does.
func (w world) sync(session, was string) (Outcome, string) {
	w.t.Helper()
	pair := Pair{Path: filepath.Join(w.host, w.name)}
	var err error
	if pair.Host, err = os.Open(w.host); err != nil {
		w.t.Fatal(err)
	}
	defer pair.Host.Close()
	if pair.Inside, err = os.Open(w.inside); err != nil {
		w.t.Fatal(err)
	}
	defer pair.Inside.Close()
	return pair.Sync(Where{Session: session, Runtime: w.runtime}, was)
}

func TestSync(t *testing.T) {
	const secret = "a secret of the host's\n"
	none := func(w world, at string) { do(w.t, os.Remove(at)) }
	for _, c := range []struct {
		name            string
		inside, outside func(w world, at string) // what happens after both were the same
		first           bool                     // they never were: nobody had the file
		want            Result
		has, host       string // what both have in the end; empty: no such file
		kept            string
	}{
		{name: "nothing is done", want: Unchanged, has: "old\n", host: "old\n"},
		{
			name: "changed inside", inside: func(w world, _ string) { w.write(w.inside, "new\n") },
			want: Returned, has: "new\n", host: "new\n",
		},
		{
			name: "changed outside", outside: func(w world, _ string) { w.write(w.host, "theirs\n") },
			want: Unchanged, has: "theirs\n", host: "theirs\n",
		},
		{
			name:    "changed on both sides",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { w.write(w.host, "theirs\n") },
			want:    Kept, has: "theirs\n", host: "theirs\n", kept: "new\n",
		},
		{name: "removed inside", inside: none, want: Unchanged, has: "old\n", host: "old\n"},
		{name: "removed outside", outside: none, want: Unchanged},
		{
			name: "removed outside and changed inside", outside: none,
			inside: func(w world, _ string) { w.write(w.inside, "new\n") },
			want:   Kept, kept: "new\n",
		},
		{
			name: "made inside", first: true, inside: func(w world, _ string) { w.write(w.inside, "new\n") },
			want: Returned, has: "new\n", host: "new\n",
		},
		{name: "nobody has it", first: true, want: Unchanged},
		{
			name: "larger than is brought back",
			inside: func(w world, at string) {
				w.write(w.inside, "new\n")
				do(w.t, os.Truncate(at, MostKept+1))
			},
			want: Left, has: "new\n" + strings.Repeat("\x00", MostKept-3), host: "old\n",
		},
		{
			name: "a link inside to what the agent cannot read",
			inside: func(w world, at string) {
				do(w.t, os.WriteFile(w.host+"/secret", []byte(secret), 0o600), os.Remove(at), os.Symlink(w.host+"/secret", at))
			},
			want: Left, has: secret, host: "old\n",
		},
		// An agent that could write there once must not have laid out for itself what is denied.
		{
			name: "a link outside to what is denied",
			outside: func(w world, at string) {
				do(w.t, os.WriteFile(w.host+"/login", []byte(secret), 0o600), os.Remove(at), os.Symlink("login", at))
			},
			want: Unchanged, has: "old\n", host: secret,
		},
		{
			name: "another name outside of what is denied",
			outside: func(w world, at string) {
				do(w.t, os.WriteFile(w.host+"/login", []byte(secret), 0o600), os.Remove(at), os.Link(w.host+"/login", at))
			},
			want: Unchanged, has: "old\n", host: secret,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "settings.toml")
			inside, host := filepath.Join(w.inside, w.name), filepath.Join(w.host, w.name)
			var was string
			if c.first {
				do(t, os.Remove(inside), os.Remove(host))
			} else if _, was = w.sync("one", ""); was == "" {
				t.Fatal("both are there and have no digest")
			}
			if c.inside != nil {
				c.inside(w, inside)
			}
			if c.outside != nil {
				c.outside(w, host)
			}
			o, now := w.sync("two", was)
			if o.Result != c.want {
				t.Errorf("%+v, want %s", o, c.want)
			}
			for at, want := range map[string]string{inside: c.has, host: c.host, host + ".nono-two": c.kept} {
				if got, err := os.ReadFile(at); string(got) != want || (err == nil) != (want != "") {
					t.Errorf("%s: %.40q (%v), want %.40q", at, got, err, want)
				}
			}
			// It is settled: the next one has nothing to do.
			if again, then := w.sync("three", now); then != now || c.want != Left && again.Result != Unchanged {
				t.Errorf("once more: %+v", again)
			}
		})
	}
}

// Where what both had the last time is damaged, nobody knows who has changed the file since: the
// host's stays, and what the copy was is kept beside it.
func TestSyncAfterADamage(t *testing.T) {
	for _, was := range []string{"no digest", strings.Repeat("00", 1000), "00"} {
		w := newWorld(t, "settings.toml")
		w.write(w.inside, "new\n")
		if o, _ := w.sync("one", was); o.Result != Kept {
			t.Errorf("%.20q: %+v", was, o)
		}
		kept, err := os.ReadFile(filepath.Join(w.host, w.name) + ".nono-one")
		if err != nil || string(kept) != "new\n" {
			t.Errorf("%.20q: the copy was kept as %q, %v", was, kept, err)
		}
	}
}

// A copy that somebody inside still writes to is read no further than the bound, whatever it said
// of its size before.
func TestReadNoFurther(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "grows"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	if _, err := (file{most: 10}).digestOf(f); err != nil {
		t.Errorf("control: %v", err)
	}
	if _, err := (file{most: 9}).digestOf(f); !errors.Is(err, errMost) {
		t.Errorf("the digest is made of more: %v", err)
	}
	var read strings.Builder
	if err := (file{most: 9}).copy(&read, f); !errors.Is(err, errMost) || read.Len() > 10 {
		t.Errorf("%d bytes are copied: %v", read.Len(), err)
	}
}
