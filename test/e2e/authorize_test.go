//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// useGreedy writes a policy with the layer that asks for too much.
func (u *user) useGreedy(filesystem, wants string) {
	u.t.Helper()
	u.write("agent.hcl", fmt.Sprintf(
		"filesystem { %s }\nlayer \"greedy\" {\n  plugin = \"test/greedy\"\n  wants = %q\n}\nplugin \"test/greedy\" { path = %q }\n",
		filesystem, wants, layers+"/nono-layer-greedy"))
}

// TestNoLayerWidensThePolicy: what a layer asks for beyond the policy is refused before anything
// runs, in one message that names the layer, its line and the line that would grant what it asks
// for.
func TestNoLayerWidensThePolicy(t *testing.T) {
	t.Parallel()
	const project = `allow = ["."]`
	tests := []struct {
		wants, filesystem string
		says              []string
	}{
		{"outside", project, []string{
			"layer test/greedy shows ", "outside inside at /mnt/outside, to be read and written: no rule grants it",
			"`write = [\"~/outside\"]` into the filesystem block, or give --write ~/outside",
		}},
		{"outside", "\n  allow = [\".\"]\n  read = [\"~/outside\"]\n", []string{
			"outside inside at /mnt/outside, to be written: granted for reading only, by agent.hcl:3:11",
		}},
		{"landlock", project, []string{"layer test/greedy asks Landlock to let / and all beneath it be read and written: no rule grants it"}},
		{"device", project, []string{
			"layer test/greedy shows /dev/zero inside at /mnt/zero, to be read and written: no rule grants it",
		}},
		{"file", `read = ["/etc/hosts"]`, []string{
			"layer test/greedy puts a file of its own over /etc/hosts, which agent.hcl:1:22 grants", "take out the line or the layer",
		}},
		{"variable", project, []string{
			"layer test/greedy gives the agent your variable SSH_AUTH_SOCK, which default.hcl:", " denies",
			"`pass = [\"SSH_AUTH_SOCK\"]` into the environment block of your own policy",
		}},
		{"claims", project, []string{"layer test/greedy: it is a custom layer and answers for ", " more rules, which is not its to hold"}},
		{"overlap", project, []string{"/etc", "a link to srv", "layer test/greedy", "take one of them out"}},
		{"missing", project, []string{"building the sandbox: layer test/greedy: granting ", "/nothing: no such file or directory"}},
	}
	for _, tt := range tests {
		t.Run(tt.wants, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.Env = append(u.Env, "SSH_AUTH_SOCK=/run/agent.sock")
			u.mkdir(u.path("~/outside"))
			u.useGreedy(tt.filesystem, tt.wants)
			g := u.guard(configured("sh", "-c", ran)...)
			r := g.refusedOnce(tt.says...)
			u.neverRan(r)
			if blame := "agent.hcl:"; !strings.Contains(r.Stderr, blame) && tt.wants != "claims" {
				t.Errorf("no line is named\n%s", r)
			}
		})
	}
}

// TestLayersAreNamed: a run says which layers that are not nono's take part, and what they carry
// out.
func TestLayersAreNamed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.useGreedy(`allow = ["."]`, "nothing")
	u.says(u.nono(configured("true")...), "nono: rw ~/proj; network closed; home private; layer test/greedy; tier A")

	u.useEcho("")
	r := u.nono(configured("true")...)
	u.says(r, "nono: rw ~/proj; network through test/echo; home private; layer test/echo serves tcp 127.0.0.1:61000; tier A")
	if strings.Contains(r.Stderr, "network closed") {
		t.Errorf("the network is said to be closed, and a layer carries traffic out\n%s", r)
	}
}

// TestWhatLostIsListed: of two steps at one path the stronger one is seen, and the plan says what
// became of the other.
func TestWhatLostIsListed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.useGreedy(`allow = ["."]`, "beaten")
	r := u.nono("plan", "-c", "agent.hcl", "--approve", "-v", "--", "true")
	found := false
	for line := range strings.Lines(r.Stdout) {
		found = found || strings.HasPrefix(line, "  /usr ") && strings.Contains(line, "in memory, up to 4 KiB (test/greedy)") &&
			strings.Contains(line, "lost to the host's, read-only (landlock)")
	}
	if r.Code != 0 || !found {
		t.Errorf("what lost is not listed\n%s", r)
	}
	r = u.nono("plan", "-c", "agent.hcl", "--approve", "--json", "--", "true")
	for _, part := range []string{`"lost"`, `"layer": "test/greedy"`, `"layer": "landlock"`} {
		if !strings.Contains(r.Stdout, part) {
			t.Errorf("the JSON lacks %s\n%s", part, r)
		}
	}
}

// TestTwoBlocksWithOneProgram is the user's mistake, said at the block.
func TestTwoBlocksWithOneProgram(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", fmt.Sprintf("filesystem { allow = [\".\"] }\nlayer \"a\" { plugin = \"test/greedy\" }\nlayer \"b\" { plugin = \"test/greedy\" }\n"+
		"plugin \"test/greedy\" { path = %q }\n", layers+"/nono-layer-greedy"))
	u.neverRan(u.guard(configured("sh", "-c", ran)...).refusedOnce(
		`layer "b" is the program test/greedy, and so is layer "a", at agent.hcl:2`, "agent.hcl:3:"))
}
