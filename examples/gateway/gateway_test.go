package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return layer{} }, layertest.Options{})
}

// TestGateway asks for a host that is allowed, by its address, and for some that are not.
func TestGateway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("reached"))
	}))
	defer server.Close()
	rules := policy.NewDecider(&policy.Policy{Network: policy.Network{Hosts: []policy.HostRule{
		{ID: "network.allow.0", Action: policy.HostAllow, Host: "127.0.0.1/32"},
	}}})
	var events []sdk.Event
	gateway := httptest.NewServer(newGateway(rules, func(e sdk.Event) error {
		events = append(events, e)
		return nil
	}))
	defer gateway.Close()
	proxy, err := url.Parse(gateway.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	for to, want := range map[string]int{
		server.URL: http.StatusOK,
		strings.Replace(server.URL, "127.0.0.1", "127.0.0.2", 1): http.StatusForbidden,
		"http://evil.example": http.StatusForbidden,
		"http://2130706433":   http.StatusBadRequest, // 127.0.0.1, to some programs
	} {
		response, err := client.Get(to)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", to, response.Status)
		}
	}
	for _, e := range events {
		if allowed := e.Rule != ""; allowed != (e.Name == "network.allowed") {
			t.Errorf("an event: %+v", e)
		}
	}
	if len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
}
