//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
)

// comparison is what one sandbox takes of what another takes, or more than that: the median over
// the rounds in which both ran, and the bounds between which that of endless rounds lies, with 95
// in 100. The zero one is of sandboxes that were not both measured.
type comparison struct{ Median, Low, High float64 }

// ratioOf is what one sandbox takes of what another takes.
func ratioOf(one, other []sample, of func(sample) float64) comparison {
	var all []float64
	for i := range min(len(one), len(other)) {
		if of(other[i]) > 0 {
			all = append(all, of(one[i])/of(other[i]))
		}
	}
	return bounded(all)
}

// differenceOf is what one sandbox takes more than another.
func differenceOf(one, other []sample, of func(sample) float64) comparison {
	var all []float64
	for i := range min(len(one), len(other)) {
		all = append(all, of(one[i])-of(other[i]))
	}
	return bounded(all)
}

// bounded takes the median and its bounds. These are those of the sign test: how far from the
// middle of what was sorted a fair coin comes.
func bounded(all []float64) comparison {
	if len(all) == 0 {
		return comparison{}
	}
	slices.Sort(all)
	n := float64(len(all))
	away := 1.96 * math.Sqrt(n) / 2
	low := max(0, int(math.Floor(n/2-away)))
	high := min(len(all)-1, int(math.Ceil(n/2+away)))
	return comparison{quantile(all, 0.5), all[low], all[high]}
}

// String is for a table.
func (c comparison) String() string {
	if c == (comparison{}) {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", c.Median, c.Low, c.High)
}
