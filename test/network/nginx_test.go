//go:build linux

package network

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/internet"
)

// nginx is in no ordinary user's PATH.
const nginx = "/usr/sbin/nginx"

// serveNginx lets nginx serve a file at nginx.good.example and at nginx.evil.example, on ports that
// the internet's own server leaves free. It takes its sockets over as it does from an older nginx.
func serveNginx(u *user, i *internet.Internet, file []byte) {
	u.T.Helper()
	var config, sockets strings.Builder
	if os.Getuid() == 0 {
		config.WriteString("user root root;\n") // there is no other in the namespace
	}
	fmt.Fprintf(&config, `daemon off;
worker_processes 1;
pid %[1]s/nginx/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/nginx/body;
  proxy_temp_path %[1]s/nginx/proxy;
  fastcgi_temp_path %[1]s/nginx/fastcgi;
  uwsgi_temp_path %[1]s/nginx/uwsgi;
  scgi_temp_path %[1]s/nginx/scgi;
`, u.Home)
	u.Write("nginx/site/file", string(file))
	cmd := exec.CommandContext(u.T.Context(), nginx, "-e", "stderr", "-c", u.Home+"/nginx/config")
	for host, address := range map[string]string{
		"nginx.good.example": "6.6.6.16", "nginx.evil.example": "6.6.6.67",
	} {
		i.Authority.Set(host, netip.MustParseAddr(address))
		cert, err := i.CA.Issue(host)
		if err != nil {
			u.T.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			u.T.Fatal(err)
		}
		at := u.Write("nginx/"+host, string(pem.EncodeToMemory(
			&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))+string(pem.EncodeToMemory(
			&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
		fmt.Fprintf(&config, `  server {
    listen %s:8080;
    listen %[1]s:8443 ssl http2;
    server_name %s;
    ssl_certificate %s;
    ssl_certificate_key %[3]s;
    root %s/nginx/site;
  }
`, address, host, at, u.Home)
		for _, port := range []string{"8080", "8443"} {
			socket, err := i.Listen(u.T, net.JoinHostPort(address, port)).(*net.TCPListener).File()
			if err != nil {
				u.T.Fatal(err)
			}
			defer socket.Close()
			fmt.Fprintf(&sockets, "%d;", 3+len(cmd.ExtraFiles))
			cmd.ExtraFiles = append(cmd.ExtraFiles, socket)
		}
	}
	u.Write("nginx/config", config.String()+"}\n")
	cmd.Env = append(os.Environ(), "NGINX="+sockets.String())
	var says bytes.Buffer
	cmd.Stderr = &says
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) } // which ends its worker too
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		u.T.Fatal(err)
	}
	u.T.Cleanup(func() { // the context has ended it
		if _ = cmd.Wait(); u.T.Failed() {
			u.T.Logf("nginx: %s", &says)
		}
	})
}

// fetches takes the file in each way there is: whole, a part of it, and one that is not there.
const fetches = `set -f
for way in "" "--noproxy *"; do
	for url in http://HOST:8080/file https://HOST:8443/file; do
		for version in --http1.1 --http2; do
			curl -sS -m 20 $way $version -o fetched $url && cmp -s fetched ../nginx/site/file && echo whole
			rm -f fetched
		done
	done
	curl -sS -m 20 $way -r 17-33 https://HOST:8443/file
	curl -sS -m 20 $way -o /dev/null -w '%{http_code}\n' https://HOST:8443/none
done`

// TestNginx: the server that much of the internet runs is reached as it is without nono, in clear
// and by TLS, with HTTP/1.1 and HTTP/2, by the proxy and with none; and by no other name of its.
func TestNginx(t *testing.T) {
	if _, err := os.Stat(nginx); err != nil {
		t.Skip("nginx is not there: ", err)
	}
	i := internet.Here(t)
	u := newUser(t)
	file := bytes.Repeat([]byte("0123456789abcdef\n"), 300_000)
	serveNginx(u, i, file)
	script := func(host string) []string {
		return []string{"sh", "-c", strings.ReplaceAll(fetches, "HOST", host)}
	}
	part := strings.Repeat("whole\n", 4) + "0123456789abcdef\n404\n"
	want := part + part
	for _, host := range []string{"nginx.good.example", "nginx.evil.example"} {
		if r := u.Finish(u.Command(script(host)...)); r.Stdout != want {
			t.Fatalf("outside, %s: %s", host, r)
		}
	}
	policy := `network { allow = ["nginx.good.example:8080", "nginx.good.example:8443"] }`
	site := []string{u.Home + "/nginx/site"}
	if r := u.Finish(u.insideReading(site, policy, script("nginx.good.example")...)); r.Stdout != want {
		t.Errorf("what is allowed: %s", r)
	}
	if r := u.Finish(u.insideReading(site, policy, script("nginx.evil.example")...)); strings.Contains(r.Stdout, "whole") || strings.Contains(r.Stdout, "01234") {
		t.Errorf("what is denied: %s", r)
	}
}
