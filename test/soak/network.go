//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/nono-run/nono/test/load"
)

// networkSoak is the part about the network: one agent that does for a minute what many do, in a
// network of the program's own. What must hold: every byte is the one that was sent, the layer's
// memory has a bound that nothing of this exceeds, and at the end it holds no connection.
type networkSoak struct {
	*layer

	atFirst load.Holding
}

// The bounds, of the layer's private memory.
const (
	idleMost = 40 << 20 // by which 2,000 idle tunnels let it grow
	allMost  = 96 << 20 // at any time
)

// ways are those that an agent's programs have: by the proxy that the environment names, and by the
// addresses that the resolver inside answers with.
var ways = map[string]load.Way{
	"by the proxy":   byProxy(),
	"by the address": load.Straight,
}

func byProxy() load.Way {
	w := load.Straight
	w.Proxy = load.ProxyFromHere
	return w
}

// soakNetwork runs it.
func soakNetwork(nono string) error {
	begin := func(nono string, u *user) (*load.Agent, error) {
		return load.Inside(nono, u.project(), u.environ())
	}
	return soakLayer(nono, begin, func(l *layer) error { return (&networkSoak{layer: l}).soak() })
}

func (n *networkSoak) soak() (err error) {
	if n.atFirst, err = n.look(); err != nil {
		return err
	}
	for _, part := range []func() error{n.many, n.idle, n.slow, n.large, n.nothingLeft} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// do has the client do something and looks at the layer's memory after it.
func (n *networkSoak) do(what string, c load.Command) error {
	began := time.Now()
	if _, err := n.client.Do(c); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	now, err := n.look()
	if err != nil {
		return err
	}
	fmt.Printf("soak: %-60s %6s  %5.1f MiB, %5d descriptors, %d pipes\n", what,
		time.Since(began).Round(100*time.Millisecond), mebibytes(now.Private), now.Descriptors, now.Pipes)
	if now.Private > allMost {
		return fmt.Errorf("%s: the layer has %.1f MiB of its own", what, mebibytes(now.Private))
	}
	return nil
}

// many are 500 connections at once, again and again.
func (n *networkSoak) many() error {
	for name, way := range ways {
		for what, c := range map[string]load.Command{
			"10000 requests":   {Do: "requests", N: 10000, Ask: load.Ask{Down: 10 << 10}},
			"2000 requests up": {Do: "requests", N: 2000, Ask: load.Ask{Up: 20 << 10, Down: 1}},
			"5000 tunnels":     {Do: "tunnels", N: 5000, Ask: load.Ask{Up: 1 << 10, Down: 10 << 10}},
		} {
			c.Way, c.Beside = way, 500
			if err := n.do(what+" "+name+", 500 at once", c); err != nil {
				return err
			}
		}
	}
	return nil
}

// idle are tunnels in which nothing is said, beside others in which it is.
func (n *networkSoak) idle() error {
	small := load.Ask{Up: 1, Down: 1 << 10}
	before, err := n.look()
	if err != nil {
		return err
	}
	for name, way := range ways {
		if err := n.do("1000 idle tunnels "+name, load.Command{
			Do: "hold", Way: way, N: 1000, Ask: small,
		}); err != nil {
			return err
		}
	}
	with, err := n.look()
	if err != nil {
		return err
	}
	if grown := with.Private - before.Private; grown > idleMost {
		return fmt.Errorf("2000 idle tunnels have %.1f MiB", mebibytes(grown))
	}
	if with.Pipes > before.Pipes {
		return fmt.Errorf("2000 idle tunnels have %d ends of pipes", with.Pipes-before.Pipes)
	}
	if err := n.do("2000 requests beside them", load.Command{
		Do: "requests", Way: byProxy(), N: 2000, Beside: 20, Ask: load.Ask{Down: 1 << 10},
	}); err != nil {
		return err
	}
	return n.do("what the idle tunnels were opened for", load.Command{
		Do: "finish", Beside: 50, Ask: small,
	})
}

// slow are clients that ask for much and do not read it.
func (n *networkSoak) slow() error {
	if err := n.do("300 answers of 64 MiB that nobody reads", load.Command{
		Do: "hold", Way: byProxy(), N: 300, Ask: load.Ask{Down: 64 << 20},
	}); err != nil {
		return err
	}
	if err := n.do("2000 requests beside them", load.Command{
		Do: "requests", Way: byProxy(), N: 2000, Beside: 20, Ask: load.Ask{Down: 1 << 10},
	}); err != nil {
		return err
	}
	return n.do("the slow clients go", load.Command{Do: "release"})
}

// large are bodies of 1 GiB, each byte compared.
func (n *networkSoak) large() error {
	for name, way := range ways {
		for _, do := range []string{"tunnels", "requests"} {
			for direction, ask := range map[string]load.Ask{
				"down": {Down: 1 << 30, Seed: 3}, "up": {Up: 1 << 30, Down: 1, Seed: 4},
			} {
				what := fmt.Sprintf("1 GiB %s in one of the %s %s", direction, do, name)
				if err := n.do(what, load.Command{
					Do: do, Way: way, N: 1, Beside: 1, Ask: ask,
				}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nothingLeft waits until the layer has no more descriptors than at first.
func (n *networkSoak) nothingLeft() error {
	const limit = 30 * time.Second
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		now, err := n.look()
		if err != nil {
			return err
		}
		// A connection to a server may be kept for the next request.
		if now.Descriptors <= n.atFirst.Descriptors+8 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s after all the layer has %d descriptors, and had %d at first",
				limit, now.Descriptors, n.atFirst.Descriptors)
		}
	}
}
