//go:build linux

package attack

import (
	"os"
	"strings"

	"github.com/nono-run/nono/core/attack/arena"
)

// serviceRows ask the user's daemons to act for the agent. Each has a socket at a place of its
// own: outside every grant, or in the runtime directory, which the policy grants as a whole, and
// where the defaults deny them one by one.
func serviceRows() []Row {
	absent, masked := by(theView, "ENOENT"), by("a mask over each", "EACCES", "ECONNREFUSED")
	closed := by("the filter, which gives no socket; or nono, which connects for the agent", "EACCES", "socket: EACCES", "ECONNREFUSED")
	socket := func(name string) func(*arena.Arena) arena.Attempt {
		return func(a *arena.Arena) arena.Attempt {
			return contact("unix", "unix", strings.Replace(name, "RUNTIME", a.Runtime, 1))(a)
		}
	}
	rows := []Row{
		{Threat: "E10", Tried: "a Unix socket", Arrange: socket("~/s/s"), A: absent, B: closed},
		{Threat: "E10", Tried: "a Unix socket, seqpacket", Arrange: contact("unixpacket", "unixpacket", "~/s/p"), A: absent, B: closed},
		{Threat: "E10", Tried: "a Unix socket in the project", Arrange: contact("unix", "unix", "s"), A: open("a socket that lies in a grant can be connected to")},
		{Threat: "E11", Tried: "a Unix socket, datagram without connect", Arrange: contact("unixgram", "unixgram", "~/s/d"), A: absent, B: closed},
		{Threat: "E42", Tried: "GVFS", A: absent, B: rules(), Arrange: func(a *arena.Arena) arena.Attempt {
			a.Mkdir("~/.gvfs")
			return arena.Attempt{Try: "list=" + a.Path("~/.gvfs")}
		}},
		{Threat: "E44", Tried: "an ssh-agent in /tmp", A: by("a /tmp of its own", "ENOENT", "EACCES"), B: closed, Arrange: func(a *arena.Arena) arena.Attempt {
			dir, err := os.MkdirTemp("/tmp", "ssh-")
			a.Note(err)
			a.Cleanup(func() { a.Note(os.RemoveAll(dir)) })
			return contact("unix", "unix", dir+"/agent.1")(a)
		}},
		{Threat: "E45", Tried: "X11 by its abstract socket", A: by(theNetwork, "ECONNREFUSED"), B: closed, NoLayer: true, Arrange: func(a *arena.Arena) arena.Attempt {
			return contact("unix", "unix", "@/tmp/.X11-unix/X"+a.Name)(a)
		}},
		{Threat: "E83", Tried: "a build daemon", Arrange: socket("~/.local/state/watchman/sock"), A: absent, B: closed},
	}
	for _, s := range [][2]string{
		{"E41", "bus"},
		{"E41", "systemd/private"},
		{"E43", "docker.sock"},
		{"E43", "podman/podman.sock"},
		{"E44", "gnupg/S.gpg-agent"},
		{"E44", "keyring/control"},
		{"E44", "ssh-agent.socket"},
		{"E45", "wayland-0"},
		{"E45", "pipewire-0"},
		{"E46", "vscode-ipc-1.sock"},
		{"E46", "tmux-1/default"},
		{"E59", "nono/socket"},
	} {
		rows = append(rows, Row{Threat: s[0], Tried: s[1] + " in a directory that can be read", Arrange: socket("RUNTIME/" + s[1]), A: masked, B: closed})
	}
	return rows
}
