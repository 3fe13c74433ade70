package hostname_test

import (
	"testing"

	"github.com/nono-run/nono/sdk/hostname"
)

// What is written is read back as the same host and ports.
func TestWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Example.com":        "example.com",
		"example.com:8443":   "example.com:8443",
		"*.example.com:*":    "*.example.com:*",
		"10.0.0.1:22":        "10.0.0.1:22",
		"10.0.0.0/8":         "10.0.0.0/8",
		"2001:db8::1":        "[2001:db8::1]",
		"[2001:db8::]/32:53": "[2001:db8::/32]:53",
	} {
		p, err := hostname.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		ports := p.Ports
		if len(ports) == 0 && !p.Every {
			ports = hostname.UsualPorts()
		}
		got := hostname.Write(p.Host, ports)
		if got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
		again, err := hostname.ParsePattern(got)
		if err != nil || again.Host != p.Host || len(again.Ports) != len(p.Ports) {
			t.Errorf("%s is read back as %v (%v)", got, again, err)
		}
	}
	if got := hostname.Write("a.example", []uint16{1, 2}); got != "a.example:1,2" {
		t.Error(got)
	}
}
