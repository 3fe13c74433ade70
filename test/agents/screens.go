package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/test/hosts"
)

// An installed agent is one that the user has, and what its first screen says.
type installed struct {
	name, npm string
	screen    string
	env       []string
}

var installable = []installed{
	{name: "claude", npm: "@anthropic-ai/claude-code", screen: "Welcome to Claude Code"},
	{name: "codex", npm: "@openai/codex", screen: "Welcome to Codex"},
	{name: "gemini", npm: "@google/gemini-cli", screen: "Do you trust the files in this folder?"},
	{
		name: "opencode", npm: "opencode-ai", screen: "Ask anything",
		env: []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1"},
	},
}

// firstScreens starts those that whoever runs this has installed, by their names from PATH, with
// nothing granted but a new project: once for the version, and once at a terminal. It reports
// whether they did as they should.
func firstScreens(nono string) (bool, error) {
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
	for _, a := range installable {
		if _, err := exec.LookPath(a.name); err != nil {
			fmt.Printf("%-8s not installed: npm install -g --prefix ~/.npm-global %s\n", a.name, a.npm)
			continue
		}
		version, err := a.version(nono, project)
		if err == nil {
			err = a.firstScreen(nono, project)
		}
		if err != nil {
			ok = false
			fmt.Printf("%-8s %v\n", a.name, err)
			continue
		}
		fmt.Printf("%-8s %s; its first screen is there\n", a.name, version)
	}
	return ok, nil
}

// command is the agent inside.
func (a installed) command(nono string, args ...string) []string {
	command := []string{nono, "run", "-s", "--allow-cwd"}
	for _, v := range a.env {
		command = append(command, "--env", v)
	}
	return append(append(command, "--", a.name), args...)
}

func (a installed) version(nono, project string) (string, error) {
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

// firstScreen starts the agent at a terminal and waits for what it is to show.
func (a installed) firstScreen(nono, project string) error {
	t, err := startTerminal(project, nil, a.command(nono), hosts.Host{})
	if err != nil {
		return err
	}
	defer t.close()
	return t.await(a.screen)
}
