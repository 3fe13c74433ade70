//go:build linux

package network

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/test/machine"
)

var stormFor = flag.Duration("storm", 8*time.Second, "how long TestStorm lets the attacker try")

// stormDenied are the hosts that a storm goes at.
var stormDenied = []string{
	"evil.example", "6.66.0.1", "2a00:6666::66", "169.254.169.254", "10.1.2.3", "6.6.6.1", "127.0.0.1",
	"fd00:ec2::254", "evil.wild.example",
}

const stormPolicy = `network {
  allow = ["api.good.example", "*.wild.example"]
  deny  = ["evil.wild.example"]
}`

// openStorm is the internet for a storm.
func openStorm(t *testing.T) *internet.Internet {
	t.Helper()
	i := internet.Here(t)
	i.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	for _, name := range []string{"evil.example", "evil.wild.example"} {
		i.Authority.Set(name, netip.MustParseAddr("6.6.6.66"))
	}
	return i
}

func stormArgs(d time.Duration) []string {
	args := []string{base + "/bin/agent", "storm", strconv.Itoa(int(d.Seconds())), "api.good.example"}
	return append(args, stormDenied...)
}

// stormMayReach is what an agent in a storm may cause to be sent.
var stormMayReach = map[string]bool{
	"tcp 6.6.6.10:80": true, "tcp 6.6.6.10:443": true, "udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true,
}

// TestStorm: a program tries everything at once for a while, and not one packet leaves the machine
// but to the host that is allowed, nor a name but that host's.
func TestStorm(t *testing.T) {
	t.Run("outside", func(t *testing.T) {
		i := openStorm(t)
		u := newUser(t)
		cmd := u.Command(stormArgs(time.Second)...)
		cmd.Env = append(cmd.Env, "HTTP_PROXY=http://"+serveCareless(t))
		u.ways(u.Finish(cmd))
		sent, err := i.Tap.Sent()
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range stormDenied {
			address, err := netip.ParseAddr(host)
			if err != nil || address.IsLoopback() || address == internet.Machine {
				continue // what stays on the machine, the tap does not see
			}
			if !slices.ContainsFunc(keys(sent), func(p internet.Packet) bool { return p.To.Addr() == address }) {
				t.Errorf("nothing went to %s", host)
			}
		}
		if !i.Authority.Asked("evil.example") || !i.Authority.Asked("exfil.example") {
			t.Error("nothing was carried out by a name")
		}
	})

	i := openStorm(t)
	u := newUser(t)
	cmd := u.inside(stormPolicy, stormArgs(*stormFor)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	devices := devicesInside(t, cmd.Process.Pid)
	err := cmd.Wait()
	u.ways(result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()})
	if err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	if !slices.Equal(devices, []string{"lo"}) {
		t.Errorf("the agent's network has the devices %v", devices)
	}
	expectOnly(t, i, stormMayReach)
	for _, q := range i.Authority.Queries() {
		if q.Name != "api.good.example" {
			t.Errorf("a name was asked for: %v", q)
		}
	}
	for _, r := range i.Web.Requests() {
		if r.Host != "api.good.example" && r.Host != "api.good.example:80" {
			t.Errorf("a request arrived: %+v", r)
		}
	}
}

func keys(sent map[internet.Packet]int) []internet.Packet {
	var all []internet.Packet
	for p := range sent {
		all = append(all, p)
	}
	return all
}

// ways fails where a storm did not try each way.
func (u *user) ways(r result) {
	u.T.Helper()
	lines := strings.Fields(r.Stdout)
	if len(lines) != 2*12 {
		u.T.Fatalf("a storm of %d ways: %s", len(lines)/2, r)
	}
	for i := 0; i < len(lines); i += 2 {
		if n, err := strconv.Atoi(lines[i+1]); err != nil || n == 0 {
			u.T.Errorf("a storm did not try %s", lines[i])
		}
	}
}

// devicesInside are those of the network namespace of an agent, asked of the kernel, which knows
// them by a process that is in it.
func devicesInside(t *testing.T, nono int) []string {
	t.Helper()
	agent := await(t, "the agent", func() int { return descendant(nono, "agent") })
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", agent))
	if err != nil {
		t.Fatal(err)
	}
	var devices []string
	for line := range strings.Lines(string(table)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			devices = append(devices, name)
		}
	}
	return devices
}

// descendant is the process beneath another that runs a program, or 0.
func descendant(of int, program string) int {
	for _, pid := range machine.Children(of) {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, _, _ := bytes.Cut(args, []byte{0})
		if filepath.Base(string(name)) == program {
			return pid
		}
		if found := descendant(pid, program); found != 0 {
			return found
		}
	}
	return 0
}

// await waits until there is something.
func await(t *testing.T, what string, look func() int) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if found := look(); found != 0 {
			return found
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come", what)
	return 0
}

// TestLayerKilled: the network layer is killed while an agent uses it in every way. From that
// moment on nothing leaves the machine, and the agent is ended.
func TestLayerKilled(t *testing.T) {
	i := openStorm(t)
	u := newUser(t)
	cmd := u.inside(stormPolicy, stormArgs(time.Minute)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	agent := await(t, "the agent", func() int { return descendant(cmd.Process.Pid, "agent") })
	await(t, "its traffic", func() int { return len(i.Web.Requests()) / 100 })
	layer := descendant(cmd.Process.Pid, "nono-layer-netfilter")
	if layer == 0 {
		t.Fatal("there is no layer to kill")
	}
	if err := syscall.Kill(layer, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	i = openStorm(t) // what was recorded is forgotten
	killed := time.Now()
	_ = cmd.Wait()
	if took := time.Since(killed); took > 10*time.Second {
		t.Errorf("the agent lived on for %s", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != 125 {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	if err := syscall.Kill(agent, 0); err != syscall.ESRCH {
		t.Errorf("the agent is still there: %v", err)
	}
	expectOnly(t, i, nil)
	if asked := i.Authority.Queries(); len(asked) > 0 {
		t.Errorf("asked after the end: %v", asked)
	}
}
