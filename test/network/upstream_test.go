//go:build linux

package network

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/test/account"
	"github.com/nono-run/nono/test/internet"
)

// A corporate proxy is one as companies have them: it wants a user and a password, gives tunnels to
// port 443 alone, and passes requests of plain HTTP on. Only it knows where names lead, and all of
// them lead to one server.
type corporate struct {
	leads string

	mu    sync.Mutex
	asked []string
}

func (p *corporate) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go p.answer(c)
	}
}

func (p *corporate) answer(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	request, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, request.Method+" "+request.RequestURI)
	p.mu.Unlock()
	tunnel := request.Method == http.MethodConnect
	switch {
	case request.Header.Get("Proxy-Authorization") != "Basic YWxpY2U6aHVudGVyMg==": // alice:hunter2
		fmt.Fprint(c, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		return
	case tunnel && !strings.HasSuffix(request.RequestURI, ":443"), !tunnel && request.URL.Scheme != "http":
		fmt.Fprint(c, "HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n")
		return
	}
	port := "80"
	if tunnel {
		port = "443"
	}
	out, err := net.DialTimeout("tcp", net.JoinHostPort(p.leads, port), account.Patience)
	if err != nil {
		fmt.Fprint(c, "HTTP/1.1 502 Nobody there\r\nContent-Length: 0\r\n\r\n")
		return
	}
	if tunnel {
		fmt.Fprint(c, "HTTP/1.1 200 Go on\r\n\r\n")
	} else {
		request.Close = true
		request.Header.Del("Proxy-Authorization")
		if err := request.Write(out); err != nil {
			return
		}
	}
	both(c, in, out)
}

func (p *corporate) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// TestUpstreamLooksUp: behind an upstream proxy no name is looked up here, not even an allowed one;
// what is denied the proxy never hears of; requests of plain HTTP need no tunnel, whether or not a
// program knows nono's proxy; and the password stands in no file.
func TestUpstreamLooksUp(t *testing.T) {
	i := internet.Here(t)
	proxy := &corporate{leads: "6.6.6.10"}
	go proxy.serve(i.Listen(t, "6.6.6.20:3128"))
	i.Authority.Set("past.good.example", netip.MustParseAddr("6.6.6.10"))

	u := newUser(t)
	u.Env = []string{"HTTPS_PROXY=http://alice:hunter2@6.6.6.20:3128"}
	policy := `network {
		allow    = ["*.good.example"]
		upstream = { url = "system", bypass = ["past.good.example"] }
	}`
	ask := func(host string) string { return `HTTP/1.1\r\nHost: ` + host + `\r\nConnection: close\r\n\r\n` }
	allowed := []string{
		"raw=GET http://api.good.example/ " + ask("api.good.example"),
		"direct=api.good.example:80|GET / " + ask("api.good.example"),
		"tls=|api.good.example:443|api.good.example",
		"tls=direct|api.good.example:443|api.good.example",
		"raw=GET http://past.good.example/ " + ask("past.good.example"),
		"tls=direct|past.good.example:443|past.good.example",
	}
	denied := []string{
		"raw=GET http://evil.example/ " + ask("evil.example"),
		"tls=|evil.example:443|evil.example",
		"tls=|api.good.example:443|evil.example",
		"raw=GET http://10.0.0.1/ " + ask("10.0.0.1"),
		"raw=GET http://6.6.6.20:3128/ " + ask("6.6.6.20:3128"), // the proxy itself is no host that was allowed
	}
	tries := append(slices.Clone(allowed), denied...)
	for n, outcome := range u.try(u.inside(policy, base+"/bin/agent", "try"), tries) {
		if reached := strings.Contains(outcome, "reached 6.6.6.10"); reached != (n < len(allowed)) {
			t.Errorf("%s: %s", tries[n], outcome)
		}
	}
	seen := proxy.seen()
	for request, want := range map[string]int{
		"GET http://api.good.example:80/": 2,
		"CONNECT api.good.example:443":    3, // one of them is not used, for the handshake names another host
	} {
		if n := count(seen, request); n != want {
			t.Errorf("the proxy was asked %d times for %s: %q", n, request, seen)
		}
	}
	for _, request := range seen {
		if strings.Contains(request, "evil") || strings.Contains(request, "10.0.0.1") || strings.Contains(request, "past") {
			t.Errorf("the proxy was asked: %s", request)
		}
	}
	for _, name := range []string{"api.good.example", "evil.example"} {
		if i.Authority.Asked(name) {
			t.Errorf("%s was looked up", name)
		}
	}
	if !i.Authority.Asked("past.good.example") {
		t.Error("the control, a name that goes past the proxy, was not looked up")
	}

	if got := u.Finish(u.inside(policy, "env")); got.Code != 0 || strings.Contains(got.Stdout+got.Stderr, "hunter2") {
		t.Errorf("the password is inside: %s", got)
	}
	for _, dir := range []string{u.Home, u.Runtime} {
		if where := containing(t, dir, "hunter2"); where != "" {
			t.Errorf("the password is in %s", where)
		}
	}
	if u.Write("x", "hunter2"); containing(t, u.Home, "hunter2") == "" {
		t.Error("the control, a file with the password, is not found")
	}
}

// TestUpstreamRefuses: what the agent hears of a proxy that does not know the user is that it could
// not be reached, and no question for a password.
func TestUpstreamRefuses(t *testing.T) {
	i := internet.Here(t)
	proxy := &corporate{leads: "6.6.6.10"}
	go proxy.serve(i.Listen(t, "6.6.6.20:3128"))
	u := newUser(t)
	policy := `network {
		allow    = ["*.good.example"]
		upstream = { url = "http://6.6.6.20:3128" }
	}`
	tries := []string{
		"raw=GET http://api.good.example/ " + `HTTP/1.1\r\nHost: api.good.example\r\nConnection: close\r\n\r\n`,
		"tunnel=api.good.example:443|x",
	}
	for n, outcome := range u.try(u.inside(policy, base+"/bin/agent", "try"), tries) {
		if !strings.Contains(outcome, " 502 ") || strings.Contains(outcome, "Proxy-Authenticate") {
			t.Errorf("%s: %s", tries[n], outcome)
		}
	}
	if len(proxy.seen()) != len(tries) {
		t.Errorf("the proxy was asked for %q", proxy.seen())
	}
}

func count(list []string, text string) (n int) {
	for _, each := range list {
		if each == text {
			n++
		}
	}
	return n
}

// containing is a file beneath a directory in which a text stands.
func containing(t *testing.T, dir, text string) (where string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		if strings.Contains(string(content), text) {
			where = name
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return where
}
