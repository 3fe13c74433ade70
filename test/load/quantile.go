package load

import "slices"

// Quantile is the value below which a share q of the values lies; 0 where there are none.
func Quantile[T ~int64 | ~float64](values []T, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return float64(sorted[below])
	}
	return float64(sorted[below]) + (at-float64(below))*float64(sorted[below+1]-sorted[below])
}
