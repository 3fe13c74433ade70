//go:build linux

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// phase is a part of nono's start, as `nono run -v` tells it: the median over the watched runs, in
// milliseconds.
type phase struct {
	Name string  `json:"name"`
	Time float64 `json:"ms"`
	What string  `json:"what"`
}

// explained says what is done in each phase. What stands before the first and after the last is
// told by the difference to the whole.
var explained = map[string]string{
	"policy":    "flags, HCL and the default profile become a policy; every path in them is looked at",
	"command":   "the command's program and the layers' are found; the run's directory is made",
	"processes": "the layer's program and nono-init are started; the layer has described itself",
	"layers":    "the layer's share of the plan",
	"plan":      "merge, coverage, the proof",
	"sandbox":   "the recipe crosses to nono-init; mounts, Landlock, filter",
	"arming":    "Start of the layers that have one",
	"exec":      "the gate, fork and exec of the command",
}

var (
	startedLine = regexp.MustCompile(`(?m)^nono: started in [0-9.]+ ms: (.*)$`)
	onePhase    = regexp.MustCompile(`([a-z]+) ([0-9.]+)`)
)

// phases runs nono n times, with -v where it has -s otherwise.
func phases(s sandbox, dir string, n int) ([]phase, error) {
	var order []string
	times := map[string][]float64{}
	for range n {
		cmd := s.command(dir, "true")
		cmd.Args[slices.Index(cmd.Args, "-s")] = "-v"
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%v: %w", cmd.Args, err)
		}
		line := startedLine.FindSubmatch(stderr.Bytes())
		if line == nil {
			return nil, fmt.Errorf("%v does not say how long its start took", cmd.Args)
		}
		for _, m := range onePhase.FindAllStringSubmatch(string(line[1]), -1) {
			ms, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return nil, err
			}
			if times[m[1]] == nil {
				order = append(order, m[1])
			}
			times[m[1]] = append(times[m[1]], ms)
		}
	}
	var list []phase
	for _, name := range order {
		list = append(list, phase{Name: name, Time: quantile(times[name], 0.5), What: explained[name]})
	}
	return list, nil
}
