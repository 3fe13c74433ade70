package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/layertest"
)

func unconfined(...string) (confine.Report, error) { return confine.Report{}, nil }

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return &layer{unconfined} }, layertest.Options{})
}

func TestDenies(t *testing.T) {
	kit := layertest.New(t, &layer{unconfined})
	req := layertest.Request(map[string]any{"resolver": true})
	plan := kit.Plan(req)
	if len(plan.Facts) != 2 {
		t.Fatalf("facts: %v", plan.Facts)
	}
	listeners := layertest.Listeners(t, plan.Fragment)
	at, asks := address(t, listeners[proxy]), address(t, listeners[resolver])
	kit.Start(&sdk.StartRequest{Run: req.Run}, listeners)
	kit.WaitEvent("gate.closed")

	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: at})}}
	resp, err := client.Get("http://name.example:8080/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("it answered %s", resp.Status)
	}
	if f := kit.WaitEvent("network.denied").Fields; f["host"] != "name.example" || f["port"] != "8080" {
		t.Errorf("it told of %v", f)
	}
	names := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", asks)
	}}
	_, err = names.LookupHost(t.Context(), "other.example.")
	if no := (*net.DNSError)(nil); !errors.As(err, &no) || !no.IsNotFound {
		t.Errorf("a name: %v", err)
	}
}

// address is that of a socket.
func address(t *testing.T, f *os.File) string {
	t.Helper()
	if l, err := net.FileListener(f); err == nil {
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().String()
}
