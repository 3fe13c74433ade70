//go:build linux

package statcache

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
)

// now is when files are read here.
var now = time.Unix(1_800_000_000, 0)

func openCache(t testing.TB, dir string) *Cache {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.young = youngest
	return c
}

// old is a file that was changed long before it is read.
func old(inode uint64) beneath.Stat {
	long := now.Add(-time.Hour).UnixNano()
	return beneath.Stat{Device: 7, Inode: inode, Size: 10, MTime: long, CTime: long}
}

func save(t testing.TB, c *Cache) {
	t.Helper()
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAddedIsKnown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	var adding sync.WaitGroup
	for worker := range uint64(4) {
		adding.Go(func() {
			for i := range uint64(1000) {
				inode := (4*i + worker) * 2654435761 % (1 << 40)
				c.Add(old(inode), store.Digest{byte(i), byte(i >> 8), byte(worker)}, i%3 == 0, now)
			}
		})
	}
	adding.Wait()
	save(t, c)
	c = openCache(t, dir)
	for worker := range uint64(4) {
		for i := range uint64(1000) {
			inode := (4*i + worker) * 2654435761 % (1 << 40)
			got, attributes, ok := c.Lookup(old(inode))
			if want := (store.Digest{byte(i), byte(i >> 8), byte(worker)}); !ok || got != want ||
				attributes != (i%3 == 0) {
				t.Fatalf("inode %d: %s, %t, %t", inode, got, attributes, ok)
			}
		}
	}
	if _, _, ok := c.Lookup(old(1)); ok {
		t.Error("what was never added is known")
	}
}

// Whatever moves makes a file unknown.
func TestEachStampCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	c.Add(old(5), store.Digest{1}, false, now)
	save(t, c)
	c = openCache(t, dir)
	if _, _, ok := c.Lookup(old(5)); !ok {
		t.Fatal("it is not known at all")
	}
	for name, change := range map[string]func(*beneath.Stat){
		"device": func(s *beneath.Stat) { s.Device++ },
		"inode":  func(s *beneath.Stat) { s.Inode++ },
		"size":   func(s *beneath.Stat) { s.Size++ },
		"mtime":  func(s *beneath.Stat) { s.MTime++ },
		"ctime":  func(s *beneath.Stat) { s.CTime++ },
	} {
		s := old(5)
		change(&s)
		if _, _, ok := c.Lookup(s); ok {
			t.Errorf("with another %s it is known", name)
		}
	}
}

// A mapping can change a file without moving its stamps for a while, so what is young is read
// again.
func TestWhatIsYoungIsNotBelieved(t *testing.T) {
	for name, tt := range map[string]struct {
		mtime, ctime time.Duration // before it was read
		known        bool
	}{
		"old":                      {time.Hour, time.Hour, true},
		"a minute":                 {youngest, youngest, true},
		"written just now":         {0, 0, false},
		"less than a minute":       {youngest - 1, youngest - 1, false},
		"its mtime was set":        {time.Hour, time.Second, false},
		"its mtime is young alone": {time.Second, time.Hour, false},
		"from the future":          {-time.Hour, -time.Hour, false},
	} {
		dir := filepath.Join(t.TempDir(), "cache")
		c := openCache(t, dir)
		s := old(1)
		s.MTime, s.CTime = now.Add(-tt.mtime).UnixNano(), now.Add(-tt.ctime).UnixNano()
		c.Add(s, store.Digest{1}, false, now)
		save(t, c)
		if _, _, ok := openCache(t, dir).Lookup(s); ok != tt.known {
			t.Errorf("%s: it is known: %t", name, ok)
		}
	}
	if age := youngAge(); age < youngest {
		t.Errorf("a file is young for %s only", age)
	}
}

// A process that began before another saved does not take away what that one knows.
func TestTwoProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	a, b := openCache(t, dir), openCache(t, dir)
	a.Lookup(old(1))
	b.Lookup(old(1))
	a.Add(old(1), store.Digest{1}, false, now)
	a.Add(old(2), store.Digest{2}, false, now)
	b.Add(old(2), store.Digest{3}, false, now)
	save(t, a)
	save(t, b)
	c := openCache(t, dir)
	for inode, want := range map[uint64]byte{1: 1, 2: 3} {
		if got, _, ok := c.Lookup(old(inode)); !ok || got[0] != want {
			t.Errorf("inode %d: %s, %t", inode, got, ok)
		}
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	c.Add(old(1), store.Digest{1}, false, now)
	save(t, c)
	before, err := os.Stat(filepath.Join(dir, "7"))
	if err != nil {
		t.Fatal(err)
	}
	c = openCache(t, dir)
	c.Add(old(1), store.Digest{1}, false, now)
	save(t, c)
	after, err := os.Stat(filepath.Join(dir, "7"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the same was written again, %v", err)
	}
	c.Add(old(1), store.Digest{2}, false, now)
	save(t, c)
	after, err = os.Stat(filepath.Join(dir, "7"))
	if err != nil || os.SameFile(before, after) {
		t.Errorf("another digest was not written, %v", err)
	}
}

func TestDrop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	for inode := range uint64(100) {
		c.Add(old(inode), store.Digest{byte(inode)}, false, now)
	}
	save(t, c)
	if err := os.WriteFile(filepath.Join(dir, "8"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	dropped, err := openCache(t, dir).Drop(func(d store.Digest) bool { return d[0]%4 == 0 })
	if dropped != 75 || err != nil {
		t.Errorf("dropped %d, %v", dropped, err)
	}
	c = openCache(t, dir)
	for inode := range uint64(100) {
		if _, _, ok := c.Lookup(old(inode)); ok != (inode%4 == 0) {
			t.Errorf("inode %d is known: %t", inode, ok)
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("there are %v, %v", left, err)
	}
}

// Of very many files only some are in memory at a time, and the last word about each counts.
func TestVeryMany(t *testing.T) {
	const files = 3 * runRecords
	dir := filepath.Join(t.TempDir(), "cache")
	want := func(i uint64) store.Digest { return store.Digest{byte(i), byte(i >> 8), byte(i >> 16)} }
	c := openCache(t, dir)
	for round := range 2 {
		for i := range uint64(files) {
			if d := want(i); round == 1 || i%5 == 0 {
				if round == 0 {
					d = store.Digest{1, 2, 3, 4} // it was read once more
				}
				c.Add(old(i*2654435761%(1<<30)), d, false, now)
			}
		}
		if round == 0 {
			save(t, c)
			c = openCache(t, dir)
		}
	}
	if n := c.device(7).added.records.len(); n >= runRecords {
		t.Errorf("%d records are in memory", n)
	}
	save(t, c)
	c = openCache(t, dir)
	for i := range uint64(files) {
		if got, _, ok := c.Lookup(old(i * 2654435761 % (1 << 30))); !ok || got != want(i) {
			t.Fatalf("file %d: %s, %t", i, got, ok)
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("there are %v, %v", left, err)
	}
	k := c.device(7).known
	if n := int64(len(k.places)); n != (files+blockRecords-1)/blockRecords || n <= keptBlocks {
		t.Fatalf("there are %d blocks", n)
	}
	// What became another since it was opened is not believed.
	if err := os.WriteFile(filepath.Join(dir, "7"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	k.blocks[3].Store(nil)
	if got := k.block(3); got != nil {
		t.Errorf("%d records of zeros", got.len())
	}
}

// What cannot be kept for now is an error in the end.
func TestNoRoomForARun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2 * runRecords) {
		c.Add(old(i), store.Digest{1}, false, now)
	}
	if n := c.device(7).added.records.len(); n > runRecords {
		t.Errorf("%d records are in memory", n)
	}
	if err := c.Save(); err == nil {
		t.Error("it was saved")
	}
}

// inMemory is a file.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// parse are all records of a file.
func parse(b []byte, device uint64) (records, error) {
	k, err := openKnown(inMemory{bytes.NewReader(b)}, device)
	if err != nil {
		return nil, err
	}
	var all records
	for r, err := range merged([]*stream{k.all()}) {
		if err != nil {
			return nil, err
		}
		all = append(all, r...)
	}
	return all, nil
}

// whole is a file of these records.
func whole(device uint64, all records) []byte {
	return append(header(device, int64(all.len()), checksum(all)), all...)
}

// A damaged file knows nothing: whichever bit is flipped, and wherever it ends.
func TestDamage(t *testing.T) {
	var all records
	for inode := range uint64(3) {
		s := old(inode)
		all = appendRecord(all, &s, false, store.Digest{byte(inode)})
	}
	whole := whole(7, all)
	if got, err := parse(whole, 7); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%d records, %v", got.len(), err)
	}
	for i := range whole {
		for bit := range 8 {
			spoilt := bytes.Clone(whole)
			spoilt[i] ^= 1 << bit
			if got, err := parse(spoilt, 7); err == nil {
				t.Fatalf("bit %d of byte %d: %d records", bit, i, got.len())
			}
		}
		if got, err := parse(whole[:i], 7); err == nil {
			t.Fatalf("the first %d bytes: %d records", i, got.len())
		}
	}
	if _, err := parse(whole, 8); err == nil {
		t.Error("it is taken for that of another device")
	}
}

// The binary search finds what a map does.
func TestFindIsALookup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.MapOf(rapid.Uint64Range(0, 50), rapid.Byte()).Draw(t, "older")
		b := rapid.MapOf(rapid.Uint64Range(0, 50), rapid.Byte()).Draw(t, "newer")
		want := map[uint64]byte{}
		var each [2]records
		for i, m := range []map[uint64]byte{a, b} {
			for inode, content := range m {
				s := old(inode)
				each[i] = appendRecord(each[i], &s, false, store.Digest{content})
				want[inode] = content
			}
		}
		var all records
		for r, err := range merged([]*stream{
			newStream(bytes.NewReader(inOrder(each[0]))), newStream(bytes.NewReader(inOrder(each[1]))),
		}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r...)
		}
		if all.len() != len(want) {
			t.Fatalf("%d records instead of %d", all.len(), len(want))
		}
		for inode := range uint64(52) {
			s := old(inode)
			got, _, ok := all.find(&s)
			if content, known := want[inode]; known != ok || got[0] != content {
				t.Fatalf("inode %d: %s, %t", inode, got, ok)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	s := old(1)
	all := appendRecord(nil, &s, true, store.Digest{1})
	f.Add(whole(7, all))
	f.Add(whole(7, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse(b, 7)
		if err != nil {
			return
		}
		if again := whole(7, got); !bytes.HasPrefix(b, again) {
			t.Errorf("read as %s", hex.EncodeToString(again))
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	var all records
	for inode := range uint64(1_000_000) {
		s := old(inode)
		all = appendRecord(all, &s, false, store.Digest{1})
	}
	k, err := openKnown(inMemory{bytes.NewReader(whole(7, all))}, 7)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		s := old(uint64(i) % 1_000_000)
		if _, _, ok := k.find(&s); !ok {
			b.Fatal("it is not there")
		}
	}
}
