//go:build linux

package restore

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A thousand files of 12 KiB are given back, all of it counted: plan, journal, contents, renames.
func BenchmarkAThousandFiles(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p := placeIn(b, b.TempDir())
		for i := range 1000 {
			p.write(fmt.Sprintf("d%d/f%d", i%40, i), strings.Repeat(fmt.Sprint(i), 4000))
		}
		before := p.record()
		for i := range 1000 {
			p.must(os.WriteFile(p.at(fmt.Sprintf("d%d/f%d", i%40, i)), []byte("agent"), 0o600))
		}
		after := p.record()
		b.StartTimer()
		p.rollback(before, after)
	}
}
