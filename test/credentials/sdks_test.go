//go:build linux

package credentials

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/testllm"
)

// installed is where the providers' own clients are, and what Python and Node take the agents for:
// Node looks for what a script imports from the script's place on.
func installed(t *testing.T) (dir string, agents map[string][]string) {
	t.Helper()
	dir, err := filepath.Abs("../../bin/sdks")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"/python", "/node_modules"} {
		if _, err := os.Stat(dir + part + "/.installed"); err != nil {
			t.Skip("the providers' clients are not installed: make sdks")
		}
	}
	here, err := filepath.Abs("sdks")
	if err != nil {
		t.Fatal(err)
	}
	return dir, map[string][]string{
		"python": {dir + "/python/bin/python", here + "/agent.py"},
		"node":   {"node", dir + "/agent.mjs"},
	}
}

// keyring runs a command of the user's on a session bus of his own, on which a keyring has both
// keys. They were stored by nono's own command, and stand in no argument and no variable.
func (u *user) keyring(llm *testllm.Server, cmd *exec.Cmd) *exec.Cmd {
	u.T.Helper()
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			u.T.Skip("there is no ", program)
		}
	}
	const script = `
printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null
for service in openai anthropic; do
  read -r key
  printf '%s\n' "$key" | nono credential set $service
done
exec </dev/null "$@"`
	args := append([]string{"dbus-run-session", "--", "bash", "-e", "-c", script, "bash"}, cmd.Args...)
	wrapped := u.Command(args...)
	wrapped.Stdin = strings.NewReader(llm.Keys.OpenAI + "\n" + llm.Keys.Anthropic + "\n")
	return wrapped
}

// both are the two flags of README's command.
const both = "--proxy-credential openai --proxy-credential anthropic"

const (
	said     = "This is nono's stand-in for a model. You said: hello"
	standIn  = "stand-in"
	refusal  = "refused: "
	keyForm1 = "sk-(ant-)?te"
	keyForm2 = "st-[A-Z2-7]{26}"
)

// TestSDKs is the first command of the documentation, with the four clients that people install and
// the keys where people have them: in a keyring. Each client works, unchanged, in each way that it
// is used, and nothing that the agent can read has a key in it.
func TestSDKs(t *testing.T) {
	dir, agents := installed(t)
	for name, agent := range agents {
		for tier, on := range everywhere {
			t.Run(name+" in "+tier, func(t *testing.T) { tryAgent(t, dir, agent, on) })
		}
	}
	t.Run("nothing to find", func(t *testing.T) {
		_, llm := providers(t, testllm.Options{})
		u := newUser(t)
		found, environ := u.look(u.keyring(llm, u.looking(both)))
		if len(found) > 0 {
			t.Errorf("a key can be read in %q", found)
		}
		for _, name := range []string{"OPENAI_API_KEY", "ANTHROPIC_API_KEY"} {
			if !regexp.MustCompile("^[0-9a-f]{64}$").MatchString(environ[name]) {
				t.Errorf("%s is %q", name, environ[name])
			}
		}
	})
	t.Run("and a key that is inside is found", func(t *testing.T) { // the control
		_, llm := providers(t, testllm.Options{})
		u := newUser(t)
		u.Env = []string{"OPENAI_API_KEY=" + llm.Keys.OpenAI}
		u.Write("proj/notes/key", llm.Keys.Anthropic)
		found, _ := u.look(u.looking("--env OPENAI_API_KEY"))
		for _, what := range []string{"/environ", "/mem", "/notes/key"} {
			if !slices.ContainsFunc(found, func(path string) bool { return strings.HasSuffix(path, what) }) {
				t.Errorf("it is not found in %s: %q", what, found)
			}
		}
	})
}

// tryAgent has one agent use its clients in every way, with nono on such a host.
func tryAgent(t *testing.T, dir string, agent []string, on hosts.Host) {
	_, llm := providers(t, testllm.Options{})
	u := newUser(t)
	cmd := u.keyring(llm, u.inside(both+" --read "+dir+" --read "+u.sources(), agent...))
	if on != (hosts.Host{}) {
		hosts.On(t, cmd, on) // the keyring is there too
	}
	r := u.Succeeds(cmd)
	var answers map[string]string
	if err := json.Unmarshal([]byte(r.Stdout), &answers); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if len(answers) < 10 {
		t.Errorf("only %v was asked", slices.Collect(maps.Keys(answers)))
	}
	for way, answer := range answers {
		want := said
		switch {
		case strings.HasSuffix(way, "_models"):
			want = standIn
		case strings.HasSuffix(way, "_own_key"):
			if !strings.HasPrefix(answer, refusal) {
				t.Errorf("%s: %q", way, answer)
			}
			continue
		}
		if answer != want {
			t.Errorf("%s: %q", way, answer)
		}
	}
	onlyTheKeys(t, llm, len(answers)-2) // an agent's own key got to nobody
}

// sources is where the agents lie.
func (u *user) sources() string {
	u.T.Helper()
	here, err := filepath.Abs("sdks")
	if err != nil {
		u.T.Fatal(err)
	}
	return here
}

// looking is the agent that looks for keys, and look runs it.
func (u *user) looking(flags string) *exec.Cmd {
	return u.inside(flags+" --read "+u.sources(),
		"/usr/bin/python3", u.sources()+"/look.py", keyForm1, keyForm2)
}

func (u *user) look(cmd *exec.Cmd) (found []string, environ map[string]string) {
	u.T.Helper()
	r := u.Succeeds(cmd)
	var told struct {
		Found       []string
		Environment map[string]string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil {
		u.T.Fatalf("%v\n%s", err, r)
	}
	return told.Found, told.Environment
}

// onlyTheKeys holds that so many requests arrived or more, each with the right key and no other
// credential.
func onlyTheKeys(t *testing.T, llm *testllm.Server, atLeast int) {
	t.Helper()
	all := llm.Requests()
	if len(all) < atLeast {
		t.Errorf("%d requests arrived, and %d were made", len(all), atLeast)
	}
	for _, r := range all {
		if !r.In || r.Status != http.StatusOK && r.Status != http.StatusSwitchingProtocols {
			t.Errorf("the provider saw %+v", r)
		}
	}
}
