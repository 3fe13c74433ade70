// Command agents starts the agents that are installed for whoever runs it inside nono, and waits
// for the first screen of each.
//
//	go run ./test/agents -nono bin/nono
//
// Each is started as its user would, by its name from PATH, with nothing granted but a new project:
// once for its version, and once at a terminal, which tmux is. Nothing is sent anywhere: the
// network is closed. An agent that is not installed is listed as such; to install one for oneself:
//
//	npm install -g --prefix ~/.npm-global @openai/codex
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// An agent is a program, and what its first screen says.
type agent struct {
	name, install string
	screen        string
	env           []string
}

var agents = []agent{
	{name: "claude", install: "@anthropic-ai/claude-code", screen: "Welcome to Claude Code"},
	{name: "codex", install: "@openai/codex", screen: "Welcome to Codex"},
	{name: "gemini", install: "@google/gemini-cli", screen: "Do you trust the files in this folder?"},
	{
		name: "opencode", install: "opencode-ai", screen: "Ask anything",
		env: []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1"},
	},
}

// limit is how long a screen may take: some unpack themselves first.
const limit = 4 * time.Minute

func main() {
	nono := flag.String("nono", "bin/nono", "the nono to try")
	flag.Parse()
	ok, err := run(*nono)
	if err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tries all agents, and reports whether those that are installed did as they should.
func run(nono string) (bool, error) {
	nono, err := filepath.Abs(nono)
	if err != nil {
		return false, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return false, err
	}
	path := filepath.Join(home, ".npm-global/bin") + ":" + os.Getenv("PATH")
	if err := os.Setenv("PATH", path); err != nil {
		return false, err
	}
	project, err := os.MkdirTemp(home, ".nono-agents-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(project)
	ok := true
	for _, a := range agents {
		if _, err := exec.LookPath(a.name); err != nil {
			fmt.Printf("%-10s not installed: npm install -g --prefix ~/.npm-global %s\n", a.name, a.install)
			continue
		}
		version, err := a.version(nono, project)
		if err == nil {
			err = a.firstScreen(nono, project)
		}
		if err != nil {
			ok = false
			fmt.Printf("%-10s %v\n", a.name, err)
			continue
		}
		fmt.Printf("%-10s %s; its first screen is there\n", a.name, version)
	}
	return ok, nil
}

// command is the agent inside.
func (a agent) command(nono string, args ...string) []string {
	command := []string{nono, "run", "-s", "--allow-cwd"}
	for _, v := range a.env {
		command = append(command, "--env", v)
	}
	return append(append(command, "--", a.name), args...)
}

func (a agent) version(nono, project string) (string, error) {
	command := a.command(nono, "--version")
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = project
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("--version: %w\n%s", err, out)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first, nil
}

// firstScreen starts the agent at a terminal of tmux's and waits for what it is to show.
func (a agent) firstScreen(nono, project string) error {
	tmux := func(args ...string) ([]byte, error) {
		own := []string{"-L", filepath.Base(project), "-f", "/dev/null"}
		cmd := exec.Command("tmux", append(own, args...)...)
		cmd.Dir = project
		return cmd.CombinedOutput()
	}
	start := append([]string{"new-session", "-d", "-x", "100", "-y", "40"}, a.command(nono)...)
	if out, err := tmux(start...); err != nil {
		return fmt.Errorf("starting tmux: %w\n%s", err, out)
	}
	defer func() { _, _ = tmux("kill-server") }()
	if out, err := tmux("set-option", "-w", "remain-on-exit", "on"); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var screen []byte
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Second) {
		var err error
		if screen, err = tmux("capture-pane", "-p"); err != nil {
			return fmt.Errorf("it ended: %w\n%s", err, screen)
		}
		if bytes.Contains(screen, []byte(a.screen)) {
			return nil
		}
	}
	return fmt.Errorf("after %v its screen does not say %q:\n%s", limit, a.screen, screen)
}
