//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/test/load"
)

// credentialSoak is the part about keys: one agent that has 500 answers streamed to it for a
// minute, and sends and gets bodies of 2 GiB, all with a key that stays outside. What must hold:
// every event and every byte comes, and the layer's memory has a bound that nothing of this
// exceeds.
type credentialSoak struct {
	*layer

	way load.Way
}

// The bounds, of the layer's private memory.
const (
	bodyMost   = 32 << 20 // with one large body under way
	streamMost = 96 << 20 // with 500 streams
)

func soakCredentials(nono string) error {
	service, err := load.ServeService()
	if err != nil {
		return err
	}
	begin := func(nono string, u *user) (*load.Agent, error) {
		authority := filepath.Join(u.home, "authority.pem")
		if err := os.WriteFile(authority, service.Authority, 0o600); err != nil {
			return nil, err
		}
		environ := append(u.environ(), "LOAD_KEY="+service.Key, "SSL_CERT_FILE="+authority)
		return load.InsideWith(nono, u.project(), environ, service.Policy(), "nono-layer-credproxy")
	}
	return soakLayer(nono, begin, func(l *layer) error {
		return (&credentialSoak{l, service.Inside()}).soak()
	})
}

func (c *credentialSoak) soak() error {
	for _, part := range []struct {
		what  string
		bound int64
		do    load.Command
	}{
		{"2 GiB up with a key", bodyMost, load.Command{
			Do: "requests", N: 1, Beside: 1, Ask: load.Ask{Up: 2 << 30, Down: 1, Seed: 5},
		}},
		{"2 GiB down with a key", bodyMost, load.Command{
			Do: "requests", N: 1, Beside: 1, Ask: load.Ask{Down: 2 << 30, Seed: 6},
		}},
		{"500 streams for a minute, an event each 100 ms", streamMost, load.Command{
			Do: "events", N: 600, Every: 100 * time.Millisecond, Beside: 500,
		}},
		{"10000 requests with a key, 500 at once", streamMost, load.Command{
			Do: "requests", N: 10000, Beside: 500, Ask: load.Ask{Up: 1 << 10, Down: 10 << 10},
		}},
	} {
		part.do.Way = c.way
		if err := c.do(part.what, part.bound, part.do); err != nil {
			return err
		}
	}
	return nil
}

// do has the client do something, and looks at the layer's memory as long as it takes.
func (c *credentialSoak) do(what string, bound int64, command load.Command) error {
	began := time.Now()
	type done struct {
		outcome load.Outcome
		err     error
	}
	over := make(chan done, 1)
	go func() {
		o, err := c.client.Do(command)
		over <- done{o, err}
	}()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	var most int64
	for {
		now, err := c.look()
		if err != nil {
			return err
		}
		most = max(most, now.Private)
		select {
		case <-again.C:
			continue
		case end := <-over:
			if end.err != nil {
				return fmt.Errorf("%s: %w", what, end.err)
			}
			fmt.Printf("soak: %-60s %6s  %5.1f MiB at most; median %s, 99 of 100 %s\n", what,
				time.Since(began).Round(100*time.Millisecond), mebibytes(most),
				end.outcome.Median.Round(10*time.Microsecond), end.outcome.Late.Round(10*time.Microsecond))
		}
		break
	}
	if most > bound {
		return fmt.Errorf("%s: the layer has %.1f MiB of its own, more than %.0f", what, mebibytes(most),
			mebibytes(bound))
	}
	return nil
}
