//go:build linux

// Package credentials holds the credential layer against the providers' own clients and against
// attacks: nono as it is built, with the services as they are built in, on a machine whose internet
// is package internet's. There the providers' names lead to package testllm. Whatever an attack
// tries it tries without the layer as well, where it works.
//
// What people install to talk to a provider is not built here: `make sdks` installs it.
package credentials

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/account"
	"github.com/nono-run/nono/test/gobuild"
	"github.com/nono-run/nono/test/hosts"
	"github.com/nono-run/nono/test/internet"
	"github.com/nono-run/nono/test/machine"
	"github.com/nono-run/nono/testllm"
)

// baseVariable names the directory with what was built before the tests: nono's programs in bin/.
const baseVariable = "NONO_CREDENTIALS_TESTS"

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
	err = gobuild.Nono("../..", dir+"/bin")
	if err == nil {
		err = gobuild.Build("../..", dir+"/bin/client", "./test/credentials/client")
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return []string{baseVariable + "=" + dir}, remove, nil
}

// providers is an internet in which both providers are a stand-in.
func providers(t *testing.T, o testllm.Options) (*internet.Internet, *testllm.Server) {
	t.Helper()
	i := internet.Here(t)
	llm := testllm.New(o)
	for name, address := range map[string]string{
		"api.openai.com": "6.6.6.70", "api.anthropic.com": "6.6.6.71",
	} {
		i.Authority.Set(name, netip.MustParseAddr(address))
		i.Web.Handle(name, llm)
	}
	return i, llm
}

// A user is somebody who runs agents on the machine.
type user struct {
	*account.User
	on hosts.Host // where nono runs
}

// everywhere are the hosts of both tiers. On the second nobody may make a namespace, and core makes
// the agent's connections.
var everywhere = map[string]hosts.Host{"tier A": {}, "tier B": {NoNamespaces: true}}

type result = account.Result

func newUser(t *testing.T) *user {
	t.Helper()
	return &user{User: account.New(t, base+"/bin")}
}

// inside is a program run by nono with flags, and the words after them.
func (u *user) inside(flags string, args ...string) *exec.Cmd {
	u.T.Helper()
	run := append([]string{base + "/bin/nono", "run", "-s", "--allow-cwd"}, strings.Fields(flags)...)
	cmd := u.Command(append(append(run, "--"), args...)...)
	if u.on != (hosts.Host{}) {
		hosts.On(u.T, cmd, u.on)
	}
	return cmd
}

// A conversation is with a program that runs.
type conversation struct {
	u    *user
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	errs *bytes.Buffer
}

// begin starts a program that answers each line with a line.
func (u *user) begin(cmd *exec.Cmd) *conversation {
	u.T.Helper()
	c := &conversation{u: u, cmd: cmd, errs: &bytes.Buffer{}}
	cmd.Stderr = c.errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		u.T.Fatal(err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		u.T.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		u.T.Fatal(err)
	}
	return c
}

func (c *conversation) line() string {
	c.u.T.Helper()
	if !c.out.Scan() {
		c.u.T.Fatalf("it says no more: %v\n%s", c.out.Err(), c.errs)
	}
	return c.out.Text()
}

func (c *conversation) ask(line string) string {
	c.u.T.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.u.T.Fatal(err)
	}
	return c.line()
}

// over ends its input, and waits for its end.
func (c *conversation) over() {
	c.u.T.Helper()
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.u.T.Errorf("it ends with %v\n%s", err, c.errs)
	}
}
