package proxy

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

// forge is a host of repositories as git itself serves them, which takes the key as a password.
func forge(t *testing.T, root string) http.HandlerFunc {
	t.Helper()
	where, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("there is no git: ", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ada"},
	}
	if _, err := os.Stat(backend.Path); err != nil {
		t.Skip("git serves nothing by HTTP here: ", err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "oauth2" || password != key {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/old/") {
			http.Redirect(w, r, "/ada/"+strings.TrimPrefix(r.RequestURI, "/old/"), http.StatusMovedPermanently)
			return
		}
		r.TransferEncoding = nil // its body ends where it ends, which the library's CGI refuses to tell
		backend.ServeHTTP(w, r)
	}
}

// repositories are those of a forge, in a new directory; each has one commit.
func repositories(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	g := &gitUser{t: t, home: t.TempDir()}
	for _, name := range names {
		at := filepath.Join(root, name)
		g.run("", "init", "-q", "--bare", "-b", "main", at)
		g.run("", "-C", at, "config", "http.receivepack", "true")
		work := t.TempDir()
		g.run("", "clone", "-q", at, work)
		g.commit(work, "README", []byte(name))
		g.run(work, "push", "-q", "origin", "HEAD:main")
	}
	return root
}

// gitUser runs git with settings of its own.
type gitUser struct {
	t        *testing.T
	home     string
	settings [][2]string
}

// as is one who is told of the proxy as a session is.
func (a *arena) as(secret string) *gitUser {
	inside := "http://" + a.address + "/"
	return &gitUser{t: a.t, home: a.t.TempDir(), settings: [][2]string{
		{"url." + inside + ".insteadOf", "https://forge.example/"},
		{"http." + inside + ".extraHeader", "Authorization: Bearer " + secret},
		{"core.compression", "0"},
	}}
}

func (g *gitUser) try(dir string, args ...string) (string, error) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada",
		"GIT_COMMITTER_EMAIL=ada@example.com", fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(g.settings)),
	}
	for i, s := range g.settings {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]),
			fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (g *gitUser) run(dir string, args ...string) string {
	g.t.Helper()
	out, err := g.try(dir, args...)
	if err != nil {
		g.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return out
}

// refused is what git says of what it cannot do.
func (g *gitUser) refused(dir, want string, args ...string) {
	g.t.Helper()
	if out, err := g.try(dir, args...); err == nil || !strings.Contains(out, want) {
		g.t.Errorf("git %q: %v, and says\n%s\nwant %q", args, err, out, want)
	}
}

func (g *gitUser) commit(work, name string, content []byte) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.run(work, "add", "-A")
	g.run(work, "commit", "-q", "-m", name)
}

var oauth = policy.KeyPlace{Type: policy.BasicPlace, Name: "oauth2"}

func (s Service) ofGit() Service {
	s.Upstream, s.Place, s.Git = "https://example.com", oauth, true
	return s
}

// A day with git: clone, fetch, push, with a submodule of the same host, and a repository that has
// moved.
func TestGit(t *testing.T) {
	root := repositories(t, "ada/tool.git", "ada/part.git")
	a := start(t, Service{}.ofGit(), forge(t, root))
	g := a.as(token)
	work := filepath.Join(t.TempDir(), "tool")
	g.run("", "clone", "-q", "https://forge.example/ada/tool.git", work)
	if at := g.run(work, "config", "remote.origin.url"); at != "https://forge.example/ada/tool.git\n" {
		t.Errorf("what is kept of the host is %q", at)
	}
	g.run(work, "submodule", "add", "-q", "https://forge.example/ada/part", "part")
	g.commit(work, "one", []byte("1"))
	g.run(work, "push", "-q")
	again := filepath.Join(t.TempDir(), "again")
	g.run("", "clone", "-q", "--recurse-submodules", "https://forge.example/old/tool.git", again)
	if got, err := os.ReadFile(filepath.Join(again, "part/README")); err != nil || string(got) != "ada/part.git" {
		t.Errorf("the submodule has %q: %v", got, err)
	}
	big := make([]byte, 50<<20) // which does not compress, and so is sent in pieces
	_, _ = rand.Read(big)
	g.commit(work, "big", big)
	g.run(work, "push", "-q")
	g.run(again, "fetch", "-q")
	g.run(again, "checkout", "-q", "origin/main")
	if got, err := os.ReadFile(filepath.Join(again, "big")); err != nil || !bytes.Equal(got, big) {
		t.Errorf("after a push and a fetch of 50 MiB %d bytes are there: %v", len(got), err)
	}
	sent := int64(0)
	for _, r := range a.events(0) {
		sent = max(sent, r.Sent)
	}
	if sent < 50<<20 {
		t.Errorf("at most %d bytes are told to be sent", sent)
	}
}

// What git is not let do it says in words; nothing of it reached the host.
func TestGitRefused(t *testing.T) {
	root := repositories(t, "ada/tool.git", "ada/other.git", "eve/drop.git")
	const at = "https://forge.example/"
	t.Run("a repository that the policy does not name", func(t *testing.T) {
		a := start(t, Service{Paths: []string{"/ada/tool", "/api/**"}}.ofGit(), forge(t, root))
		g := a.as(token)
		work := filepath.Join(t.TempDir(), "tool")
		g.run("", "clone", "-q", at+"ada/tool.git", work) // the control
		g.commit(work, "x", []byte("x"))
		g.run(work, "push", "-q")
		before := len(a.seen())
		const words = "nono: the policy allows test the paths /ada/tool, /api/** only"
		for _, other := range []string{"ada/other.git", "eve/drop", "ada/tool.git.git", "ada/tool/../other"} {
			want := words
			if strings.Contains(other, "..") {
				want = "not found" // which git makes of it by itself, or we do
			}
			if out, err := g.try(work, "push", at+other, "HEAD:main"); err == nil ||
				!strings.Contains(out, want) && want == words {
				t.Errorf("pushed to %s: %v\n%s", other, err, out)
			}
		}
		// Settings of the repository's own lead no further.
		g.run(work, "config", "url.http://"+a.address+"/eve/.insteadOf", at+"ada/")
		g.refused(work, words, "fetch", at+"ada/drop.git")
		g.run(work, "config", "http.extraHeader", "Authorization: Basic "+foreign)
		g.refused(work, words, "fetch", "http://"+a.address+"/eve/drop.git")
		if n := len(a.seen()); n != before {
			t.Errorf("%d requests reached the host", n-before)
		}
	})
	t.Run("one of the policy's groups", func(t *testing.T) {
		a := start(t, Service{Paths: []string{"/ada/*"}}.ofGit(), forge(t, root))
		a.as(token).run("", "ls-remote", at+"ada/other.git")
		a.as(token).refused("", "nono: the policy allows", "ls-remote", at+"eve/drop.git")
	})
	t.Run("only to read", func(t *testing.T) {
		a := start(t, Service{Paths: []string{"/ada/*/info/refs", "/ada/*/git-upload-pack"}}.ofGit(), forge(t, root))
		work := filepath.Join(t.TempDir(), "tool")
		a.as(token).run("", "clone", "-q", at+"ada/tool.git", work)
		a.as(token).commit(work, "y", []byte("y"))
		a.as(token).refused(work, "403", "push")
	})
	t.Run("methods that git cannot do with", func(t *testing.T) {
		a := start(t, Service{Methods: []string{"GET"}}.ofGit(), forge(t, root))
		a.as(token).refused("", "GET only, and git needs GET and POST", "ls-remote", at+"ada/tool.git")
	})
	t.Run("another token", func(t *testing.T) {
		a := start(t, Service{}.ofGit(), forge(t, root))
		a.as(foreign).refused("", "nono: the request has no stand-in for the key of test", "ls-remote", at+"ada/tool.git")
		if n := len(a.seen()); n > 0 {
			t.Errorf("%d requests reached the host", n)
		}
	})
	t.Run("a key that the host does not take", func(t *testing.T) {
		s := Service{}.ofGit()
		s.Upstream, s.Place.Name = "https://example.com", "nobody"
		a := start(t, s, forge(t, root))
		a.as(token).refused("", "nono: example.com does not take the key of test", "ls-remote", at+"ada/tool.git")
	})
	t.Run("what is not git's", func(t *testing.T) {
		a := start(t, Service{}.ofGit(), nil)
		for _, path := range []string{
			"/", "/ada/tool", "/ada/tool.git/info/refs", "/ada/tool.git/HEAD", "/info/refs?service=git-upload-pack",
			"/ada/tool.git/info/refs?service=git-upload-pack&x=1", "/ada/tool.git/info/lfs/objects/batch",
			"/ada/tool.git/info/refs?service=git-upload-archive", "/api/v4/user", "/ada/tool.git/git-upload-pack",
		} {
			if res, body := a.get(path, auth); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s", path, res.Status, body)
			}
		}
		const refs = "/ada/tool.git/info/refs?service=git-upload-pack"
		if res, body := a.get(refs, auth, "Upgrade: websocket", "Connection: upgrade"); res.StatusCode == http.StatusSwitchingProtocols {
			t.Errorf("upgraded: %s", body)
		}
		if res, _ := a.get(refs, auth, "X_Original_URL: /api/v4/user"); res.StatusCode != http.StatusBadRequest {
			t.Errorf("another path in a header: %s", res.Status)
		}
		if res, body := a.get(refs, auth); res.StatusCode != http.StatusOK { // the control
			t.Errorf("%s %s", res.Status, body)
		}
	})
}
