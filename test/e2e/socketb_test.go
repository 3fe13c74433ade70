//go:build linux

package e2e

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
)

// reach tries each of its arguments, and says which could be reached: a path or an abstract name,
// as a stream; what begins with "datagram:", by one end of a pair; "own" is a socket of its own.
const reach = `
import os, socket, sys, tempfile
kept = []
def own():
    path = tempfile.mkdtemp() + "/s"
    l = socket.socket(socket.AF_UNIX)
    l.bind(path)
    l.listen()
    kept.append(l)
    return path
for what in sys.argv[1:]:
    try:
        if what.startswith("datagram:"):
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            a.sendto(b"x", what[9:])
        else:
            s = socket.socket(socket.AF_UNIX)
            s.connect(own() if what == "own" else "\0" + what[1:] if what[0] == "@" else what)
        print(what, "yes")
    except OSError as e:
        print(what, "no")
`

// TestSocketsInTierB: without namespaces, too, a Unix socket that is named or lies in a grant is
// connected to, and so is the agent's own. The session bus, an agent with keys, what has a name and no
// file, and whatever else the host has is not: by its path, by a link, or past a pair. Without nono
// each is.
func TestSocketsInTierB(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.temporary()
	for _, dir := range []string{"~/run", "~/.ssh", "~/bus"} {
		u.mkdir(dir)
	}
	abstract := "@nono" + u.Home
	for _, at := range []string{u.path("~/run/a"), u.path("~/run/b"), u.path("in"), u.path("~/.ssh/agent"), u.path("~/bus/bus"), abstract} {
		l, err := net.Listen("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "x")
				c.Close()
			}
		}()
	}
	log, err := net.ListenPacket("unixgram", u.path("~/run/log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	u.link(u.path("~/run/b"), "link")
	granted := []string{u.path("~/run/a"), u.path("in"), "in", "own"}
	others := []string{
		u.path("~/run/b"), u.path("link"), "link", u.path("~/.ssh/agent"), u.path("~/bus/bus"), abstract,
		"datagram:" + u.path("~/run/log"),
	}
	script := append([]string{"/usr/bin/python3", "-c", reach}, append(granted, others...)...)
	bare := u.command()
	bare.Path, bare.Args = script[0], script
	if r := u.finish(u.begin(bare, "")); strings.Count(r.Stdout, " yes") != len(granted)+len(others) {
		t.Fatalf("without nono not everything is reached\n%s", r)
	}
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  unix  = [\"~/run/a\"]\n}\n")
	cmd := u.command(append([]string{"run", "-c", "agent.hcl", "--approve", "--"}, script...)...)
	hosts.On(t, cmd, hosts.Host{NoNamespaces: true})
	r := u.succeeds(u.finish(u.begin(cmd, "")))
	for _, what := range granted {
		if !strings.Contains(r.Stdout, what+" yes\n") {
			t.Errorf("%s is not reached\n%s", what, r)
		}
	}
	for _, what := range others {
		if !strings.Contains(r.Stdout, what+" no\n") {
			t.Errorf("%s is reached\n%s", what, r)
		}
	}

	// Where nobody can make the agent's connections, a grant of one is refused, with its line.
	cmd = u.command("run", "-c", "agent.hcl", "--approve", "--", "true")
	hosts.On(t, cmd, hosts.Host{NoNamespaces: true, Listener: true})
	u.refused(u.finish(u.begin(cmd, "")), "cannot be connected to anything here", "agent.hcl:3")
}
