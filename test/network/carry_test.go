//go:build linux

package network

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nono-run/nono/test/internet"
)

// TestStream: each event of a stream arrives when it was sent, by the proxy in clear, by a tunnel
// and with no proxy. The server sends the next one when the client has said that it has the last.
func TestStream(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	seen := make(chan struct{}, 100)
	i.Web.Handle("api.good.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/seen" {
			seen <- struct{}{}
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", n)
			if w.(http.Flusher).Flush(); r.Context().Err() != nil {
				return
			}
			select {
			case <-seen:
			case <-time.After(10 * time.Second):
				return
			}
		}
		fmt.Fprint(w, "data: end\n\n")
	}))
	u := newUser(t)
	const script = `
		follow() { curl -sSN -m 30 "$@" | while read -r line; do case $line in *end) echo whole ;; data*) curl -sS -m 10 http://api.good.example/seen ;; esac; done; }
		follow http://api.good.example/; follow https://api.good.example/
		follow --noproxy '*' http://api.good.example/; follow --noproxy '*' https://api.good.example/`
	if r := u.Finish(u.inside(threatPolicy, "sh", "-c", script)); r.Stdout != strings.Repeat("whole\n", 4) {
		t.Error(r)
	}
}

// TestUploadHalfClosed: a client that has said all it wants and closed its half gets its answer, at
// each door where it can.
func TestUploadHalfClosed(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("raw.good.example", netip.MustParseAddr("6.6.6.14"))
	l := i.Listen(t, "6.6.6.14:7000")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				n := 0
				for b := make([]byte, 64<<10); ; {
					k, err := c.Read(b)
					if n += k; err != nil {
						break
					}
				}
				fmt.Fprintf(c, "reached with %d bytes\n", n)
			}()
		}
	}()
	policy := `network {
		allow  = ["raw.good.example:7000"]
		opaque = ["raw.good.example:7000"]
	}`
	u := newUser(t)
	for n, outcome := range u.try(u.inside(policy, base+"/bin/agent", "try"), []string{
		"upload=|raw.good.example:7000", "upload=direct|raw.good.example:7000",
	}) {
		if outcome != "reached with 3000000 bytes\\n" {
			t.Errorf("%d: %s", n, outcome)
		}
	}
}

// TestRebinding: names that are allowed lead to a host of the public internet at one time and to
// the metadata service or the loopback at another. However often they are asked for, only the first
// is ever reached. There are several, for an answer is remembered for some seconds.
func TestRebinding(t *testing.T) {
	i := internet.Here(t)
	serveLoopback(t, i)
	const names = 10
	rebind := func() {
		var n atomic.Int64
		targets := []string{"6.6.6.10", "169.254.169.254", "127.0.0.1"}
		for turn := range names {
			i.Authority.Change(fmt.Sprintf("turn%d.good.example", turn), func() []netip.Addr {
				return []netip.Addr{netip.MustParseAddr(targets[int(n.Add(1))/2%3])}
			})
		}
	}
	urls := make([]string, 30)
	for n := range urls {
		urls[n] = fmt.Sprintf("http://turn%d.good.example/%d", n%names, n)
	}
	u := newUser(t)
	loopback := func() (n int) {
		for _, r := range i.Web.Requests() {
			if r.At.Addr().IsLoopback() {
				n++
			}
		}
		return n
	}
	rebind()
	u.Finish(u.Command(append([]string{base + "/bin/agent", "get"}, urls...)...))
	sent, err := i.Tap.Sent()
	if err != nil {
		t.Fatal(err)
	}
	metadata := internet.Packet{Protocol: "tcp", To: netip.MustParseAddrPort("169.254.169.254:80")}
	if sent[metadata] == 0 || loopback() == 0 {
		t.Errorf("outside the name does not lead there: %v", sent)
	}
	for _, d := range []door{composed, unaware} {
		i = internet.Here(t)
		rebind()
		c := client{run: []string{base + "/bin/agent", "get"}}
		answers := u.lines(u.inside(threatPolicy, c.through(d, urls)...), len(urls))
		if ok := strings.Count(strings.Join(answers, "\n"), "ok"); ok == 0 || ok == len(urls) {
			t.Errorf("%s: %d of %d succeeded: %s", d.name, ok, len(urls), answers)
		}
		expectOnly(t, i, map[string]bool{"tcp 6.6.6.10:80": true, "udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true})
		if n := loopback(); n > 0 {
			t.Errorf("%s: %d requests reached the loopback", d.name, n)
		}
	}
}

// TestNoPortOutside: while an agent uses the network, nobody else on the machine can use its proxy:
// it listens inside alone.
func TestNoPortOutside(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	before := listening(t)
	u := newUser(t)
	cmd := u.inside(threatPolicy, "sh", "-c", `curl -sS http://api.good.example/ >/dev/null && echo ${HTTP_PROXY##*:} && cat`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if after := listening(t); after != before {
		t.Errorf("sockets that listen, before:\n%s\nafter:\n%s", before, after)
	}
	if c, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(port)); err == nil {
		c.Close()
		t.Error("the proxy answers outside")
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// The control: a socket that listens is seen.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if listening(t) == before {
		t.Error("no socket that listens is ever seen")
	}
}

// listening are the sockets of this network namespace that wait for somebody: those of TCP that
// listen, and all of UDP.
func listening(t *testing.T) string {
	t.Helper()
	var found []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const listen = "0A"
			if len(f) > 3 && (f[3] == listen || strings.HasPrefix(table, "udp") && f[2] == "00000000:0000") {
				found = append(found, table+" "+f[1])
			}
		}
	}
	return strings.Join(found, "\n")
}

// TestUpstream: everything goes through the proxy that the policy names, and with its password,
// which the agent does not find; what is to bypass it does.
func TestUpstream(t *testing.T) {
	i := internet.Here(t)
	serve := func() {
		for host, address := range map[string]string{
			"api.good.example": "6.6.6.10", "near.good.example": "6.6.6.11", "proxy.corp.example": "6.6.6.80",
		} {
			i.Authority.Set(host, netip.MustParseAddr(address))
		}
	}
	serve()
	l := i.Listen(t, "6.6.6.80:3128")
	var authorised atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go upstreamProxy(c, &authorised)
		}
	}()
	u := newUser(t)
	u.Env = append(u.Env, "http_proxy=http://bob:hunter2@proxy.corp.example:3128",
		"https_proxy=http://bob:hunter2@proxy.corp.example:3128", "no_proxy=near.good.example")
	policy := "network {\n  allow = [\"*.good.example\"]\n  upstream = { url = \"system\" }\n}\n"
	urls := []string{
		"https://api.good.example/", "http://api.good.example/", "https://near.good.example/", "http://evil.example/",
	}
	for _, d := range []door{composed, unaware} {
		c := client{run: []string{"sh", base + "/clients/curl.sh"}}
		answers := u.lines(u.inside(policy, c.through(d, urls)...), len(urls))
		if answers[0] != "ok" || answers[1] != "ok" || answers[2] != "ok" || answers[3] == "ok" {
			t.Errorf("%s: %q", d.name, answers)
		}
	}
	if authorised.Load() < 4 {
		t.Errorf("the proxy was asked %d times with its password", authorised.Load())
	}
	sent, err := i.Tap.Sent()
	if err != nil {
		t.Fatal(err)
	}
	// What arrives at the host was sent by the proxy, which stands on this machine's side of the tap.
	direct := 0
	for _, r := range i.Web.Requests() {
		if r.At.Addr() == netip.MustParseAddr("6.6.6.11") {
			direct++
		}
	}
	if direct != 2 || sent[internet.Packet{Protocol: "tcp", To: netip.MustParseAddrPort("6.6.6.80:3128")}] == 0 {
		t.Errorf("%d requests went past the proxy, and %v was sent", direct, sent)
	}
	if r := u.Finish(u.inside(policy, "sh", "-c", "env; cat /dev/nono.json")); strings.Contains(r.Stdout, "hunter2") {
		t.Errorf("the agent finds the password: %s", r)
	}
}

// upstreamProxy is a corporate one: it wants to know who asks.
func upstreamProxy(c net.Conn, authorised *atomic.Int64) {
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	const bob = "Basic Ym9iOmh1bnRlcjI="
	if r.Header.Get("Proxy-Authorization") != bob {
		fmt.Fprint(c, "HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	authorised.Add(1)
	host := r.Host
	if r.Method != http.MethodConnect && r.URL.Port() == "" {
		host += ":80"
	}
	out, err := sloppily(host, "80")
	if err != nil {
		fmt.Fprint(c, "HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	if r.Method == http.MethodConnect {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
	} else {
		r.Header.Del("Proxy-Authorization")
		r.Close = true
		_ = r.Write(out)
	}
	both(c, in, out)
}
