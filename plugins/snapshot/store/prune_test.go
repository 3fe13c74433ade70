//go:build linux

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// refs are those of a manifest of these tests: it is a row of digests.
func refs(manifest io.Reader, each func(Digest) error) error {
	for {
		var d Digest
		switch _, err := io.ReadFull(manifest, d[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(d); err != nil {
			return err
		}
	}
}

// snapshot puts contents into a pack of their own, and seals a manifest of them.
func snapshot(t testing.TB, s *Store, sync bool, contents ...[]byte) ManifestID {
	t.Helper()
	id, err := trySnapshot(t.Context(), s, sync, contents...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func trySnapshot(ctx context.Context, s *Store, sync bool, contents ...[]byte) (ManifestID, error) {
	p, err := s.NewPack()
	if err != nil {
		return ManifestID{}, err
	}
	defer func() { _ = p.Discard() }()
	m, err := s.NewManifest()
	if err != nil {
		return ManifestID{}, err
	}
	defer func() { _ = m.Discard() }()
	for _, c := range contents {
		d, err := p.Put(c)
		if err != nil {
			return ManifestID{}, err
		}
		if _, err := m.Write(d[:]); err != nil {
			return ManifestID{}, err
		}
	}
	if err := p.Seal(sync); err != nil {
		return ManifestID{}, err
	}
	return m.Seal(ctx, sync)
}

// keep is a Prune that keeps some manifests.
func keep(ids ...ManifestID) Prune {
	return Prune{Live: func() ([]ManifestID, error) { return ids, nil }, Refs: refs}
}

// resolves makes sure that all that a manifest refers to can be read.
func resolves(s *Store, id ManifestID) error {
	r, err := s.OpenManifest(id)
	if err != nil {
		return err
	}
	defer r.Close()
	return refs(r, func(d Digest) error {
		from, err := s.Open(d)
		if err != nil {
			return err
		}
		defer from.Close()
		_, err = io.Copy(io.Discard, from)
		return err
	})
}

func prune(t testing.TB, s *Store, q Prune) Pruned {
	t.Helper()
	done, err := s.Prune(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// many are contents that take about a megabyte.
func many(seed int) [][]byte {
	var all [][]byte
	for i := range 100 {
		all = append(all, random(uint64(seed*1000+i), 10_000))
	}
	return all
}

func TestPruneKeepsWhatLives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := random(99, 2*PieceSize+5)
	a := snapshot(t, s, true, append(many(1), []byte("of a"), big)...)
	b := snapshot(t, s, false, append(many(1), []byte("of b"))...)
	c := snapshot(t, s, false, append(many(2)[:10], text(1, 50_000))...)
	release()
	before := s.Objects()

	done := prune(t, s, keep(a, b, c))
	if done.Manifests != 0 || done.Objects != 0 || done.Missing != 0 || done.Freed > 8192 {
		t.Errorf("all live, and it is %+v", done)
	}
	done = prune(t, s, keep(b, c))
	if done.Manifests != 1 || done.Objects != 1+3+1 || done.Missing != 0 ||
		done.Freed < int64(len(big))*9/10 {
		t.Errorf("without a it is %+v", done)
	}
	for _, s := range []*Store{s, openStore(t, dir)} {
		if s.Objects() != before-5 {
			t.Errorf("there are %d objects", s.Objects())
		}
		for _, id := range []ManifestID{b, c} {
			if err := resolves(s, id); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.OpenManifest(a); !errors.Is(err, ErrMissing) {
			t.Errorf("the manifest that was not kept: %v", err)
		}
	}
	done = prune(t, s, keep())
	if done.Manifests != 2 || s.Objects() != 0 {
		t.Errorf("without any it is %+v, and there are %d objects", done, s.Objects())
	}
	for _, sub := range []string{packs, manifests} {
		if left, err := os.ReadDir(filepath.Join(dir, sub)); len(left) != 0 || err != nil {
			t.Errorf("there are %v, %v", left, err)
		}
	}
}

// A list is not there any more when its pieces are not, though its own pack was kept.
func TestAListNeedsItsPieces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := random(1, 2*PieceSize)
	a := snapshot(t, s, true, big[:PieceSize], big[PieceSize:])
	b := snapshot(t, s, true, append(many(1), big)...) // its pack has the list alone
	c := snapshot(t, s, true, many(1)...)
	release()
	d := digestOf(list, appendList(nil, int64(len(big)), []Digest{
		digestOf(blob, big[:PieceSize]), digestOf(blob, big[PieceSize:]),
	}))
	for _, tt := range []struct {
		keep []ManifestID
		want bool
	}{{[]ManifestID{a, b, c}, true}, {[]ManifestID{b, c}, true}, {[]ManifestID{c}, false}} {
		if done := prune(t, s, keep(tt.keep...)); done.Missing != 0 {
			t.Errorf("%+v", done)
		}
		for _, s := range []*Store{s, openStore(t, dir)} {
			if got := s.Has(d); got != tt.want {
				t.Errorf("with %d manifests it is there: %t", len(tt.keep), got)
			}
		}
	}
	// It can be put again.
	release, err = s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := resolves(s, snapshot(t, s, true, big)); err != nil || !s.Has(d) {
		t.Errorf("put again: %v", err)
	}
}

// What is written anew is compressed better, where that pays.
func TestPruneCompresses(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Hexadecimal digits: S2 finds nothing to repeat, and each takes half of its byte.
	hex := []byte(Digest(random(1, 32)).String())
	for i := range 1000 {
		hex = append(hex, Digest(random(uint64(i), 32)).String()...)
	}
	contents := [][]byte{hex, text(1, 1<<20), random(7, 100_000), []byte("short")}
	a := snapshot(t, s, true, append(many(1), contents...)...)
	b := snapshot(t, s, true, contents...)
	release()
	prune(t, s, keep(a, b))
	prune(t, s, keep(b))
	if err := resolves(s, b); err != nil {
		t.Error(err)
	}
	for i, want := range []codec{codecZstd, codecZstd, codecRaw, codecRaw} {
		if e := s.index.find(digestOf(blob, contents[i])); e == nil || e.codec != want {
			t.Errorf("content %d is %+v", i, e)
		}
	}
}

// Many small packs become one.
func TestPruneMerges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var live []ManifestID
	for i := range manySmall {
		live = append(live, snapshot(t, s, false, text(i, 100)))
	}
	release()
	prune(t, s, keep(live...))
	if left, err := os.ReadDir(filepath.Join(dir, packs)); len(left) != 1 || err != nil {
		t.Errorf("there are %d packs, %v", len(left), err)
	}
	for _, id := range live {
		if err := resolves(s, id); err != nil {
			t.Error(err)
		}
	}
}

// What is written anew is so one pack's worth at a time, and others have the store in between.
func TestPruneLetsOthersIn(t *testing.T) {
	before := packFull
	packFull = 1 << 20
	defer func() { packFull = before }()
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var live []ManifestID
	for i := range 6 {
		snapshot(t, s, false, append(many(10+i), random(uint64(i), 1<<20))...)
		live = append(live, snapshot(t, s, false, many(10+i)...))
	}
	release()
	asked := 0
	type added struct {
		id  ManifestID
		err error
	}
	others := make(chan added, 1)
	done := prune(t, s, Prune{Refs: refs, Live: func() ([]ManifestID, error) {
		if asked++; asked == 1 {
			go func() { // it has the store before Prune is done, and what it seals then is kept
				id, err := addOne(dir)
				others <- added{id, err}
			}()
		}
		all, err := s.Manifests()
		return slices.DeleteFunc(all, func(id ManifestID) bool {
			return asked == 1 && !slices.Contains(live, id)
		}), err
	}})
	if asked < 3 || done.Manifests != 6 || done.Objects != 6 || done.Freed < 5<<20 {
		t.Errorf("asked %d times, %+v", asked, done)
	}
	other := <-others
	if other.err != nil {
		t.Fatal(other.err)
	}
	for _, id := range append(live, other.id) {
		if err := resolves(openStore(t, dir), id); err != nil {
			t.Error(err)
		}
	}
}

// addOne adds a snapshot to the store in a directory, as another process.
func addOne(dir string) (ManifestID, error) {
	s, err := Open(dir)
	if err != nil {
		return ManifestID{}, err
	}
	defer s.Close()
	release, err := s.Shared(context.Background())
	if err != nil {
		return ManifestID{}, err
	}
	defer release()
	return trySnapshot(context.Background(), s, false, []byte("of another"), random(10_000, 10_000))
}

// Where it is not known what a manifest needs, nothing is removed.
func TestPruneRemovesNothingInDoubt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, b := snapshot(t, s, true, many(1)...), snapshot(t, s, true, many(2)...)
	release()
	failed := errors.New("failed")
	for name, q := range map[string]Prune{
		"nobody knows what lives": {
			Live: func() ([]ManifestID, error) { return nil, failed }, Refs: refs,
		},
		"a manifest cannot be read": {
			Live: func() ([]ManifestID, error) { return []ManifestID{a}, nil },
			Refs: func(io.Reader, func(Digest) error) error { return failed },
		},
		"nobody knows what is to be kept beside": {
			Live: func() ([]ManifestID, error) { return []ManifestID{a}, nil }, Refs: refs,
			Also: func(func(Digest) error) error { return failed },
		},
	} {
		if _, err := s.Prune(t.Context(), q); err == nil {
			t.Errorf("%s: it went on", name)
		}
		for _, id := range []ManifestID{a, b} {
			if err := resolves(s, id); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Prune(ctx, keep(a)); !errors.Is(err, context.Canceled) {
		t.Errorf("when nobody wants it any more: %v", err)
	}
	if all, err := s.Manifests(); len(all) != 2 || err != nil {
		t.Errorf("there are %v, %v", all, err)
	}
}

// A manifest that nobody can read any more is told, and keeps nothing from being pruned. What
// another one needs stays, and so does what is to be kept beside the manifests.
func TestPruneGoesOnWithoutAManifest(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string){
		"one that is not there": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"one that is damaged": func(t *testing.T, file string) { flip(t, file, 30) },
		"one that was cut": func(t *testing.T, file string) {
			if err := os.Truncate(file, 20); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := filepath.Join(t.TempDir(), "store")
		s := openStore(t, dir)
		release, err := s.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		big := random(99, PieceSize+5)
		shared := many(1)
		gone := snapshot(t, s, true, append(slices.Clone(shared), random(7, 50_000))...)
		stays := snapshot(t, s, true, append(slices.Clone(shared), []byte("of this"))...)
		dropped := snapshot(t, s, true, many(2)...)
		p, err := s.NewPack()
		if err != nil {
			t.Fatal(err)
		}
		beside, err := p.Put(big)
		if err = errors.Join(err, p.Seal(true)); err != nil {
			t.Fatal(err)
		}
		release()
		damage(t, filepath.Join(dir, manifests, gone.String()))
		q := keep(gone, stays)
		q.Also = func(each func(Digest) error) error { return each(beside) }
		for range 2 {
			s = openStore(t, dir)
			done := prune(t, s, q)
			if len(done.Broken) != 1 || done.Broken[0].Manifest != gone ||
				done.Broken[0].Why == nil || done.Missing != 0 {
				t.Errorf("%s: %+v", name, done)
			}
			if err := resolves(s, stays); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if content, err := s.Open(beside); err != nil {
				t.Errorf("%s: what is kept beside: %v", name, err)
			} else if _, err := io.Copy(io.Discard, content); err != nil {
				t.Errorf("%s: what is kept beside: %v", name, err)
			}
			if s.Has(digestOf(blob, many(2)[0])) {
				t.Errorf("%s: what nobody needs is still there", name)
			}
			if _, err := s.OpenManifest(dropped); !errors.Is(err, ErrMissing) {
				t.Errorf("%s: a manifest that is not kept: %v", name, err)
			}
		}
	}
}

// What several have in common is the first one's.
func TestShares(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	big := random(99, PieceSize+5)
	a := snapshot(t, s, true, random(1, 10_000), random(2, 20_000), big)
	b := snapshot(t, s, true, random(1, 10_000), random(3, 30_000))
	c := snapshot(t, s, true, random(3, 30_000), big[:PieceSize])
	for _, test := range []struct {
		groups [][]ManifestID
		want   []int64
	}{
		{[][]ManifestID{{a, b}, {c}}, []int64{60_000 + PieceSize + 5, 0}},
		{[][]ManifestID{{c}, {a, b}}, []int64{30_000 + PieceSize, 30_000 + 5}},
		{[][]ManifestID{{a}, {b}, {c}}, []int64{30_000 + PieceSize + 5, 30_000, 0}},
		{[][]ManifestID{{{Digest{1}}}, nil, {b}, {b}}, []int64{0, 0, 40_000, 0}},
	} {
		got, err := s.Shares(t.Context(), test.groups, refs)
		if err != nil || len(got) != len(test.want) {
			t.Fatalf("%v, %v", got, err)
		}
		for i, want := range test.want {
			if got[i] < want || got[i] > want+1000 { // with what is written beside each content
				t.Errorf("%d of %v: %d, want about %d", i, test.want, got[i], want)
			}
		}
	}
}

// What is damaged cannot be copied, and what is next to it is not lost with it.
func TestPruneWithDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string, e *entry){
		"an object": func(t *testing.T, file string, e *entry) { flip(t, file, e.offset+recordSize) },
		"an index":  func(t *testing.T, file string, _ *entry) { flip(t, file, size(t, file)-footerSize-1) },
	} {
		dir := filepath.Join(t.TempDir(), "store")
		s := openStore(t, dir)
		release, err := s.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		snapshot(t, s, true, append(many(1), many(2)...)...)
		b := snapshot(t, s, true, many(2)...)
		release()
		e := s.index.find(digestOf(blob, many(2)[7]))
		file := filepath.Join(dir, packs, s.packs[e.pack].id+safe)
		damage(t, file, e)
		s = openStore(t, dir)
		if done := prune(t, s, keep(b)); done.Missing == 0 {
			t.Errorf("%s: %+v", name, done)
		}
		if _, err := os.Lstat(file); err != nil {
			t.Errorf("%s: the pack with what is damaged: %v", name, err)
		}
		prune(t, s, keep())
		if left, err := os.ReadDir(filepath.Join(dir, packs)); len(left) != 0 || err != nil {
			t.Errorf("%s: when nothing lives there are %v, %v", name, left, err)
		}
	}
}

// What was found to be damaged is put once more by the next snapshot that has it, and then
// everything is as it should be.
func TestDamageHeals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := random(5, PieceSize+1)
	id := snapshot(t, s, true, append(many(1), big)...)
	e := s.index.find(digestOf(blob, big[PieceSize:]))
	flip(t, filepath.Join(dir, packs, s.packs[e.pack].id+safe), e.offset+recordSize)
	if found, err := s.Verify(t.Context(), Verify{Refs: refs}); found.Damaged != 1 || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
	for _, s := range []*Store{s, alsoHeld(t, dir)} {
		for _, d := range []Digest{digestOf(blob, many(1)[0]), digestOf(blob, big[PieceSize:])} {
			if s.Has(d) {
				t.Error("what is in the damaged pack is said to be there")
			}
		}
	}
	if again := snapshot(t, s, true, append(many(1), big)...); again != id {
		t.Errorf("it is %s, and was %s", again, id)
	}
	for _, s := range []*Store{s, alsoHeld(t, dir)} {
		if !s.Has(digestOf(blob, big[PieceSize:])) {
			t.Error("what was put once more is not there")
		}
		if err := resolves(s, id); err != nil {
			t.Error(err)
		}
	}
	release()
	s = openStore(t, dir)
	prune(t, s, keep(id))
	release, err = s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if found, err := s.Verify(t.Context(), Verify{Refs: refs}); !found.OK() || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, packs, "*"+suspect)); len(left) > 0 || err != nil {
		t.Errorf("there are %v, %v", left, err)
	}
}

// Nothing is removed from under one who holds the store, and the cache is asked while nobody does.
func TestPruneIsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	release, err := openStore(t, dir).Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 2)
	q := keep()
	q.Live = func() ([]ManifestID, error) {
		order <- "live"
		return nil, nil
	}
	q.Then = func() error {
		order <- "then"
		if _, err := openStore(t, dir).tryLock(1); err == nil { // LOCK_SH
			t.Error("another can hold the store meanwhile")
		}
		return nil
	}
	done := make(chan error)
	go func() {
		_, err := s.Prune(t.Context(), q)
		done <- err
	}()
	snapshot(t, alsoHeld(t, dir), false, []byte("content"))
	if len(order) != 0 {
		t.Error("it began while the store was held")
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if first, second := <-order, <-order; first != "live" || second != "then" {
		t.Errorf("%s, %s", first, second)
	}
}

// alsoHeld is another store in a directory, for a process that holds it by one already.
func alsoHeld(t testing.TB, dir string) *Store {
	s := openStore(t, dir)
	s.shared.Add(1)
	return s
}

func TestVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := held(t, dir)
	big := random(5, PieceSize+1)
	a := snapshot(t, s, true, append(many(1), big)...)
	b := snapshot(t, s, true, many(2)...)
	verify := func(q Verify) Verified {
		t.Helper()
		q.Refs = refs
		v, err := alsoHeld(t, dir).Verify(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var last, of int64
	v := verify(Verify{Progress: func(done, total int64) { last, of = done, total }})
	if !v.OK() || v.Objects != 203 || v.Manifests != 2 || last != of || of != v.Bytes {
		t.Errorf("%+v, progress %d of %d", v, last, of)
	}
	if v := verify(Verify{Manifests: []ManifestID{b}}); !v.OK() || v.Objects != 100 {
		t.Errorf("of one manifest: %+v", v)
	}

	// A byte of the big file's content.
	e := s.index.find(digestOf(blob, big[:PieceSize]))
	name := filepath.Join(dir, packs, s.packs[e.pack].id+safe)
	flip(t, name, e.offset+recordSize+1000)
	v = verify(Verify{})
	if v.OK() || v.Damaged != 1 || len(v.Broken) != 1 || v.Broken[0].Manifest != a ||
		v.Broken[0].Objects != 1 {
		t.Errorf("a damaged piece: %+v", v)
	}
	if v := verify(Verify{Manifests: []ManifestID{b}}); !v.OK() {
		t.Errorf("the other manifest: %+v", v)
	}
	if err := resolves(openStore(t, dir), a); !errors.Is(err, errDamaged) {
		t.Errorf("reading it: %v", err)
	}

	// A byte of a manifest.
	flip(t, filepath.Join(dir, manifests, b.String()), 100)
	v = verify(Verify{})
	if v.OK() || len(v.Broken) != 2 {
		t.Errorf("a damaged manifest: %+v", v)
	}
	// A pack that is gone.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	v = verify(Verify{Manifests: []ManifestID{a}})
	if v.OK() || v.Broken[0].Objects < 101 || !errors.Is(v.Broken[0].Why, ErrMissing) {
		t.Errorf("a pack that is gone: %+v", v)
	}
}

func size(t testing.TB, name string) int64 {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// flip changes a bit of a file.
func flip(t testing.TB, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
