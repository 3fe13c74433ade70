//go:build linux

package network

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
)

// serveAt is a service of the user's, at a port that is free.
func serveAt(t *testing.T, i *internet.Internet, address string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := i.Web.Server()
	t.Cleanup(func() { server.Close() })
	go func() { _ = server.Serve(l) }()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestLoopback: of the services of the host the agent reaches the one that is granted, under the
// names that it has outside, and no other under any name.
func TestLoopback(t *testing.T) {
	i := internet.Here(t)
	granted, other := serveAt(t, i, "127.0.0.1:0"), serveAt(t, i, "[::]:0")
	if l, err := net.Listen("tcp", "127.0.0.1:"+other); err == nil {
		l.Close()
		t.Fatal("the other service is not on every address")
	}
	i.Authority.Set("own.good.example", internet.Machine)
	i.Authority.Set("second.good.example", netip.MustParseAddr("6.6.7.2")) // of one range with 6.6.7.1
	i.Authority.Set("loop.good.example", netip.MustParseAddr("127.0.0.1"))
	policy := fmt.Sprintf("network {\n  loopback = [%s]\n  allow = [\"*.good.example:*\"]\n}", granted)
	allowed := []string{"tcp=127.0.0.1:" + granted, "tcp=localhost:" + granted}
	var denied []string
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]",
		"6.6.6.1", "[2a00:6666::1]", "own.good.example", "second.good.example", "loop.good.example",
	} {
		target := host + ":" + other
		denied = append(denied, "tcp="+target, "tunnel="+target+"|"+askGood,
			"raw=GET http://"+target+`/ HTTP/1.1\r\nHost: `+target+`\r\nConnection: close\r\n\r\n`)
		if host[0] != '[' {
			denied = append(denied, "socks="+host+"|"+other+"|"+askGood)
		}
	}
	u := newUser(t)
	control := u.Command(base+"/bin/agent", "try")
	control.Env = append(control.Env, "HTTP_PROXY=http://"+serveCareless(t))
	for n, outcome := range u.try(control, append(allowed, denied...)) {
		if !strings.Contains(outcome, "reached") {
			t.Errorf("outside, %s: %s", append(allowed, denied...)[n], outcome)
		}
	}
	for _, u.on = range []hosts.Host{{}, tierB} {
		outcomes := u.try(u.inside(policy, base+"/bin/agent", "try"), append(allowed, denied...))
		for n, outcome := range outcomes {
			if reached := strings.Contains(outcome, "reached"); reached != (n < len(allowed)) {
				t.Errorf("%s, on %+v: %s", append(allowed, denied...)[n], u.on, outcome)
			}
		}
	}
}

// TestListen: the host's loopback reaches what the agent serves at a port that is granted, and
// nothing that it serves at another one; and nobody but the host's loopback does.
func TestListen(t *testing.T) {
	internet.Here(t)
	granted, other := freePort(t), freePort(t)
	u := newUser(t)
	cmd := u.inside(fmt.Sprintf("network { listen = [%s] }", granted), base+"/bin/agent", "serve", granted, other)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatalf("%q, %v\n%s", line, err, errs.String())
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get("http://127.0.0.1:" + granted + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || string(body) != "from inside\n" {
		t.Errorf("the agent's service: %q, %v", body, err)
	}
	for _, address := range []string{"127.0.0.1:" + other, "6.6.6.1:" + granted, "[2a00:6666::1]:" + granted} {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			t.Errorf("%s answers", address)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
