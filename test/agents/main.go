// Command agents drives real agents inside nono, against a stand-in for their provider, and writes
// what came of it.
//
//	go run ./test/agents -nono bin/nono -in bin/agents -page docs/agents.md
//	go run ./test/agents -nono bin/nono -in bin/agents -tier B   # where no namespaces can be made
//
// claude and codex are fetched by npm, in the versions below and without their install scripts,
// into a directory of their own. Each does a piece of work with its own profile, once without a
// terminal and once at one, which tmux is: it answers a prompt, makes a file, changes one, and runs
// a command that looks for the key. The stand-in (package testllm) lets in the real key alone,
// which only nono has. Nothing is sent anywhere else.
//
// After that, each agent that whoever runs this has installed is started up to its first screen.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nono-run/nono/test/hosts"
)

// An agent is a program that a profile is for, and how it is driven.
type agent struct {
	name, profile string
	// npm is its package, in the version that is tried, and native the program for this machine
	// among what npm fetches; empty where the package's own starts it.
	npm, version, native string
	// login is its own, of which the profile gives it nothing while there is a key.
	login string
	// settings are files of one that was used before: no agent asks what it asks at its first start.
	settings map[string]string
	// alone is the command without a terminal, and at the one at a terminal; prompt stands for what
	// is asked. ready is on its screen when it takes a prompt, and leave makes it go. again is the
	// command that goes on with the last session, without a terminal.
	alone, at, again []string
	ready, leave     string
}

// prompt is what is asked. What is done about it the script says.
const prompt = "do the work"

// agents are those that are driven. There is no newer version of them in this file than was tried.
var agents = []agent{
	{
		name: "claude", profile: "claude-code",
		npm: "@anthropic-ai/claude-code", version: "2.1.332",
		native: "lib/node_modules/@anthropic-ai/claude-code/node_modules/@anthropic-ai/" +
			"claude-code-linux-" + npmArch() + "/claude",
		login: ".claude/.credentials.json",
		settings: map[string]string{
			".claude.json": `{"hasCompletedOnboarding": true, "theme": "dark", ` +
				`"projects": {"@": {"hasTrustDialogAccepted": true}}}` + "\n",
		},
		alone: []string{
			"claude", "--permission-mode", "acceptEdits", "--allowedTools", "Bash", "-p", prompt,
		},
		at:    []string{"claude", "--permission-mode", "acceptEdits", "--allowedTools", "Bash"},
		again: []string{"claude", "--continue", "-p", prompt},
		ready: "accept edits on", leave: "/exit",
	},
	{
		name: "codex", profile: "codex", npm: "@openai/codex", version: "0.171.0",
		login: ".codex/auth.json",
		alone: []string{"codex", "exec", "--skip-git-repo-check", prompt},
		at:    []string{"codex"},
		again: []string{"codex", "exec", "--skip-git-repo-check", "resume", "--last", prompt},
		ready: "Ask Codex to do anything", leave: "/quit",
	},
}

// npmArch is this machine's architecture in npm's words.
func npmArch() string {
	if runtime.GOARCH == "amd64" {
		return "x64"
	}
	return runtime.GOARCH
}

func main() {
	hosts.Arrange()
	nono := flag.String("nono", "bin/nono", "the nono to try")
	in := flag.String("in", "bin/agents", "the directory that the agents are fetched into")
	only := flag.String("only", "", "drive this agent alone")
	one := flag.String("tier", "", "A or B: drive them in this tier alone")
	page := flag.String("page", "", "write what came of it to this file")
	flag.Parse()
	ok, err := run(*nono, *in, *only, tier(*one), *page)
	if err != nil {
		fmt.Fprintln(os.Stderr, "agents:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tries all agents, and reports whether all did as they should.
func run(nono, in, only string, one tier, page string) (ok bool, err error) {
	tiers := []tier{tierA, tierB}
	if one != "" {
		if !slices.Contains(tiers, one) {
			return false, fmt.Errorf("-tier: %q is none", one)
		}
		tiers = []tier{one}
	}
	nono, err = filepath.Abs(nono)
	if err != nil {
		return false, err
	}
	if in, err = filepath.Abs(in); err != nil {
		return false, err
	}
	ok = true
	var tried []result
	if err := fetch(in); err != nil {
		fmt.Printf("claude and codex are left out: %v\n", err)
		ok = page == ""
	} else {
		for _, a := range agents {
			if only != "" && only != a.name {
				continue
			}
			for _, tier := range tiers {
				for _, way := range []way{alone, atTerminal} {
					r := a.try(nono, in, way, tier)
					fmt.Println(r)
					ok = ok && r.err == nil
					tried = append(tried, r)
				}
			}
		}
	}
	if page != "" && ok {
		if err := os.WriteFile(page, written(tried), 0o644); err != nil {
			return false, err
		}
	}
	if only != "" {
		return ok, nil
	}
	shown, err := firstScreens(nono)
	return ok && shown, err
}

// fetch has npm fetch the agents, unless they are there. No script of theirs is run.
func fetch(in string) error {
	var missing []string
	for _, a := range agents {
		if a.fetched(in) != a.version {
			missing = append(missing, a.npm+"@"+a.version)
		}
	}
	if len(missing) > 0 {
		fmt.Printf("fetching %q\n", missing)
		cmd := exec.Command("npm", append([]string{
			"install", "-g", "--prefix", in, "--ignore-scripts", "--no-audit", "--no-fund",
			"--loglevel=error",
		}, missing...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm: %w\n%s", err, out)
		}
	}
	for _, a := range agents {
		if a.native == "" {
			continue
		}
		// What its install script would do.
		link := filepath.Join(in, "bin", a.name)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(filepath.Join("..", a.native), link); err != nil {
			return err
		}
	}
	return nil
}
