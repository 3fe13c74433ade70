package plan_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Where the network is closed, core answers for names, and programs inside are told to ask it and
// not to try again. Where something carries traffic, or the user wants the host's own, they are not.
func TestNamesWhereTheNetworkIsClosed(t *testing.T) {
	const conf = "/etc/resolv.conf"
	machine := func(lines ...string) plantest.Tree {
		host := plantest.Machine()
		for _, line := range lines {
			name, what, _ := strings.Cut(line, " ")
			host.Put(name, what)
		}
		return host
	}
	serving := plantest.Input(machine(conf + " file"))
	serving.Layers = append(serving.Layers,
		plantest.Custom("a/gateway", fragment.Listener{Name: "dns", Network: fragment.UDP}))
	open := plantest.Input(machine(conf + " file"))
	open.Policy.Disabled = []policy.Disabled{{Kind: policy.KindNetwork, Source: plantest.At(1)}}

	for _, tt := range []struct {
		name    string
		in      plan.Input
		answers bool
		at      string // where the file is
	}{
		{"a file", plantest.Input(machine(conf + " file")), true, conf},
		{"a link", plantest.Input(machine(conf+" -> /run/resolve/stub.conf",
			"/run/resolve/stub.conf file")), true, "/run/resolve/stub.conf"},
		{"none", plantest.Input(machine()), true, conf},
		{"the user's grant", plantest.Grant(machine(conf+" file"), policy.Read, conf), true, ""},
		{"a layer that carries traffic", serving, false, ""},
		{"an open network", open, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plantest.Make(t, tt.in)
			answers := false
			for _, l := range p.Listeners {
				answers = answers || l.Layer == plan.Core && l.Dialled() == "127.0.0.1:53"
			}
			if answers != tt.answers {
				t.Errorf("core answers: %v", answers)
			}
			at := ""
			for _, m := range p.Mounts {
				if f, ok := m.Mount.(fragment.File); ok && m.Layer == plan.Core {
					at = f.Path
				}
			}
			if at != tt.at {
				t.Errorf("the file is at %q, want %q", at, tt.at)
			}
			if _, told := plantest.Value(p, "npm_config_fetch_retries"); told != tt.answers {
				t.Errorf("programs are told not to try again: %v", told)
			}
		})
	}
}
