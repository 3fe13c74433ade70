package synthetic_test

import (
	"testing"

	"github.com/nono-run/nono/plugins/netfilter/synthetic"
)

// BenchmarkAnswer is what a question costs beside the system calls for its packets.
func BenchmarkAnswer(b *testing.B) {
	i := &inside{}
	r := i.resolver("198.18.0.0/15")
	allowed := []byte(raw("\x03api\x04test\x00", typeA))
	b.ReportAllocs()
	for b.Loop() {
		synthetic.Answer(r, allowed)
	}
}
