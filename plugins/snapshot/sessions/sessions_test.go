//go:build linux

package sessions_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/store"
)

func open(t *testing.T) (*sessions.Sessions, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	s, err := sessions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestPutAndGet(t *testing.T) {
	s, _ := open(t)
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	want := &sessions.Session{
		Version: 1, ID: "k3v9", Began: began, Late: true, Kept: true, Roots: []sessions.Root{{
			Path: "/a\xff", Before: store.ManifestID{Digest: store.Digest{1}},
			Identity: beneath.Identity{Device: 1, Inode: 2, FileSystem: 3, Born: 4},
			After:    store.ManifestID{Digest: store.Digest{2}}, Unreadable: [2]int64{3, 4},
		}},
	}
	if err := s.Put(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get("k3v9")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if n := len(got.Manifests()); n != 2 || got.Over() {
		t.Errorf("%d manifests, over: %v", n, got.Over())
	}
	if err := s.Put(&sessions.Session{ID: "later", Began: began.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	list, unread, err := s.List()
	if err != nil || len(unread) != 0 || len(list) != 2 || list[0].ID != "later" {
		t.Errorf("%v, %v, %v", list, unread, err)
	}
	for range 2 {
		if err := s.Drop("k3v9"); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Get("k3v9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// What cannot be read is told, so that nothing of it is pruned; what is no id leads nowhere else.
func TestUnreadable(t *testing.T) {
	s, dir := open(t)
	for id, text := range map[string]string{
		"newer": `{"version":2,"id":"newer"}`, "broken": `{`, "other": `{"version":1,"id":"another"}`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, id, "session.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, unread, err := s.List()
	if err != nil || len(list) != 0 || len(unread) != 3 {
		t.Errorf("%v, %v, %v", list, unread, err)
	}
	for _, id := range []string{"", "..", "a/b", "/etc"} {
		if _, err := s.Get(id); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
		if s.Drop(id) == nil || s.Put(&sessions.Session{ID: id}) == nil {
			t.Errorf("%q is a session", id)
		}
	}
}

func TestRollbacks(t *testing.T) {
	s, dir := open(t)
	if err := s.Put(&sessions.Session{ID: "k3v9"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.NewRollback("k3v9", 2); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Rollbacks("k3v9")
	want := []string{filepath.Join(dir, "k3v9/rollback/1"), filepath.Join(dir, "k3v9/rollback/2")}
	if diff := cmp.Diff(want, all); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	journals, err := s.Journals("k3v9")
	if err != nil || len(journals) != 4 {
		t.Errorf("%v, %v", journals, err)
	}
	of, err := sessions.JournalsOf(all[1])
	if err != nil || len(of) != 2 || of[0] != filepath.Join(all[1], "0") {
		t.Errorf("%v, %v", of, err)
	}
}

func TestWhatIsNoSession(t *testing.T) {
	s, err := sessions.Open(filepath.Join(t.TempDir(), "sessions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"", ".", "..", "../up", "a/b", "a.b", "-a", "_a", "a\x00", "ä", strings.Repeat("a", 65),
	} {
		if err := s.Put(&sessions.Session{ID: id}); err == nil {
			t.Errorf("%q was kept", id)
		}
	}
	for _, id := range []string{"a", "Z9_-", strings.Repeat("a", 64)} {
		if err := s.Put(&sessions.Session{ID: id}); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}
