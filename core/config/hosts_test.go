package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/policy"
)

// Every group that there is can be named, brings hosts, and names no other group.
func TestGroups(t *testing.T) {
	names := profile.Hosts{}.Groups()
	if len(names) < 5 {
		t.Fatalf("there are only the groups %q", names)
	}
	for _, name := range names {
		if name == profile.Learned {
			continue
		}
		w := newWorld(t)
		w.file("home/.config/nono/config.hcl", fmt.Sprintf("network {\n  groups = [%q]\n}\n", name))
		cfg := load(t, w)
		if len(cfg.Policy.Network.Hosts) == 0 {
			t.Errorf("%s brings no host", name)
		}
		for _, h := range cfg.Policy.Network.Hosts {
			if h.Source.File != "groups/"+name+".hcl" || h.Group != "group "+name {
				t.Errorf("%s brings %+v", name, h)
			}
		}
	}
}

// Every network profile that is built in can be named, and is made of groups alone.
func TestNetworkProfiles(t *testing.T) {
	listed, err := profile.Hosts{}.Networks()
	if err != nil || len(listed) == 0 {
		t.Fatal(listed, err)
	}
	for _, l := range listed {
		w := newWorld(t)
		w.flags("--network-profile " + l.Name)
		w.options.Packages = func(*policy.Policy) (config.Packages, error) { return config.Packages{}, nil }
		cfg := load(t, w)
		for _, h := range cfg.Policy.Network.Hosts {
			if !strings.HasPrefix(h.Source.File, "groups/") || h.Group != "profile "+l.Name {
				t.Errorf("%s brings %+v", l.Name, h)
			}
		}
		if len(cfg.Policy.Network.Hosts) == 0 {
			t.Errorf("%s brings no host", l.Name)
		}
	}
}

// The hosts of package managers are asked for last, where a line names them, and are rules with that
// line. What a list brings keeps the list's.
func TestPackages(t *testing.T) {
	for flags, want := range map[string]string{
		"--network-profile developer":                            "profile developer at networks/developer.hcl:9:20",
		"-c agent.hcl\n--approve":                                "group packages at agent.hcl:2:13",
		"--network-profile developer\n--network-profile minimal": "",
		"--network-profile developer\n--disable network":         "",
		"-c agent.hcl\n--block-net":                              "",
	} {
		w := newWorld(t)
		w.file("proj/agent.hcl", "network {\n  groups = [\"packages\"]\n}\n")
		w.flags(flags)
		asked := 0
		w.options.Packages = func(p *policy.Policy) (config.Packages, error) {
			asked++
			if len(p.Filesystem) == 0 {
				t.Error("nothing is said of what the agent may write")
			}
			return config.Packages{
				Hosts: []string{"a.example", "b.example:8081", "localhost:4873", "*", "x y"}, Says: "learned",
			}, nil
		}
		cfg := load(t, w)
		var got []string
		for _, h := range cfg.Policy.Network.Hosts {
			if strings.HasSuffix(h.Host, ".example") {
				got = append(got, h.String()+" of "+h.Group+" at "+h.Source.String())
			}
		}
		if want == "" {
			if asked > 0 || len(got) > 0 {
				t.Errorf("%s: asked %d times, and got %q", flags, asked, got)
			}
			continue
		}
		hosts := []string{"a.example:443,80 of " + want, "b.example:8081 of " + want}
		if diff := cmp.Diff(hosts, got); diff != "" || asked != 1 {
			t.Errorf("%s: asked %d times (-want +got):\n%s", flags, asked, diff)
		}
		ids := map[policy.RuleID]bool{}
		for _, h := range cfg.Policy.Network.Hosts {
			ids[h.ID] = true
		}
		if len(ids) != len(cfg.Policy.Network.Hosts) {
			t.Error("two rules have one id")
		}
		told := fmt.Sprint(cfg.Notices)
		for _, says := range []string{"learned", "localhost:4873", `"*"`, `"x y"`} {
			if !strings.Contains(told, says) {
				t.Errorf("%s: %s is not told in %s", flags, says, told)
			}
		}
	}
}

// The agent's package managers are told what the user's say, unless the user says something of the
// variable, or a credential gives it. What may have a password in it is told and not set.
func TestPackageVariables(t *testing.T) {
	const learned = "https://npm.example at learned from npm's settings"
	const notice = "npm_config_registry is not set inside"
	for flags, want := range map[string]struct{ set, secret string }{
		"":                                      {learned, notice},
		"--env MY_OWN=1":                        {learned, notice},
		"--env npm_config_registry=https://own": {" at --env npm_config_registry", ""},
		"--env NPM_CONFIG_REGISTRY=https://own": {"", ""},
		"--env npm_config_registry":             {learned, notice}, // nothing to pass
		"-c deny.hcl":                           {"", ""},
		"-c set.hcl":                            {"https://own at set.hcl:2:11", ""},
		"-c credential.hcl\n--approve":          {"", ""},
	} {
		for _, secret := range []bool{false, true} {
			w := newWorld(t)
			w.file("proj/deny.hcl", "environment {\n  deny = [\"npm_*\"]\n}\n")
			w.file("proj/set.hcl", "environment {\n  set = { npm_config_registry = \"https://own\" }\n}\n")
			w.file("proj/credential.hcl", `credential "npm" {
  upstream = "https://packages.example/npm"
  source   = "env://PACKAGES_KEY"
  basic    = { user = "ada" }
  env      = { login_url = "npm_config_registry" }
}
`)
			w.flags(strings.TrimSpace("--network-profile developer\n" + flags))
			w.options.Packages = func(*policy.Policy) (config.Packages, error) {
				v := config.PackageVariable{Manager: "npm", Name: "npm_config_registry", Value: "https://npm.example"}
				if secret {
					v.Value, v.Secret = "", true
				}
				return config.Packages{Variables: []config.PackageVariable{v}}, nil
			}
			cfg := load(t, w)
			got := ""
			for _, r := range cfg.Policy.Environment {
				if r.Action == policy.EnvSet && r.Name == "npm_config_registry" {
					got += r.Value + " at " + r.Source.String()
				}
			}
			expected := want.set
			if secret && expected == learned {
				expected = ""
			}
			if got != expected {
				t.Errorf("%q, secret %v: it is %q, want %q", flags, secret, got, expected)
			}
			told := fmt.Sprint(cfg.Notices)
			if is := strings.Contains(told, notice); is != (secret && want.secret != "") {
				t.Errorf("%q, secret %v: told is %s", flags, secret, told)
			}
		}
	}
}

// Nobody is asked for hosts of a file that is not approved.
func TestPackagesOfAStranger(t *testing.T) {
	w := newWorld(t)
	w.file("proj/agent.hcl", "network {\n  groups = [\"packages\"]\n}\n")
	w.flags("-c agent.hcl")
	w.options.Packages = func(*policy.Policy) (config.Packages, error) {
		t.Error("package managers are asked")
		return config.Packages{}, nil
	}
	_, err := config.Load(w.options)
	const want = "agent.hcl asks to reach the hosts that your package managers fetch from"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

// A password for a proxy is in nothing that is printed or stored.
func TestUpstreamPassword(t *testing.T) {
	w := newWorld(t)
	w.flags("--allow-host a.example\n--upstream-proxy http://ada:hunter2@proxy.example:3128")
	cfg := load(t, w)
	if got := string(cfg.UpstreamAuth.Reveal()); got != "ada:hunter2" {
		t.Errorf("the password is %q", got)
	}
	text := fmt.Sprintf("%+v", cfg)
	if strings.Contains(text, "hunter2") {
		t.Errorf("the password is in %s", text)
	}
	if !strings.Contains(text, "the proxy's password stands in nono's command line") {
		t.Errorf("nobody is told that the password can be read: %s", text)
	}
	w = newWorld(t)
	w.env["HTTPS_PROXY"] = "http://ada:hunter2@proxy.example:3128"
	w.flags("--allow-host a.example\n--upstream-proxy system")
	cfg = load(t, w)
	if text := fmt.Sprintf("%+v", cfg); string(cfg.UpstreamAuth.Reveal()) != "ada:hunter2" || strings.Contains(text, "command line") {
		t.Errorf("by the environment: %s", text)
	}
}

// A list that is too large to be one is not read.
func TestLargeList(t *testing.T) {
	w := newWorld(t)
	w.file("home/.config/nono/networks/mine.hcl", strings.Repeat("#\n", profile.MaxSize))
	w.flags("--network-profile mine")
	_, problems := costs(w)
	if len(problems) != 1 || !strings.Contains(problems.Error(), "it is larger than 64 KiB") {
		t.Error(problems)
	}
}
