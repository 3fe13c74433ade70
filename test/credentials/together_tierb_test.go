//go:build linux

package credentials

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/testllm"
)

// TestAllLayersTogetherInTierB is that morning on a host without user namespaces. What cannot be
// held there is told: a hook is put back by a command, and changed instructions end the run.
func TestAllLayersTogetherInTierB(t *testing.T) {
	dir, _ := installed(t)
	i, llm := providers(t, testllm.Options{})
	i.Authority.Set("collector.example", netip.MustParseAddr("6.6.6.66"))
	u := newUser(t)
	project(u, dir)

	goesOn := strings.Replace(theRun, "python my_agent.py", "sh -c 'python my_agent.py"+
		" replaces_its_instructions plants_a_hook; sleep 60; echo it went on'", 1)
	cmd := u.keyring(llm, exec.Command("bash", "-e", "-c", `
nono trust sign --key default CLAUDE.md
`+theRun+` rewrites_its_instructions replaces_its_instructions >../came.json 2>../told
test -e .git/hooks/pre-commit
nono session restore
test ! -e .git/hooks/pre-commit
nono session diff --name-only >../changed
nono session rollback --yes
git status --porcelain >../status
code=0; `+goesOn+` >../came.later 2>../ended || code=$?
echo $code >../code
cp CLAUDE.md ../rewritten`))
	hosts.On(t, cmd, hosts.Host{NoNamespaces: true})
	r := u.Succeeds(cmd)

	var came struct{ Work, Forbidden map[string]string }
	if err := json.Unmarshal([]byte(u.read("came.json")), &came); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if diff := cmp.Diff(map[string]string{
		"asks_openai": said, "asks_anthropic": said, "reads_its_instructions": instructions,
		"edits_a_file": "done", "makes_a_file": "done", "removes_a_file": "done",
	}, came.Work); diff != "" {
		t.Errorf("the agent's work, -want +got:\n%s\n%s", diff, r)
	}
	if len(came.Forbidden) != 6 {
		t.Errorf("%v was tried", came.Forbidden)
	}
	for what, how := range came.Forbidden {
		if held := what != "plants_a_hook"; strings.HasPrefix(how, "failed: ") != held {
			t.Errorf("the agent %s: %q", what, how)
		}
	}
	onlyTheKeys(t, llm, 4) // two in each run
	if i.Authority.Asked("collector.example") {
		t.Error("a name that nobody allowed was asked for outside")
	}
	told := u.read("told")
	for _, what := range []string{"tier B", ".git/hooks", "nono session restore"} {
		if !strings.Contains(told, what) {
			t.Errorf("it does not tell of %s:\n%s", what, told)
		}
	}

	const changed = "main.py\nnew.txt\nold.txt\n.git/hooks/pre-commit\n"
	if diff := cmp.Diff(changed, u.read("changed")); diff != "" {
		t.Errorf("session diff, -want +got:\n%s\n%s", diff, r)
	}
	if status := u.read("status"); status != "?? CLAUDE.md.sigstore.json\n" {
		t.Errorf("after the rollback git finds:\n%s", status)
	}

	ended := u.read("ended")
	if code := u.read("code"); code != "125\n" || !strings.Contains(ended, "CLAUDE.md") {
		t.Errorf("with instructions that the agent changed it ended with %s%s", code, ended)
	}
	// The agent may have been ended before it could tell of that.
	if u.read("rewritten") == instructions || strings.Contains(u.read("came.later"), "it went on") {
		t.Errorf("changed instructions are to end the agent: %s", u.read("came.later"))
	}
}
