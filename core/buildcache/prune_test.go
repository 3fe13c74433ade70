package buildcache

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// stores makes the stores of projects, each with a file of a mebibyte and used so many days ago.
func stores(t *testing.T, days map[string]int, now time.Time) (own string, of map[string]Store) {
	t.Helper()
	own, of = t.TempDir(), map[string]Store{}
	for name, ago := range days {
		project := "/home/ada/" + name
		s := Find(Request{
			Policy: &policy.Policy{Filesystem: []policy.PathRule{rule(policy.Allow, project, policy.OriginFlag)}},
			Dir:    project, Home: "/home/ada", Own: own,
			Lookup: func(string) (string, bool) { return "", false },
			Has:    func(program string) bool { return program == "go" },
		})
		f, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		inner := filepath.Join(s.Caches[0].Dir, "00")
		if err := os.Mkdir(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(inner, "object"), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		then := now.Add(-time.Duration(ago) * 24 * time.Hour)
		if err := os.Chtimes(s.Dir, then, then); err != nil {
			t.Fatal(err)
		}
		of[name] = s
	}
	return own, of
}

func left(of map[string]Store) []string {
	var names []string
	for name, s := range of {
		if _, err := os.Stat(s.Dir); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestPrune(t *testing.T) {
	now := time.Now()
	days := map[string]int{"a": 1, "b": 2, "c": 3, "d": 100}
	for _, test := range []struct {
		name  string
		limit int64
		setUp func(t *testing.T, own string, of map[string]Store)
		left  []string
	}{
		{"there is room for all, and one was not used for long", 1 << 30, nil, []string{"a", "b", "c"}},
		{"the oldest go first", 5 << 19, nil, []string{"a", "b"}},
		{"none that is in use", 5 << 19, func(t *testing.T, _ string, of map[string]Store) {
			f, err := os.Open(of["c"].Dir)
			if err == nil {
				err = lock(f, unix.LOCK_SH) // as Open does, but without the new time
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		}, []string{"a", "c"}},
		{"once a day", 0, func(t *testing.T, own string, _ map[string]Store) {
			if err := os.WriteFile(filepath.Join(own, directory, stamp), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"a", "b", "c", "d"}},
		{"what an agent made hard to remove, and no link of its", 5 << 19, func(t *testing.T, own string, of map[string]Store) {
			at := of["c"].Caches[0].Dir
			outside := filepath.Join(own, "outside")
			if err := os.MkdirAll(filepath.Join(at, "deep", "er"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(own, filepath.Join(at, "deep", "link")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(at, "deep"), 0); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if content, err := os.ReadFile(outside); err != nil || string(content) != "x" {
					t.Errorf("it went outside by a link: %q, %v", content, err)
				}
			})
		}, []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			own, of := stores(t, days, now)
			if test.setUp != nil {
				test.setUp(t, own, of)
			}
			if err := (pruner{test.limit, now}).prune(context.Background(), own); err != nil {
				t.Fatal(err)
			}
			if got := left(of); !slices.Equal(got, test.left) {
				t.Errorf("%v are left, want %v", got, test.left)
			}
			if doomed, _ := filepath.Glob(filepath.Join(own, directory, gone+"*")); len(doomed) > 0 {
				t.Errorf("half removed: %v", doomed)
			}
		})
	}
}

// A run that ends meanwhile is not kept waiting, and the next one finishes.
func TestPruneStops(t *testing.T) {
	now := time.Now()
	own, of := stores(t, map[string]int{"a": 1, "b": 2}, now)
	ended, end := context.WithCancel(context.Background())
	end()
	if err := (pruner{0, now}).prune(ended, own); err != nil {
		t.Fatal(err)
	}
	if got := left(of); len(got) != 2 {
		t.Errorf("%v are left", got)
	}
	// One that was ended while it removed.
	name := filepath.Base(of["b"].Dir)
	if err := os.Rename(of["b"].Dir, filepath.Join(own, directory, gone+name)); err != nil {
		t.Fatal(err)
	}
	if err := (pruner{1 << 30, now}).prune(context.Background(), own); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(own, directory))
	if err != nil || len(entries) != 2 { // a's, and the time of this
		t.Errorf("%v, %v", entries, err)
	}
}

func TestNothingToPrune(t *testing.T) {
	if err := Prune(context.Background(), t.TempDir()); err != nil {
		t.Error(err)
	}
}
