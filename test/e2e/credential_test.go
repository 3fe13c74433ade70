//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
)

// provider is a stand-in for services that want a key.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string // of each request
}

// services gives the user two services, at a stand-in on the loopback whose certificate is trusted,
// and returns their keys, which are in the environment.
func (u *user) services() (p *provider, openai, anthropic string) {
	u.t.Helper()
	p = &provider{}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.keys = append(p.keys, r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"))
		p.mu.Unlock()
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	}))
	u.t.Cleanup(p.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	u.write("~/authority.pem", string(authority))
	for name, more := range map[string]string{
		"openai":    "/v1\"\n  header = \"Authorization\"\n  format = \"Bearer {}\"",
		"anthropic": "\"\n  header = \"x-api-key\"",
	} {
		word := strings.ToUpper(name)
		u.write("~/.config/nono/services/"+name+".hcl", fmt.Sprintf(`
credential %q {
  upstream = "%s%s
  source   = ["keyring://%s", "env://%s_API_KEY"]
  env      = { key = "%s_API_KEY", base_url = "%s_BASE_URL" }
}
`, name, p.URL, more, name, word, word, word))
	}
	openai, anthropic = "sk-"+rand.Text(), "sk-ant-"+rand.Text()
	u.Env = append(u.Env, "SSL_CERT_FILE="+u.path("~/authority.pem"),
		"OPENAI_API_KEY="+openai, "ANTHROPIC_API_KEY="+anthropic)
	return p, openai, anthropic
}

// seen are the keys of the requests so far.
func (p *provider) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.keys)
}

// asksServices is an agent that uses both services as their clients do, and each with the token of
// the other, and then looks for all that it can read.
const asksServices = `
import json, os, re, sys, urllib.error, urllib.request

def ask(base, headers):
    r = urllib.request.Request(base + "/models", headers=headers)
    try:
        return urllib.request.urlopen(r, timeout=30).read().decode()
    except urllib.error.HTTPError as e:
        return str(e.code)

env = os.environ
o, a = env["OPENAI_API_KEY"], env["ANTHROPIC_API_KEY"]
told = {
    "openai": ask(env["OPENAI_BASE_URL"], {"Authorization": "Bearer " + o}),
    "anthropic": ask(env["ANTHROPIC_BASE_URL"], {"x-api-key": a}),
    "swapped": ask(env["OPENAI_BASE_URL"], {"Authorization": "Bearer " + a}),
    "foreign": ask(env["ANTHROPIC_BASE_URL"], {"x-api-key": "sk-ant-mine"}),
    "environment": dict(env),
}
found = []
for top, dirs, files in os.walk("/"):
    if top.startswith(("/usr", "/lib", "/sys")):
        dirs[:] = []
        continue
    for name in files:
        path = os.path.join(top, name)
        try:
            if os.path.isfile(path):
                text = open(path, "rb").read(1 << 20)
                if re.search(env.get("LOOK", "sk-(ant-)?[A-Z2-7]{26}").encode(), text):
                    found.append(path)
        except OSError:
            pass
told["found"] = found
json.dump(told, sys.stdout)
`

var stoodIn = regexp.MustCompile(`^[0-9a-f]{64}$`)

// TestCredential is the first command of the documentation: tokens inside, the real keys outside,
// and each token is worth something at its own service alone.
func TestCredential(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	p, openai, anthropic := u.services()
	r := u.succeeds(u.python(asksServices, "--proxy-credential", "openai", "--proxy-credential", "anthropic"))
	var told struct {
		OpenAI, Anthropic, Swapped, Foreign string
		Environment                         map[string]string
		Found                               []string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if told.OpenAI != "GET /v1/models" || told.Anthropic != "GET /models" {
		t.Errorf("the services answered %q and %q", told.OpenAI, told.Anthropic)
	}
	if told.Swapped != "401" || told.Foreign != "401" {
		t.Errorf("another token: %s, another key: %s", told.Swapped, told.Foreign)
	}
	want := []string{"Bearer " + openai, anthropic}
	if got := p.seen(); !slices.Equal(got, want) {
		t.Errorf("the services saw %q, want %q", got, want)
	}
	tokens := []string{told.Environment["OPENAI_API_KEY"], told.Environment["ANTHROPIC_API_KEY"]}
	if !stoodIn.MatchString(tokens[0]) || !stoodIn.MatchString(tokens[1]) || tokens[0] == tokens[1] {
		t.Errorf("inside are %q", tokens)
	}
	if len(told.Found) > 0 {
		t.Errorf("a key can be read in %q", told.Found)
	}
	for name, value := range told.Environment {
		if mentions(value, []string{openai, anthropic}) {
			t.Errorf("%s has a key", name)
		}
	}
	u.says(r, "nono: rw ~/proj; credentials anthropic, openai; network closed; home private; tier A")
	u.nowhere(append(tokens, openai, anthropic))

	log := u.succeeds(u.nono("logs")).Stdout
	for _, want := range []string{
		"credential.used method=GET path=/v1/models", "service=anthropic status=200",
		"credential.refused method=GET path=/v1/models",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	t.Run("and a leak is found", func(t *testing.T) { // the control
		u := u.in(t)
		r := u.succeeds(u.python(asksServices, "--credential", "openai", "--credential", "anthropic",
			"--env", "LEAK="+anthropic))
		if !strings.Contains(r.Stdout, "/environ") {
			t.Errorf("a key in the agent's environment is not found\n%s", r)
		}
	})
	t.Run("after the session the token is worth nothing", func(t *testing.T) {
		u := u.in(t)
		before := len(p.seen())
		r := u.succeeds(u.shell(fmt.Sprintf(
			`curl -s -o /dev/null -w %%{http_code} -H "Authorization: Bearer %s" $OPENAI_BASE_URL/x`, tokens[0]),
			"--credential", "openai"))
		if r.Stdout != "401" || len(p.seen()) != before {
			t.Errorf("it is: %s", r)
		}
	})
}

// Only the layer reaches a host that a key is bound to, whatever else the network allows: with a key
// of one's own it would be a way out.
func TestCredentialsHostIsBound(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.services()
	u.write("~/.config/nono/services/openai.hcl", `
credential "openai" {
  upstream = "https://llm.test/v1"
  source   = "env://OPENAI_API_KEY"
  header   = "Authorization"
}
`)
	const ask = `
import os, socket
from urllib.parse import urlparse
proxy = urlparse(os.environ["HTTPS_PROXY"])
def connect(name):
    s = socket.create_connection((proxy.hostname, proxy.port), timeout=30)
    s.sendall(("CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (name, name)).encode())
    return s.recv(4096).decode()
print(connect("llm.test"))
`
	r := u.succeeds(u.python(ask, "--credential", "openai", "--allow-host", "llm.test"))
	if !strings.HasPrefix(r.Stdout, "HTTP/1.1 403") || !strings.Contains(r.Stdout, "openai") {
		t.Errorf("it is reached: %s", r)
	}
}

// The real variable is not passed, by a pattern neither; and one that names it is refused.
func TestCredentialsVariable(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, openai, _ := u.services()
	u.write("~/.config/nono/config.hcl", "environment {\n  pass = [\"OPENAI_*\"]\n}\n")
	u.Env = append(u.Env, "OPENAI_BASE_URL=https://elsewhere.example", "OPENAI_ORG=mine")
	r := u.succeeds(u.shell("env", "--credential", "openai"))
	if mentions(r.Stdout, []string{openai, "elsewhere"}) || !strings.Contains(r.Stdout, "OPENAI_ORG=mine") {
		t.Errorf("inside is %s", r)
	}
	r = u.succeeds(u.shell("env"))
	if !strings.Contains(r.Stdout, openai) { // the control
		t.Errorf("without the credential it is not passed either: %s", r)
	}
	u.refused(u.shell("env", "--credential", "openai", "--env", "OPENAI_API_KEY"),
		"OPENAI_API_KEY would give the agent what the credential openai keeps outside")
}

// A key that is nowhere stops the start with where it was looked for; an optional one does not.
func TestCredentialMissing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.services()
	u.Env = slices.DeleteFunc(u.Env, func(v string) bool { return strings.HasPrefix(v, "OPENAI_API_KEY=") })
	u.refused(u.shell("true", "--credential", "openai"),
		"no source has the key of openai", "--credential openai",
		"looked in keyring://openai: there is no session bus", "looked in env://OPENAI_API_KEY: it is not set",
		"nono credential set openai")
	u.write("agent.hcl", "credential \"openai\" {\n  optional = true\n}\n")
	r := u.succeeds(u.nono("run", "-c", "agent.hcl", "--approve", "--", "sh", "-c", "echo ${OPENAI_API_KEY-none}"))
	if r.Stdout != "none\n" {
		t.Errorf("inside is %s", r)
	}
	u.says(r, "nono: warning: no source has the key of openai")
}

// What stands in for a key is inside where no source has the key, and is not there with it: the
// agent's own login, the host that takes it, a variable. The arguments are there with the key only.
// With neither key nor login the run says at once what to type.
func TestCredentialFallback(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	p, openai, _ := u.services()
	u.write("~/.config/nono/profiles/helper.hcl", `
filesystem {
  write = ["~/.codex"]
}
credential "openai" {
  arguments = ["--url={{base_url}}/x"]
  fallback {
    filesystem {
      write = ["~/.codex/auth.json"]
      lift  = ["~/.codex/auth.json"]
    }
    network {
      allow = ["llm.test"]
    }
    environment {
      set = { MODE = "login" }
    }
  }
}
`)
	u.write("~/.codex/auth.json", "a real token\n")
	const script = `echo "$* $MODE"; cat ~/.codex/auth.json; echo $HTTPS_PROXY`
	run := func() result {
		return u.nono("run", "--profile", "helper", "--allow-cwd", "--", "sh", "-c", script, "sh")
	}
	why := func() string {
		return u.nono("why", "--profile", "helper", "--path", u.path("~/.codex/auth.json"), "--op", "read").Stdout
	}
	r := u.succeeds(run())
	url := strings.TrimPrefix(strings.Fields(r.Stdout)[0], "--url=")
	if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.HasSuffix(url, "/v1/x") ||
		strings.Contains(r.Stdout, "a real token") || strings.Contains(r.Stdout, "login") ||
		strings.Count(r.Stdout, "http://") != 1 {
		t.Errorf("with the key: %s", r)
	}
	u.says(r, "nono: rw ~/.codex; rw ~/proj; credential openai; network closed; home private; tier A")
	u.says(r, "nono: warning: to use the key of openai, the command is given further arguments: --url="+url)
	if got := why(); !strings.Contains(got, "denied") {
		t.Errorf("with the key: %s", got)
	}
	plan := u.succeeds(u.nono("plan", "--profile", "helper", "--", "true")).Stdout
	if strings.Contains(plan, "netfilter") || !strings.Contains(plan, "true --url="+url) {
		t.Errorf("with the key, the plan is: %s", plan)
	}

	u.Env = slices.DeleteFunc(u.Env, func(v string) bool { return strings.Contains(v, openai) })
	r = u.succeeds(run())
	if !strings.HasPrefix(r.Stdout, " login\na real token\nhttp://") {
		t.Errorf("without the key: %s", r)
	}
	u.says(r, "nono: warning: no source has the key of openai, so its fallback holds: "+
		"a real key in ~/.codex/auth.json is inside, for the agent to use and to pass on")
	u.says(r, "  ~/.config/nono/profiles/helper.hcl:9:16")
	u.says(r, "  looked in env://OPENAI_API_KEY: it is not set")
	u.says(r, "  to store it: nono credential set openai")
	u.says(r, "nono: rw ~/.codex; rw ~/proj; rw ~/.codex/auth.json; network: llm.test; home private; tier A")
	if strings.Contains(r.Stderr, "further arguments") {
		t.Errorf("without the key: %s", r)
	}
	if got := why(); !strings.Contains(got, "allowed") || !strings.Contains(got, "helper.hcl:9:16") {
		t.Errorf("without the key: %s", got)
	}
	if got := p.seen(); len(got) > 0 {
		t.Errorf("the service was asked: %q", got)
	}

	if err := os.Remove(u.path("~/.codex/auth.json")); err != nil {
		t.Fatal(err)
	}
	u.refused(run(), "no source has the key of openai", "looked in env://OPENAI_API_KEY: it is not set",
		"nono credential set openai", "or log in with the agent itself, without nono: ", ".codex/auth.json")
}

// A stranger's file asks before it uses a key, and says where that goes.
func TestCredentialIsAsked(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	p, _, _ := u.services()
	u.write("agent.hcl", "credential \"openai\" {}\n")
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "asks to use your key of openai", p.URL+"/v1")
}

// The layer is lost, and the agent with it: nothing goes on without the keys' keeper.
func TestCredentialLayerLost(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.services()
	g := u.guarded("run", "--allow-cwd", "--credential", "openai", "--", "sh", "-c", "echo ready; read line")
	in := g.openInput()
	defer in.Close()
	g.start()
	g.wait(&g.out, "ready")
	for _, p := range descendants(g.Process.Pid) {
		if p.name() == "nono-layer-credproxy" {
			kill(t, p.PID)
		}
	}
	r, _ := g.over()
	if r.Code != 125 || !strings.Contains(r.Stderr, "credproxy") {
		t.Errorf("it goes on: %s", r)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Error(err)
	}
}

// With a keyring, a key is stored once, by nono's own command, and used from then on.
func TestCredentialInTheKeyring(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no ", program)
		}
	}
	u := newUser(t)
	p, openai, _ := u.services()
	u.Env = slices.DeleteFunc(u.Env, func(v string) bool { return strings.HasPrefix(v, "OPENAI_API_KEY=") })
	script := `
printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null
echo @ | nono credential set openai
nono credential list
nono run --allow-cwd --credential openai -- sh -c 'curl -s -H "Authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/x; echo'
nono credential remove openai
nono credential list
`
	cmd := u.command()
	cmd.Path, _ = exec.LookPath("dbus-run-session")
	cmd.Args = []string{"dbus-run-session", "--", "sh", "-e", "-c", strings.ReplaceAll(script, "@", openai)}
	cmd.Env = append(cmd.Env, "PATH="+u.Programs+":"+filepath.Dir(cmd.Path)+":/usr/bin:/bin")
	r := u.succeeds(u.finish(u.begin(cmd, "")))
	if r.Stdout != "openai\nGET /v1/x\n" {
		t.Errorf("it says %s", r)
	}
	if got := p.seen(); !slices.Equal(got, []string{"Bearer " + openai}) {
		t.Errorf("the service saw %q", got)
	}
}

// The daily git push, by https and by what is written for ssh, with a token inside; and no other
// repository, whatever the agent tells git.
func TestCredentialForGit(t *testing.T) {
	t.Parallel()
	where, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("there is no git: ", err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend")}
	if _, err := os.Stat(backend.Path); err != nil {
		t.Skip("git serves nothing by HTTP here: ", err)
	}
	u := newUser(t)
	secret := "glpat-" + rand.Text()
	var mu sync.Mutex
	reached := map[string]bool{}
	forge := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "oauth2" || password != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		reached[r.URL.Path] = true
		mu.Unlock()
		r.TransferEncoding = nil
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(forge.Close)
	host := strings.TrimPrefix(forge.URL, "https://")
	root := filepath.Join(u.Home, "forge")
	backend.Env = []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ada", "HOME=" + u.Home}
	for _, name := range []string{"ada/tool.git", "eve/drop.git"} {
		at := filepath.Join(root, name)
		for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", at}, {"-C", at, "config", "http.receivepack", "true"}} {
			if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	u.write("~/authority.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: forge.Certificate().Raw})))
	u.write("~/.config/nono/services/gitlab.hcl", fmt.Sprintf(`
credential "gitlab" {
  upstream = "%s/api"
  source   = "env://GITLAB_TOKEN"
  header   = "PRIVATE-TOKEN"
  git      = [%q]
  git_user = "oauth2"
  paths    = ["/ada/tool", "/api/**"]
}
`, forge.URL, host))
	u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n")
	u.Env = append(u.Env, "SSL_CERT_FILE="+u.path("~/authority.pem"), "GITLAB_TOKEN="+secret)
	r := u.succeeds(u.shell(`set -e
git clone -q https://`+host+`/ada/tool.git tool
cd tool
echo 1 >file
git add file
git commit -q -m one
git push -q origin HEAD:main
cd ..
git clone -q https://`+host+`/ada/tool again
cat again/file
cd again
git config http.proxy http://127.0.0.1:1
git pull -q
git push https://`+host+`/eve/drop.git HEAD:main 2>&1 && echo pushed
git config --get-regexp . | grep -i bearer | sed 's/.*Bearer //'
`, "--allow-cwd", "--credential", "gitlab"))
	lines := strings.Split(r.Stdout, "\n")
	if lines[0] != "1" || !strings.Contains(r.Stdout,
		"remote: nono: the policy allows gitlab the paths /ada/tool, /api/** only") || strings.Contains(r.Stdout, "pushed") {
		t.Errorf("git says %s", r)
	}
	if token := lines[len(lines)-2]; !stoodIn.MatchString(token) {
		t.Errorf("inside is %q", token)
	}
	u.nowhere([]string{secret})
	mu.Lock()
	defer mu.Unlock()
	if !reached["/ada/tool.git/git-receive-pack"] || reached["/eve/drop.git/info/refs"] {
		t.Errorf("reached is %v", reached)
	}
}

// Without a keyring a key is in an encrypted file: nono's own command writes it, and asks for the
// passphrase, as the start of a run does. Where nobody can be asked, an identity opens it.
func TestCredentialInAFile(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	p, openai, _ := u.services()
	u.Env = slices.DeleteFunc(u.Env, func(v string) bool { return strings.HasPrefix(v, "OPENAI_API_KEY=") })
	file := u.path("~/.config/nono/keys/openai.age")
	u.write("~/.config/nono/config.hcl", fmt.Sprintf("credential \"openai\" {\n  source = %q\n}\n", "age://"+file))
	const ask = `curl -s -H "Authorization: Bearer $OPENAI_API_KEY" $OPENAI_BASE_URL/x`
	run := []string{"run", "--credential", "openai", "--", "sh", "-c", ask}

	u.refused(u.nono(run...), "no source has the key of openai", "there is no such file", "nono credential set openai --age "+file)
	tty := newTerminal(t)
	g := u.guarded("credential", "set", "openai", "--age", file)
	tty.run(g)
	for _, say := range [][2]string{
		{"The key of openai:", openai}, {"A passphrase for " + file + ":", "correct horse"}, {"And once more:", "correct horse"},
	} {
		g.wait(&g.out, say[0])
		tty.types(t, say[1]+"\n")
	}
	if r := g.end(); r.Code != 0 || mentions(r.Stdout, []string{openai, "horse"}) ||
		!strings.Contains(r.Stdout, fmt.Sprintf(`credential "openai" { source = %q }`, "age://"+file)) {
		t.Fatalf("it says %s", r)
	}
	tty = newTerminal(t)
	g = u.guarded(run...)
	tty.run(g)
	const question = "nono: layer credproxy asks: the passphrase of "
	g.wait(&g.out, question)
	tty.types(t, "wrong\n")
	g.wait(&g.out, "that was not it")
	tty.types(t, "correct horse\n")
	if r := g.end(); r.Code != 0 || !strings.Contains(r.Stdout, "GET /v1/x") || mentions(r.Stdout, []string{openai, "horse"}) {
		t.Errorf("with the passphrase: %s", r)
	}
	u.refused(u.nono(run...), "nobody can be asked for its passphrase")
	if r := u.succeeds(u.nono("plan", "--credential", "openai", "--", "true")); !strings.Contains(r.Stdout, "age://") {
		t.Errorf("a plan does without the passphrase: %s", r)
	}

	// An identity, where there is no terminal.
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	u.write("~/keys/identity", identity.String()+"\n")
	if err := os.Chmod(u.path("~/keys/identity"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := u.finish(u.start(openai+"\n", "credential", "set", "openai", "--age", file, "--identity", u.path("~/keys/identity")))
	u.succeeds(r)
	u.write("~/.config/nono/config.hcl", fmt.Sprintf("credential \"openai\" {\n  source   = %q\n  identity = \"~/keys/identity\"\n}\n", "age://"+file))
	if r := u.succeeds(u.nono(run...)); r.Stdout != "GET /v1/x" {
		t.Errorf("with an identity: %s", r)
	}
	u.refused(u.nono("run", "--read", "~/keys", "--credential", "openai", "--", "true"), "the key of openai lies in ~/keys, which the agent may read")
	if got := p.seen(); !slices.Equal(got, []string{"Bearer " + openai, "Bearer " + openai}) {
		t.Errorf("the service saw %q", got)
	}
	u.nowhere([]string{openai, "correct horse"})
}

// A service is asked whether it takes the key, by what its block says, and nobody else is.
func TestCredentialIsTested(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	right := "sk-" + rand.Text()
	var mu sync.Mutex
	var asked []string
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Acme-Version"))
		mu.Unlock()
		switch {
		case r.Header.Get("X-Key") != right:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1/gone":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(service.Close)
	u.write("~/authority.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw})))
	for name, more := range map[string]string{
		"good":    `source = "env://GOOD"` + "\n" + `test = { path = "/v1/me", header = "acme-version: 2" }` + "\n" + `paths = ["/v1/chat"]`,
		"bad":     `source = "env://BAD"` + "\n" + `test = { path = "/v1/me" }`,
		"absent":  `source = "env://ABSENT"` + "\n" + `test = { path = "/v1/me" }`,
		"strange": `source = "env://GOOD"` + "\n" + `test = { path = "/v1/gone" }`,
		"silent":  `source = "env://GOOD"`,
		"nowhere": `source = "env://GOOD"` + "\n" + `upstream = "https://127.0.0.1:1"` + "\n" + `test = { path = "/v1/me" }`,
	} {
		if name != "nowhere" {
			more += "\nupstream = \"" + service.URL + "/v1\""
		}
		u.write("~/.config/nono/services/"+name+".hcl", fmt.Sprintf("credential %q {\nheader = \"X-Key\"\n%s\n}\n", name, more))
	}
	u.Env = append(u.Env, "SSL_CERT_FILE="+u.path("~/authority.pem"), "GOOD="+right, "BAD=sk-"+rand.Text())
	for _, test := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"good"}, 0, []string{"good: good (200 OK), the key from env://GOOD"}},
		{[]string{"good", "bad"}, 1, []string{"good: good", "bad: refused (401 Unauthorized)"}},
		{[]string{"absent"}, 1, []string{"absent: missing: env://ABSENT: it is not set"}},
		{[]string{"strange", "good"}, 2, []string{"strange: unknown (404 Not Found)"}},
		{[]string{"silent"}, 2, []string{"silent: unknown", "nothing is known that it could be asked"}},
		{[]string{"nowhere"}, 2, []string{"nowhere: unknown", "was not reached"}},
		{[]string{"bad", "--json"}, 1, []string{`{"keys":[{"service":"bad","verdict":"refused","from":"env://BAD","status":401}]}`}},
	} {
		r := u.nono(append([]string{"credential", "test"}, test.args...)...)
		for _, says := range test.says {
			if r.Code != test.code || !strings.Contains(r.Stdout, says) {
				t.Errorf("%q: %s\nwant %d and %q", test.args, r, test.code, says)
			}
		}
		if mentions(r.Stdout+r.Stderr, []string{right}) {
			t.Errorf("the key is told: %s", r)
		}
	}
	if r := u.nono("credential", "test"); r.Code != 125 || !strings.Contains(r.Stderr, "your own configuration names no credential") {
		t.Errorf("of nothing: %s", r)
	}
	u.write("~/.config/nono/config.hcl", "credential \"good\" {}\n")
	if r := u.succeeds(u.nono("credential", "test")); !strings.HasPrefix(r.Stdout, "good: good") {
		t.Errorf("of what the user's own configuration names: %s", r)
	}
	if r := u.nono("credential", "test", "nothing"); r.Code != 125 || !strings.Contains(r.Stderr, "nothing is known of a service") {
		t.Errorf("of one that nobody knows: %s", r)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, a := range asked {
		if a != "GET /v1/me 2" && a != "GET /v1/me " && a != "GET /v1/gone " {
			t.Errorf("asked was %q", a)
		}
	}
}
