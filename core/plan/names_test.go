package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Where no layer answers for names, core does, and programs inside are told whom to ask. Where the
// network is closed, they are told not to try again too. Where the user wants the host's own, they
// have it.
func TestNames(t *testing.T) {
	const conf = "/etc/resolv.conf"
	machine := func(lines ...string) plantest.Tree {
		host := plantest.Machine()
		for _, line := range lines {
			name, what, _ := strings.Cut(line, " ")
			host.Put(name, what)
		}
		return host
	}
	serving := func(listener fragment.Listener, facts ...fact.Fact) plan.Input {
		in := plantest.Input(machine(conf + " file"))
		in.Layers = append(in.Layers, plantest.Network(facts, listener))
		return in
	}
	dns := fragment.Listener{Name: "dns", Network: fragment.UDP, Port: 53}
	elsewhere := fragment.Listener{
		Name: "dns", Network: fragment.UDP, Address: "127.0.0.9", Port: 53,
	}
	everywhere := fragment.Listener{
		Name: "dns", Network: fragment.UDP, Address: "0.0.0.0", Port: 53,
	}
	resolver := fact.Resolver{Listener: "dns", Layer: "a/gateway"}
	granted := serving(dns, resolver)
	rule := plantest.Rule("filesystem.read.9", plantest.At(5), policy.Read, conf)
	granted.Policy.Filesystem = append(granted.Policy.Filesystem, rule)
	granted.Layers[0] = plantest.Binds(machine(conf+" file"), granted.Policy)
	open := plantest.Input(machine(conf + " file"))
	open.Policy.Disabled = []policy.Disabled{{Kind: policy.KindNetwork, Source: plantest.At(1)}}

	for _, tt := range []struct {
		name    string
		in      plan.Input
		answers bool // core does
		closed  bool
		at      string // where the file is
		whom    string // it names
	}{
		{"a file", plantest.Input(machine(conf + " file")), true, true, conf, "127.0.0.1"},
		{
			"a link", plantest.Input(machine(conf+" -> /run/resolve/stub.conf",
				"/run/resolve/stub.conf file")), true, true, "/run/resolve/stub.conf", "127.0.0.1",
		},
		{"none", plantest.Input(machine()), true, true, conf, "127.0.0.1"},
		{
			"the user's grant", plantest.Grant(machine(conf+" file"), policy.Read, conf),
			true, true, "", "",
		},
		{"a layer that answers", serving(dns, resolver), false, false, conf, "127.0.0.1"},
		{
			"a layer that answers at another address", serving(elsewhere, resolver), false, false,
			conf, "127.0.0.9",
		},
		{
			"a layer that answers at all addresses", serving(everywhere, resolver), false, false,
			conf, "127.0.0.1",
		},
		{"a layer that answers, and the user's grant", granted, false, false, "", ""},
		{"a layer that does something else there", serving(dns), false, false, "", ""},
		{
			"a layer that only carries traffic",
			serving(fragment.Listener{Name: "proxy", Network: fragment.TCP}), true, false,
			conf, "127.0.0.1",
		},
		{"an open network", open, false, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Hosts = []byte("127.0.1.1\tlaptop # mine\n10.0.0.7 git.corp.example\nbroken\n")
			p := plantest.Make(t, tt.in)
			answers := false
			for _, l := range p.Listeners {
				answers = answers || l.Layer == plan.Core && l.Dialled() == "127.0.0.1:53"
			}
			if answers != tt.answers {
				t.Errorf("core answers: %v", answers)
			}
			at, content, names := "", "", ""
			for _, m := range p.Mounts {
				f, ok := m.Mount.(fragment.File)
				switch {
				case !ok || m.Layer != plan.Core:
				case f.Path == "/etc/hosts":
					names = string(f.Content)
				default:
					at, content = f.Path, string(f.Content)
				}
			}
			want := ""
			for _, s := range tt.in.Layers {
				if slices.Contains(s.Response.Facts, fact.Fact(resolver)) {
					want = "# A layer answers for all other names.\n" +
						"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 laptop\n"
				}
			}
			if names != want {
				t.Errorf("the names that need not be asked for are %q, want %q", names, want)
			}
			if at != tt.at {
				t.Errorf("the file is at %q, want %q", at, tt.at)
			}
			if at != "" && !strings.HasSuffix(content, "\nnameserver "+tt.whom+"\n") {
				t.Errorf("it says %q", content)
			}
			if _, told := plantest.Value(p, "npm_config_fetch_retries"); told != tt.closed {
				t.Errorf("programs are told not to try again: %v", told)
			}
		})
	}
}
