//go:build linux

package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// A client is a program that agents fetch with. It takes URLs, and prints for each "ok" where a
// server of the internet answered, else "no" and why.
type client struct {
	name  string
	run   []string
	lacks func(t *testing.T, i *internet.Internet) string
	// doors are those that it is tried at besides what nono composes.
	doors []door
}

// A door is a way to the network that a program can be told to take.
type door struct {
	name string
	open string // what a shell does before it executes the client
}

const forgetProxies = `for v in http_proxy https_proxy all_proxy no_proxy \
	HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY; do unset $v; done
`

var (
	// composed is whatever variables and settings a run has.
	composed = door{"as composed", ""}
	// unaware is a program that knows of no proxy: its names have to lead somewhere.
	unaware = door{"no proxy", forgetProxies + `
		unset NODE_USE_ENV_PROXY JAVA_TOOL_OPTIONS GIT_CONFIG_COUNT`}
	// socks leaves names to the other side, socksHere asks for the addresses that they have inside.
	socks     = door{"socks5h", `p=${HTTP_PROXY#http://}` + "\n" + forgetProxies + `export ALL_PROXY=socks5h://$p`}
	socksHere = door{"socks5", `p=${HTTP_PROXY#http://}` + "\n" + forgetProxies + `export ALL_PROXY=socks5://$p`}
)

// through is a client's command at a door.
func (c client) through(d door, urls []string) []string {
	run := append([]string{"sh", "-c", d.open + "\nexec \"$@\"", "sh"}, c.run...)
	return append(run, urls...)
}

func clients() []client {
	file := func(name string) string { return base + "/clients/" + name }
	python, installed := "/usr/bin/python3", base+"/venv/bin/python3"
	all := []door{unaware}
	return []client{
		{
			name: "curl", run: []string{"sh", file("curl.sh")}, lacks: missing("curl"),
			doors: []door{unaware, socks, socksHere},
		},
		{name: "urllib", run: []string{python, file("fetch.py"), "urllib"}, lacks: missing(python), doors: all},
		{name: "requests", run: []string{installed, file("fetch.py"), "requests"}, lacks: noEnvironment, doors: all},
		{name: "httpx", run: []string{installed, file("fetch.py"), "httpx"}, lacks: noEnvironment, doors: all},
		{name: "node fetch", run: []string{"node", file("fetch.js"), "fetch"}, lacks: missing("node"), doors: all},
		{name: "node http", run: []string{"node", file("fetch.js"), "http"}, lacks: missing("node"), doors: all},
		{name: "go", run: []string{base + "/bin/agent", "get"}, doors: all},
		{
			name: "java", lacks: noJava, doors: all,
			run: []string{"java", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", base + "/clients", "Fetch"},
		},
	}
}

func missing(program string) func(*testing.T, *internet.Internet) string {
	return func(*testing.T, *internet.Internet) string {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error()
		}
		return ""
	}
}

func noEnvironment(*testing.T, *internet.Internet) string {
	reason, err := os.ReadFile(base + "/no-venv")
	if err != nil {
		return ""
	}
	return string(reason)
}

// noJava also compiles the client, and gives Java a store of certificates in a form of its own.
func noJava(t *testing.T, i *internet.Internet) string {
	for _, program := range []string{"java", "javac", "keytool"} {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error()
		}
	}
	compile := exec.Command("javac", "-d", base+"/clients", base+"/clients/Fetch.java")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	const store = "/etc/ssl/certs/java/cacerts"
	if _, err := os.Stat(store); err == nil {
		return ""
	}
	if err := os.MkdirAll(filepath.Dir(store), 0o755); err != nil {
		return err.Error()
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, i.CA.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("keytool", "-importcert", "-noprompt", "-alias", "internet", "-file", ca,
		"-storetype", "JKS", "-keystore", store, "-storepass", "changeit").CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	return ""
}

// A place is something that clients try to fetch.
type place struct {
	url     string
	allowed bool
}

// policy allows some of the places.
const policy = `
network {
  allow = [
    "api.good.example", "*.wild.example", "port.example:8443", "6.6.6.20", "10.9.0.0/16",
    "meta.good.example", "inner.good.example", "mapped.good.example", "loop.good.example", "own.good.example",
  ]
  deny = ["bad.wild.example"]
}
`

var places = []place{
	{"https://api.good.example/", true},
	{"http://api.good.example/", true},
	{"https://a.wild.example/", true},
	{"https://port.example:8443/", true},
	{"http://6.6.6.20/", true},
	{"http://10.9.0.1/", true},
	{"https://evil.example/", false},
	{"http://evil.example/", false},
	{"https://wild.example/", false},            // *.wild.example is what lies below
	{"https://bad.wild.example/", false},        // a denial wins
	{"https://port.example/", false},            // another port
	{"http://api.good.example:8080/", false},    // the same
	{"http://meta.good.example/", false},        // allowed names that lead where no name may lead
	{"http://inner.good.example/", false},       //
	{"http://mapped.good.example/", false},      //
	{"http://loop.good.example/", false},        //
	{"http://own.good.example/", false},         //
	{"http://169.254.169.254/", false},          // addresses
	{"http://[fd00:ec2::254]/", false},          //
	{"http://6.6.6.66/", false},                 //
	{"http://[2a00:6666::66]/", false},          //
	{"http://10.1.2.3/", false},                 //
	{"http://127.0.0.1/", false},                // services of the host
	{"http://[::1]/", false},                    //
	{"http://localhost/", false},                //
	{"http://0.0.0.0/", false},                  //
	{"http://[::ffff:169.254.169.254]/", false}, //
}

// name gives the places their addresses.
func name(i *internet.Internet) {
	for host, addresses := range map[string][]string{
		"api.good.example":    {"6.6.6.10", "2a00:6666::10"},
		"a.wild.example":      {"6.6.6.11"},
		"wild.example":        {"6.6.6.67"},
		"bad.wild.example":    {"6.6.6.68"},
		"port.example":        {"6.6.6.13"},
		"evil.example":        {"6.6.6.66", "2a00:6666::66"},
		"meta.good.example":   {"169.254.169.254"},
		"inner.good.example":  {"10.1.2.3"},
		"mapped.good.example": {"169.254.169.254", "::ffff:169.254.169.254"},
		"loop.good.example":   {"127.0.0.1"},
		"own.good.example":    {"6.6.6.1"},
	} {
		var parsed []netip.Addr
		for _, a := range addresses {
			parsed = append(parsed, netip.MustParseAddr(a))
		}
		i.Authority.Set(host, parsed...)
	}
}

// reachable are where packets may go of what [policy] allows.
var reachable = map[string]bool{
	"tcp 6.6.6.10:80": true, "tcp 6.6.6.10:443": true, "tcp [2a00:6666::10]:80": true,
	"tcp [2a00:6666::10]:443": true, "tcp 6.6.6.11:443": true, "tcp 6.6.6.13:8443": true,
	"tcp 6.6.6.20:80": true, "tcp 10.9.0.1:80": true,
	"udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true,
}

// serveLoopback is a service of the user's own, at the port of the web. One more looks for whoever
// comes by the machine's own address.
func serveLoopback(t *testing.T, i *internet.Internet) {
	t.Helper()
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "6.6.6.1:80"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		server := i.Web.Server()
		t.Cleanup(func() { server.Close() })
		go func() { _ = server.Serve(l) }()
	}
}

// TestClients is the table of front doors against clients: each reaches what is allowed, and of
// what is not, not a packet is sent and not a name is asked for. Outside each reaches everything.
func TestClients(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
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
			name(i)
			serveLoopback(t, i)
			u := newUser(t)
			control := u.Command(c.through(composed, urls)...)
			control.Env = append(control.Env,
				"NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
				"REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
				"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt")
			answers := u.lines(control, len(urls))
			for k, p := range places {
				if answers[k] != "ok" {
					t.Errorf("outside, %s: %s", p.url, answers[k])
				}
			}
			for _, d := range append([]door{composed}, c.doors...) {
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
		})
	}
}

// lines runs a command that prints one line for each thing it was told.
func (u *user) lines(cmd *exec.Cmd, n int) []string {
	u.T.Helper()
	r := u.Finish(cmd)
	lines := strings.Split(strings.TrimSuffix(r.Stdout, "\n"), "\n")
	if len(lines) != n {
		u.T.Fatalf("%s: %d lines and not %d: %s", cmd, len(lines), n, r)
	}
	return lines
}

// expectOnly fails for each packet that went where none may go.
func expectOnly(t *testing.T, i *internet.Internet, reachable map[string]bool) {
	t.Helper()
	sent, err := i.Tap.Sent()
	if err != nil {
		t.Fatal(err)
	}
	for p, n := range sent {
		if !reachable[fmt.Sprint(p)] {
			t.Errorf("%d packets went to %s", n, p)
		}
	}
}
