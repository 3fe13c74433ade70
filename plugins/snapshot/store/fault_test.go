//go:build linux

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whichever step of writing a snapshot fails, it is an error, nothing that was there is lost, and
// what was begun is removed.
func TestEachStepFails(t *testing.T) {
	contents := append(many(1)[:5], text(1, 300_000))
	for _, sync := range []bool{false, true} {
		for failing := 0; ; failing++ {
			m := newMemory()
			first := snapshot(t, on(t, m, 1), true, random(1, 1000), []byte("first"))
			s := on(t, m, 1)
			steps, failed := 0, ""
			m.step = func(what, name string) error {
				if what == "remove" { // what cleans up
					return nil
				}
				if steps++; steps == failing+1 {
					failed = what + " " + name
					return unix.EIO
				}
				return nil
			}
			_, err := trySnapshot(t.Context(), s, sync, contents...)
			m.step = nil
			if failed == "" {
				if failing < 8 {
					t.Errorf("there were %d steps", failing)
				}
				break
			}
			// Whether a manifest is there already decides only whether it is written twice.
			if !errors.Is(err, unix.EIO) && !strings.HasPrefix(failed, "open ") {
				t.Errorf("%s: %v", failed, err)
			}
			s = on(t, m, 1)
			all, err := s.Manifests()
			if err != nil {
				t.Errorf("%s: %v", failed, err)
			}
			for _, id := range append(all, first) {
				if err := resolves(s, id); err != nil {
					t.Errorf("%s: %v", failed, err)
				}
			}
			for name := range m.names {
				if strings.HasSuffix(name, being) {
					t.Errorf("%s: there is %s", failed, name)
				}
			}
		}
	}
}

// Whichever step of opening and reading a store fails, it is an error, and nothing is removed for
// it.
func TestEachStepOfReadingFails(t *testing.T) {
	m := newMemory()
	a := snapshot(t, on(t, m, 1), true, many(1)[:5]...)
	b := snapshot(t, on(t, m, 1), false, many(2)[:5]...) // is not safe when the machine stops
	there := len(m.names)
	for failing := 0; ; failing++ {
		steps, failed := 0, ""
		m.step = func(what, name string) error {
			if steps++; steps == failing+1 {
				failed = what + " " + name
				return unix.EIO
			}
			return nil
		}
		err := func() error {
			s, err := openOn(t, m, 2)
			if err != nil {
				return err
			}
			return errors.Join(errors.Join(s.Damaged()...), resolves(s, a), resolves(s, b))
		}()
		m.step = nil
		if len(m.names) != there {
			t.Fatalf("%s: there are %d files, and were %d", failed, len(m.names), there)
		}
		if failed == "" {
			if err != nil || failing < 20 {
				t.Errorf("there were %d steps, %v", failing, err)
			}
			break
		}
		if err == nil || !errors.Is(err, unix.EIO) && !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %v", failed, err)
		}
	}
}

// A file that cannot be read is an error of that file; the pack takes others.
func TestASourceThatCannotBeRead(t *testing.T) {
	f, err := os.Open("/proc/self/mem") // nothing is mapped at 0
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := held(t, t.TempDir()+"/store")
	p := begin(t, s)
	for _, size := range []int64{1, smallSpace + 1, 3 * PieceSize} {
		if _, err := p.PutFile(f, size); !errors.Is(err, unix.EIO) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	d, err := p.Put([]byte("another"))
	if err != nil {
		t.Fatal(err)
	}
	mustSeal(t, p, true)
	if !s.Has(d) {
		t.Error("the other is not there")
	}
}

// damages calls a function with each way to flip a bit of a file, or to cut it off.
func damages(whole []byte, each func(what string, spoilt []byte)) {
	for i := range whole {
		for bit := range 8 {
			spoilt := bytes.Clone(whole)
			spoilt[i] ^= 1 << bit
			each(fmt.Sprintf("bit %d of byte %d", bit, i), spoilt)
		}
		each(fmt.Sprintf("the first %d bytes", i), bytes.Clone(whole[:i]))
	}
}

// Whatever happens to a pack, no other content comes out of it.
func TestDamagedPack(t *testing.T) {
	m := newMemory()
	contents := [][]byte{text(1, 400), []byte("small"), {}}
	snapshot(t, on(t, m, 1), true, contents...)
	var f *memoryFile
	for name, each := range m.names {
		if strings.HasPrefix(name, packs) {
			f = each
		}
	}
	whole, seen := bytes.Clone(f.now), 0
	root := on(t, m, 1).root
	damages(whole, func(what string, spoilt []byte) {
		f.now = spoilt
		s, err := open(root, m, boot{1})
		if errors.As(err, new(*NewerError)) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		broken := len(s.Damaged()) > 0
		for _, want := range contents {
			got, err := content(s, digestOf(blob, want))
			if err == nil && !bytes.Equal(got, want) {
				t.Errorf("%s: got %q", what, got)
			}
			broken = broken || err != nil
		}
		if broken {
			seen++
		} else if !inHeader(what) {
			t.Errorf("%s: nobody sees it", what)
		}
	})
	if seen < len(whole) {
		t.Errorf("only %d were seen", seen)
	}
}

// inHeader reports whether the bit is one of those of a pack's header that say when it was written.
func inHeader(what string) bool {
	var bit, at int
	n, _ := fmt.Sscanf(what, "bit %d of byte %d", &bit, &at)
	return n == 2 && at >= len(packMagic) && at < headerSize
}

// Whatever happens to a manifest, it is seen when it is read to its end.
func TestDamagedManifest(t *testing.T) {
	m := newMemory()
	id := snapshot(t, on(t, m, 1), false, []byte("content"), []byte("more"))
	f := m.names[manifests+"/"+id.String()+sealed]
	s := on(t, m, 1)
	damages(f.now, func(what string, spoilt []byte) {
		f.now = spoilt
		if err := resolves(s, id); err == nil {
			t.Errorf("%s: nobody sees it", what)
		}
	})
}

// seedPack is a pack and a manifest, as files.
func seedPack(f *testing.F) (pack, manifest []byte) {
	m := newMemory()
	s, err := openOn(f, m, 1)
	if err != nil {
		f.Fatal(err)
	}
	s.shared.Add(1)
	snapshot(f, s, false, text(1, 400), []byte("small"), nil)
	for name, each := range m.names {
		if strings.HasPrefix(name, packs) {
			pack = each.now
		} else {
			manifest = each.now
		}
	}
	return pack, manifest
}

// Any bytes as a pack: what comes out is what its name says, or an error.
func FuzzPack(f *testing.F) {
	pack, _ := seedPack(f)
	f.Add(pack)
	f.Fuzz(func(t *testing.T, b []byte) {
		file := &memoryFile{disk: newMemory(), now: b}
		_, foot, err := ends(file)
		if err != nil {
			return
		}
		var all entries
		err = readIndex(file, foot, &all)
		if err != nil {
			return
		}
		for i := range all.len() {
			e := all.at(i)
			raw, err := readRecord(file, e, &space{})
			if err == nil && (digestOf(e.kind, raw) != e.digest || len(raw) != int(e.raw)) {
				t.Errorf("%s is %q", e.digest, raw)
			}
			if err == nil && e.kind == list {
				_, _, _ = parseList(raw)
			}
		}
	})
}

// Any bytes as a manifest: it is read as what its name says, or is an error.
func FuzzManifest(f *testing.F) {
	_, manifest := seedPack(f)
	f.Add(manifest)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMemory()
		file := &memoryFile{disk: m, now: b}
		tr, _, err := readTrailer(file, int64(len(b)))
		if err != nil {
			return
		}
		r, err := newManifestReader(file, ManifestID{tr.digest})
		if err != nil {
			return
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err == nil && digestOf(blob, got.Bytes()) != tr.digest {
			t.Errorf("it is read as %q", got.Bytes())
		}
	})
}
