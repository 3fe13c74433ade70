//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// useGate writes a policy with the tests' network layer, which lets nothing through.
func (u *user) useGate(settings string) {
	u.t.Helper()
	u.write("agent.hcl", "network { allow = [\"name.example\"] }\n"+
		layerConfig("network", "test/gate", layers+"/nono-layer-gate", settings))
}

// A network layer of anybody's says what its sockets are, and programs inside find them: whatever
// it does not let through is told at the end of a run that failed, with what would allow it.
func TestBehindAnyNetworkLayer(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("/usr/bin/curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	for _, tt := range []struct{ name, settings, resolvConf, node, denied string }{
		{
			"that answers for names", "resolver = true", "# A layer answers for names.", "",
			"nono: denied: looked.example: this gate lets nothing through; to allow it: " +
				"`--allow-host looked.example`",
		},
		{
			"that does not", "", "# Nothing here answers for names.", "1",
			"nono: it asked for looked.example: layer test/gate does not answer for names, " +
				"and serves only programs that know its proxy",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUser(t)
			u.Env = append(u.Env, "HTTPS_PROXY=http://ada:canary@corp.example:3128")
			u.useGate(tt.settings)
			script := strings.Join([]string{
				"head -1 /etc/resolv.conf",
				"getent hosts looked.example",
				curl + " -s http://plain.example/",
				curl + " -s https://tunnel.example:8443/ https://tunnel.example:8443/",
				"echo node=$NODE_USE_ENV_PROXY proxy=${HTTPS_PROXY%:*}:",
				"exit 3",
			}, "; ")
			r := u.nono(configured("sh", "-c", script)...)
			if r.Code != 3 {
				t.Fatalf("it should have ended with 3\n%s", r)
			}
			want := strings.Join([]string{
				tt.resolvConf, "this gate lets nothing through",
				"node=" + tt.node + " proxy=http://127.0.0.1:", "",
			}, "\n")
			if r.Stdout != want {
				t.Errorf("it should have found\n%s\n%s", want, r)
			}
			u.says(r, tt.denied)
			u.says(r, "nono: denied: plain.example:80: this gate lets nothing through; to allow it: "+
				"`--allow-host plain.example`")
			u.says(r, "nono: denied: tunnel.example:8443: this gate lets nothing through, 2 times; "+
				"to allow it: `--allow-host tunnel.example:8443`")
			u.quiet(r, "canary")

			logs := u.succeeds(u.nono("logs")).Stdout
			for _, event := range []string{
				"test/gate gate.closed how=",
				"test/gate network.denied host=plain.example port=80 why='this gate lets nothing through'",
			} {
				if !strings.Contains(logs, event) {
					t.Errorf("the log has no %q\n%s", event, logs)
				}
			}
		})
	}
	// The controls: a command that ends well is told of nothing, and one that asks for nothing neither.
	u := newUser(t)
	u.useGate("")
	u.quiet(u.succeeds(u.nono(configured("sh", "-c", curl+" -s http://plain.example/")...)), "denied:")
	u.quiet(u.nono(configured("sh", "-c", "exit 3")...), "denied:")
}

// The network layer reads what the agent sends, so each of its threads has given away what it does
// not need when the agent begins; the log says how far that goes.
func TestNetworkLayerIsConfined(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	g := u.guarded("run", "--allow-cwd", "--allow-host", "name.example", "--", "sh", "-c", "echo up; read line")
	in := g.openInput()
	g.start()
	g.wait(&g.out, "up")
	pid, ok := g.child("nono-layer-netfilter")
	if !ok {
		t.Fatal("there is no network layer")
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("its threads are %q, %v", threads, err)
	}
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if !strings.Contains(string(status), "\nNoNewPrivs:\t1\n") {
			t.Errorf("a thread is not confined:\n%s", status)
		}
	}
	if _, err := in.Write([]byte("go on\n")); err != nil {
		t.Fatal(err)
	}
	g.succeeds()
	const event = "netfilter layer.confined how='confined by Landlock, version "
	if logs := u.succeeds(u.nono("logs")).Stdout; !strings.Contains(logs, event) {
		t.Errorf("the log has no %q\n%s", event, logs)
	}
}

// A certificate of a company's, which the host's administrator put among those that the host
// trusts, is trusted inside by programs that bring certificates of their own. The server is inside
// as well: who serves what is no matter here.
func TestCorporateCertificate(t *testing.T) {
	t.Parallel()
	const anchors, bundle = "/usr/local/share/ca-certificates", "/etc/ssl/certs/ca-certificates.crt"
	for _, file := range []string{anchors, bundle, "/usr/bin/python3"} {
		if _, err := os.Stat(file); err != nil {
			t.Skip("a system of another kind: ", err)
		}
	}
	const says = "echo $NODE_EXTRA_CA_CERTS $REQUESTS_CA_BUNDLE $SSL_CERT_FILE"
	const serve = `import http.server, ssl
s = http.server.HTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain("server.pem")
s.socket = c.wrap_socket(s.socket, server_side=True)
print(flush=True)
s.handle_request()
`
	const fetch = `fetch("https://localhost:8443/server.txt").then(async r => console.log(await r.text()),
	e => console.log(e.cause.code))`
	u := newUser(t)
	authority, server := certificates(t)
	system, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	u.write("~/bundle.pem", string(system)+"\n"+authority)
	u.write("~/corporate/ca.crt", authority)
	u.mkdir("~/none")
	u.write("server.pem", server)
	u.write("server.txt", "trusted")
	u.write("serve.py", serve)
	u.write("fetch.js", fetch)
	u.useGate("resolver = true")
	run := func(anchored, script string) string {
		mounts := []string{"bind=" + u.path(anchored), anchors, "bind=" + u.path("~/bundle.pem"), bundle}
		return u.succeeds(u.withMounts(mounts, configured("sh", "-c", script)...)).Stdout
	}
	if got, want := run("~/corporate", says), strings.Repeat(bundle+" ", 3); strings.TrimSpace(got)+" " != want {
		t.Errorf("programs are told of %q", got)
	}
	if got := run("~/none", says); got != "\n" { // what they bring along is as good
		t.Errorf("a host without: programs are told of %q", got)
	}
	t.Run("node", func(t *testing.T) {
		if _, err := os.Stat("/usr/bin/node"); err != nil {
			t.Skip("there is no node")
		}
		const script = "mkfifo up; python3 serve.py > up 2> served & read x < up; /usr/bin/node fetch.js"
		if got := run("~/corporate", script); got != "trusted\n" {
			t.Errorf("node says %q", got)
		}
		if got := run("~/none", "rm up; "+script); !strings.Contains(got, "UNABLE_TO_VERIFY") {
			t.Errorf("the control: node trusts it all the same: %q", got)
		}
	})
}

// certificates are one of an authority, and one that it made for localhost, with the key.
func certificates(t *testing.T) (authority, server string) {
	t.Helper()
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a company"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	authority = encode("CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
	server = encode("CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	return authority, server + encode("PRIVATE KEY", der, err)
}
