package inside

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

func TestOwnUserMap(t *testing.T) {
	for m, want := range map[string]bool{
		"      1001       1001          1\n":                                true,
		"         0          0          1\n":                                true,
		"         0          0 4294967295\n":                                false, // the host's own
		"         0       1001          1\n":                                false,
		"      1001       1001          1\n      0     100000      65536\n": false,
		"": false,
	} {
		if got := ownUserMap(m); got != want {
			t.Errorf("%q: got %v", m, got)
		}
	}
}

func TestAccessRights(t *testing.T) {
	const r, w = fragment.RightRead, fragment.RightWrite
	const x, d = fragment.RightExecute, fragment.RightDevice
	for _, test := range []struct {
		rights    []fragment.Right
		directory bool
		want      landlock.AccessFSSet
	}{
		{nil, true, 0},
		{[]fragment.Right{r}, false, ll.AccessFSReadFile},
		{[]fragment.Right{r}, true, ll.AccessFSReadFile | ll.AccessFSReadDir},
		{[]fragment.Right{r, x}, false, ll.AccessFSReadFile | ll.AccessFSExecute},
		{[]fragment.Right{w}, false, ll.AccessFSWriteFile | ll.AccessFSTruncate},
		{[]fragment.Right{d}, true, ll.AccessFSIoctlDev},
	} {
		if got, err := accessRights(test.rights, test.directory); err != nil || got != test.want {
			t.Errorf("%v, directory %v: got %v, %v", test.rights, test.directory, got, err)
		}
	}
	// All rights on a directory are all there are, but for device files and the sockets of others.
	all, err := accessRights([]fragment.Right{r, w, x, d}, true)
	const never = ll.AccessFSMakeChar | ll.AccessFSMakeBlock | ll.AccessFSResolveUnix
	if want := handledRights(recipe.TierB, 11) &^ never; err != nil || all != want {
		t.Errorf("all: got %v, want %v", all, want)
	}
	if _, err := accessRights([]fragment.Right{""}, true); err == nil {
		t.Error("the right that nobody named was accepted")
	}
}

// TestHandledRights: all that a version knows, but for sockets in tier A: those of a grant are
// connected to there on every kernel.
func TestHandledRights(t *testing.T) {
	for abi, want := range map[int]landlock.AccessFSSet{
		1: landlock.V1.HandledAccessFS, 2: landlock.V2.HandledAccessFS, 7: landlock.V7.HandledAccessFS,
		9: landlock.V9.HandledAccessFS, 1000: landlock.V11.HandledAccessFS,
	} {
		if got := handledRights(recipe.TierB, abi); got != want {
			t.Errorf("version %d: got %v, want %v", abi, got, want)
		}
		want &^= ll.AccessFSResolveUnix
		if got := handledRights(recipe.TierA, abi); got != want {
			t.Errorf("version %d in tier A: got %v, want %v", abi, got, want)
		}
	}
}

func TestParseAck(t *testing.T) {
	ack := func(errno int32) []byte {
		m := make([]byte, 36)
		m[4] = unix.NLMSG_ERROR
		for i := range 4 {
			m[16+i] = byte(uint32(errno) >> (8 * i))
		}
		return m
	}
	if err := parseAck(ack(0)); err != nil {
		t.Error(err)
	}
	if err := parseAck(ack(-int32(unix.EPERM))); err != unix.EPERM {
		t.Errorf("got %v", err)
	}
	for _, m := range [][]byte{nil, make([]byte, 19), make([]byte, 36)} {
		if parseAck(m) == nil {
			t.Errorf("%v was taken for an acknowledgement", m)
		}
	}
}

func TestRouteMessage(t *testing.T) {
	for prefix, length := range map[string]int{
		"198.18.0.0/15": 16 + 12 + 8 + 8,
		"2001:db8::/32": 16 + 12 + 20 + 8,
	} {
		m := routeMessage(netip.MustParsePrefix(prefix))
		if len(m) != length || int(m[0]) != length {
			t.Errorf("%s: %d bytes, said to be %d, want %d", prefix, len(m), m[0], length)
		}
	}
}

// TestDependencies: what runs next to the agent, with its secrets in memory, is small. Each package
// more is one more to trust, and one more to load on every start.
func TestDependencies(t *testing.T) {
	c := exec.Command(
		"go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", "../../../cmd/nono-init",
	)
	c.Env = append(c.Environ(), "CGO_ENABLED=0")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	const own, goLandlock = "github.com/nono-run/nono/", "github.com/landlock-lsm/go-landlock/landlock"
	allowed := []string{
		own + "cmd/nono-init", own + "core/launch/inside", own + "core/launch/recipe",
		own + "core/launch/coding",
		own + "core/launch/descendants", own + "core/copies", own + "core/terminal/keeper",
		own + "sdk/fragment", own + "sdk/policy", own + "sdk/hostname",
		goLandlock, goLandlock + "/internal", goLandlock + "/syscall",
		"golang.org/x/sys/unix", "kernel.org/pub/linux/libs/security/libcap/psx",
	}
	heavy := []string{"net", "os/exec", "os/signal", "log"}
	for line := range strings.Lines(string(out)) {
		dep, standard, _ := strings.Cut(strings.TrimSpace(line), " ")
		if standard == "false" && !slices.Contains(allowed, dep) || slices.Contains(heavy, dep) {
			t.Errorf("nono-init depends on %s", dep)
		}
	}
}
