//go:build linux

package e2e

import (
	"net"
	"testing"
)

// TestSockets: a socket that is named is connected to, and no other of the host's is there. To name
// one takes nothing away: what lies in a grant is reached as it was.
func TestSockets(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.mkdir("~/run")
	u.mkdir("~/project-services")
	for _, name := range []string{"~/run/a.sock", "~/run/b.sock", "~/project-services/c.sock"} {
		listener, err := net.Listen("unix", u.path(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
	}
	u.write("~/connect.py", "import socket, sys\nsocket.socket(socket.AF_UNIX).connect(sys.argv[1])\n")
	connect := "python3 ~/connect.py ~/"
	u.write("~/.config/nono/config.hcl", "filesystem {\n  unix = [\"~/run/a.sock\"]\n}\n")
	flags := []string{"--allow-cwd", "--read", "~/connect.py", "--read", "~/project-services"}
	r := u.tries(flags,
		"yes: "+connect+"run/a.sock", "no: "+connect+"run/b.sock", "no: test -e ~/run/b.sock",
		"no: rm ~/run/a.sock", "yes: "+connect+"project-services/c.sock")
	u.says(r, "nono: socket ~/run/a.sock; rw ~/proj; ro ~/connect.py; ro ~/project-services; "+
		"network closed; home private; tier A")
	u.write("~/.config/nono/config.hcl", "")
	u.tries(flags, "no: "+connect+"run/a.sock", "yes: "+connect+"project-services/c.sock")

	u.write("agent.hcl", "filesystem {\n  unix = [\"~/run/a.sock\"]\n}\n")
	u.refused(u.nono("run", "-c", "agent.hcl", "--", "true"),
		"agent.hcl asks to connect to the socket ~/run/a.sock, and that is not approved")
	u.tries(append(flags, "-c", "agent.hcl", "--approve"), "yes: "+connect+"run/a.sock")
	u.tries(append(flags, "-c", "agent.hcl", "--approve", "--deny", "~/run/a.sock"), "no: "+connect+"run/a.sock")
}
