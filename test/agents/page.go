package main

import (
	"bytes"
	"fmt"
	"strings"
)

// heading is how the page begins.
const heading = `# Agents that were tried

Written by ` + "`make agents PAGE=1`" + `. Each agent did a piece of work inside, with its own
profile and a stand-in for its provider ([nono-testllm](credentials.md#without-a-provider)), which
lets in the real key alone: it answered a prompt, made a file, changed a line of another, and ran a
command that looked for keys in its environment, in the agents' logins and in every process that it
saw. It found the token of the session, which opens nothing outside of it. The real key was in
nono's environment, and a login lay in the agent's home, where it stayed as it was. Then another run
went on with the session.

| agent | version | how | tier | it took | requests |
| --- | --- | --- | --- | --- | --- |
`

// inTierB is what a user has to know there.
const inTierB = `
## In tier B

In [tier B](hosts.md#the-two-tiers) they do the same work, with two differences.

- **With a login in the home they work in another directory.** ` +
	"`~/.codex` and `~/.claude`" + ` are granted for
  writing, and there nothing can hide the login in them. So nono keeps a directory in their place,
  which the agent finds by ` + "`CODEX_HOME` or `CLAUDE_CONFIG_DIR`" + `: links in it lead to the
  directories of the real one, such as its sessions, and to what is protected. The settings,
  ` + "`config.toml` and `~/.claude.json`" + `, are copied in and brought back at the end. All other
  files (databases, the history of prompts) it has of its own, for all runs in tier B. A directory
  that is new in it is moved to the real one when the run is over. The login is in none of this, can
  be read by nothing inside and replaced by nothing; what is protected cannot be changed. What the
  agent was told by a variable of yours (` + "`--env CODEX_HOME`" + `) stays: then the profile is
  refused. The directory is in ` + "`~/.local/state/nono/agents`" + `, and can be removed when
  nothing runs.
- **What a profile grants has to be there.** Where an agent was never started its directory is not
  made inside, for the home is the real one: ` +
	"`mkdir -p ~/.codex`" + ` (` + "`~/.claude`" + `) first. codex says that
  its database is damaged otherwise.

## Hosts that they look for
`

// written is the page about what came of it.
func written(tried []result) []byte {
	var b bytes.Buffer
	b.WriteString(heading)
	for _, r := range tried {
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %.1f s | %d |\n",
			r.name, r.npm, r.version, r.way, r.tier, r.took.Seconds(), r.asked)
	}
	b.WriteString("\nThe commands, of which the second is typed into: `" + prompt +
		"`, and at the end what makes it go.\n\n```console\n")
	for _, a := range agents {
		for _, args := range [][]string{a.alone, a.at} {
			fmt.Fprintf(&b, "$ nono run --profile %s --allow-cwd -- %s\n", a.profile, typed(args))
		}
	}
	b.WriteString("```\n" + inTierB + "\nBeside their model the agents look for hosts that are not " +
		"there inside, and do without:\n\n")
	told := map[string]bool{}
	for _, r := range tried {
		if told[r.name] {
			continue
		}
		told[r.name] = true
		names := "none"
		if all := refusedOf(r.name, tried); len(all) > 0 {
			names = strings.Join(all, ", ")
		}
		fmt.Fprintf(&b, "- %s: %s\n", r.name, names)
	}
	return b.Bytes()
}

// refusedOf are the names that an agent looked up in any way.
func refusedOf(name string, tried []result) []string {
	var all []string
	seen := map[string]bool{}
	for _, r := range tried {
		for _, n := range r.refused {
			if r.name == name && !seen[n] {
				seen[n] = true
				all = append(all, "`"+n+"`")
			}
		}
	}
	return all
}

// typed is a command as a user would type it.
func typed(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if strings.Contains(a, " ") {
			words[i] = `"` + a + `"`
		}
	}
	return strings.Join(words, " ")
}
