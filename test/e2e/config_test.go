//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// alone gives the user a nono with no other program beside it. Whatever it would start, it could
// not: a refusal that is about the policy was made before anything was started.
func (u *user) alone() {
	u.t.Helper()
	u.mkdir("~/alone")
	u.Programs = u.path("~/alone")
	u.host("cp", filepath.Join(programs, "nono"), u.Programs)
}

// TestPolicyErrors is what the user is told, whole: one message, its line, and what to do. Where
// more is wrong, each has its own.
func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.alone()
	u.mkdir("~/data")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	if r := u.nono("run", "-c", "agent.hcl", "--", "touch", "ran"); r.Code != 125 || !strings.Contains(r.Stderr, "nono-init") {
		t.Fatalf("a good policy should get as far as the missing launcher, or the test shows nothing\n%s", r)
	}
	for _, c := range []struct {
		name, policy string
		flags        []string
		want         string
	}{
		{"misspelt block", "\nfilesistem {\n}\n", nil, `
nono: error: unknown block "filesistem"
  agent.hcl:2:1
     2 | filesistem {
  did you mean "filesystem"?
`},
		{"misspelt attribute", "filesystem {\n  raed = [\"/srv\"]\n}\n", nil, `
nono: error: unknown attribute "raed"
  agent.hcl:2:3
     2 |   raed = ["/srv"]
  did you mean "read"?
`},
		{"attribute in the wrong place", "write = [\".\"]\n", nil, `
nono: error: unknown attribute "write"
  agent.hcl:1:1
     1 | write = ["."]
  it belongs into the block filesystem { ... }
`},
		{"wrong type", "filesystem {\n  allow = \".\"\n}\n", nil, `
nono: error: "allow" must be a list of strings: ["...", "..."]
  agent.hcl:2:11
     2 |   allow = "."
`},
		{"wrong type in a list", "filesystem {\n  allow = [\".\", 7]\n}\n", nil, `
nono: error: "allow" must be a list of strings: ["...", "..."]
  agent.hcl:2:17
     2 |   allow = [".", 7]
`},
		{"interpolation", "filesystem {\n  allow = [\"${HOME}/x\"]\n}\n", nil, `
nono: error: ${...} is not evaluated here
  agent.hcl:2:12
     2 |   allow = ["${HOME}/x"]
  write "$HOME/x"
`},
		{"a variable that paths do not know", "filesystem {\n  read = [\"$HOEM/x\"]\n}\n", nil, `
nono: error: "$HOEM/x": $HOEM is not a variable that paths know
  agent.hcl:2:11
     2 |   read = ["$HOEM/x"]
  did you mean $HOME? for a $ of a name write $$
`},
		{"syntax", "filesystem {\n  allow = [\".\"\n}\n", nil, `
nono: error: a list is never closed
  agent.hcl:3:1
     3 | }
  put a ] where it ends
`},
		{"a block twice", "environment {}\nenvironment {}\n", nil, `
nono: error: environment is written twice
  agent.hcl:2:1
     2 | environment {}
  the first one is in line 1; put both into one
`},
		{"what is asked for", `filesystem {
  allow = [".", "~/data"]
  read  = ["/srv"]
}
environment {
  pass = ["AWS_PROFILE"]
}
best_effort = true
`, nil, `
nono: error: agent.hcl asks to read, change and run ~/data, and that is not approved
  agent.hcl:2:17
     2 |   allow = [".", "~/data"]
nono: error: agent.hcl asks to read /srv, and that is not approved
  agent.hcl:3:12
     3 |   read  = ["/srv"]
nono: error: agent.hcl asks to see your variable AWS_PROFILE, and that is not approved
  agent.hcl:6:11
     6 |   pass = ["AWS_PROFILE"]
nono: error: agent.hcl asks to go on where a rule cannot be held (best_effort), and that is not approved
  agent.hcl:8:1
     8 | best_effort = true
  if you trust this file: ` + "`nono approve agent.hcl`" + `, or --approve for one run
`},
		{"not built yet", `network {
  profile  = "minimal"
}
# What is not here is not built:
# nobody counts the memory of a run.

limits {
  memory = "4GiB"
}
`, []string{"--approve"}, `
nono: error: "memory" of limits is not built yet
  agent.hcl:8:3
     8 |   memory = "4GiB"
  remove it; the kernel limits the memory of a whole run only by a control group, and nono makes none: where systemd gives you one, ` + "`" + `systemd-run --user --scope -p MemoryMax=4G -p MemorySwapMax=0 -- nono run ...` + "`" + `
`},
		{"what no approval makes valid", "layer \"trust\" {\n  enabled = false\n}\ntrust {\n  signers = [\"key\"]\n}\n", []string{"--approve"}, `
nono: error: no file from elsewhere may switch off the trust layer
  agent.hcl:2:3
     2 |   enabled = false
  remove it here; no approval makes it valid in this file
nono: error: "signers" of trust may only be said by your own config.hcl
  agent.hcl:5:3
     5 |   signers = ["key"]
  remove it here; no approval makes it valid in this file
`},
		{"a layer nobody knows", "layer \"filesytem\" {\n}\n", []string{"--approve"}, `
nono: error: there is no layer "filesytem"
  agent.hcl:1:1
     1 | layer "filesytem" {
  did you mean "filesystem"? a layer of your own that has this name needs a plugin = ...
`},
		{"a plugin in a writable grant", "filesystem {\n  allow = [\".\"]\n}\nplugin \"acme/x\" {\n  path = \"./tool\"\n}\n", []string{"--approve"}, `
nono: error: the plugin acme/x lies in ~/proj, which the agent may write (agent.hcl:2:12)
  agent.hcl:5:10
     5 |   path = "./tool"
  keep programs that run outside the sandbox outside every writable grant
`},
		{"control characters", "filesystem {\n  read = [\"/srv/\\u001b[2J\\u202egpj\"]\n}\n", nil, `
nono: error: agent.hcl asks to read /srv/\x1b[2J\u202egpj, and that is not approved
  agent.hcl:2:11
     2 |   read = ["/srv/\u001b[2J\u202egpj"]
  if you trust this file: ` + "`nono approve agent.hcl`" + `, or --approve for one run
`},
		{"raw control characters", "filesystem {\n  raed\x1b[31m = [\".\"]\n}\n", nil, `
nono: error: a character that cannot stand here
  agent.hcl:2:7
     2 |   raed\x1b[31m = ["."]
  strings stand in straight double quotes: "..."
`},
		{"a flag's path", "", []string{"--read", "~other"}, `
nono: error: "~other": ~ stands for your own home directory only
  --read ~other
  write the other one out; for a file whose name starts with ~ write ./~
`},
		{"JSON", "{\"filesystem\": {\"allow\": [\".\"]}}\n", nil, `
nono: error: this is JSON, and a policy is written in HCL
  agent.hcl:1:1
     1 | {"filesystem": {"allow": ["."]}}
  a profile in JSON has a name that ends in .json or .jsonc; write it as: filesystem { allow = ["."] }
`},
		{"a network that is closed and open", "", []string{"--block-net", "--disable", "network"}, `
nono: error: the network cannot be closed: --disable network leaves it open
  --block-net
  remove one of the two
`},
		{"a layer to disable", "", []string{"--disable", "netwrk"}, `
nono: error: there is no layer "netwrk" to disable
  --disable netwrk
  did you mean --disable network?
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			u.write("agent.hcl", c.policy)
			u.write("tool", "#!/bin/sh\n")
			for _, command := range []string{"run", "plan"} { // a plan is refused for the same reasons
				args := append(append([]string{command, "-c", "agent.hcl"}, c.flags...), "--", "touch", "ran")
				if r := u.nono(args...); r.Code != 125 || r.Stderr != c.want[1:] || r.Stdout != "" || u.exists("ran") {
					t.Errorf("%s: want 125 and\n%s\n%s", command, c.want[1:], r)
				}
			}
		})
	}
	for path, want := range map[string]string{
		"none.hcl":          "nono: error: cannot read none.hcl: no such file or directory\n  looked for it in " + u.Project + "\n",
		"/none/x.hcl":       "nono: error: cannot read /none/x.hcl: no such file or directory\n",
		".":                 "nono: error: cannot read .: it is a directory\n",
		"none\x1b[31m.hcl":  "nono: error: cannot read none\\x1b[31m.hcl: no such file or directory\n  looked for it in " + u.Project + "\n",
		"/dev/null":         "nono: error: cannot read /dev/null: it is not a regular file\n",
		u.path("~/alone/x"): "nono: error: cannot read " + u.path("~/alone/x") + ": no such file or directory\n",
	} {
		if r := u.nono("run", "-c", path, "--", "touch", "ran"); r.Code != 125 || r.Stderr != want {
			t.Errorf("%q: want\n%s\n%s", path, want, r)
		}
	}
}

// The user's own config.hcl is under the same rules but one: it asks nobody.
func TestOwnConfig(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/d.txt", "data")
	u.write("~/.config/nono/config.hcl", "filesystem {\n  read = [\"~/data\"]\n}\n")
	r := u.tries(allowCwd, "yes: cat ~/data/d.txt", "no: cat ~/.config/nono/config.hcl")
	u.says(r, "nono: ro ~/data; rw ~/proj; network closed; home private; tier A")
	u.write("~/.config/nono/config.hcl", "filesystem {\n  raed = [\"~/data\"]\n}\n")
	u.refused(u.nono("run", "--", "true"), "nono: error: unknown attribute \"raed\"\n  ~/.config/nono/config.hcl:2:3\n")
}

// TestLayerSettings: what a layer does not know is seen when it has described itself, and then no
// layer is asked for a plan.
func TestLayerSettings(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for setting, want := range map[string]string{
		"greetign = \"x\"": `
nono: error: unknown attribute "greetign"
  agent.hcl:4:3
     4 |   greetign = "x"
  did you mean "greeting"?
`,
		"greeting = 7": `
nono: error: "greeting" must be a string in quotes: "..."
  agent.hcl:4:14
     4 |   greeting = 7
`,
		"misbehave = \"hang-paln\"": `
nono: error: "misbehave" cannot be "hang-paln"
  agent.hcl:4:15
     4 |   misbehave = "hang-paln"
  did you mean "hang-plan"?
`,
	} {
		u.useEcho(setting)
		args := configured("touch", "ran")
		r := u.guard(append([]string{"run", "-v"}, args[1:]...)...).refusedOnce()
		if !strings.Contains(r.Stderr, want[1:]) {
			t.Errorf("want\n%s\n%s", want[1:], r)
		}
		u.quiet(r, "echo.planned")
		u.neverRan(r)
	}
	// The filesystem layer has settings too.
	u.write("agent.hcl", "layer \"filesystem\" {\n  private_sise = 3\n}\n")
	u.refused(u.nono(configured("true")...), "nono: error: unknown attribute \"private_sise\"\n  agent.hcl:2:3\n", "did you mean \"private_size\"?")
	u.write("agent.hcl", "layer \"filesystem\" {\n  private_size = \"3GiB\"\n}\n")
	if r := u.nono(configured("true")...); !strings.HasSuffix(r.Stderr, `
nono: error: "private_size" must be a number, without quotes
  agent.hcl:2:18
     2 |   private_size = "3GiB"
  how much the private home may hold, in MiB: 3072 for 3 GiB
`[1:]) {
		t.Error(r)
	}
	// Spelt right, it is asked: the control.
	u.useEcho("greeting = \"x\"")
	r := u.succeeds(u.nono(append([]string{"run", "-v"}, configured("true")[1:]...)...))
	if !strings.Contains(r.Stderr, "echo.planned") {
		t.Errorf("it was not asked for a plan\n%s", r)
	}
}

// Approved, a file gets what it asks for, and no more than that is ever said in its favour.
func TestApproval(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/d.txt", "data")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  read = [\"~/data\"]\n}\nenvironment {\n  pass = [\"MY_NAME\"]\n  set = { CI = \"1\" }\n}\n")
	u.Env = []string{"MY_NAME=ada"}
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "asks to read ~/data", "asks to see your variable MY_NAME")
	u.tries([]string{"-c", "agent.hcl", "--approve"}, "yes: cat ~/data/d.txt", "yes: test $MY_NAME$CI = ada1")
	// What the user's own flags give already is not asked for.
	u.tries([]string{"-c", "agent.hcl", "--read", "~/data", "--env", "MY_NAME"}, "yes: cat ~/data/d.txt")
	// And what it may do by itself is no more than its own directory.
	u.write("x/f", "")
	u.write("agent.hcl", fmt.Sprintf("command = [\"true\"]\nfilesystem {\n  allow = [\"../%s\", \"./x\"]\n  deny = [\"~/data\"]\n}\n", filepath.Base(u.Project)))
	u.succeeds(u.nono("run", "-c", "agent.hcl"))
	u.write("agent.hcl", "filesystem {\n  allow = [\"..\"]\n}\n")
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"), "asks to read, change and run ~,")
}
