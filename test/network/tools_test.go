//go:build linux

package network

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/netip"
	"os"
	"os/exec"
	accounts "os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
)

// A tool fetches with a protocol of its own. Script is what the user types for a host, HOST; it
// prints what was fetched last.
type tool struct {
	name   string
	lacks  func(u *user) string
	serve  func(u *user, i *internet.Internet, host string)
	policy string // what it takes besides the host
	script string
	prints string
	reads  []string // what is granted besides
}

// site is a server of files, by their paths.
type site map[string]string

// ServeHTTP implements http.Handler.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, ok := s[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/") {
		w.Header().Set("Content-Type", "text/html")
	}
	_, _ = w.Write([]byte(content))
}

func needs(programs ...string) func(*user) string {
	return func(*user) string {
		for _, p := range programs {
			if _, err := exec.LookPath(p); err != nil {
				return err.Error()
			}
		}
		return ""
	}
}

func tools() []tool {
	return []tool{
		{
			name: "git over https", lacks: needs("git"), serve: serveGit, prints: "fetched",
			script: `git clone -q https://HOST/repo.git got && cat got/file`,
		},
		{
			name: "git over ssh", lacks: noSSH, serve: serveSSH, prints: "fetched",
			policy: `opaque = ["HOST:22"]`,
			script: `GIT_SSH_COMMAND="ssh -F none -i KEY -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=5" \
				git clone -q ssh://ACCOUNT@HOSTREPO got && cat got/file`,
		},
		{
			name: "npm", lacks: needs("npm"), serve: serveNPM, prints: "1.2.3",
			script: `npm view hello version --registry=https://HOST/ --fetch-retries=0 --cache=$PWD/npm`,
		},
		{
			name: "go's modules", lacks: needs("go"), serve: serveModules, prints: "v1.2.3",
			script: `mkdir m && cd m && GOPROXY=https://HOST GOSUMDB=off GOFLAGS=-modcacherw GOMODCACHE=$PWD/cache GOTOOLCHAIN=local \
				go list -m -f '{{.Version}}' example.com/hello@latest`,
		},
		{
			name: "pip", lacks: func(*user) string { return noEnvironment(nil, nil) }, serve: servePython, prints: "hello-1.2.3-py3-none-any.whl",
			script: base + `/venv/bin/python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps --retries 0 \
				--index-url https://HOST/simple -d got hello && ls got`,
		},
		{
			name: "cargo", lacks: func(*user) string {
				_, lacks := cargo()
				return lacks
			},
			serve: serveCrates, prints: "1.2.3", reads: func() []string { dir, _ := cargo(); return []string{dir} }(),
			script: `mkdir -p c/src c/home && cd c && touch src/lib.rs && printf '[package]\nname = "c"\nversion = "0.1.0"\n[dependencies]\nhello = { version = "1", registry = "r" }\n' >Cargo.toml &&
				CARGO_HOME=$PWD/home CARGO_REGISTRIES_R_INDEX=sparse+https://HOST/ CARGO_NET_RETRY=0 PATH=CARGO/bin:$PATH cargo fetch -q && ls home/registry/src/*/ | sed s/hello-//`,
		},
	}
}

// TestTools: what developers fetch with reaches the host that is allowed and not another one.
// Outside it reaches both.
func TestTools(t *testing.T) {
	for _, k := range tools() {
		t.Run(k.name, func(t *testing.T) {
			i := internet.Here(t)
			u := newUser(t)
			if lacks := k.lacks(u); lacks != "" {
				t.Skip(lacks)
			}
			serve := func() {
				for host, address := range map[string]string{"tool.good.example": "6.6.6.15", "tool.evil.example": "6.6.6.66"} {
					i.Authority.Set(host, netip.MustParseAddr(address))
					k.serve(u, i, host)
				}
			}
			script := func(host string) string {
				account, err := accounts.Current()
				if err != nil {
					t.Skip("the system does not know who runs this: ", err)
				}
				dir, _ := cargo()
				return "cd $(mktemp -d $PWD/XXXXXX) && " + strings.NewReplacer("HOSTREPO", host+u.Home+"/repo.git", "HOST", host,
					"ACCOUNT", account.Username, "KEY", u.Project+"/key", "CARGO/", dir+"/").Replace(k.script)
			}
			serve()
			for _, host := range []string{"tool.good.example", "tool.evil.example"} {
				cmd := u.Command("sh", "-c", script(host))
				cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt")
				if r := u.Finish(cmd); strings.TrimSpace(r.Stdout) != k.prints {
					t.Fatalf("outside, %s: %s", host, r)
				}
			}
			i = internet.Here(t)
			serve()
			policy := "network {\n  allow = [\"tool.good.example:443\", \"tool.good.example:22\"]\n  " +
				strings.ReplaceAll(k.policy, "HOST", "tool.good.example") + "\n}\n"
			for _, u.on = range []hosts.Host{{}, tierB} {
				if r := u.Finish(u.insideReading(k.reads, policy, "sh", "-c", script("tool.good.example"))); strings.TrimSpace(r.Stdout) != k.prints {
					t.Errorf("what is allowed, on %+v: %s", u.on, r)
				}
				if r := u.Finish(u.insideReading(k.reads, policy, "sh", "-c", script("tool.evil.example"))); r.Code == 0 || strings.Contains(r.Stdout, k.prints) {
					t.Errorf("what is denied, on %+v: %s", u.on, r)
				}
			}
			if i.Authority.Asked("evil.example") {
				t.Error("the denied name was asked for")
			}
			expectOnly(t, i, map[string]bool{
				"tcp 6.6.6.15:443": true, "tcp 6.6.6.15:22": true, "udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true,
			})
		})
	}
}

// repository is one with a file, in a form that is served.
func (u *user) repository() string {
	u.T.Helper()
	dir := u.Home + "/repo.git"
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	u.Write("work/file", "fetched\n")
	for _, args := range [][]string{
		{"init", "-q", u.Home + "/work"},
		{"-C", u.Home + "/work", "add", "."},
		{"-C", u.Home + "/work", "-c", "user.name=u", "-c", "user.email=u@example.com", "commit", "-qm", "one"},
		{"clone", "-q", "--bare", u.Home + "/work", dir},
	} {
		if r := u.Finish(u.Command(append([]string{"git"}, args...)...)); r.Code != 0 {
			u.T.Fatal(r)
		}
	}
	return dir
}

func serveGit(u *user, i *internet.Internet, host string) {
	u.repository()
	git, err := exec.LookPath("git")
	if err != nil {
		u.T.Fatal(err)
	}
	i.Web.Handle(host, &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, InheritEnv: []string{"PATH"},
		Env: []string{"GIT_PROJECT_ROOT=" + u.Home, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + u.Home},
	})
}

const sshd = "/usr/sbin/sshd"

func noSSH(*user) string {
	if os.Getuid() == 0 {
		return "as root sshd wants an account for what it does without privileges, which the namespace lacks"
	}
	for _, p := range []string{sshd, "ssh", "ssh-keygen", "git"} {
		if _, err := exec.LookPath(p); err != nil {
			return err.Error()
		}
	}
	return ""
}

// serveSSH starts a server for each connection, as inetd does.
func serveSSH(u *user, i *internet.Internet, host string) {
	u.repository()
	for key, file := range map[string]string{"host": u.Home + "/hostkey", "user": u.Project + "/key"} {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if r := u.Finish(u.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", file)); r.Code != 0 {
			u.T.Fatal(r)
		}
	}
	config := u.Write("sshd_config", fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\n",
		u.Home+"/hostkey", u.Project+"/key.pub"))
	address := map[string]string{"tool.good.example": "6.6.6.15:22", "tool.evil.example": "6.6.6.66:22"}[host]
	l := i.Listen(u.T, address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			file, err := c.(*net.TCPConn).File()
			c.Close()
			if err != nil {
				return
			}
			cmd := exec.Command(sshd, "-i", "-f", config)
			cmd.Stdin, cmd.Stdout = file, file
			if cmd.Start() == nil {
				go func() { _ = cmd.Wait() }()
			}
			file.Close()
		}
	}()
}

func serveNPM(_ *user, i *internet.Internet, host string) {
	i.Web.Handle(host, site{"/hello": `{"name": "hello", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": {
		"name": "hello", "version": "1.2.3", "dist": {"tarball": "https://` + host + `/hello/-/hello-1.2.3.tgz"}}}}`})
}

func serveModules(_ *user, i *internet.Internet, host string) {
	const module = "/example.com/hello/@v/"
	i.Web.Handle(host, site{
		module + "list": "v1.2.3\n", module + "v1.2.3.mod": "module example.com/hello\n",
		module + "v1.2.3.info": `{"Version": "v1.2.3", "Time": "2026-01-01T00:00:00Z"}`,
	})
}

func servePython(u *user, i *internet.Internet, host string) {
	var wheel bytes.Buffer
	z := zip.NewWriter(&wheel)
	for name, content := range map[string]string{
		"hello.py": "", "hello-1.2.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: hello\nVersion: 1.2.3\n",
		"hello-1.2.3.dist-info/WHEEL":  "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"hello-1.2.3.dist-info/RECORD": "",
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			u.T.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		u.T.Fatal(err)
	}
	const file = "hello-1.2.3-py3-none-any.whl"
	i.Web.Handle(host, site{
		"/simple/hello/": `<!DOCTYPE html><html><body><a href="/files/` + file + `">` + file + `</a></body></html>`,
		"/files/" + file: wheel.String(),
	})
}

// cargo is the directory with the installation of one that knows registries over HTTP.
func cargo() (dir, lacks string) {
	programs := []string{"/usr/bin/cargo"}
	if home, err := os.UserHomeDir(); err == nil {
		found, _ := filepath.Glob(home + "/.rustup/toolchains/*/bin/cargo")
		programs = append(programs, found...)
	}
	for _, program := range programs {
		said, err := exec.Command(program, "--version").Output()
		var minor int
		if n, _ := fmt.Sscanf(string(said), "cargo 1.%d", &minor); err == nil && n == 1 && minor >= 68 {
			if program, err = filepath.EvalSymlinks(program); err == nil {
				return filepath.Dir(filepath.Dir(program)), ""
			}
		}
	}
	return "", "there is no cargo of 1.68 or newer"
}

func serveCrates(u *user, i *internet.Internet, host string) {
	var crate bytes.Buffer
	compressed := gzip.NewWriter(&crate)
	archive := tar.NewWriter(compressed)
	for name, content := range map[string]string{
		"hello-1.2.3/Cargo.toml": "[package]\nname = \"hello\"\nversion = \"1.2.3\"\n", "hello-1.2.3/src/lib.rs": "",
	} {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		if err == nil {
			_, err = archive.Write([]byte(content))
		}
		if err != nil {
			u.T.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		u.T.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		u.T.Fatal(err)
	}
	i.Web.Handle(host, site{
		"/config.json": `{"dl": "https://` + host + `/crates/{crate}-{version}"}`,
		"/he/ll/hello": fmt.Sprintf(`{"name": "hello", "vers": "1.2.3", "deps": [], "cksum": "%x", "features": {}, "yanked": false}`,
			sha256.Sum256(crate.Bytes())) + "\n",
		"/crates/hello-1.2.3": crate.String(),
	})
}
