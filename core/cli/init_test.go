package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/reference"
)

// newcomer is ada where nobody sits at a terminal, with the path of her project and what is told.
func newcomer(t *testing.T, files map[string]string) (a *App, proj string, told func() string) {
	t.Helper()
	a = ada(t, files)
	proj, _ = a.Getwd()
	for _, f := range []**os.File{&a.Stdin, &a.Stderr} {
		file, err := os.OpenFile(filepath.Join(t.TempDir(), "stream"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		*f = file
	}
	return a, proj, func() string {
		text, err := os.ReadFile(a.Stderr.Name())
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), filepath.Dir(proj), "~")
	}
}

func TestInit(t *testing.T) {
	for _, tt := range []struct {
		args, out, told string
		file            reference.Starter
	}{
		{"init", "next:\n  nono plan -c agent.hcl -- COMMAND\n  nono run -c agent.hcl -- COMMAND\n", "nono: wrote agent.hcl\n", reference.Starter{}},
		{
			"init --read-only -- ./a.sh x", "next:\n  nono plan -c agent.hcl\n  nono run -c agent.hcl\n", "nono: wrote agent.hcl\n",
			reference.Starter{Command: []string{"./a.sh", "x"}, ReadOnly: true},
		},
		{
			"init --defaults --network open -- a", "next:\n  nono approve agent.hcl\n  nono plan -c agent.hcl\n  nono run -c agent.hcl\n",
			"nono: wrote agent.hcl\nnono: it asks for more than a file by itself may grant:\n" +
				"nono:   agent.hcl:61:3: to have this machine's whole network\n" +
				"nono: warning: the network layer is off: the agent has the host's whole network\n  agent.hcl:61:3\n    61 |   open = true\n",
			reference.Starter{Command: []string{"a"}, Open: true},
		},
		{
			"init --defaults --network minimal -- a", "next:\n  nono approve agent.hcl\n  nono plan -c agent.hcl\n  nono run -c agent.hcl\n",
			"nono: wrote agent.hcl\nnono: it asks for more than a file by itself may grant:\n" +
				"nono:   agent.hcl:61:13: to reach the hosts of the network profile minimal: api.openai.com, api.anthropic.com, claude.ai, " +
				"platform.claude.com, generativelanguage.googleapis.com, aiplatform.googleapis.com and 10 more\n",
			reference.Starter{Command: []string{"a"}, Models: true},
		},
	} {
		a, proj, told := newcomer(t, nil)
		out, err := said(t, a, strings.Fields(tt.args)...)
		text, readErr := os.ReadFile(filepath.Join(proj, "agent.hcl"))
		if err != nil || readErr != nil || out != tt.out {
			t.Errorf("%s: %v, %v, %q", tt.args, err, readErr, out)
		}
		if got := lineless(told()); got != lineless(tt.told) {
			t.Errorf("%s told\n%swant\n%s", tt.args, got, tt.told)
		}
		if d := cmp.Diff(tt.file.File(), string(text)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, d)
		}
	}
}

// lineless is a text without the numbers of lines of agent.hcl, which move with the language.
func lineless(s string) string {
	return regexp.MustCompile(`agent\.hcl:\d+|\d+ \|`).ReplaceAllString(s, "LINE")
}

// An agent that a profile is made for gets it.
func TestInitNamesAProfile(t *testing.T) {
	a, proj, told := newcomer(t, nil)
	out, err := said(t, a, "init", "--", "claude")
	text, readErr := os.ReadFile(filepath.Join(proj, "agent.hcl"))
	if err != nil || readErr != nil {
		t.Fatal(err, readErr, told())
	}
	if !strings.Contains(string(text), "\nextends = [\"claude-code\"]\n") {
		t.Errorf("the file is\n%s", text)
	}
	if !strings.Contains(out, "  nono approve agent.hcl\n") || !strings.Contains(told(), "claude-code") {
		t.Errorf("what it asks for is not told:\n%s%s", out, told())
	}
}

// What is there is never written over: not a file, and not what a link would lead to.
func TestInitLeavesAlone(t *testing.T) {
	a, proj, _ := newcomer(t, map[string]string{"proj/agent.hcl": "mine\n"})
	const left = "~/proj/agent.hcl is there already, and is left alone"
	check := func(name, want string) {
		t.Helper()
		var problem diag.Problem
		_, err := said(t, a, "init", "--", "true")
		if !errors.As(err, &problem) || problem.Summary != left {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(filepath.Join(proj, "agent.hcl")); string(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	check("a file", "mine\n")
	if err := errors.Join(os.Remove(proj+"/agent.hcl"), os.Symlink("elsewhere", proj+"/agent.hcl")); err != nil {
		t.Fatal(err)
	}
	check("a link to nothing", "")
	if _, err := os.Lstat(proj + "/elsewhere"); err == nil {
		t.Error("what the link leads to was made")
	}
	// The control: with nothing there it is written.
	if err := os.Remove(proj + "/agent.hcl"); err != nil {
		t.Fatal(err)
	}
	if _, err := said(t, a, "init", "--", "true"); err != nil {
		t.Error(err)
	}
	if _, err := said(t, a, "init", "--", "a\xff"); err == nil {
		t.Error("what no file of policy can hold was taken")
	}
}

func TestInitAsks(t *testing.T) {
	a, _, told := newcomer(t, nil)
	var asked []string
	answers := []string{"python3 a.py", "maybe", "R", "o"}
	ask := func(_ context.Context, text, usual string) (string, error) {
		asked = append(asked, text+"/"+usual)
		return answers[len(asked)-1], nil
	}
	got, err := a.askStarter(t.Context(), starterOptions{}, ask)
	want := reference.Starter{Command: []string{"python3", "a.py"}, ReadOnly: true, Open: true}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if len(asked) != 4 || asked[1] != asked[2] || told() != "nono: one of: change, read\n" {
		t.Errorf("asked %q, and told %q", asked, told())
	}
	// What was said is not asked for.
	asked = nil
	all := starterOptions{Command: []string{"a"}, ReadOnly: true, Network: "closed"}
	if _, err := a.askStarter(t.Context(), all, ask); err != nil || len(asked) > 0 {
		t.Errorf("%v, asked %q", err, asked)
	}
}

// What a newcomer is told depends on what is here.
func TestPlainNono(t *testing.T) {
	tell := func(dir string, agents ...string) string {
		a, proj, _ := newcomer(t, map[string]string{"proj/agent.hcl": "", "bin/other": "", "other/x": ""})
		home := filepath.Dir(proj)
		for _, name := range agents {
			if err := os.WriteFile(home+"/bin/"+name, nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		lookup := a.Lookup
		a.Lookup = func(name string) (string, bool) {
			if name == "PATH" {
				return "bin:" + home + "/bin", true
			}
			return lookup(name)
		}
		a.Getwd = func() (string, error) { return filepath.Join(home, dir), nil }
		out, err := said(t, a)
		if err != nil {
			t.Error(err)
		}
		return out
	}
	for _, tt := range []struct {
		dir      string
		agents   []string
		has, not string
	}{
		{"proj", []string{"claude"}, "Here is an agent.hcl:\n  nono plan -c agent.hcl ", "nono init"},
		{"other", nil, "Here is no agent.hcl yet:\n  nono init ", "claude"},
		{"other", nil, "nono run --allow-cwd -- COMMAND ", "claude"},
		{"other", []string{"claude", "codex"}, "--allow-cwd -- codex ", "-- COMMAND"},
		{"", []string{"claude"}, "This is ~. Change to the directory of a project first", "--allow-cwd"},
		{"other", nil, "nono help agent.hcl ", "Usage"},
	} {
		if out := tell(tt.dir, tt.agents...); !strings.Contains(out, tt.has) || strings.Contains(out, tt.not) {
			t.Errorf("in %q with %q:\n%s", tt.dir, tt.agents, out)
		}
	}
}
