//go:build linux

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// Where the network is closed a name does not exist: each resolver says so at once, in the way that
// programs do not try again after. That is what a command that failed is told of, and no other.
func TestNamesDoNotExist(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ program, script, says string }{
		{"python3", `import socket
try:
    socket.getaddrinfo("name.example", 80)
except socket.gaierror as e:
    print(e.errno == socket.EAI_NONAME)`, "True"},
		{"node", `require("dns").lookup("name.example", e => console.log(e.code))`, "ENOTFOUND"},
		{"node", `require("dns").resolve("name.example", e => console.log(e.code))`, "ENOTFOUND"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			program, err := exec.LookPath("/usr/bin/" + tt.program)
			if err != nil {
				t.Skip("there is no ", tt.program)
			}
			u := newUser(t)
			flag := map[string]string{"python3": "-c", "node": "-e"}[tt.program]
			r := u.succeeds(u.nono("run", "--allow-cwd", "--", program, flag, tt.script))
			if strings.TrimSpace(r.Stdout) != tt.says {
				t.Errorf("it should have been told %s\n%s", tt.says, r)
			}
			u.quiet(r, "name.example") // the command did not fail
		})
	}
	u := newUser(t)
	r := u.shell("getent hosts name.example; exit 3", "--allow-cwd")
	u.says(r, "nono: it asked for name.example: the network is closed; "+
		"`--allow-host NAME` would allow a host, and `--allow-net` all of them")
	// The controls: who asks for nothing is told nothing, and an open network answers for itself.
	u.quiet(u.shell("exit 3", "--allow-cwd"), "it asked for")
	u.quiet(u.shell("getent hosts localhost; exit 3", "--allow-cwd", "--disable", "network"), "it asked for")
}
