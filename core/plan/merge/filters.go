package merge

import (
	"bytes"
	"cmp"
	"slices"
)

// Filters is core's own seccomp rules as they stand, and then each of a layer's once, in an order
// that is the same each time. A filter only takes away, so rules never contradict each other.
func Filters(own, layers []Filter) []Filter {
	rest := slices.Clone(layers)
	slices.SortFunc(rest, compareFilters)
	rest = slices.CompactFunc(rest, func(a, b Filter) bool { return compareFilters(a, b) == 0 })
	return append(slices.Clone(own), rest...)
}

func compareFilters(a, b Filter) int {
	return cmp.Or(bytes.Compare(canonical(a.Seccomp), canonical(b.Seccomp)), cmp.Compare(a.Layer, b.Layer))
}
