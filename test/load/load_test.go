package load_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/load"
)

// served is a server of tunnels and requests, each connection to it through change.
func served(t *testing.T) load.Way {
	t.Helper()
	listen := func() (net.Listener, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return l, port
	}
	way := load.Way{Name: "127.0.0.1"}
	var tunnels, requests net.Listener
	tunnels, way.Tunnels = listen()
	requests, way.Requests = listen()
	go func() { _ = load.Serve(tunnels) }()
	server := &http.Server{Handler: http.HandlerFunc(load.Handler)}
	go func() { _ = server.Serve(requests) }()
	t.Cleanup(func() { server.Close() })
	return way
}

var asks = map[string]load.Ask{
	"little":     {Down: 1 << 10},
	"nothing":    {},
	"much":       {Down: 3<<20 + 1, Seed: 7},
	"both ways":  {Down: 1 << 20, Up: 2<<20 + 3, Seed: 8},
	"up, mostly": {Up: 1 << 20, Seed: 9},
}

func TestAsks(t *testing.T) {
	way := served(t)
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			if err := way.Fetch(load.Hello("a.example"), ask); err != nil {
				t.Error("by tunnel: ", err)
			}
			requests := &load.Requests{Way: way}
			defer requests.Close()
			for range 3 {
				if err := requests.Do(ask); err != nil {
					t.Error("by request: ", err)
				}
			}
		})
	}
}

// Whatever is wrong with the bytes is seen.
func TestWrong(t *testing.T) {
	const length = 200 << 10
	sent, err := io.ReadAll(load.Content(1, length))
	if err != nil || len(sent) != length {
		t.Fatalf("%d bytes, %v", len(sent), err)
	}
	changed := bytes.Clone(sent)
	changed[150<<10]++
	repeated := append(append(bytes.Clone(sent[:64<<10]), sent[:64<<10]...), sent[128<<10:]...)
	for name, got := range map[string][]byte{
		"changed": changed, "short": sent[:length-1], "long": append(bytes.Clone(sent), 0), "repeated": repeated,
	} {
		if err := load.Same(bytes.NewReader(got), load.Content(1, length)); err == nil {
			t.Errorf("%s: nothing is seen", name)
		}
	}
	if err := load.Same(bytes.NewReader(sent), load.Content(1, length)); err != nil {
		t.Error(err)
	}
}

// An error of one is an error of all.
func TestMany(t *testing.T) {
	took, err := load.Many(100, 7, func(int, int) error { return nil })
	if err != nil || len(took) != 100 {
		t.Errorf("%d, %v", len(took), err)
	}
	_, err = load.Many(100, 7, func(_, number int) error {
		if number == 50 {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "number 50") {
		t.Error(err)
	}
}
