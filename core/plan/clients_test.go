package plan_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/policy"
)

const bundle = "/etc/ssl/certs/ca-certificates.crt"

// behind is a run whose layer serves a proxy, and answers for names where it is told to.
func behind(resolver bool) plan.Input {
	host := plantest.Machine()
	host.Put(bundle, "file")
	host.Put("/home/ada/ca.pem", "file")
	in := plantest.Input(host)
	grant := plantest.Rule("filesystem.read.8", plantest.ByDefault, policy.Read, "/etc/ssl")
	in.Policy.Filesystem = append(in.Policy.Filesystem, grant)
	facts := []fact.Fact{fact.Proxy{Listener: "proxy", Layer: "a/gateway"}}
	steps := []fragment.Step{
		fragment.Listener{Name: "proxy", Network: fragment.TCP},
		fragment.Listener{Name: "dns", Network: fragment.UDP, Port: 53},
	}
	if resolver {
		facts = append(facts, fact.Resolver{Listener: "dns", Layer: "a/gateway"})
	}
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy), plantest.Network(facts, steps...)}
	return in
}

func env(id policy.RuleID, src policy.Source, a policy.EnvAction, name string) policy.EnvRule {
	return policy.EnvRule{ID: id, Source: src, Action: a, Name: name}
}

func TestClients(t *testing.T) {
	const (
		proxy  = "http://127.0.0.1:61000"
		direct = "localhost,127.0.0.1,::1,.localhost"
		nobody = "-" // the variable is not there
		theirs = "<theirs>"
	)
	pass := func(src policy.Source, name string) policy.EnvRule {
		return env("environment.pass.7", src, policy.EnvPass, name)
	}
	deny := func(src policy.Source, name string) policy.EnvRule {
		return env("environment.deny.7", src, policy.EnvDeny, name)
	}
	own := env("environment.set.7", plantest.At(7), policy.EnvSet, "HTTPS_PROXY")
	own.Value = "http://mine:1"
	for _, tt := range []struct {
		name    string
		change  func(*plan.Input)
		rules   []policy.EnvRule
		environ []string
		want    map[string]string
		told    string // in a notice
	}{
		{
			name: "the proxy, in every spelling",
			want: map[string]string{
				"http_proxy": proxy, "https_proxy": proxy, "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy,
				"all_proxy": proxy, "ALL_PROXY": proxy, "no_proxy": direct, "NO_PROXY": direct,
				"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.proxy", "GIT_CONFIG_VALUE_0": proxy,
				"npm_config_proxy": proxy, "npm_config_https_proxy": proxy, "npm_config_noproxy": direct,
				"PIP_RETRIES": "1", "CARGO_NET_RETRY": "1", "npm_config_fetch_retries": nobody,
				"NODE_USE_ENV_PROXY": nobody, "JAVA_TOOL_OPTIONS": nobody,
			},
		},
		{
			name:   "where nobody answers for names",
			change: func(in *plan.Input) { *in = behind(false) },
			want: map[string]string{
				"HTTPS_PROXY": proxy, "NODE_USE_ENV_PROXY": "1",
				"JAVA_TOOL_OPTIONS": "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=61000 " +
					"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=61000 " +
					"-Dhttp.nonProxyHosts=localhost|127.*|[::1]|*.localhost",
			},
		},
		{
			name:   "where no layer serves a proxy",
			change: func(in *plan.Input) { in.Layers[1].Response.Facts = nil },
			want: map[string]string{
				"HTTPS_PROXY": nobody, "GIT_CONFIG_COUNT": nobody, "PIP_RETRIES": nobody,
			},
		},
		{
			name:    "the user's own proxy, passed by a pattern",
			rules:   []policy.EnvRule{pass(plantest.At(7), "*")},
			environ: []string{"HTTPS_PROXY=http://ada:canary@corp:3128", "no_proxy=corp"},
			want:    map[string]string{"HTTPS_PROXY": proxy, "no_proxy": direct},
		},
		{
			name:    "the user's own proxy, passed by its name",
			rules:   []policy.EnvRule{pass(plantest.At(7), "HTTPS_PROXY")},
			environ: []string{"HTTPS_PROXY=http://ada:canary@corp:3128"},
			want:    map[string]string{"HTTPS_PROXY": proxy},
			told:    "your own HTTPS_PROXY is not passed on",
		},
		{
			name:  "a proxy that the user sets",
			rules: []policy.EnvRule{own},
			want:  map[string]string{"HTTPS_PROXY": "http://mine:1", "https_proxy": proxy},
		},
		{
			name:  "what the user denies is not there",
			rules: []policy.EnvRule{deny(plantest.At(7), "all_proxy")},
			want:  map[string]string{"all_proxy": nobody, "ALL_PROXY": proxy},
		},
		{
			name: "what a default denies, it denies to be inherited",
			rules: []policy.EnvRule{
				deny(plantest.ByDefault, "GIT_CONFIG_*"), deny(plantest.ByDefault, "HTTPS_PROXY"),
			},
			environ: []string{"GIT_CONFIG_VALUE_0=canary"},
			want:    map[string]string{"GIT_CONFIG_VALUE_0": proxy, "HTTPS_PROXY": proxy},
		},
		{
			name:    "how often the user lets programs try again",
			rules:   []policy.EnvRule{pass(plantest.At(7), "PIP_RETRIES")},
			environ: []string{"PIP_RETRIES=9"},
			want:    map[string]string{"PIP_RETRIES": theirs},
		},
		{
			name: "no certificates of the host's own",
			want: map[string]string{"NODE_EXTRA_CA_CERTS": nobody, "SSL_CERT_FILE": nobody},
		},
		{
			name:   "a company's certificate among the host's",
			change: func(in *plan.Input) { in.Bundle = bundle },
			want: map[string]string{
				"NODE_EXTRA_CA_CERTS": bundle, "SSL_CERT_FILE": bundle, "REQUESTS_CA_BUNDLE": bundle,
				"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": bundle, "CURL_CA_BUNDLE": nobody,
			},
		},
		{
			name:   "certificates that are not there inside",
			change: func(in *plan.Input) { in.Bundle = "/home/ada/ca.pem" },
			want:   map[string]string{"NODE_EXTRA_CA_CERTS": nobody},
		},
		{
			name:    "the user's own certificates, which are there inside",
			environ: []string{"NODE_EXTRA_CA_CERTS=" + bundle, "SSL_CERT_DIR=/etc/ssl/certs:/etc/ssl"},
			want:    map[string]string{"NODE_EXTRA_CA_CERTS": theirs, "SSL_CERT_DIR": theirs},
		},
		{
			name:    "and which are not",
			change:  func(in *plan.Input) { in.Bundle = bundle },
			environ: []string{"NODE_EXTRA_CA_CERTS=/home/ada/ca.pem", "SSL_CERT_DIR=/etc/ssl:/home/ada"},
			want:    map[string]string{"NODE_EXTRA_CA_CERTS": bundle, "SSL_CERT_DIR": nobody},
			told:    "NODE_EXTRA_CA_CERTS is not passed on",
		},
		{
			name:    "and which the user denies",
			rules:   []policy.EnvRule{deny(plantest.At(7), "NODE_EXTRA_CA_CERTS")},
			environ: []string{"NODE_EXTRA_CA_CERTS=" + bundle},
			want:    map[string]string{"NODE_EXTRA_CA_CERTS": nobody},
		},
		{
			name:    "a closed network needs none",
			change:  func(in *plan.Input) { in.Layers, in.Bundle = in.Layers[:1], bundle },
			environ: []string{"NODE_EXTRA_CA_CERTS=" + bundle},
			want:    map[string]string{"NODE_EXTRA_CA_CERTS": nobody, "PIP_RETRIES": "0"},
		},
		{
			name: "an open network keeps the host's proxy, by its name",
			change: func(in *plan.Input) {
				in.Layers, in.Bundle = in.Layers[:1], bundle
				in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindNetwork, Source: plantest.At(1)}}
			},
			rules:   []policy.EnvRule{pass(plantest.At(7), "HTTPS_PROXY")},
			environ: []string{"HTTPS_PROXY=http://corp:3128"},
			want:    map[string]string{"HTTPS_PROXY": theirs, "NODE_EXTRA_CA_CERTS": bundle},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := behind(true)
			if tt.change != nil {
				tt.change(&in)
			}
			in.Policy.Environment = append(in.Policy.Environment, tt.rules...)
			in.Environ = append(in.Environ, tt.environ...)
			p := plantest.Make(t, in)
			for name, want := range tt.want {
				value, ok := plantest.Value(p, name)
				got := nobody
				switch {
				case ok && slices.Equal(value, fragment.Value{fragment.HostVariable(name)}):
					got = theirs
				case ok:
					got = plan.Variable{Value: value}.Text()
				}
				if got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			var notices strings.Builder
			for _, n := range p.Notices {
				notices.WriteString(n.Problem().String())
			}
			if !strings.Contains(notices.String(), tt.told) || tt.told == "" && notices.Len() > 0 {
				t.Errorf("told is %q", notices.String())
			}
			if strings.Contains(notices.String(), "ada") {
				t.Errorf("a value of the user's is in a notice: %s", notices.String())
			}
		})
	}
}

// What a layer says of its sockets has to be what they are.
func TestFactsAboutSockets(t *testing.T) {
	tcp := fragment.Listener{Name: "x", Network: fragment.TCP}
	udp := fragment.Listener{Name: "x", Network: fragment.UDP}
	other := fragment.Listener{Name: "y", Network: fragment.TCP}
	proxy := fact.Proxy{Listener: "x", Layer: "a/gateway"}
	for _, tt := range []struct {
		name  string
		facts []fact.Fact
		steps []fragment.Step
		want  string
	}{
		{"a proxy for datagrams", []fact.Fact{proxy}, []fragment.Step{udp}, "no such TCP listener"},
		{"a proxy that is not there", []fact.Fact{proxy}, nil, "no such TCP listener"},
		{
			"two proxies",
			[]fact.Fact{proxy, fact.Proxy{Listener: "y", Layer: "a/gateway"}},
			[]fragment.Step{tcp, other},
			"two of its listeners",
		},
		{
			"a resolver where nobody asks",
			[]fact.Fact{fact.Resolver{Listener: "x", Layer: "a/gateway"}},
			[]fragment.Step{udp},
			"no such UDP listener at port 53",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.Layers = append(in.Layers, plantest.Network(tt.facts, tt.steps...))
			if got := plantest.Refused(t, in); !strings.Contains(got, tt.want) {
				t.Errorf("refused with %q", got)
			}
		})
	}
}

func TestBundle(t *testing.T) {
	const debian, fedora = "/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"
	for _, tt := range []struct {
		name  string
		full  string // the directory that has something in it
		files []string
		want  string
	}{
		{"nothing of the host's own", "", []string{bundle}, ""},
		{"Debian", debian, []string{bundle}, bundle},
		{
			"Fedora", fedora, []string{
				"/etc/pki/tls/certs/ca-bundle.crt -> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
				"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
			}, "/etc/pki/tls/certs/ca-bundle.crt",
		},
		{"certificates that nobody gathered", debian, []string{"/etc/ssl/"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := func(dir string, _ int) ([]fs.DirEntry, error) {
				if dir == tt.full {
					return make([]fs.DirEntry, 1), nil
				}
				return nil, fs.ErrNotExist
			}
			if got := base.Bundle(list, hosttest.New(tt.files...).Look); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
