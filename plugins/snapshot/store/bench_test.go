//go:build linux

package store

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkPut puts 15,000 files of about a kilobyte, as a source tree has them, by 16 readers.
func BenchmarkPut(b *testing.B) {
	files := make([][]byte, 15_000)
	for i := range files {
		files[i] = text(i, 400+i%1500)
	}
	dir := filepath.Join(b.TempDir(), "store")
	for b.Loop() {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		s := held(b, dir)
		p := begin(b, s)
		var next atomic.Int64
		var readers sync.WaitGroup
		for range 16 {
			readers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(files)); i = next.Add(1) - 1 {
					if _, err := p.Put(files[i]); err != nil {
						b.Error(err)
					}
				}
			})
		}
		readers.Wait()
		mustSeal(b, p, false)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/15k-files")
}

// BenchmarkPutBig puts a file of 256 MiB that nothing compresses.
func BenchmarkPutBig(b *testing.B) {
	f := onFile(b, random(1, 256<<20))
	dir := filepath.Join(b.TempDir(), "store")
	b.SetBytes(256 << 20)
	for b.Loop() {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		p := begin(b, held(b, dir))
		if _, err := p.PutFile(f, 256<<20); err != nil {
			b.Fatal(err)
		}
		mustSeal(b, p, false)
	}
}

// a million of objects, as an index.
func million() *index {
	x := newIndex()
	for i := range uint64(1_000_000) {
		x.add(entry{digest: digestOf(blob, []byte{byte(i), byte(i >> 8), byte(i >> 16)})})
	}
	return x
}

// BenchmarkHas looks up one of a million objects.
func BenchmarkHas(b *testing.B) {
	s := &Store{index: million(), packs: []*sealedPack{{}}}
	digests := make([]Digest, 4096)
	for i := range digests {
		digests[i] = s.index.at(i * 241).digest
	}
	for i := 0; b.Loop(); i++ {
		if !s.Has(digests[i%len(digests)]) {
			b.Fatal("it is not there")
		}
	}
}

// BenchmarkHasNot looks up what none of a million objects is.
func BenchmarkHasNot(b *testing.B) {
	s := &Store{index: million(), packs: []*sealedPack{{}}}
	digests := make([]Digest, 4096)
	for i := range digests {
		digests[i] = digestOf(list, []byte{byte(i), byte(i >> 8)})
	}
	for i := 0; b.Loop(); i++ {
		if s.Has(digests[i%len(digests)]) {
			b.Fatal("it is there")
		}
	}
}

// BenchmarkOpen opens a store of a million objects in 50 packs.
func BenchmarkOpen(b *testing.B) {
	m := newMemory()
	x := million()
	for i := range 50 {
		s := &Store{disk: m, index: newIndex(), known: map[string]*sealedPack{}}
		s.shared.Add(1)
		p := begin(b, s)
		for j := range 20_000 {
			e := *x.at(i*20_000 + j)
			e.kind, e.codec, e.offset = blob, codecRaw, headerSize
			p.index.add(e)
		}
		p.tail.add(nil, make([]byte, recordSize))
		mustSeal(b, p, true)
	}
	root := mustRoot(b)
	for b.Loop() {
		s, err := open(root, m, boot{1})
		if err != nil || s.Objects() != 1_000_000 {
			b.Fatalf("%v", err)
		}
	}
}
