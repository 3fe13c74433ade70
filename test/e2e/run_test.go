package e2e

import (
	"strings"
	"testing"
)

func TestProjectIsThereAndNothingElse(t *testing.T) {
	u := newUser(t)
	u.write("~/.ssh/id_ed25519", "KEY")
	u.write("~/notes.txt", "NOTES")
	u.write("data.txt", "mine")
	r := u.succeeds(u.python(`
import os, sys
print(open("data.txt").read())
open("out.txt", "w").write("done")
for p in ["~/.ssh/id_ed25519", "~/notes.txt", "~/proj/data.txt"]:
    try:
        open(os.path.expanduser(p)).read()
        print("read", p)
    except OSError as e:
        print(type(e).__name__, p)
`))
	want := "mine\nPermissionError ~/.ssh/id_ed25519\nFileNotFoundError ~/notes.txt\nread ~/proj/data.txt\n"
	if r.Stdout != want {
		t.Errorf("got\n%s\nwant\n%s", r.Stdout, want)
	}
	if got := u.read("out.txt"); got != "done" {
		t.Errorf("out.txt has %q", got)
	}
	if want := "nono: rw ~/proj; network closed; home private; tier A\n"; !strings.Contains(r.Stderr, want) {
		t.Errorf("the start line is missing: %q", r.Stderr)
	}
}

// A policy file above the current directory is protected where it lies, and the way back up to it
// needs no protection.
func TestPolicyFileAboveTheCurrentDirectory(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/agent.hcl", `command = ["true"]`)
	for _, args := range [][]string{{"-c", "../agent.hcl", "--allow", "~"}, {"-c", "../proj/../agent.hcl", "--disable", "filesystem"}} {
		u.succeeds(u.nono(append([]string{"run"}, append(args, "--", "sh", "-c", "! echo x >> ../agent.hcl")...)...))
	}
	if got := u.read("~/agent.hcl"); got != `command = ["true"]` {
		t.Errorf("the policy file is now %q", got)
	}
}
