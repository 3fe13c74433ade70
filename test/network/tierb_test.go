//go:build linux

package network

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
)

// TestClientsWithoutNamespaces is the table of front doors in tier B: each client reaches the same
// as in tier A, and of what is denied not a packet is sent and not a name is asked for. That all of
// it is reached outside shows [TestClients].
func TestClientsWithoutNamespaces(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) { onTierB(t, c, tierB) })
	}
}

// TestClientsInContainers: beneath the filter that containers have, core cannot take the agent's
// sockets, and gives it others that are connected.
func TestClientsInContainers(t *testing.T) {
	for _, c := range clients() {
		switch c.name {
		case "curl", "urllib", "node http", "java": // each waits for its connection in another way
			t.Run(c.name, func(t *testing.T) { onTierB(t, c, hosts.Host{Docker: true}) })
		}
	}
}

func onTierB(t *testing.T, c client, on hosts.Host) {
	i := internet.Here(t)
	if c.lacks != nil {
		if lacks := c.lacks(t, i); lacks != "" {
			t.Skip(lacks)
		}
	}
	var urls []string
	for _, p := range places {
		urls = append(urls, p.url)
	}
	serveLoopback(t, i)
	u := newUser(t)
	u.on = on
	for _, d := range append([]door{composed}, c.doors...) {
		if c.name == "go" && d == unaware {
			continue // without the C library it asks for names by packets, and there are none
		}
		i := internet.Here(t)
		name(i)
		answers := u.lines(u.inside(policy, c.through(d, urls)...), len(urls))
		for k, p := range places {
			if got := answers[k] == "ok"; got != p.allowed {
				t.Errorf("%s, %s: %s", d.name, p.url, answers[k])
			}
		}
		expectOnly(t, i, reachable)
		for _, q := range i.Authority.Queries() {
			if strings.Contains(q.Name, "evil") || strings.Contains(q.Name, "bad") || q.Name == "wild.example" {
				t.Errorf("%s: a name that is denied was asked for: %v", d.name, q)
			}
		}
	}
}

// TestThreatsWithoutNamespaces makes every attempt in tier B. That each succeeds outside shows
// [TestThreats].
func TestThreatsWithoutNamespaces(t *testing.T) {
	all := attempts(base64.StdEncoding.EncodeToString(internet.Here(t).Web.ECH))
	u, a := newUser(t), openArena(t, len(all))
	u.on = tierB
	allowed := slices.DeleteFunc(append(plainTries(), otherTries()...), func(try string) bool {
		return strings.Contains(try, "direct") // which a Go program asks for by packets
	})
	heldInside(u, a, all, threatPolicy, allowed)
}

// hang is a run that goes on until its input ends, and has said something by then.
func (u *user) hang(policy string, args ...string) (said string, end func()) {
	t := u.T
	t.Helper()
	cmd := u.inside(policy, args...)
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
	said, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v\n%s", said, err, errs.String())
	}
	return strings.TrimSpace(said), func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, errs.String())
		}
	}
}

// TestStrangersOnTheLoopback: in tier B the layer's sockets lie on the host's loopback. Whoever
// connects there and is not the agent hears nothing and sends nothing on, whatever he says first.
func TestStrangersOnTheLoopback(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	before := strings.Fields(strings.ReplaceAll(listening(t), "tcp ", ""))
	u := newUser(t)
	u.on = tierB
	said, end := u.hang(threatPolicy, "sh", "-c", `curl -sS http://api.good.example/ >/dev/null && echo served && cat`)
	defer end()
	if said != "served" {
		t.Fatalf("the agent is not served: %q", said)
	}
	i = internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	found := 0
	for _, socket := range strings.Fields(strings.ReplaceAll(listening(t), "tcp ", "")) {
		address, hex, _ := strings.Cut(socket, ":")
		if slices.Contains(before, socket) || address != "0100007F" {
			continue
		}
		found++
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		for _, say := range []string{
			"GET http://api.good.example/ HTTP/1.1\r\nHost: api.good.example\r\nConnection: close\r\n\r\n",
			"CONNECT api.good.example:443 HTTP/1.1\r\nHost: api.good.example:443\r\n\r\n" + strings.Repeat(" ", 50),
			"\x05\x01\x00\x05\x01\x00\x03\x10api.good.example\x00\x50" + strings.Repeat("\x00", 50),
			strings.Repeat("\x00", 100),
		} {
			c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = io.WriteString(c, say)
			if heard, _ := io.ReadAll(c); len(heard) > 0 {
				t.Errorf("port %d answers a stranger %q", port, heard)
			}
			c.Close()
		}
	}
	if found == 0 {
		t.Error("the layer listens nowhere: this shows nothing")
	}
	expectOnly(t, i, nil)
}

// TestListenWithoutNamespaces: in tier B the agent itself serves on the host's loopback, at a port
// that is granted, and nobody beyond the loopback reaches it there.
func TestListenWithoutNamespaces(t *testing.T) {
	internet.Here(t)
	granted, other := freePort(t), freePort(t)
	u := newUser(t)
	u.on = tierB
	policy := fmt.Sprintf("network { listen = [%s] }", granted)
	said, end := u.hang(policy, base+"/bin/agent", "serve", granted)
	if said != "serving" {
		t.Fatalf("it says %q", said)
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
	for _, address := range []string{"6.6.6.1:" + granted, "[2a00:6666::1]:" + granted} {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			t.Errorf("%s answers", address)
		}
	}
	end()
	if r := u.Finish(u.inside(policy, base+"/bin/agent", "serve", other)); r.Code == 0 {
		t.Errorf("another port is served: %s", r)
	}
	wide := `import socket; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("0.0.0.0", %s)); s.listen(); print("serving")`
	if r := u.Finish(u.inside(policy, "/usr/bin/python3", "-c", fmt.Sprintf(wide, granted))); !strings.Contains(r.Stderr, "PermissionError") {
		t.Errorf("every address is served: %s", r)
	}
	if r := u.Finish(u.Command("/usr/bin/python3", "-c", fmt.Sprintf(wide, granted))); r.Stdout != "serving\n" {
		t.Errorf("without nono: %s", r)
	}
}
