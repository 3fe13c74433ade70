//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// result is what the runs of one sandbox came to. Times are in milliseconds.
type result struct {
	sandbox

	Median float64 `json:"median_ms"`
	P10    float64 `json:"p10_ms"`
	P90    float64 `json:"p90_ms"`
	// CPU is the median of user and system time of all processes that the run waited for.
	CPU float64 `json:"cpu_ms"`
	// Held is the memory of all processes together while a command runs; nil where it was not looked
	// at.
	Held *holding `json:"held,omitempty"`

	// rounds are the runs, in the order of the rounds.
	rounds []sample
}

// sample is one run.
type sample struct{ wall, cpu float64 }

func wallOf(s sample) float64 { return s.wall }
func cpuOf(s sample) float64  { return s.cpu }

// measure runs each sandbox in turn, warmup and n rounds, each round beginning with another one.
func measure(sandboxes []sandbox, dir string, n, warmup int) ([]result, error) {
	samples := make([][]sample, len(sandboxes))
	for round := range warmup + n {
		for i := range sandboxes {
			which := (i + round) % len(sandboxes)
			if before := sandboxes[which].before; before != nil {
				if err := before(); err != nil {
					return nil, err
				}
			}
			s, err := sandboxes[which].once(dir)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sandboxes[which].Name, err)
			}
			if round >= warmup {
				samples[which] = append(samples[which], s)
			}
		}
	}
	results := make([]result, len(sandboxes))
	for i, s := range sandboxes {
		wall := pick(samples[i], wallOf)
		results[i] = result{
			sandbox: s,
			Median:  quantile(wall, 0.5), P10: quantile(wall, 0.1), P90: quantile(wall, 0.9),
			CPU: quantile(pick(samples[i], cpuOf), 0.5),

			rounds: samples[i],
		}
	}
	return results, nil
}

// once runs `true`, at a terminal where the sandbox is to have one.
func (s sandbox) once(dir string) (sample, error) {
	cmd := s.command(dir, "true")
	if !s.atTerminal {
		return once(cmd)
	}
	return onceAtTerminal(cmd)
}

func once(cmd *exec.Cmd) (sample, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	s, err := timed(cmd)
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, firstLine(said.Bytes()))
	}
	return s, nil
}

func timed(cmd *exec.Cmd) (sample, error) {
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return sample{}, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	wall := time.Since(begin)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{milliseconds(wall), milliseconds(cpu)}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func pick(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// quantile is the value below which a share q of the values lies, interpolated between neighbours;
// 0 where there are none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}
