//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/nono-run/nono/test/load"
)

// figures are what one way came to at one kind of work, the medians over the turns.
type figures struct {
	Way string
	// CPU is the proxy's, for each tunnel or request, and Core what of it is not the layer's.
	CPU, Core time.Duration
	// Rate is how many a second; Median is the time that one takes, and Late what 99 of 100 take at
	// most.
	Rate         float64
	Median, Late time.Duration
	// First is the time to the first byte of a stream.
	First time.Duration
	// Large is how many bytes a second came beside streams.
	Large float64
}

// kind is one kind of work.
type kind struct {
	do     string
	beside int
	n      int
	ask    load.Ask
}

// report is everything that one run of the command found.
type report struct {
	options

	Machine string
	Missing []string
	Shown   []string
	Tunnels map[int][]figures // by how many at once
	Request map[int][]figures
	Bulk    []figures
	Idle    []idle
	Starts  []start
	Keyed   *keyed
}

// besides are how many at once.
var besides = []int{1, 16}

func (r *report) measure(proxies []*proxy) (err error) {
	r.Tunnels, r.Request = map[int][]figures{}, map[int][]figures{}
	for _, p := range proxies {
		if p.Shown != "" {
			r.Shown = append(r.Shown, p.Name+": "+p.Shown)
		}
	}
	small := load.Ask{Down: 1 << 10, Seed: 1}
	for _, beside := range besides {
		n := max(1, r.many*min(beside, 4)/4) // one at a time takes longer
		if r.wants("tunnels") {
			r.Tunnels[beside], err = turns(proxies, r.rounds, kind{"tunnels", beside, n, small})
			if err != nil {
				return err
			}
		}
		if r.wants("requests") {
			r.Request[beside], err = turns(proxies, r.rounds, kind{"requests", beside, n, small})
			if err != nil {
				return err
			}
		}
	}
	if r.wants("bulk") {
		r.Bulk, err = turns(proxies, min(r.rounds, 3), kind{
			"tunnels", 1, 1, load.Ask{Down: r.bulk, Seed: 2},
		})
		if err != nil {
			return err
		}
	}
	for _, p := range proxies {
		if len(p.pids) == 0 || !r.wants("idle") {
			continue
		}
		found, err := p.idle(r.idle)
		if err != nil {
			return err
		}
		r.Idle = append(r.Idle, found)
	}
	return nil
}

// turns measures each way that can do this kind of work, each round beginning with another one.
// There is one round more, which does not count.
func turns(proxies []*proxy, rounds int, k kind) ([]figures, error) {
	type contender struct {
		*proxy
		way
		all []figures
	}
	var contenders []*contender
	for _, p := range proxies {
		for _, w := range p.ways {
			if k.do == "tunnels" && w.tunnels || k.do != "tunnels" && w.requests {
				contenders = append(contenders, &contender{proxy: p, way: w})
			}
		}
	}
	for round := range rounds + 1 {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			f, err := c.once(c.how, k)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.name, k.do, err)
			}
			if round > 0 {
				c.all = append(c.all, f)
			}
		}
	}
	var result []figures
	for _, c := range contenders {
		result = append(result, figures{
			Way:    c.name,
			CPU:    time.Duration(median(c.all, func(f figures) float64 { return float64(f.CPU) })),
			Core:   time.Duration(median(c.all, func(f figures) float64 { return float64(f.Core) })),
			Rate:   median(c.all, func(f figures) float64 { return f.Rate }),
			Median: time.Duration(median(c.all, func(f figures) float64 { return float64(f.Median) })),
			Late:   time.Duration(median(c.all, func(f figures) float64 { return float64(f.Late) })),
			First:  time.Duration(median(c.all, func(f figures) float64 { return float64(f.First) })),
			Large:  median(c.all, func(f figures) float64 { return f.Large }),
		})
	}
	return result, nil
}

func (p *proxy) once(how load.Way, k kind) (f figures, err error) {
	var before, after [2]time.Duration
	clocks := func(to *[2]time.Duration) (err error) {
		if to[0], err = load.CPU(p.pids); err == nil && p.core != 0 {
			to[1], err = load.CPU([]int{p.core})
		}
		return err
	}
	if err := clocks(&before); err != nil {
		return f, err
	}
	o, err := p.client.Do(load.Command{
		Do: k.do, Way: how, Ask: k.ask, N: k.n, Beside: k.beside, Every: everyEvent,
	})
	if err != nil {
		return f, err
	}
	err = clocks(&after)
	return figures{
		CPU:  (after[0] - before[0]) / time.Duration(k.n),
		Core: (after[1] - before[1]) / time.Duration(k.n),
		Rate: float64(k.n) / o.Wall.Seconds(), Median: o.Median, Late: o.Late, First: o.First,
		Large: float64(o.Large),
	}, err
}

// idle is what idle tunnels take.
type idle struct {
	Name  string
	Grown load.Holding // from none to all of them
	Whole load.Holding // with them
}

func (p *proxy) idle(n int) (idle, error) {
	before, err := load.Holdings(p.pids)
	if err != nil {
		return idle{}, err
	}
	if _, err := p.client.Do(load.Command{
		// The server waits for what the client is to send, and the client does not send it.
		Do: "hold", Way: p.ways[0].how, N: n, Ask: load.Ask{Up: 1},
	}); err != nil {
		return idle{}, fmt.Errorf("%s: idle tunnels: %w", p.Name, err)
	}
	with, err := load.Holdings(p.pids)
	if err != nil {
		return idle{}, err
	}
	if _, err := p.client.Do(load.Command{Do: "release"}); err != nil {
		return idle{}, err
	}
	return idle{Name: p.Name, Whole: with, Grown: load.Holding{
		Private:     with.Private - before.Private,
		Descriptors: with.Descriptors - before.Descriptors,
		Pipes:       with.Pipes - before.Pipes,
	}}, nil
}

// start is how long nono takes around a program that does nothing.
type start struct {
	Name      string
	Wall, CPU time.Duration
}

// starts compares a start with a network layer to one without.
func starts(at place, o options) ([]start, error) {
	const runs, warmup = 20, 3
	names := []string{"closed network", "a host allowed"}
	args := [][]string{
		{"run", "-s", "--allow-cwd", "--", "true"},
		{"run", "-s", "-c", "agent.hcl", "--approve", "--", "true"},
	}
	wall, used := make([][]float64, len(names)), make([][]float64, len(names))
	for round := range warmup + runs {
		for i := range names {
			cmd := exec.Command(o.nono, args[i]...)
			cmd.Dir, cmd.Env = at.work, at.environ()
			var said bytes.Buffer
			cmd.Stderr = &said
			began := time.Now()
			if err := cmd.Run(); err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					err = fmt.Errorf("%w: %s", err, said.String())
				}
				return nil, fmt.Errorf("starting nono with %s: %w", names[i], err)
			}
			if round < warmup {
				continue
			}
			wall[i] = append(wall[i], float64(time.Since(began)))
			usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			used[i] = append(used[i], float64(usage.Utime.Nano()+usage.Stime.Nano()))
		}
	}
	var all []start
	for i, name := range names {
		all = append(all, start{
			name, time.Duration(load.Quantile(wall[i], 0.5)), time.Duration(load.Quantile(used[i], 0.5)),
		})
	}
	return all, nil
}

func median(all []figures, of func(figures) float64) float64 {
	values := make([]float64, len(all))
	for i, f := range all {
		values[i] = of(f)
	}
	return load.Quantile(values, 0.5)
}
