package merge

import (
	"bytes"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
)

// Filters is core's own seccomp rules as they stand, and then each of the layers' once, in an order
// that is the same each time. A filter only takes away, so rules never contradict each other.
func Filters(own, layers []Filter) []fragment.Seccomp {
	rest := make([]fragment.Seccomp, 0, len(layers))
	for _, f := range layers {
		rest = append(rest, f.Seccomp)
	}
	slices.SortFunc(rest, func(a, b fragment.Seccomp) int { return bytes.Compare(canonical(a), canonical(b)) })
	rest = slices.CompactFunc(rest, func(a, b fragment.Seccomp) bool { return bytes.Equal(canonical(a), canonical(b)) })
	var all []fragment.Seccomp
	for _, f := range own {
		all = append(all, f.Seccomp)
	}
	return append(all, rest...)
}
