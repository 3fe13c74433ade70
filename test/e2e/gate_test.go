//go:build linux

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// useGate writes a policy with the tests' network layer, which lets nothing through.
func (u *user) useGate(settings string) {
	u.t.Helper()
	u.write("agent.hcl", "network { allow = [\"name.example\"] }\n"+
		layerConfig("network", "test/gate", layers+"/nono-layer-gate", settings))
}

// A network layer of anybody's says what its sockets are, and programs inside find them: whatever
// it does not let through is told at the end of a run that failed, with what would allow it.
func TestBehindAnyNetworkLayer(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("/usr/bin/curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	for _, tt := range []struct{ name, settings, resolvConf, node, denied string }{
		{
			"that answers for names", "resolver = true", "# A layer answers for names.", "",
			"nono: denied: looked.example: this gate lets nothing through; " +
				"`--allow-host looked.example` would allow it",
		},
		{
			"that does not", "", "# Nothing here answers for names.", "1",
			"nono: it asked for looked.example: layer test/gate does not answer for names, " +
				"and serves only programs that know its proxy",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUser(t)
			u.Env = append(u.Env, "HTTPS_PROXY=http://ada:canary@corp.example:3128")
			u.useGate(tt.settings)
			script := strings.Join([]string{
				"head -1 /etc/resolv.conf",
				"getent hosts looked.example",
				curl + " -s http://plain.example/",
				curl + " -s https://tunnel.example:8443/ https://tunnel.example:8443/",
				"echo node=$NODE_USE_ENV_PROXY proxy=${HTTPS_PROXY%:*}:",
				"exit 3",
			}, "; ")
			r := u.nono(configured("sh", "-c", script)...)
			if r.Code != 3 {
				t.Fatalf("it should have ended with 3\n%s", r)
			}
			want := strings.Join([]string{
				tt.resolvConf, "this gate lets nothing through",
				"node=" + tt.node + " proxy=http://127.0.0.1:", "",
			}, "\n")
			if r.Stdout != want {
				t.Errorf("it should have found\n%s\n%s", want, r)
			}
			u.says(r, tt.denied)
			u.says(r, "nono: denied: plain.example:80: this gate lets nothing through; "+
				"`--allow-host plain.example` would allow it")
			u.says(r, "nono: denied: tunnel.example:8443: this gate lets nothing through, 2 times; "+
				"`--allow-host tunnel.example:8443` would allow it")
			u.quiet(r, "canary")

			logs := u.succeeds(u.nono("logs")).Stdout
			for _, event := range []string{
				"test/gate gate.closed how=",
				"test/gate network.denied host=plain.example port=80 why='this gate lets nothing through'",
			} {
				if !strings.Contains(logs, event) {
					t.Errorf("the log has no %q\n%s", event, logs)
				}
			}
		})
	}
	// The controls: a command that ends well is told of nothing, and one that asks for nothing neither.
	u := newUser(t)
	u.useGate("")
	u.quiet(u.succeeds(u.nono(configured("sh", "-c", curl+" -s http://plain.example/")...)), "denied:")
	u.quiet(u.nono(configured("sh", "-c", "exit 3")...), "denied:")
}
