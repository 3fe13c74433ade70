package session

import (
	"fmt"
	"strings"
	"time"
)

// A stopwatch says where a start's time went, for -v and for whoever makes it faster.
type stopwatch struct {
	began, last time.Time
	laps        []string
}

// startWatch starts at the moment when the request was made; zero means now.
func startWatch(at time.Time) *stopwatch {
	if at.IsZero() {
		at = time.Now()
	}
	return &stopwatch{began: at, last: at}
}

// Lap ends a part of the start.
func (s *stopwatch) Lap(name string) {
	now := time.Now()
	s.laps = append(s.laps, fmt.Sprintf("%s %.1f", name, milliseconds(now.Sub(s.last))))
	s.last = now
}

// String is the whole and its parts: "started in 21.0 ms: policy 2.1, layers 11.3, ...".
func (s *stopwatch) String() string {
	return fmt.Sprintf("started in %.1f ms: %s",
		milliseconds(s.last.Sub(s.began)), strings.Join(s.laps, ", "))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
