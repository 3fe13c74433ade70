//go:build linux

package network

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// TestMirrors: with the group packages the agent's package managers fetch from the user's own
// mirrors, and nobody tells them so inside. The control is the same fetch where the user says that
// they are not to be told.
func TestMirrors(t *testing.T) {
	const host = "mirror.good.example"
	for _, k := range []struct {
		name, lacks           string
		serve                 func(*user, *internet.Internet, string)
		settings, says, unset string
		script, prints        string
	}{
		{
			"npm", needs("npm")(nil), serveNPM, ".npmrc", "registry=https://" + host + "/\n", "npm_config_registry",
			`npm view hello version --fetch-retries=0 --cache=$PWD/npm`, "1.2.3",
		},
		{
			"go", needs("go")(nil), serveModules, ".config/go/env", "GOPROXY=https://" + host + "\nGOSUMDB=off\n", "GOPROXY",
			`cd $(mktemp -d $PWD/XXXXXX) && GOFLAGS=-modcacherw GOMODCACHE=$PWD/cache GOTOOLCHAIN=local \
				go list -m -f '{{.Version}}' example.com/hello@latest`, "v1.2.3",
		},
		{
			"pip", noPip(), servePython, ".config/pip/pip.conf", "[global]\nindex-url = https://" + host + "/simple\n", "PIP_INDEX_URL",
			`cd $(mktemp -d $PWD/XXXXXX) && ` + base + `/venv/bin/python3 -m pip download -q --disable-pip-version-check --no-cache-dir \
				--no-deps --retries 0 -d got hello && ls got`, "hello-1.2.3-py3-none-any.whl",
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			if k.lacks != "" {
				t.Skip(k.lacks)
			}
			i := internet.Here(t)
			i.Authority.Set(host, netip.MustParseAddr("6.6.6.15"))
			u := newUser(t)
			k.serve(u, i, host)
			u.Write(k.settings, k.says)
			const policy = "network {\n  groups = [\"packages\"]\n}\n"
			if r := u.Finish(u.inside(policy, "sh", "-c", k.script)); strings.TrimSpace(r.Stdout) != k.prints {
				t.Errorf("the user's own mirror: %s", r)
			}
			control := policy + "environment {\n  deny = [\"" + k.unset + "\"]\n}\n"
			if r := u.Finish(u.inside(control, "sh", "-c", k.script)); r.Code == 0 || strings.Contains(r.Stdout, k.prints) {
				t.Errorf("without being told it is found: %s", r)
			}
			expectOnly(t, i, map[string]bool{
				"tcp 6.6.6.15:443": true, "udp 6.6.6.53:53": true, "tcp 6.6.6.53:53": true,
			})
		})
	}
}

// noPip says why the host's Python cannot be asked for pip's settings, or none can be run inside.
func noPip() string {
	if lacks := noEnvironment(nil, nil); lacks != "" {
		return lacks
	}
	if out, err := exec.Command("/usr/bin/python3", "-I", "-c", "import pip").CombinedOutput(); err != nil {
		return "the system's Python has no pip: " + string(out)
	}
	return ""
}
