package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/testllm"
)

// way is how an agent is started.
type way string

// The ways.
const (
	alone      way = "without a terminal"
	atTerminal way = "at a terminal"
)

// tier is how much of the sandbox the host lets be made.
type tier string

// The tiers.
const (
	tierA tier = "A"
	tierB tier = "B"
)

// host is one that has this tier.
func (t tier) host() hosts.Host { return hosts.Host{NoNamespaces: t == tierB} }

// result is what came of a piece of work.
type result struct {
	agent
	way     way
	tier    tier
	took    time.Duration // of the whole run
	asked   int           // requests that the provider saw
	refused []string      // names that it looked up, and that are not there inside
	err     error
}

// String implements fmt.Stringer.
func (r result) String() string {
	head := fmt.Sprintf("%-8s %s, %s, tier %s: ", r.name, r.version, r.way, r.tier)
	if r.err != nil {
		return head + r.err.Error()
	}
	return head + fmt.Sprintf("answered, wrote, edited and ran, in %.1f s and %d requests; "+
		"no key inside", r.took.Seconds(), r.asked)
}

// limit is how long one piece of work, or one screen, may take: some unpack themselves first.
const limit = 4 * time.Minute

// done is what the stand-in says last, and over what it says after that.
const (
	done = "All of it is done."
	over = "That is all."
)

// loginToken stands in the agent's own login, which is denied to it while there is a key.
const loginToken = "a-real-login-of-the-user"

// fetched is the version that is there; empty for none.
func (a agent) fetched(in string) string {
	text, err := os.ReadFile(filepath.Join(in, "lib/node_modules", a.npm, "package.json"))
	if err != nil {
		return ""
	}
	var described struct{ Version string }
	if err := json.Unmarshal(text, &described); err != nil {
		return ""
	}
	return described.Version
}

// try has an agent do the work, in a home that is made for it.
func (a agent) try(nono, in string, as way, where tier) result {
	r := result{agent: a, way: as, tier: where}
	own, err := os.UserHomeDir()
	if err != nil {
		r.err = err
		return r
	}
	home, err := os.MkdirTemp(own, ".nono-agents-")
	if err != nil {
		r.err = err
		return r
	}
	defer os.RemoveAll(home)
	p := place{
		agent: a, on: where.host(), nono: nono, home: home, project: filepath.Join(home, "proj"), in: in,
	}
	r.err = p.work(&r)
	return r
}

// place is a home, with a project in it, and a provider.
type place struct {
	agent
	on                      hosts.Host
	nono, in, home, project string
	llm                     *testllm.Running
}

// work does it, and looks at what came of it.
func (p place) work(r *result) (err error) {
	p.llm, err = testllm.Start(testllm.Options{Script: testllm.Script{
		{Write: &testllm.Write{Path: p.project + "/new.txt", Content: "made by the agent\n"}},
		{Edit: &testllm.Edit{Path: p.project + "/a.txt", Old: "before", New: "after"}},
		// All that it can read of itself, of the logins, and of its processes.
		{Run: "{ cat new.txt; env; cat ~/" + agents[0].login + " ~/" + agents[1].login +
			" /proc/[0-9]*/environ | tr '\\0' '\\n'; } >ran.txt 2>&1; true"},
		{Say: done},
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.llm.Close()) }()
	if err := p.furnish(); err != nil {
		return err
	}
	began := time.Now()
	if r.way == alone {
		err = p.alone()
	} else {
		err = p.atTerminal()
	}
	r.took = time.Since(began)
	if err != nil {
		return err
	}
	r.refused = p.namesRefused()
	if r.asked, err = p.seen(); err != nil {
		return err
	}
	if err := p.left(); err != nil {
		return err
	}
	// Whoever knows the session knows that its script is over.
	if err := p.runs(p.again, over); err != nil {
		return fmt.Errorf("going on with the session: %w", err)
	}
	return p.loginStays()
}

// loginStays holds that the login is what it was, where the user has it.
func (p place) loginStays() error {
	text, err := os.ReadFile(filepath.Join(p.home, p.login))
	if err == nil && string(text) != loginToken+"\n" {
		err = fmt.Errorf("the login is %q", text)
	}
	return err
}

// furnish makes what a user has who has used the agent before, and a login.
func (p place) furnish() error {
	files := map[string]string{
		"proj/a.txt": "before\n",
		p.login:      loginToken + "\n",
		".npmrc":     "prefix=" + p.in + "\n",
		"tmp/.keep":  "", // root's /tmp is not trusted where root is none of the host's users
		"ca.pem":     string(p.llm.Authority.PEM()),
		// The provider is at another place; all else is as the profile says.
		".config/nono/config.hcl": p.llm.Policy("env://OPENAI_API_KEY", "env://ANTHROPIC_API_KEY"),
	}
	for name, content := range p.settings {
		files[name] = strings.ReplaceAll(content, "@", p.project)
	}
	for name, content := range files {
		path := filepath.Join(p.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// env is the user's environment, with the keys.
func (p place) env() []string {
	return []string{
		"HOME=" + p.home, "PATH=" + p.in + "/bin:/usr/local/bin:/usr/bin:/bin", "TERM=xterm-256color",
		"LANG=C.UTF-8", "SHELL=/bin/bash", "USER=" + os.Getenv("USER"),
		"SSL_CERT_FILE=" + p.home + "/ca.pem", "TMPDIR=" + p.home + "/tmp",
		"OPENAI_API_KEY=" + p.llm.Keys.OpenAI, "ANTHROPIC_API_KEY=" + p.llm.Keys.Anthropic,
	}
}

// command is the agent inside.
func (p place) command(args []string) []string {
	return append([]string{p.nono, "run", "--profile", p.profile, "--allow-cwd", "--"}, args...)
}

func (p place) alone() error { return p.runs(p.agent.alone, done) }

// runs runs the agent without a terminal until it has said something.
func (p place) runs(args []string, says string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := p.command(args)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = p.project, p.env()
	if p.on != (hosts.Host{}) {
		if err := p.on.Wrap(cmd); err != nil {
			return err
		}
	}
	out, err := cmd.CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte(says)) {
		err = fmt.Errorf("it ended without having said %q", says)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// atTerminal types a prompt when the agent takes one, and lets it go when it has done the work.
func (p place) atTerminal() error {
	t, err := startTerminal(p.project, p.env(), p.command(p.at), p.on)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.await(p.ready); err != nil {
		return err
	}
	if err := t.enter(prompt); err != nil {
		return err
	}
	if err := t.await(done); err != nil {
		return err
	}
	if err := t.enter(p.leave); err != nil {
		return err
	}
	return t.awaitEnd()
}

// seen holds that the provider was asked with its own key and nothing else, and counts.
func (p place) seen() (asked int, err error) {
	for _, r := range p.llm.Requests() {
		if !r.In {
			return 0, fmt.Errorf("the provider did not let %s %s in", r.Method, r.Path)
		}
		asked++
	}
	if asked == 0 {
		return 0, errors.New("the provider was not asked")
	}
	return asked, nil
}

// standIn is a token in what the agent found.
var standIn = regexp.MustCompile(`(?:_API_KEY|_AUTH_TOKEN)=([0-9a-f]{64})\b`)

// left looks at what the agent has made, and found.
func (p place) left() error {
	var found []byte
	for name, want := range map[string]string{
		"new.txt": "made by the agent\n", "a.txt": "after\n", "ran.txt": "made by the agent\n",
	} {
		text, err := os.ReadFile(filepath.Join(p.project, name))
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(text, []byte(want)) {
			return fmt.Errorf("%s is %q", name, text)
		}
		if name == "ran.txt" {
			found = text
		}
	}
	for _, key := range []string{p.llm.Keys.OpenAI, p.llm.Keys.Anthropic, loginToken} {
		if bytes.Contains(found, []byte(key)) {
			return fmt.Errorf("a real key is inside:\n%s", found)
		}
	}
	token := standIn.FindSubmatch(found)
	if token == nil {
		return fmt.Errorf("no stand-in for the key is inside:\n%s", found)
	}
	for key, want := range map[string]int{
		string(token[1]): http.StatusUnauthorized, p.llm.Keys.OpenAI: http.StatusOK, // the control
	} {
		if got, err := p.knock(key); err != nil || got != want {
			return fmt.Errorf("with a key from outside the provider says %d (%w)", got, err)
		}
	}
	return nil
}

// knock asks the provider with a key, past nono.
func (p place) knock(key string) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.llm.URL+"/v1/models", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.llm.Authority.Pool()},
	}}
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// namesRefused are those that the agent looked up in vain.
func (p place) namesRefused() []string {
	cmd := exec.Command(p.nono, "logs", "--json")
	cmd.Dir, cmd.Env = p.project, p.env()
	out, err := cmd.Output()
	if err != nil {
		return nil // it is only told
	}
	var names []string
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var e struct {
			Name   string
			Fields map[string]string
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Name == "name.refused" &&
			!slices.Contains(names, e.Fields["name"]) {
			names = append(names, e.Fields["name"])
		}
	}
	slices.Sort(names)
	return names
}
