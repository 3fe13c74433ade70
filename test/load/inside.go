//go:build linux

package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/test/machine"
)

// Policy is that of an agent who is a client.
const Policy = "filesystem { allow = [\".\"] }\nnetwork { allow = [\"" + ServerName + "\"] }\n"

// Agent is a client that runs inside.
type Agent struct {
	*Running
	Core, Layer int // the processes of nono, and of the layer that is looked at
}

// Inside starts nono in a directory with a client as its agent, and looks at its network layer.
func Inside(nono, dir string, environ []string) (*Agent, error) {
	return InsideWith(nono, dir, environ, Policy, "nono-layer-netfilter")
}

// InsideWith does the same with another policy and layer.
func InsideWith(nono, dir string, environ []string, policy, layer string) (*Agent, error) {
	err := os.WriteFile(filepath.Join(dir, "agent.hcl"), []byte(policy), 0o600)
	if err := errors.Join(err, copyProgram(filepath.Join(dir, "client"))); err != nil {
		return nil, err
	}
	cmd := exec.Command(nono, "run", "-s", "-c", "agent.hcl", "--approve", "--", "./client", "-client")
	cmd.Dir, cmd.Env = dir, environ
	client, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	a := &Agent{Running: client, Core: cmd.Process.Pid}
	// Once it answers, all of nono is there. If it does not, nono has said why.
	if _, err := client.Do(Command{Do: "release"}); err != nil {
		return nil, errors.Join(err, client.Stop())
	}
	for _, pid := range machine.Children(a.Core) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), layer) {
			a.Layer = pid
		}
	}
	if a.Layer == 0 {
		return nil, errors.Join(errors.New("nono has no "+layer), client.Stop())
	}
	return a, nil
}

// copyProgram puts this program where an agent sees it.
func copyProgram(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}
