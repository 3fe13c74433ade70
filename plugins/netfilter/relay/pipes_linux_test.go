package relay_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An idle tunnel has no pipes, of which a user may have but so many. The control has: io.Copy.
func TestNoPipes(t *testing.T) {
	const tunnels = 8
	before := pipes(t)
	for range tunnels {
		tun := open(t.Context(), t, "")
		send(t, tun.agent, "x")
		receive(t, tun.host, "x")
	}
	if n := pipes(t) - before; n > 0 {
		t.Errorf("%d idle tunnels have %d ends of pipes", tunnels, n)
	}

	for range tunnels {
		agent, a := pair(t)
		host, b := pair(t)
		go func() { _, _ = io.Copy(b, a) }()
		send(t, agent, "x")
		receive(t, host, "x")
	}
	if n := pipes(t); n < 2*tunnels {
		t.Errorf("with io.Copy there are %d: this test looks at nothing", n)
	}
}

// pipes counts this process's ends of pipes.
func pipes(t *testing.T) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}
