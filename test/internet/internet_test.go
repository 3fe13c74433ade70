//go:build linux

package internet_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/test/internet"
)

func TestMain(m *testing.M) { internet.Main(m, nil) }

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

// TestEveryAddress: whatever address is tried, the internet here answers, and the tap has seen it.
func TestEveryAddress(t *testing.T) {
	i := internet.Here(t)
	for _, text := range []string{
		"6.6.6.10", "2a00:6666::10", "6.66.6.66", "2a00:7777::1", "10.1.2.3", "192.168.0.1",
		"169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "64:ff9b::a9fe:a9fe",
	} {
		address := netip.MustParseAddr(text)
		at := netip.AddrPortFrom(address, 80)
		if got := get(t, "http://"+at.String()); got != internet.Reached(address) {
			t.Errorf("%s answered %q", address, got)
		}
		sent, err := i.Tap.Sent()
		if err != nil {
			t.Fatal(err)
		}
		if sent[internet.Packet{Protocol: "tcp", To: at}] < 4 {
			t.Errorf("the tap saw nothing of %s: %v", address, sent)
		}
	}
	c, err := net.Dial("udp", "9.9.9.9:443")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 10)
	if _, err := c.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(answer); err != nil || n != 1 {
		t.Errorf("a datagram: %d %v", n, err)
	}
}

// TestNoWayOut: the machine and the internet have each other and nobody else.
func TestNoWayOut(t *testing.T) {
	i := internet.Here(t)
	if err := i.Alone(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/run/dbus"); err == nil {
		t.Error("services of the host have their sockets here")
	}
	get(t, "http://6.6.6.10") // the internet is alive
	if sent, err := i.Tap.Sent(); err != nil || len(sent) != 1 {
		t.Errorf("one request is %v, %v", sent, err)
	}
}

// TestNames: the machine's own resolver asks the internet's authority, which remembers it.
func TestNames(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"), netip.MustParseAddr("2a00:6666::10"))
	for _, scheme := range []string{"http", "https"} {
		got := get(t, scheme+"://api.good.example/")
		if got != "reached 6.6.6.10\n" && got != "reached 2a00:6666::10\n" {
			t.Errorf("%s: %q", scheme, got)
		}
	}
	if !i.Authority.Asked("good.example") || i.Authority.Asked("example.org") {
		t.Errorf("asked was %v", i.Authority.Queries())
	}
	out, err := exec.Command("getent", "hosts", "api.good.example").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "6666::10") {
		t.Errorf("the C library's resolver: %v, %s", err, out)
	}
	if _, err := net.LookupHost("no.example"); err == nil || !i.Authority.Asked("no.example") {
		t.Errorf("a name that is not there: %v", err)
	}
	requests := i.Web.Requests()
	if len(requests) != 2 || requests[1].ServerName != "api.good.example" {
		t.Errorf("requests: %v", requests)
	}
}

// TestTrust: the machine trusts the internet's CA, in each way in which programs look for it.
func TestTrust(t *testing.T) {
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	for name, command := range map[string][]string{
		"curl":    {"curl", "-sS", "https://api.good.example/"},
		"openssl": {"python3", "-c", "import urllib.request as u; print(u.urlopen('https://api.good.example/').read().decode(), end='')"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "reached 6.6.6.10\n" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	// The control: a certificate for another name is refused.
	c, err := tls.Dial("tcp", "6.6.6.10:443", &tls.Config{ServerName: "other.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.VerifyHostname("api.good.example") == nil {
		t.Error("a certificate for all names")
	}
}

// TestNoCapability: tests run as the user who started them, without capabilities, unless that is
// root.
func TestNoCapability(t *testing.T) {
	internet.Here(t)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	none := strings.Contains(string(status), "CapPrm:\t0000000000000000\n")
	if root := os.Getuid() == 0; none == root {
		t.Errorf("root: %v\n%s", root, status)
	}
}
