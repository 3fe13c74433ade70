package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return &layer{} }, layertest.Options{})
}

func TestServesAnEcho(t *testing.T) {
	kit := layertest.New(t, &layer{})
	req := layertest.Request(nil)
	req.StateDir = t.TempDir()
	listeners := layertest.Listeners(t, kit.Plan(req).Fragment)
	addr := addressOf(t, listeners[listener])
	state := kit.Start(&sdk.StartRequest{Run: req.Run}, listeners).State
	kit.WaitEvent("echo.armed")

	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(c, "ping")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "ping\n" {
		t.Errorf("got %q, %v", line, err)
	}
	_ = c.Close()
	if n := kit.WaitEvent("echo.closed").Fields["bytes"]; n != "5" {
		t.Errorf("%s bytes were echoed", n)
	}
	report := kit.Finish(&sdk.FinishRequest{
		Run: req.Run, End: sdk.End{Reason: sdk.EndExited}, State: state,
	})
	if want := "echo was armed; the run ended: exited"; report.Lines[0] != want {
		t.Errorf("reported %q", report.Lines)
	}
}

func TestDialsIn(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inside.Close() }()
	go func() {
		c, err := inside.Accept()
		if err != nil {
			return
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprint(c, strings.ToUpper(strings.TrimSpace(line)))
		_ = c.Close()
	}()

	kit := layertest.New(t, &layer{})
	kit.Dial = func(_ context.Context, port uint16) (*os.File, error) {
		if port != 9000 {
			return nil, fmt.Errorf("port %d", port)
		}
		c, err := net.Dial("tcp", inside.Addr().String())
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		return c.(*net.TCPConn).File()
	}
	req := layertest.Request(map[string]any{"dial_port": 9000, "greeting": "good morning"})
	req.StateDir = t.TempDir()
	f := kit.Plan(req).Fragment
	kit.Start(&sdk.StartRequest{Run: req.Run}, layertest.Listeners(t, f))
	if answer := kit.WaitEvent("echo.greeted").Fields["answer"]; answer != "GOOD MORNING" {
		t.Errorf("the answer was %q", answer)
	}
}

func TestRefusesWhatIsNoPort(t *testing.T) {
	for _, port := range []any{-1, 65536, 1.5} {
		resp := layertest.New(t, &layer{}).Plan(layertest.Request(map[string]any{"dial_port": port}))
		if len(resp.Diagnostics) != 1 || resp.Diagnostics[0].Attribute != "dial_port" {
			t.Errorf("%v: %+v", port, resp.Diagnostics)
		}
	}
}

func TestRefusesOnDemand(t *testing.T) {
	kit := layertest.New(t, &layer{})
	req := layertest.Request(map[string]any{"misbehave": "refuse-plan"})
	if _, err := kit.Host.Plan(t.Context(), req); err == nil || !strings.Contains(err.Error(), "told to refuse") {
		t.Errorf("Plan: %v", err)
	}
}

func addressOf(t *testing.T, f *os.File) string {
	t.Helper()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
