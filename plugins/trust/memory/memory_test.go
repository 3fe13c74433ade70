package memory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/trust/memory"
)

var (
	noon = time.Unix(1790000000, 0)
	key  = memory.Signer{Key: "3f2a"}
)

func entry(path string) memory.Entry {
	return memory.Entry{Path: path, Signer: key, Since: noon, Bundle: path + ".sigstore.json"}
}

func load(t *testing.T, dir string) *memory.Memory {
	t.Helper()
	m, err := memory.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func remember(t *testing.T, dir string, entries ...memory.Entry) {
	t.Helper()
	err := memory.Update(t.Context(), dir, func(m *memory.Memory) error {
		for _, e := range entries {
			if err := m.Remember(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsRememberedAtFirst(t *testing.T) {
	dir := t.TempDir()
	if m := load(t, dir); m.Len() != 0 {
		t.Errorf("%+v", m.All())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("reading it made %v, %v", left, err)
	}
}

func TestWhatIsRememberedIsThere(t *testing.T) {
	dir := t.TempDir()
	identity := memory.Entry{
		Path: "/p/AGENTS.md", Signer: memory.Signer{Identity: "ada@example.com", Issuer: "https://issuer.example"},
		Since: noon, Bundle: "/p/.nono-trust.sigstore.json", Link: "CLAUDE.md",
	}
	remember(t, dir, entry("/p/CLAUDE.md"), identity)
	remember(t, dir, entry("/a \"quoted\"\n\xff name"))
	m := load(t, dir)
	if e, ok := m.Get("/p/AGENTS.md"); !ok || e != identity {
		t.Errorf("%+v, %v", e, ok)
	}
	if _, ok := m.Get("/p"); ok {
		t.Error("a directory is remembered")
	}
	if m.Len() != 3 {
		t.Errorf("%+v", m.All())
	}
	later := entry("/p/CLAUDE.md")
	later.Signer.Key = "4444"
	remember(t, dir, later)
	if e, _ := load(t, dir).Get("/p/CLAUDE.md"); e != later {
		t.Errorf("it was not replaced: %+v", e)
	}
	info, err := os.Stat(filepath.Join(dir, "memory"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, entry("/p/a"), entry("/p/b"))
	if err := memory.Update(t.Context(), dir, func(m *memory.Memory) error {
		if !m.Forget("/p/a") || m.Forget("/p/c") {
			t.Error("it does not know what it forgets")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if all := load(t, dir).All(); len(all) != 1 || all[0].Path != "/p/b" {
		t.Errorf("%+v", all)
	}
}

func TestBeneath(t *testing.T) {
	m := &memory.Memory{}
	for _, path := range []string{"/a", "/a-b", "/p/x", "/p/y/z", "/p.md", "/p0", "/q/x"} {
		if err := m.Remember(entry(path)); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		"/": "/a /a-b /p.md /p/x /p/y/z /p0 /q/x", "/p": "/p/x /p/y/z", "/p/y": "/p/y/z", "/a": "/a", "/q/x": "/q/x", "/r": "", "/p/x/y": "",
	} {
		var got []string
		for _, e := range m.Beneath(dir) {
			got = append(got, e.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("beneath %s: %s", dir, got)
		}
	}
}

func TestWhatIsNotRemembered(t *testing.T) {
	for name, spoil := range map[string]func(*memory.Entry){
		"no path":             func(e *memory.Entry) { e.Path = "" },
		"a relative path":     func(e *memory.Entry) { e.Path = "p" },
		"a path through dots": func(e *memory.Entry) { e.Path = "/p/../q" },
		"a NUL":               func(e *memory.Entry) { e.Path = "/p\x00" },
		"no bundle":           func(e *memory.Entry) { e.Bundle = "" },
		"nobody":              func(e *memory.Entry) { e.Signer = memory.Signer{} },
		"two signers":         func(e *memory.Entry) { e.Signer.Identity = "ada" },
		"nobody says so":      func(e *memory.Entry) { e.Signer = memory.Signer{Identity: "ada"} },
		"a link elsewhere":    func(e *memory.Entry) { e.Link = "../x" },
		"a link up":           func(e *memory.Entry) { e.Link = ".." },
		"a very long text":    func(e *memory.Entry) { e.Signer.Key = strings.Repeat("x", 1<<20) },
		"before all time":     func(e *memory.Entry) { e.Since = time.Time{} },
	} {
		e := entry("/p")
		spoil(&e)
		if err := (&memory.Memory{}).Remember(e); err == nil {
			t.Errorf("%s: it is remembered", name)
		}
	}
}

// TestNoEditIsTakenForAnEmptyMemory: whatever becomes of the file, it is as it was or an error.
func TestNoEditIsTakenForAnEmptyMemory(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, entry("/p/CLAUDE.md"), entry("/p/x"))
	name := filepath.Join(dir, "memory")
	written, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := load(t, dir).All()
	check := func(content []byte) error {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := memory.Load(dir)
		if err != nil {
			var damaged *memory.DamagedError
			if !errors.As(err, &damaged) || damaged.Path != name || damaged.Try() == "" {
				t.Errorf("%v", err)
			}
			return nil
		}
		if diff := cmp.Diff(want, m.All()); diff != "" {
			return errors.New(diff)
		}
		return nil
	}
	if err := check(written); err != nil {
		t.Fatal(err)
	}
	for i := range written { // each prefix, and each byte another
		if err := check(written[:i]); err != nil {
			t.Errorf("%d bytes of it: %v", i, err)
		}
		other := append([]byte(nil), written...)
		other[i] ^= 1
		if err := check(other); err != nil {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		if err := check(rapid.SliceOf(rapid.Byte()).Draw(r, "content")); err != nil {
			r.Error(err)
		}
	})
}

func TestAMemoryOfANewerNono(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "memory"), []byte("nono-trust-memory 2 something\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *memory.DamagedError
	if _, err := memory.Load(dir); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "newer") ||
		strings.Contains(damaged.Try(), "forget") {
		t.Errorf("%v", err)
	}
}

// TestADamagedMemoryIsNotReplaced but by the one call that forgets all of it.
func TestADamagedMemoryIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "memory")
	if err := os.WriteFile(name, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := memory.Update(t.Context(), dir, func(m *memory.Memory) error { return m.Remember(entry("/p")) })
	if got, _ := os.ReadFile(name); err == nil || string(got) != "damaged" {
		t.Fatalf("%q, %v", got, err)
	}
	for range 2 { // the second time there is nothing
		if err := memory.Reset(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	remember(t, dir, entry("/p"))
}

func TestAPipeInItsPlaceIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "memory"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *memory.DamagedError
	if _, err := memory.Load(dir); !errors.As(err, &damaged) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorChangesNothing(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, entry("/p"))
	want := errors.New("no")
	if err := memory.Update(t.Context(), dir, func(m *memory.Memory) error {
		m.Forget("/p")
		return want
	}); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	if load(t, dir).Len() != 1 {
		t.Error("it is forgotten")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 { // with the lock
		t.Errorf("%v, %v", left, err)
	}
}

// TestManyAtOnce: none of those who write at the same time takes back what another one wrote.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				if err := memory.Update(t.Context(), dir, func(m *memory.Memory) error {
					return m.Remember(entry(fmt.Sprintf("/p/%d/%d", i, j)))
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if m := load(t, dir); m.Len() != 80 {
		t.Errorf("%d are remembered", m.Len())
	}
}

func TestWhoWaitsForTheLockCanBeStopped(t *testing.T) {
	dir := t.TempDir()
	held := make(chan struct{})
	release := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- memory.Update(context.Background(), dir, func(*memory.Memory) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := memory.Update(ctx, dir, func(*memory.Memory) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEveryMemorySurvives(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }))
	name := rapid.Map(text, func(s string) string {
		return "/" + strings.NewReplacer("/", "_", "\x00", "_").Replace(s) + "."
	}).Filter(func(s string) bool { return s != "/." && s != "/.." })
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		if err := memory.Reset(t.Context(), dir); err != nil {
			r.Fatal(err)
		}
		want := &memory.Memory{}
		err := memory.Update(t.Context(), dir, func(m *memory.Memory) error {
			for range rapid.IntRange(0, 5).Draw(r, "n") {
				e := memory.Entry{
					Path: name.Draw(r, "path"), Bundle: name.Draw(r, "bundle"), Signer: memory.Signer{Key: "k" + text.Draw(r, "key")},
					Since: time.Unix(rapid.Int64Range(0, 1<<40).Draw(r, "since"), 0), Link: rapid.SampledFrom([]string{"", "x"}).Draw(r, "link"),
				}
				if err := errors.Join(m.Remember(e), want.Remember(e)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want.All(), load(t, dir).All()); diff != "" {
			r.Error(diff)
		}
	})
}

func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	f.Add([]byte("nono-trust-memory 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, "memory"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := memory.Load(dir)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			err := memory.Update(b.Context(), dir, func(m *memory.Memory) error {
				for i := range n {
					e := entry(fmt.Sprintf("/home/ada/proj/prompts/%05d.md", i))
					e.Signer.Key = strings.Repeat("3f", 32)
					if err := m.Remember(e); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := memory.Load(dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
