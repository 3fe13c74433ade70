//go:build linux

package credentials

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// forge is a host of repositories, which lets in whoever has the key as the password of a user.
type forge struct {
	key     string
	mu      sync.Mutex
	reached []string // paths that somebody with the key asked for
}

// newForge serves ada/tool and eve/drop at a host by git's own server, and says "ok" at its interface.
func newForge(t *testing.T, i *internet.Internet, address, host, api, user string) *forge {
	t.Helper()
	where, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("there is no git: ", err)
	}
	root := t.TempDir()
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"), Env: []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ada", "HOME=" + root,
	}}
	if _, err := os.Stat(backend.Path); err != nil {
		t.Skip("git serves nothing by HTTP here: ", err)
	}
	for _, name := range []string{"ada/tool.git", "eve/drop.git"} {
		at := filepath.Join(root, name)
		for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", at}, {"-C", at, "config", "http.receivepack", "true"}} {
			if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	f := &forge{key: "token-" + rand.Text()}
	repositories := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if as, password, _ := r.BasicAuth(); as != user || password != f.key {
			w.Header().Set("WWW-Authenticate", `Basic realm="forge"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.mu.Lock()
		f.reached = append(f.reached, r.URL.Path)
		f.mu.Unlock()
		r.TransferEncoding = nil
		backend.ServeHTTP(w, r)
	})
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || r.Host == api && api != host {
			if !strings.Contains(r.Header.Get("Authorization")+r.Header.Get("Private-Token"), f.key) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = fmt.Fprintln(w, "ok")
			return
		}
		repositories(w, r)
	})
	for _, name := range []string{host, api} {
		i.Authority.Set(name, netip.MustParseAddr(address))
		i.Web.Handle(name, own)
	}
	return f
}

// TestForges is a day's git with the services as they are built in: the repositories keep the
// addresses that they have, no key is inside, and paths narrow it to one repository.
func TestForges(t *testing.T) {
	for _, test := range []struct {
		service, host, api, address, user, variable string
		ask                                         string // of the service's own interface
		paths                                       string
	}{
		{
			"github", "github.com", "api.github.com", "6.6.6.90", "x-access-token", "GITHUB_TOKEN",
			`curl -s -H "Authorization: token $GITHUB_TOKEN" $GITHUB_API_URL/user`, `"/ada/tool"`,
		},
		{
			"gitlab", "gitlab.com", "gitlab.com", "6.6.6.91", "oauth2", "GITLAB_TOKEN", "echo ok",
			`"/api/v4/user", "/ada/tool"`,
		},
	} {
		t.Run(test.service, func(t *testing.T) {
			f := newForge(t, internet.Here(t), test.address, test.host, test.api, test.user)
			u := newUser(t)
			u.Write(".gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n")
			u.Env = append(u.Env, test.variable+"="+f.key)
			const first = `set -e
git clone -q https://HOST/ada/tool.git tool 2>/dev/null # it is empty, which git says
cd tool
echo one >file
git add file
git commit -q -m one
git push -q origin HEAD:main 2>&1
cd ..
git clone -q git@HOST:ada/tool again 2>&1
cd again
echo two >>file
git commit -q -a -m two
git push -q 2>&1
cd ../tool
git fetch -q 2>&1
git merge -q --ff-only origin/main
cat file
git config remote.origin.url
`
			script := func(s string) string { return strings.ReplaceAll(s, "HOST", test.host) }
			r := u.Succeeds(u.inside("--credential "+test.service, "sh", "-c", script(first)+test.ask))
			if want := script("one\ntwo\nhttps://HOST/ada/tool.git\nok\n"); r.Stdout != want {
				t.Errorf("inside is said %q, want %q\n%s", r.Stdout, want, r)
			}
			if out, err := exec.Command("grep", "-rlF", f.key, u.Project).Output(); err == nil {
				t.Errorf("the key is in %s", out)
			}

			// A list of paths is one for both, and has one repository.
			u.Write(".config/nono/config.hcl", fmt.Sprintf("credential %q {\n  paths = [%s]\n}\n", test.service, test.paths))
			f.mu.Lock()
			f.reached = nil
			f.mu.Unlock()
			const second = `
cd tool
git pull -q 2>&1 && echo pulled
git push -q https://HOST/eve/drop.git HEAD:main >/dev/null 2>&1 && echo dropped
git ls-remote https://HOST/eve/drop.git >/dev/null 2>&1 && echo listed
true
`
			r = u.Succeeds(u.inside("--credential "+test.service, "sh", "-c", script(second)))
			if r.Stdout != "pulled\n" {
				t.Errorf("with paths: %s", r)
			}
			f.mu.Lock()
			for _, path := range f.reached {
				if !strings.HasPrefix(path, "/ada/tool") {
					t.Errorf("with the key was asked for %s", path)
				}
			}
			f.mu.Unlock()

			// The controls: without the paths the other repository is reached, and without the credential
			// none is, by whichever door.
			u.Write(".config/nono/config.hcl", "")
			r = u.Succeeds(u.inside("--credential "+test.service, "sh", "-c", script(second)))
			if r.Stdout != "pulled\ndropped\nlisted\n" {
				t.Errorf("without paths: %s", r)
			}
			const without = `cd tool; GIT_TERMINAL_PROMPT=0 git fetch -q >/dev/null 2>&1 && echo fetched; true`
			for _, flags := range []string{"", "--allow-host " + test.host} {
				if r := u.Succeeds(u.inside(flags, "sh", "-c", without)); r.Stdout != "" {
					t.Errorf("%q, without the credential: %s", flags, r)
				}
			}
		})
	}
}
