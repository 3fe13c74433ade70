//go:build linux

package e2e

import (
	"strings"
	"testing"
)

const asking = "command = [\"cat\", \"note\"]\nfilesystem {\n  allow = [\".\"]\n  read  = [\"~/data\"]\n}\n"

// TestApprove: what is approved once is not asked about again, for this file at this path, unless
// it asks for more. Without a terminal it is refused, and --approve is for one run.
func TestApprove(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/x", "")
	u.write("~/other/x", "")
	u.write("note", "noted\n")
	u.write("agent.hcl", asking)
	run := []string{"run", "-c", "agent.hcl"}
	refused := func() {
		t.Helper()
		u.refused(u.nono(run...), "agent.hcl asks to read ~/data, and that is not approved",
			"`nono approve agent.hcl`, or --approve for one run")
	}
	refused()
	u.succeeds(u.nono("run", "-c", "agent.hcl", "--approve"))
	refused()
	r := u.succeeds(u.nono("approve", "agent.hcl"))
	u.says(r, "nono: agent.hcl asks")
	u.says(r, "nono:   to read ~/data  (agent.hcl:4:12)")
	for range 2 {
		if r := u.succeeds(u.nono(run...)); r.Stdout != "noted\n" {
			t.Errorf("it was approved\n%s", r)
		}
	}
	if r := u.succeeds(u.nono("approve", "--list", "--json")); !strings.Contains(r.Stdout, "agent.hcl") {
		t.Errorf("it is not listed\n%s", r)
	}
	// A new version that asks for no more runs, one that asks for more does not.
	u.write("agent.hcl", strings.Replace(asking, "~/data", "~/data/x", 1)+"environment { set = { CI = \"1\" } }\n")
	u.succeeds(u.nono(run...))
	u.write("agent.hcl", strings.Replace(asking, "~/data", "~/other", 1))
	u.refused(u.nono(run...), "agent.hcl asks to read ~/other, and that is not approved")
	u.write("agent.hcl", asking)
	// Elsewhere it is another file.
	u.host("mv", u.path("agent.hcl"), u.path("renamed.hcl"))
	u.refused(u.nono("run", "-c", "renamed.hcl"), "renamed.hcl asks to read ~/data")
	u.host("mv", u.path("renamed.hcl"), u.path("agent.hcl"))
	u.succeeds(u.nono(run...))
	// What an agent finds of the memory is nothing, whatever is granted; nor can it approve anything.
	memory := "~/.local/state/nono/approved"
	u.tries([]string{"--allow", "~", "--allow-cwd"}, "no: ls "+memory, "no: touch "+memory+"/x",
		"no: mv ~/.local/state/nono ~/x", "no: mv ~/.local ~/x")
	u.refused(u.nono("run", "--lift", "~/.local/state/nono", "--", "true"), "is nono's own")
	u.succeeds(u.nono("approve", "--forget", "agent.hcl"))
	refused()
	u.refused(u.nono("approve", "--forget", "agent.hcl"), "nothing was approved of agent.hcl")
	if r := u.nono("approve", "none.hcl"); r.Code != 125 {
		t.Errorf("a file that is not there was approved\n%s", r)
	}
}

// TestApproveAtATerminal: the user is asked once, and what was typed before is no answer.
func TestApproveAtATerminal(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/x", "")
	u.write("note", "noted\n")
	u.write("agent.hcl", asking)
	y := newTTY(t)
	y.bash(u)
	const question = "allow this, now and in later runs? [y/N] "
	y.enter("nono run -c agent.hcl; echo ended-$?\n")
	y.expect("to read ~/data  (agent.hcl:4:12)")
	y.expect(question)
	y.enter("n\n")
	y.expect("what it asks for is not approved")
	y.expect("ended-125")
	y.enter("nono run -c agent.hcl; echo ended-$?\n")
	y.expect(question)
	y.enter("y\n")
	y.expect("noted")
	y.expect("ended-0")
	y.enter("nono run -c agent.hcl; echo again-$?\n")
	if said := y.expect("again-0"); strings.Contains(said, question) {
		t.Errorf("it was asked again: %q", said)
	}
	u.write("agent.hcl", strings.Replace(asking, "~/data", "~/\\u001b[2Jdata\", \"~/data", 1))
	y.enter("nono run -c agent.hcl; echo third-$?\n")
	said := y.expect(question)
	if !strings.Contains(said, `to read ~/\x1b[2Jdata`) || !strings.Contains(said, "approved before") {
		t.Errorf("the question is %q", said)
	}
	y.enter("\n")
	y.expect("third-125")
	// With another standard input than the terminal nobody is asked.
	y.enter("nono run -c agent.hcl </dev/null; echo fourth-$?\n")
	y.expect("and that is not approved")
	y.expect("fourth-125")
}
