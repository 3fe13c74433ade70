//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
)

// ratio is what one sandbox takes of what another takes: the median over the rounds in which both
// ran, and the bounds between which that of endless rounds lies, with 95 in 100.
type ratio struct{ Median, Low, High float64 }

// ratioOf pairs the rounds of two sandboxes. The bounds are those of the sign test: how far from
// the middle of the sorted ratios a fair coin comes.
func ratioOf(one, other []sample, of func(sample) float64) ratio {
	var all []float64
	for i := range min(len(one), len(other)) {
		if of(other[i]) > 0 {
			all = append(all, of(one[i])/of(other[i]))
		}
	}
	return bounded(all)
}

// differenceOf is ratioOf, but what one sandbox takes more than another.
func differenceOf(one, other []sample, of func(sample) float64) ratio {
	var all []float64
	for i := range min(len(one), len(other)) {
		all = append(all, of(one[i])-of(other[i]))
	}
	return bounded(all)
}

func bounded(all []float64) ratio {
	if len(all) == 0 {
		return ratio{}
	}
	slices.Sort(all)
	n := float64(len(all))
	away := 1.96 * math.Sqrt(n) / 2
	low := max(0, int(math.Floor(n/2-away)))
	high := min(len(all)-1, int(math.Ceil(n/2+away)))
	return ratio{quantile(all, 0.5), all[low], all[high]}
}

// String is for a table.
func (r ratio) String() string {
	if r.Median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Low, r.High)
}
