package merge

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
)

// Filters is core's own seccomp rules as they stand, and then each of a layer's once, in an order
// that is the same each time. A filter only takes away, so rules never contradict each other.
func Filters(own, layers []Filter) []Filter {
	rest := slices.Clone(layers)
	sortSteps(rest, Filter.step, func(a, b Filter) int { return cmp.Compare(a.Layer, b.Layer) })
	rest = slices.CompactFunc(rest, func(a, b Filter) bool {
		return a.Layer == b.Layer && bytes.Equal(canonical(a.Seccomp), canonical(b.Seccomp))
	})
	return append(slices.Clone(own), rest...)
}

func (f Filter) step() fragment.Step { return f.Seccomp }
