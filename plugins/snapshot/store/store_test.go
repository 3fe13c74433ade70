//go:build linux

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// openStore opens the store in a directory, and closes it when the test ends.
func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// held is an open store that this process holds.
func held(t testing.TB, dir string) *Store {
	t.Helper()
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return s
}

func begin(t testing.TB, s *Store) *Pack {
	t.Helper()
	p, err := s.NewPack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Discard() })
	return p
}

// random are bytes that nothing compresses, the same for the same seed.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

// text are bytes that can be compressed.
func text(seed, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d of text %d\n", i, seed)
	}
	return b.Bytes()[:n]
}

func onFile(t testing.TB, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(s *Store, d Digest) ([]byte, error) {
	r, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func mustSeal(t testing.TB, p *Pack, sync bool) {
	t.Helper()
	if err := p.Seal(sync); err != nil {
		t.Fatal(err)
	}
}

// samples are contents of every size and kind that is stored in a way of its own.
func samples() map[string][]byte {
	return map[string][]byte{
		"empty":                    {},
		"a byte":                   {7},
		"too small to compress":    text(1, leastCompressed-1),
		"text":                     text(2, 5000),
		"random, small":            random(3, 5000),
		"as big as small ones are": text(4, smallSpace),
		"bigger":                   text(5, smallSpace+1),
		"random":                   random(6, 1<<20),
		"random, cloned if it can": random(7, cloneLeast+smallSpace+4097),
		"a piece":                  text(8, PieceSize),
		"more than a piece":        random(9, PieceSize+1),
		"three pieces and a bit":   append(text(10, 2*PieceSize), random(11, PieceSize+17)...),
	}
}

func TestWhatIsPutIsOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	p := begin(t, s)
	names := map[string]Digest{}
	for name, want := range samples() {
		d, err := p.PutFile(onFile(t, want), int64(len(want)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(want) <= PieceSize && d != sha256.Sum256(want) {
			t.Errorf("%s: its name is not its SHA-256", name)
		}
		if again, err := p.Put(want); again != d || err != nil {
			t.Errorf("%s: from memory %s, %v, from a file %s", name, again, err, d)
		}
		if s.Has(d) {
			t.Errorf("%s is found before the pack is sealed", name)
		}
		names[name] = d
	}
	mustSeal(t, p, false)
	for _, s := range []*Store{s, openStore(t, dir)} {
		for name, want := range samples() {
			if !s.Has(names[name]) {
				t.Errorf("%s is not there", name)
			}
			if got, err := content(s, names[name]); !bytes.Equal(got, want) || err != nil {
				t.Errorf("%s: got %d bytes of %d, %v", name, len(got), len(want), err)
			}
		}
		if absent := (Digest{1}); s.Has(absent) {
			t.Error("there is what was never put")
		} else if _, err := s.Open(absent); !errors.Is(err, ErrMissing) {
			t.Errorf("opening what was never put: %v", err)
		}
	}
}

// What the store has is not stored again: not by the same pack, not by a later one.
func TestTheSameIsStoredOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	p := begin(t, s)
	big := random(1, 3*PieceSize)
	var putting sync.WaitGroup
	for range 8 {
		putting.Go(func() {
			for i := range 100 {
				if _, err := p.Put(text(i, 1000)); err != nil {
					t.Error(err)
				}
			}
			if _, err := p.Put(big); err != nil {
				t.Error(err)
			}
		})
	}
	putting.Wait()
	mustSeal(t, p, true)
	if s.Objects() != 100+3+1 {
		t.Errorf("there are %d objects", s.Objects())
	}
	for _, s := range []*Store{s, held(t, dir)} {
		p := begin(t, s)
		for i := range 100 {
			if _, err := p.Put(text(i, 1000)); err != nil {
				t.Error(err)
			}
		}
		if _, err := p.Put(big); err != nil {
			t.Error(err)
		}
		mustSeal(t, p, true)
	}
	if all, err := filepath.Glob(dir + "/packs/*"); len(all) != 1 {
		t.Errorf("there are %v, %v", all, err)
	}
}

func TestManifests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	for name, want := range map[string][]byte{
		"empty": {}, "small": []byte("what"), "a block": text(1, manifestBlock),
		"many": append(text(2, 5*manifestBlock), random(1, manifestBlock)...),
	} {
		for _, sync := range []bool{false, true} {
			want := append([]byte(fmt.Sprint(name, sync)), want...)
			m, err := s.NewManifest()
			if err != nil {
				t.Fatal(err)
			}
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 100_001)
				if _, err := m.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			id, err := m.Seal(t.Context(), sync)
			if err != nil || id.Digest != sha256.Sum256(want) {
				t.Fatalf("%s: %s, %v", name, id, err)
			}
			if parsed, err := ParseManifestID(id.String()); parsed != id || err != nil {
				t.Errorf("its name is read as %s, %v", parsed, err)
			}
			r, err := openStore(t, dir).OpenManifest(id)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if r.Close(); !bytes.Equal(got, want) || err != nil {
				t.Errorf("%s: got %d bytes of %d, %v", name, len(got), len(want), err)
			}
		}
	}
	all, err := s.Manifests()
	if len(all) != 8 || err != nil {
		t.Errorf("there are %v, %v", all, err)
	}
	if _, err := s.OpenManifest(ManifestID{}); !errors.Is(err, ErrMissing) {
		t.Errorf("opening what is not there: %v", err)
	}
}

// A manifest never has its name before the packs that it refers to have theirs.
func TestAManifestWaitsForThePacks(t *testing.T) {
	s := held(t, filepath.Join(t.TempDir(), "store"))
	p := begin(t, s)
	if _, err := p.Put([]byte("content")); err != nil {
		t.Fatal(err)
	}
	m, err := s.NewManifest()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Seal(t.Context(), false); err == nil || !strings.Contains(err.Error(), "a pack is") {
		t.Errorf("sealed while a pack is written: %v", err)
	}
	if all, err := s.Manifests(); len(all) != 0 || err != nil {
		t.Errorf("there are %v, %v", all, err)
	}
}

// What the store has already leaves its directories as they are, so that nothing has to be synced.
func TestNothingNewTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	add := func(content, listed string) (touched bool) {
		t.Helper()
		then := time.Unix(1, 0)
		for _, sub := range []string{packs, manifests} {
			if err := os.Chtimes(filepath.Join(dir, sub), then, then); err != nil {
				t.Fatal(err)
			}
		}
		p := begin(t, s)
		m, err := s.NewManifest()
		if err == nil {
			_, err = p.Put([]byte(content))
		}
		if err == nil {
			_, err = m.Write([]byte(listed))
		}
		if err == nil {
			err = p.Seal(false)
		}
		if err == nil {
			_, err = m.Seal(t.Context(), true)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range []string{packs, manifests} {
			info, err := os.Lstat(filepath.Join(dir, sub))
			if err != nil {
				t.Fatal(err)
			}
			touched = touched || !info.ModTime().Equal(then)
		}
		return touched
	}
	if !add("content", "manifest") {
		t.Error("what was new touched nothing, so this shows nothing")
	}
	if add("content", "manifest") {
		t.Error("what was there already touched a directory")
	}
	if !add("content", "another manifest") || !add("another content", "manifest") {
		t.Error("what was new in part touched nothing")
	}
}

func TestAddingNeedsTheStoreHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	if _, err := s.NewPack(); !errors.Is(err, ErrNotShared) {
		t.Errorf("a pack: %v", err)
	}
	if _, err := s.NewManifest(); !errors.Is(err, ErrNotShared) {
		t.Errorf("a manifest: %v", err)
	}
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	release()
	release()
	if _, err := s.NewPack(); !errors.Is(err, ErrNotShared) {
		t.Errorf("after it was let go: %v", err)
	}
}

func TestRubbishIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	p := begin(t, s)
	if _, err := p.Put([]byte("content")); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, packs, newID()+being)
	other := filepath.Join(dir, packs, "somebody.else")
	mark := filepath.Join(dir, packs, newID()+suspect) // of a pack that is gone
	for _, name := range []string{left, other, mark} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openStore(t, dir)
	for _, name := range []string{left, mark} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what a killed process left: %v", err)
		}
	}
	for _, name := range []string{other, filepath.Join(dir, packs, p.id+being)} {
		if _, err := os.Lstat(name); err != nil {
			t.Errorf("what is not rubbish: %v", err)
		}
	}
}

func TestTheStoreIsTheUsersOwn(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"others may enter": func(dir string) error { return os.Chmod(dir, 0o755) },
		"a link": func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/packs"), os.Symlink(t.TempDir(), dir+"/packs"))
		},
		"a file": func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/packs"), os.WriteFile(dir+"/packs", nil, 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "store")
		openStore(t, dir)
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	unlock, err := s.lock(t.Context(), 2) // LOCK_EX
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := openStore(t, dir).Shared(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while somebody prunes: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, unlock)
	release, err := openStore(t, dir).Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestAFileThatShrinks(t *testing.T) {
	for size, was := range map[int]int64{
		10: 11, smallSpace + 10: smallSpace + 11, 2*PieceSize + 10: 2*PieceSize + 11,
		PieceSize: 3 * PieceSize, // what is beyond its end is no hole
	} {
		p := begin(t, held(t, filepath.Join(t.TempDir(), "store")))
		_, err := p.PutFile(onFile(t, random(1, size)), was)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", size, err)
		}
		// It is the file that failed, not the pack.
		if _, err := p.Put([]byte("another")); err != nil {
			t.Error(err)
		}
		mustSeal(t, p, false)
	}
}

func TestDigestText(t *testing.T) {
	d := Digest(sha256.Sum256(nil))
	if got, err := ParseDigest(d.String()); got != d || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{
		"", "e3b0", strings.ToUpper(d.String()), d.String() + "0", "x" + d.String()[1:],
	} {
		if got, err := ParseDigest(bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
