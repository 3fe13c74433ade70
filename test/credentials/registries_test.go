//go:build linux

package credentials

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// cdn is another host, from which a registry may have its files fetched.
const cdn = "cdn.corp.example"

// registries is a host of private packages, which lets in whoever has the key as a password: npm's
// below /npm, with absolute addresses of its tarballs as such registries give them, and Python's
// below /simple.
func registries(t *testing.T, host, key string) http.Handler {
	t.Helper()
	tarball, wheel := packed(t, "hello")
	_, far := packed(t, "far")
	sum := sha512.Sum512(tarball)
	files := map[string]string{
		"/npm/hello": fmt.Sprintf(`{"name": "hello", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": {
			"name": "hello", "version": "1.2.3", "dist": {"integrity": "sha512-%s",
			"tarball": "https://%s/npm/hello/-/hello-1.2.3.tgz"}}}}`, base64.StdEncoding.EncodeToString(sum[:]), host),
		"/npm/hello/-/hello-1.2.3.tgz":        string(tarball),
		"/simple/hello/":                      `<!DOCTYPE html><a href="/files/hello-1.2.3-py3-none-any.whl">hello-1.2.3-py3-none-any.whl</a>`,
		"/simple/far/":                        `<!DOCTYPE html><a href="https://` + host + `/files/far-1.2.3-py3-none-any.whl">far-1.2.3-py3-none-any.whl</a>`,
		"/simple/cdn/":                        `<!DOCTYPE html><a href="https://` + cdn + `/cdn-1.2.3-py3-none-any.whl">cdn-1.2.3-py3-none-any.whl</a>`,
		"/files/hello-1.2.3-py3-none-any.whl": string(wheel),
		"/files/far-1.2.3-py3-none-any.whl":   string(far),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		content, ok := files[r.URL.Path]
		switch {
		case user != "ada" || password != key:
			w.WriteHeader(http.StatusUnauthorized)
		case !ok:
			http.NotFound(w, r)
		default:
			if strings.HasSuffix(r.URL.Path, "/") {
				w.Header().Set("Content-Type", "text/html")
			}
			_, _ = w.Write([]byte(content))
		}
	})
}

// packed is a package of a name, for npm and for Python.
func packed(t *testing.T, name string) (tarball, wheel []byte) {
	t.Helper()
	var npm, python bytes.Buffer
	compressed := gzip.NewWriter(&npm)
	archive := tar.NewWriter(compressed)
	about := fmt.Sprintf(`{"name": %q, "version": "1.2.3"}`, name)
	err := archive.WriteHeader(&tar.Header{Name: "package/package.json", Mode: 0o644, Size: int64(len(about))})
	if err == nil {
		_, err = archive.Write([]byte(about))
	}
	if err != nil || archive.Close() != nil || compressed.Close() != nil {
		t.Fatal("a tarball could not be made: ", err)
	}
	z := zip.NewWriter(&python)
	dir := name + "-1.2.3.dist-info/"
	for file, content := range map[string]string{
		name + ".py": "", dir + "METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.2.3\n",
		dir + "WHEEL":  "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		dir + "RECORD": "",
	} {
		w, err := z.Create(file)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return npm.Bytes(), python.Bytes()
}

// TestRegistries is what docs/credentials.md shows: npm and pip fetch from a private registry with
// a key that they do not have.
func TestRegistries(t *testing.T) {
	const host = "packages.corp.example"
	key := "glpat-" + rand.Text()
	i := internet.Here(t)
	i.Authority.Set(host, netip.MustParseAddr("6.6.6.80"))
	i.Web.Handle(host, registries(t, host, key))
	i.Authority.Set(cdn, netip.MustParseAddr("6.6.6.81"))
	i.Web.Handle(cdn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("another host was given %s", r.Header.Get("Authorization"))
		}
		_, wheel := packed(t, "cdn")
		_, _ = w.Write(wheel)
	}))
	u := newUser(t)
	u.Env = append(u.Env, "PACKAGES_KEY="+key)
	u.Write(".config/nono/config.hcl", `
credential "npm" {
  upstream = "https://packages.corp.example/npm"
  source   = "env://PACKAGES_KEY"
  basic    = { user = "ada" }
  env      = { login_url = "npm_config_registry" }
}

credential "python" {
  upstream = "https://packages.corp.example"
  source   = "env://PACKAGES_KEY"
  basic    = { user = "ada" }
  env      = { login_url = "PIP_INDEX_URL", login_path = "/simple" }
  paths    = ["/simple/**", "/files/**"]
}

environment {
  set = { npm_config_replace_registry_host = "always" }
}
`)
	t.Run("npm", func(t *testing.T) {
		if _, err := exec.LookPath("npm"); err != nil {
			t.Skip(err)
		}
		const install = `mkdir js && cd js && npm install --no-audit --no-fund --silent hello && cat node_modules/hello/package.json`
		if r := u.Finish(u.inside("", "sh", "-c", install)); !strings.Contains(r.Stdout, "1.2.3") {
			t.Errorf("npm fetched nothing: %s", r)
		}
		lock, err := os.ReadFile(u.Project + "/js/package-lock.json")
		if err != nil || !strings.Contains(string(lock), "https://"+host+"/npm/hello/-/") || strings.Contains(string(lock), "127.0.0.1") {
			t.Errorf("what is kept in the project: %v\n%s", err, lock)
		}
	})
	t.Run("pip", func(t *testing.T) {
		if out, err := exec.Command("/usr/bin/python3", "-m", "venv", u.Project+"/venv").CombinedOutput(); err != nil {
			t.Skipf("python3 makes no environment with pip here: %v\n%s", err, out)
		}
		pip := func(flags, name string) result {
			return u.Finish(u.inside(flags, u.Project+"/venv/bin/python", "-m", "pip", "download", "-q",
				"--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--retries=0", "-d", "got", name))
		}
		for _, fetch := range []struct{ name, flags string }{
			{"hello", ""},                  // by a relative address
			{"far", ""},                    // by an absolute one of the same host
			{"cdn", "--allow-host " + cdn}, // by one of another host, which the network allows
		} {
			if r := pip(fetch.flags, fetch.name); r.Code != 0 {
				t.Errorf("pip did not fetch %s: %s", fetch.name, r)
			}
			if _, err := os.Stat(u.Project + "/got/" + fetch.name + "-1.2.3-py3-none-any.whl"); err != nil {
				t.Error(err)
			}
		}
		// The control: of another host the credential gives nothing.
		if err := os.RemoveAll(u.Project + "/got"); err != nil {
			t.Fatal(err)
		}
		if r := pip("", "cdn"); r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, cdn) {
			t.Errorf("another host is reached: %s", r)
		}
	})
}
