package packagehosts

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

// mirrored is a manager that says one thing with the user's home, and another without it.
func (m *machine) mirrored(name, says, usually string) {
	m.write(name, "#!/bin/sh\nif [ \"$HOME\" = "+m.home+" ]; then cat <<'END'\n"+says+"\nEND\nelse cat <<'END'\n"+usually+"\nEND\nfi\n", 0o755)
}

// variables are what was learned, as NAME=VALUE; NAME alone for one with a secret.
func (l Learned) variables() (all []string) {
	for _, c := range l.Clients {
		for _, v := range c.Variables {
			text := v.Name
			if !v.Secret {
				text += "=" + v.Value
			}
			all = append(all, text)
		}
	}
	return all
}

const (
	npmsOwn = `{"registry": "https://npm-own.example/"}`
	gosOwn  = `{"GOPROXY": "https://go-own.example,direct", "GOSUMDB": "sum-own.example", "GOPRIVATE": "", "GONOSUMDB": "", "GONOPROXY": ""}`
)

// The agent's managers are told where the user's fetch from, where they would not know; and no
// password stands in that, in what is remembered, or in what is told.
func TestVariables(t *testing.T) {
	t.Parallel()
	const go3 = `{"GOPROXY": "https://go.example/mod|direct", "GOSUMDB": "sum-own.example", "GOPRIVATE": "a.example", "GONOSUMDB": "b.example", "GONOPROXY": "a.example"}`
	for name, k := range map[string]struct{ program, says, usually, want string }{
		"npm's mirror":    {"npm", `{"registry": "https://npm.example/x/"}`, npmsOwn, "npm_config_registry=https://npm.example/x/"},
		"npm's own":       {"npm", npmsOwn, npmsOwn, ""},
		"npm's password":  {"npm", `{"registry": "https://u:canary@npm.example/"}`, npmsOwn, "npm_config_registry"},
		"npm says none":   {"npm", `{"@a:registry": "https://a.example/"}`, npmsOwn, "npm_config_registry"},
		"a key behind it": {"npm", `{"registry": "https://npm.example/?key=canary"}`, npmsOwn, "npm_config_registry"},
		"go's mirror":     {"go", go3, gosOwn, "GOPROXY=https://go.example/mod|direct GOPRIVATE=a.example GONOSUMDB=b.example"},
		"go's own":        {"go", gosOwn, gosOwn, ""},
		"go's password": {
			"go", strings.ReplaceAll(go3, "direct", "https://canary@b.example"), gosOwn,
			"GOPROXY GOPRIVATE=a.example GONOSUMDB=b.example",
		},
		"go without sums": {"go", strings.Replace(gosOwn, "sum-own.example", "off", 1), gosOwn, "GOSUMDB=off"},
		"pip's mirrors": {
			"python3", "https://pip.example/simple\nPIP_INDEX_URL=https://pip.example/simple\nPIP_EXTRA_INDEX_URL=https://b.example https://c.example",
			"https://pip-own.example", "PIP_INDEX_URL=https://pip.example/simple PIP_EXTRA_INDEX_URL=https://b.example https://c.example",
		},
		"pip's own":      {"python3", "https://pip-own.example", "https://pip-own.example", ""},
		"pip's password": {"python3", "https://a.example\nPIP_EXTRA_INDEX_URL=https://b.example https://u:canary@c.example", "", "PIP_EXTRA_INDEX_URL"},
		"other names":    {"python3", "https://a.example\nLD_PRELOAD=/x", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.mirrored(".local/bin/"+k.program, k.says, k.usually)
			first := m.learn()
			again := m.learn()
			for _, learned := range []Learned{first, again} {
				if diff := cmp.Diff(k.want, strings.Join(learned.variables(), " ")); diff != "" {
					t.Errorf("fresh %v: -want +got:\n%s", learned.Fresh, diff)
				}
			}
			if again.Fresh {
				t.Error("they are asked again")
			}
			memory, err := os.ReadFile(m.home + "/.cache/nono/package-hosts.json")
			if err != nil || strings.Contains(string(memory)+first.Says(), "canary") {
				t.Errorf("%v; a password is kept in\n%s\n%s", err, memory, first.Says())
			}
		})
	}
}

// Settings that the agent may write tell it nothing, and neither does a manager that fails without
// the user's.
func TestNoVariables(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.mirrored(".local/bin/npm", `{"registry": "https://npm.example/"}`, npmsOwn)
	m.l.Policy.Filesystem = append(m.l.Policy.Filesystem, policy.PathRule{
		Access: policy.Write, Path: m.home + "/.npmrc", Type: policy.Regular,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--write ~/.npmrc"},
	})
	if got := m.learn().variables(); len(got) > 0 {
		t.Errorf("the agent may write ~/.npmrc, which says %q", got)
	}
	m.l.Policy.Filesystem = m.l.Policy.Filesystem[:len(m.l.Policy.Filesystem)-1]
	if got := m.learn().variables(); len(got) != 1 {
		t.Errorf("the control: %q", got)
	}
	m.write(".local/bin/npm", "#!/bin/sh\n[ \"$HOME\" = "+m.home+" ] && echo '{\"registry\": \"https://npm.example/\"}'\n", 0o755)
	learned := m.learn()
	if len(learned.variables()) > 0 || !strings.Contains(learned.Says(), "it failed") || !m.learn().Fresh {
		t.Errorf("it fails, and %s, %q", learned.Says(), learned.variables())
	}
}

// The words of real managers: what stands in the user's home is learned, and nothing where that is
// empty.
func TestRealManagers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.env["PATH"] = "/usr/bin" // what is not there is not asked
	delete(m.env, "GOPROXY")
	if learned := m.learn(); len(learned.variables()) > 0 {
		t.Errorf("an empty home says %q", learned.variables())
	}
	m.write(".npmrc", "registry=https://npm.example/x/\n", 0o600)
	m.write(".config/go/env", "GOPROXY=https://go.example,direct\nGOPRIVATE=corp.example\n", 0o600)
	m.write(".config/pip/pip.conf", "[global]\nindex-url = https://pip.example/simple\n[install]\nextra-index-url =\n  https://b.example\n  https://c.example\n", 0o600)
	want := map[string]string{
		"npm": "npm_config_registry=https://npm.example/x/", "go": "GOPROXY=https://go.example,direct GOPRIVATE=corp.example",
		"pip": "PIP_INDEX_URL=https://pip.example/simple PIP_EXTRA_INDEX_URL=https://b.example https://c.example",
	}
	for _, c := range m.learn().Clients {
		t.Log(c)
		if want[c.Name] == "" || c.Why != "" {
			continue // it is not told by variables, or cannot be asked here
		}
		if got := strings.Join((Learned{Clients: []Client{c}}).variables(), " "); got != want[c.Name] {
			t.Errorf("%s says %q, want %q", c.Name, got, want[c.Name])
		}
	}
	m.write(".npmrc", "registry=https://u:canary@npm.example/\n", 0o600)
	for _, c := range m.learn().Clients {
		if c.Name == "npm" && !c.failed && !cmp.Equal(c.Variables, []Variable{{Name: "npm_config_registry", Secret: true}}) {
			t.Errorf("with a password npm says %v", c)
		}
	}
}
