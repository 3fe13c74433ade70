//go:build linux

// Package network holds the network layer against real clients and real attacks: nono as it is
// built, run by an ordinary user, on a machine whose internet is package internet's. Whatever a
// test tries it tries without nono as well, where it works: a denial that would have happened
// anyway shows nothing.
package network

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/account"
	"github.com/nono-run/nono/test/gobuild"
	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/test/machine"
)

// baseVariable names the directory with what was built before the tests.
const baseVariable = "NONO_NETWORK_TESTS"

// base has bin/ with nono's programs, agent, the attacker, nono-layer-gateway, the
// example of a vendor's layer; clients/ as it lies here; and venv/, Python with what people
// install.
var base = os.Getenv(baseVariable)

func TestMain(m *testing.M) {
	hosts.Arrange()
	internet.Main(m, prepare)
}

// prepare builds everything where there is still a network.
func prepare() (env []string, clean func(), err error) {
	dir, err := os.MkdirTemp(machine.Base(), ".nt-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = machine.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err := os.CopyFS(dir+"/clients", os.DirFS("clients")); err != nil {
		return nil, nil, err
	}
	python := make(chan error, 1)
	go func() { python <- makeEnvironment(dir + "/venv") }()
	if err := gobuild.Nono("../..", dir+"/bin"); err != nil {
		return nil, nil, err
	}
	for _, b := range [][3]string{
		{"../..", dir + "/bin/agent", "./test/network/agent"},
		{"../../examples/gateway", dir + "/bin/nono-layer-gateway", "."},
	} {
		if err := gobuild.Build(b[0], b[1], b[2]); err != nil {
			return nil, nil, err
		}
	}
	tests := exec.Command("go", "test", "-c", "-o", dir+"/bin/gateway.test", ".")
	tests.Dir = "../../examples/gateway"
	if out, err := tests.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("building the gateway's tests: %w\n%s", err, out)
	}
	// A machine that lacks it lacks two rows of a table.
	if lacks := <-python; lacks != nil {
		err = os.WriteFile(dir+"/no-venv", []byte(lacks.Error()), 0o600)
	}
	return []string{baseVariable + "=" + dir}, remove, err
}

// makeEnvironment installs Python's two HTTP libraries that people use.
func makeEnvironment(dir string) error {
	for _, command := range [][]string{
		{"/usr/bin/python3", "-m", "venv", dir},
		{dir + "/bin/pip", "install", "-q", "--disable-pip-version-check", "requests", "httpx"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
		}
	}
	return nil
}

// A user is somebody who runs agents on the machine.
type user struct {
	*account.User
	on hosts.Host // where nono runs
}

// tierB is a host on which nobody may make a namespace: nono has no network to give the agent, and
// core makes its connections.
var tierB = hosts.Host{NoNamespaces: true}

type result = account.Result

func newUser(t *testing.T) *user {
	t.Helper()
	return &user{User: account.New(t, "/usr/local/go/bin")}
}

// inside is the command that runs a program in the sandbox. A policy is the blocks besides the
// filesystem's.
func (u *user) inside(policy string, args ...string) *exec.Cmd {
	u.T.Helper()
	return u.insideReading(nil, policy, args...)
}

// insideReading grants directories to be read.
func (u *user) insideReading(dirs []string, policy string, args ...string) *exec.Cmd {
	u.T.Helper()
	var reads strings.Builder
	for _, dir := range append(dirs, base) {
		fmt.Fprintf(&reads, "%q, ", dir)
	}
	policy = fmt.Sprintf("filesystem {\n  allow = [%q]\n  read  = [%s]\n}\n%s", u.Project, reads.String(), policy)
	file := u.Write("agent.hcl", policy)
	run := []string{base + "/bin/nono", "run", "-s", "-c", file, "--approve", "--"}
	cmd := u.Command(append(run, args...)...)
	if u.on != (hosts.Host{}) {
		hosts.On(u.T, cmd, u.on)
	}
	return cmd
}
