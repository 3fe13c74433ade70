package plan_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// forges is a layer that serves two hosts of git's.
func forges() plan.Share {
	s := plantest.Network([]fact.Fact{
		fact.GitHost{Host: "forge.example", Listener: "x", Secret: "key", Layer: "a/gateway"},
		fact.GitHost{Host: "other.example:8443", Listener: "y", Secret: "key", Layer: "a/gateway"},
	},
		fragment.Listener{Name: "x", Network: fragment.TCP}, fragment.Listener{Name: "y", Network: fragment.TCP})
	s.Response.Secrets = map[string]sdk.Secret{"key": sdk.NewSecret([]byte("token"))}
	return s
}

// Git is told where the repositories of a host are, behind what else it is told in variables.
func TestGitIsTold(t *testing.T) {
	set := env("environment.set.7", plantest.At(7), policy.EnvSet, "GIT_CONFIG_COUNT")
	set.Value = "2"
	pass := env("environment.pass.7", plantest.At(7), policy.EnvPass, "GIT_CONFIG_COUNT")
	for name, tt := range map[string]struct {
		rules   []policy.EnvRule
		environ []string
		proxy   bool
		first   int
	}{
		"nothing else":          {},
		"behind a proxy":        {proxy: true},
		"behind what is set":    {rules: []policy.EnvRule{set}, first: 2},
		"behind what is passed": {[]policy.EnvRule{pass}, []string{"GIT_CONFIG_COUNT=3"}, false, 3},
		"a number that is none": {[]policy.EnvRule{pass}, []string{"GIT_CONFIG_COUNT=-3"}, false, 0},
		"what is there outside": {environ: []string{"GIT_CONFIG_COUNT=3"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			layer := forges()
			if tt.proxy {
				layer.Response.Facts = append(layer.Response.Facts, fact.Proxy{Listener: "z", Layer: "a/gateway"})
				layer.Response.Fragment.Steps = append(layer.Response.Fragment.Steps, fragment.Listener{Name: "z", Network: fragment.TCP})
			}
			in.Layers = append(in.Layers, layer)
			in.Policy.Environment = append(in.Policy.Environment, tt.rules...)
			in.Environ = append(in.Environ, tt.environ...)
			p := plantest.Make(t, in)
			got := map[string]string{}
			for _, v := range p.Env {
				if strings.HasPrefix(v.Name, "GIT_CONFIG") {
					got[v.Name] = v.Text()
				}
				if strings.Contains(v.Text(), "<secret>") && v.Layer != "a/gateway" {
					t.Errorf("%s has a secret of %s", v.Name, v.Layer)
				}
			}
			want := map[string]string{}
			n := tt.first
			put := func(name, value string) {
				want[fmt.Sprint("GIT_CONFIG_KEY_", n)], want[fmt.Sprint("GIT_CONFIG_VALUE_", n)] = name, value
				n++
			}
			if tt.proxy {
				put("http.proxy", "http://127.0.0.1:61002")
			}
			x, y := "http://127.0.0.1:61000/", "http://127.0.0.1:61001/"
			put("url."+x+".insteadOf", "https://forge.example/")
			put("url."+x+".insteadOf", "git@forge.example:")
			put("url."+x+".insteadOf", "ssh://git@forge.example/")
			put("http."+x+".extraHeader", "Authorization: Bearer <secret>")
			put("http."+x+".proxy", "")
			put("url."+y+".insteadOf", "https://other.example:8443/")
			put("http."+y+".extraHeader", "Authorization: Bearer <secret>")
			put("http."+y+".proxy", "")
			want["GIT_CONFIG_COUNT"] = fmt.Sprint(n)
			if !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// What a layer says of git's hosts has to be so.
func TestGitHostsAreThere(t *testing.T) {
	for want, said := range map[string]fact.GitHost{
		"no such TCP listener": {Host: "h", Listener: "none", Secret: "key", Layer: "a/gateway"},
		"at two listeners":     {Host: "forge.example", Listener: "y", Secret: "key", Layer: "a/gateway"},
	} {
		in := plantest.Input(plantest.Machine())
		layer := forges()
		layer.Response.Facts = append(layer.Response.Facts, said)
		in.Layers = append(in.Layers, layer)
		if got := plantest.Refused(t, in); !strings.Contains(got, want) {
			t.Errorf("refused with %q, want %q", got, want)
		}
	}
}
