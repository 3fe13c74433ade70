//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// TestOwnTerminal is what an agent finds: a terminal of its own, of the user's size, on just those
// streams that were terminals outside.
func TestOwnTerminal(t *testing.T) {
	u, y := newUser(t), newTTY(t)
	y.bash(u)
	before := y.settings(t)
	y.resize(91, 23)
	y.run(`nono -s run -- sh -c 'tty; stty size; tty <&1; tty <&2; echo by name: $(tty </dev/tty)'`,
		"/dev/pts/0", "23 91", "/dev/pts/0", "/dev/pts/0", "by name: /dev/tty")
	for redirected, want := range map[string]string{
		"":                      "0 is\n1 is\n2 is\n",
		"2>log":                 "0 is\n1 is\n",
		"</dev/null":            "1 is\n2 is\n",
		">/dev/null":            "0 is\n2 is\n",
		"| cat":                 "0 is\n2 is\n",
		"</dev/null >f 2>&1":    "",
		"</dev/null 2>&1 | cat": "",
	} {
		u.write("ask", `exec 3>out; for f in 0 1 2; do test -t $f && echo $f is >&3; done; true`)
		y.run(`nono -s run --allow-cwd -- sh ask ` + redirected)
		if got := u.read("out"); got != want {
			t.Errorf("with %q: the terminals are %q, want %q", redirected, got, want)
		}
	}
	y.run(`x=$(nono -s run -- sh -c 'test -t 1 || echo none'); echo "it says $x"`, "it says none")
	y.run(`nono -s run -- sh -c 'stty raw -echo; kill -9 $$'; echo code $?`, "code 137")
	// What nono says meanwhile comes afterwards.
	if meanwhile := y.between(`nono -v run -- sh -c 'echo the la""st'`, "the last"); strings.Contains(meanwhile, "nono: started") {
		t.Errorf("nono talks into the agent's output: %q", meanwhile)
	}
	y.expect("nono: started")
	y.expect(prompt)
	if after := y.settings(t); after != before {
		t.Errorf("the settings were not put back:\n%+v\n%+v", before, after)
	}
}
