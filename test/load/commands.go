//go:build linux

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Command is what a client is told to do, a line of JSON.
type Command struct {
	// Do is "tunnels" or "requests": N of them, so many beside each other; "events": so many streams
	// beside each other, with N events each, one after each Every, and beside them an answer where Ask
	// asks for one, which is broken off in the end; "hold": N tunnels are opened and stay as they are;
	// "finish": they have what they asked for; "release": they end.
	Do     string
	Every  time.Duration
	Way    Way
	Ask    Ask
	N      int
	Beside int
}

// Outcome is the answer to it, another line.
type Outcome struct {
	Error string
	// Wall is the time of all, and Median that of one: of a tunnel, a request, or an event on its way.
	// Late is what 99 of 100 take at most.
	Wall, Median, Late time.Duration
	// First is the median of the time from a request to the first byte of its stream.
	First time.Duration
	// Large is how many bytes a second came of the answer beside events.
	Large int64
}

// ProxyFromHere is a proxy that the client finds in its environment.
const ProxyFromHere = "environment"

// ServiceFromHere begins the name of a service of which the client finds address and token in its
// environment.
const ServiceFromHere = "service "

// toService leads to a service with a key, as the variables say.
func (w *Way) toService(name string) error {
	base, err := url.Parse(os.Getenv(name + "_BASE_URL"))
	if err != nil {
		return err
	}
	w.Name, w.Requests, w.Token = base.Hostname(), base.Port(), os.Getenv(name+"_API_KEY")
	return nil
}

// Client is the client: it does what it is told on its input, to the input's end.
func Client() error {
	commands, outcomes := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var held []net.Conn
	for {
		var c Command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if c.Way.Proxy == ProxyFromHere {
			c.Way.Proxy = strings.TrimSuffix(strings.TrimPrefix(os.Getenv("HTTPS_PROXY"), "http://"), "/")
		}
		if name, ok := strings.CutPrefix(c.Way.Name, ServiceFromHere); ok {
			if err := c.Way.toService(name); err != nil {
				return err
			}
		}
		var o Outcome
		began := time.Now()
		took, err := c.do(&held, &o)
		if o.Wall = time.Since(began); err != nil {
			o.Error = err.Error()
		}
		o.Median, o.Late = time.Duration(Quantile(took, 0.5)), time.Duration(Quantile(took, 0.99))
		if err := outcomes.Encode(o); err != nil {
			return err
		}
	}
}

func (c Command) do(held *[]net.Conn, o *Outcome) ([]time.Duration, error) {
	hello := Hello(c.Way.Name)
	switch c.Do {
	case "tunnels":
		return Many(c.N, c.Beside, func(int, int) error { return c.Way.Fetch(hello, c.Ask) })
	case "requests":
		kept := make([]Requests, c.Beside)
		for i := range kept {
			kept[i].Way = c.Way
			defer kept[i].Close()
		}
		return Many(c.N, c.Beside, func(worker, _ int) error { return kept[worker].Do(c.Ask) })
	case "events":
		return c.events(o)
	case "hold":
		for range c.N {
			conn, err := c.Way.Tunnel(hello, c.Ask)
			if err != nil {
				return nil, fmt.Errorf("after %d: %w", len(*held), err)
			}
			*held = append(*held, conn)
		}
		return nil, nil
	case "finish":
		took, err := Many(len(*held), c.Beside, func(_, number int) error {
			defer (*held)[number].Close()
			return c.Ask.finish((*held)[number])
		})
		*held = nil
		return took, err
	case "release":
		for _, conn := range *held {
			_ = conn.Close()
		}
		*held = nil
		return nil, nil
	default:
		return nil, fmt.Errorf("nobody knows how to do %q", c.Do)
	}
}

// Running is a client, seen from outside.
type Running struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	commands *json.Encoder
	outcomes *json.Decoder
}

// Start starts a client by a command line that ends in the client's program.
func Start(cmd *exec.Cmd) (*Running, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Running{cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// Do has the client do something.
func (c *Running) Do(what Command) (Outcome, error) {
	var o Outcome
	if err := c.commands.Encode(what); err != nil {
		return o, err
	}
	if err := c.outcomes.Decode(&o); err != nil {
		return o, fmt.Errorf("the client: %w", err)
	}
	if o.Error != "" {
		return o, errors.New(o.Error)
	}
	return o, nil
}

// Stop ends the client's input, and waits for its end.
func (c *Running) Stop() error {
	return errors.Join(c.in.Close(), c.cmd.Wait())
}
