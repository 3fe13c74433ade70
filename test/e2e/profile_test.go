//go:build linux

package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestProfileInJSON: a profile of the Rust tool is held as one in HCL is.
func TestProfileInJSON(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/notes/a", "private\n")
	u.write("~/.aws/config", "secret\n")
	u.write(u.Project+"/my-agent.json",
		`{"policy": {"add_deny_access": ["$HOME/notes", "$HOME/.aws"]}}`+"\n")
	granted := []string{"--allow-cwd", "--read", "~/notes"}
	u.tries(append([]string{"--profile", "my-agent.json"}, granted...),
		"no: cat ~/notes/a", "no: cat ~/.aws/config", "yes: touch new")
	// The control: without the profile the grant holds.
	u.tries(granted, "yes: cat ~/notes/a")
	// What the user denied himself, nothing takes back.
	u.refused(u.nono("run", "-p", "my-agent.json", "--lift", "~/.aws", "--", "true"),
		"~/.aws cannot be lifted: my-agent.json:1:48 denies it")
	// Loaded, it cannot be changed from inside.
	u.tries([]string{"-p", "my-agent.json", "--allow-cwd"}, "no: sh -c 'echo x >> my-agent.json'")
}

// TestProfileOfAnAgent: an agent has its own state and login, and no other one's.
func TestProfileOfAnAgent(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, name := range []string{
		"~/.claude/.credentials.json", "~/.claude/settings.json", "~/.claude.json", "~/.codex/auth.json",
	} {
		u.write(name, "secret\n")
	}
	u.tries([]string{"--profile", "claude-code", "--allow-cwd"},
		"yes: cat ~/.claude/.credentials.json", "yes: sh -c 'echo new > ~/.claude.json'",
		"yes: touch ~/.claude/history.jsonl", "no: sh -c 'echo x >> ~/.claude/settings.json'",
		"no: mv ~/.claude/settings.json ~/.claude/s", "no: cat ~/.codex/auth.json")
	if got := u.read("~/.claude.json"); got != "new\n" {
		t.Errorf("what it keeps was not kept: %q", got)
	}
	// The control: without the profile none of it is inside.
	u.tries([]string{"--allow-cwd"}, "no: cat ~/.claude/.credentials.json", "no: cat ~/.claude.json")
	// What was not there cannot be held, and what the agent has to change is no different: it is told.
	r := u.nono("run", "--profile", "claude-code", "--", "mkdir", u.path("~/.claude/hooks"))
	if !strings.Contains(r.Stderr, "new since the start: ~/.claude/hooks") {
		t.Errorf("a new hook is not told\n%s", r)
	}
	r = u.nono("run", "-p", "codex", "--", "sh", "-c", "echo x > ~/.codex/config.toml")
	if !strings.Contains(r.Stderr, "tools outside run what they say: ~/.codex/config.toml") {
		t.Errorf("changed settings are not told\n%s", r)
	}
	// What an agent outside reads its variables, programs and settings from besides.
	u.write("~/.codex/environments.toml", "")
	u.tries([]string{"--profile", "codex"}, "no: sh -c 'echo x >> ~/.codex/environments.toml'",
		"no: mv ~/.codex/environments.toml ~/.codex/e", "yes: sh -c 'echo x > ~/.codex/history.jsonl'")
	u.write("~/.claude/shell-snapshots/of-a-session", "alias ls=ls\n")
	u.write("~/.codex/shell_snapshots/of-a-session", "alias ls=ls\n")
	u.tries([]string{"--profile", "claude-code"}, "no: sh -c 'echo x >> ~/.claude/shell-snapshots/of-a-session'",
		"no: touch ~/.claude/shell-snapshots/new", "yes: cat ~/.claude/shell-snapshots/of-a-session")
	u.tries([]string{"--profile", "codex"}, "no: sh -c 'echo x >> ~/.codex/shell_snapshots/of-a-session'",
		"yes: cat ~/.codex/shell_snapshots/of-a-session")
	for _, test := range [][3]string{
		{"codex", "~/.codex/.env", "new since the start: ~/.codex/.env"},
		{"codex", "~/.codex/AGENTS.override.md", "new since the start: ~/.codex/AGENTS.override.md"},
		{"claude-code", "~/.claude/.config.json", "new since the start: ~/.claude/.config.json"},
		{"claude-code", "~/.claude.json", "tools outside run what they say: ~/.claude.json"},
	} {
		r := u.nono("run", "--profile", test[0], "--", "sh", "-c", "echo x > "+u.path(test[1]))
		if !strings.Contains(r.Stderr, test[2]) {
			t.Errorf("%s is changed, and not told\n%s", test[1], r)
		}
	}
	// A protection of the profile's is lifted by naming its path.
	u.tries([]string{"--profile", "claude-code", "--write", "~/.claude/settings.json"},
		"yes: sh -c 'echo x >> ~/.claude/settings.json'")
	r = u.nono("run", "--profile", "codex", "--allow-cwd", "--", "printf", "%s\n")
	if r.Stdout != "--config=sandbox_mode=\"danger-full-access\"\n" ||
		!strings.Contains(r.Stderr, "the command is given further arguments: --config=sandbox_mode") ||
		!strings.Contains(r.Stderr, "so its fallback holds: a real key in ~/.codex/auth.json is inside") {
		t.Errorf("codex's sandbox is not switched off, or nothing says so\n%s", r)
	}
}

// TestProfileOfAnAgentWithAKey: with a key the agent's own login is out of reach like any other, and
// no host is reached; with neither the run says at once what to type.
func TestProfileOfAnAgentWithAKey(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.claude/.credentials.json", "secret\n")
	u.write("~/.codex/auth.json", "secret\n")
	u.write("~/.claude.json", "{}\n")
	u.Env = append(u.Env, "ANTHROPIC_API_KEY=sk-ant-real", "OPENAI_API_KEY=sk-real")
	r := u.tries([]string{"--profile", "claude-code", "--allow-cwd"},
		"no: grep secret ~/.claude/.credentials.json", "yes: touch ~/.claude/history.jsonl",
		"yes: test ${#ANTHROPIC_AUTH_TOKEN} = 64", "no: env | grep -e sk-ant -e _PROXY -e ANTHROPIC_API_KEY")
	if !strings.Contains(r.Stderr, "; credential anthropic; network closed; ") {
		t.Errorf("the start line is another one\n%s", r)
	}
	r = u.succeeds(u.nono("run", "--profile", "codex", "--allow-cwd", "--", "sh", "-c",
		`printf '%s\n' "$@"; grep secret ~/.codex/auth.json || env | grep -e sk-real -e _PROXY || echo none`, "sh"))
	lines := strings.Split(r.Stdout, "\n")
	if len(lines) < 4 || lines[1] != `--config=model_provider="nono"` ||
		!strings.Contains(lines[2], `base_url="http://127.0.0.1:`) || lines[3] != "none" {
		t.Errorf("codex is told %s", r)
	}
	// Without keys, and without one of the logins.
	u.Env = u.Env[:len(u.Env)-2]
	u.tries([]string{"--profile", "claude-code"}, "yes: grep secret ~/.claude/.credentials.json")
	if err := os.Remove(u.path("~/.claude/.credentials.json")); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "--profile", "claude-code", "--allow-cwd", "--", "true"),
		"no source has the key of anthropic", "to store it: nono credential set anthropic",
		"read -rs ANTHROPIC_API_KEY && export ANTHROPIC_API_KEY", "or log in with the agent itself, without nono: ")
}

// TestProfilesListAlone: the profiles are listed where there is nothing but nono itself: no
// program of its own that it could start, and no other one.
func TestProfilesListAlone(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.alone()
	u.Env = append(u.Env, "PATH=/nonexistent")
	u.write("~/.config/nono/profiles/mine.hcl", "# For work.\n")
	for _, words := range [][]string{{"profiles", "list"}, {"profile", "list"}} {
		r := u.nono(words...)
		if r.Code != 0 || r.Stderr != "" || !strings.Contains(r.Stdout, "\nclaude-code ") ||
			!strings.Contains(r.Stdout, "\nmine ") {
			t.Errorf("%s\n%s", words, r)
		}
	}
}
