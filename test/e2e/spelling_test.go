//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// TestWorkdir: a run begins in the directory that was named, as if nono were started there.
func TestWorkdir(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("sub/agent.hcl", "command = [\"sh\", \"-c\", \"pwd; cat a\"]\nfilesystem {\n  read = [\".\"]\n}\n")
	u.write("sub/a", "here\n")
	r := u.succeeds(u.nono("run", "--workdir", "sub", "-c", "agent.hcl"))
	if want := u.path("sub") + "\nhere\n"; r.Stdout != want {
		t.Errorf("got %q, want %q", r.Stdout, want)
	}
	for dir, says := range map[string]string{
		"missing": "--workdir missing: there is no such directory",
		"sub/a":   "--workdir sub/a: it is not a directory",
	} {
		u.refused(u.nono("run", "--workdir", dir, "--", "true"), says)
	}
}

// TestOtherSpellings: the words of the Rust tool do what nono's own do.
func TestOtherSpellings(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/data/a", "data\n")
	u.write("~/.kube/config", "secret\n")
	u.tries([]string{
		"--net-block", "--allow-cwd", "--read-file", "~/data/a", "--read-file", "~/.kube/config",
		"--bypass-protection", "~/.kube/config",
	}, "yes: cat ~/data/a", "yes: cat ~/.kube/config", "no: touch ~/data/a", "yes: touch new")
	r := u.nono("run", "--net-allow", "--", "true")
	if !strings.Contains(r.Stderr, "the network layer is off") {
		t.Errorf("--net-allow opens nothing\n%s", r)
	}
	r = u.nono("__complete", "run", "--net-b")
	if !strings.HasPrefix(r.Stdout, "--net-block\tas --block-net\n") {
		t.Errorf("it is not completed\n%s", r)
	}
}
