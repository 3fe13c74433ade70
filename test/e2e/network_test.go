//go:build linux

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is said of the network is told at the start, in the plan and to whoever asks about a host,
// each time with the line.
func TestNetworkIsTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.config/nono/config.hcl", "network {\n  allow    = [\"*.corp.example:8443\"]\n  deny     = [\"old.corp.example\"]\n  loopback = [5432]\n}\n")
	minimal := []string{"--network-profile", "minimal", "--allow-cwd"}
	u.says(u.succeeds(u.nono(append(append([]string{"run"}, minimal...), "--", "true")...)),
		"nono: rw ~/proj; network: 16 hosts by profile minimal, *.corp.example:8443, loopback 5432; home private; tier A")
	plan := u.succeeds(u.nono(append(append([]string{"plan"}, minimal...), "--", "true")...)).Stdout
	for _, want := range []string{
		"*.corp.example:8443", "~/.config/nono/config.hcl:2:15", "16 hosts by profile minimal", "old.corp.example:*", "netfilter",
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q is not in\n%s", want, plan)
		}
	}
	ask := func(code int, flags string, want ...string) {
		t.Helper()
		r := u.nono(append([]string{"why"}, strings.Fields(flags)...)...)
		if r.Code != code {
			t.Errorf("nono why %s ended with %d, want %d\n%s", flags, r.Code, code, r)
		}
		for _, line := range want {
			if !strings.Contains(r.Stdout, line+"\n") {
				t.Errorf("nono why %s lacks %q\n%s", flags, line, r)
			}
		}
	}
	ask(0, "--network-profile minimal --host api.openai.com --host API.anthropic.com.",
		"api.openai.com", "  port 443 allowed: allowed", "  port 80 allowed: allowed", "api.anthropic.com",
		"    by groups/llm.hcl:7:5: allow api.openai.com:443,80, of the network profile minimal", `       7 |     "api.openai.com",`)
	ask(1, "--host api.openai.com --port 443", "  port 443 denied: no rule allows it",
		`    to allow it: --allow-host api.openai.com, or in a file: network { allow = ["api.openai.com"] }`)
	ask(1, "--host old.corp.example --port 8443", "    by ~/.config/nono/config.hcl:3:15: deny old.corp.example:*",
		"    to allow it: take it out of ~/.config/nono/config.hcl:3:15, or let that line say less")
	ask(0, "--host 127.0.0.1 --port 5432", "    by ~/.config/nono/config.hcl:4:15: loopback 5432")
	ask(1, "--block-net --host x.corp.example --port 8443", "    nothing is reachable: the network is closed")
	ask(0, "--allow-net --host anything.example --port 1", "  port 1 allowed: no host is restricted: --disable network")

	var report struct {
		Version int
		Answers []any
		Hosts   []struct {
			Host    string
			Port    int
			Allowed bool
			Rule    struct{ Source struct{ Line int } }
			Changes []struct{ Do, Attribute, Host string }
		}
	}
	r := u.nono("why", "--host", "x.corp.example", "--port", "8443", "--port", "22", "--json")
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || r.Code != 1 {
		t.Fatalf("%v\n%s", err, r)
	}
	if report.Version != 1 || report.Answers == nil || len(report.Hosts) != 2 || !report.Hosts[0].Allowed || report.Hosts[0].Rule.Source.Line != 2 ||
		report.Hosts[1].Allowed || report.Hosts[1].Changes[0].Host != "x.corp.example:22" {
		t.Errorf("%+v", report)
	}
}

// A closed network takes no layer, whatever is denied in it; and --block-net closes what files open.
func TestClosedNetworkTakesNoLayer(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.config/nono/config.hcl", "network {\n  allow = [\"a.example\"]\n  deny  = [\"b.example\"]\n}\n")
	r := u.succeeds(u.nono("run", "--allow-cwd", "--block-net", "--", "true"))
	u.says(r, "nono: rw ~/proj; network closed; home private; tier A")
	u.says(r, "nono: warning: the network stays closed; overrides ~/.config/nono/config.hcl:2:12")
	if plan := u.succeeds(u.nono("plan", "--block-net", "--", "true")).Stdout; strings.Contains(plan, "netfilter") {
		t.Errorf("a layer runs for a closed network\n%s", plan)
	}
	// The control.
	if plan := u.succeeds(u.nono("plan", "--", "true")).Stdout; !strings.Contains(plan, "netfilter") {
		t.Errorf("no layer runs for an open one\n%s", plan)
	}
	u.refused(u.nono("run", "--block-net", "--allow-host", "a.example", "--", "true"), "the network cannot be closed: --allow-host a.example opens it")
}

// A file asks for hosts as for anything else: once, and again for what is new.
func TestNetworkIsApproved(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", "network {\n  profile = \"minimal\"\n  allow   = [\"a.example\"]\n}\n")
	run := []string{"run", "-c", "agent.hcl", "--", "true"}
	u.refused(u.nono(run...), "asks to reach the hosts of the network profile minimal: api.openai.com,", "asks to reach a.example, and that is not approved")
	u.succeeds(u.nono("approve", "agent.hcl"))
	u.succeeds(u.nono(run...))
	u.write("agent.hcl", "network {\n  profile = \"minimal\"\n  allow   = [\"a.example\", \"b.example\"]\n}\n")
	r := u.refused(u.nono(run...), "asks to reach b.example, and that is not approved")
	u.quiet(r, "asks to reach a.example")
}

// The password for a proxy is in no file and in no line, whoever gave it.
func TestUpstreamPasswordIsNowhere(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const password = "correct-horse-battery"
	proxy := "http://ada:" + password + "@127.0.0.1:1"
	for _, how := range []struct {
		flags []string
		env   []string
	}{
		{[]string{"--upstream-proxy", proxy}, nil},
		{[]string{"--upstream-proxy", "system"}, []string{"HTTPS_PROXY=" + proxy}},
	} {
		u.Env = how.env
		flags := append([]string{"--allow-cwd", "--allow-host", "a.example", "-v"}, how.flags...)
		for _, args := range [][]string{
			append(append([]string{"run"}, flags...), "--", "sh", "-c", "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; true"),
			append(append([]string{"plan", "--json"}, flags...), "--", "true"),
		} {
			r := u.succeeds(u.nono(args...))
			if mentions(r.Stdout+r.Stderr, []string{password}) {
				t.Errorf("it is said\n%s", r)
			}
			if !strings.Contains(r.Stdout+r.Stderr, "http://127.0.0.1:1") {
				t.Errorf("the proxy itself is not told\n%s", r)
			}
		}
	}
	u.nowhere([]string{password})
	u.Env = nil
	u.write("agent.hcl", "network {\n  upstream = { url = \""+proxy+"\" }\n}\n")
	r := u.refused(u.nono("plan", "-c", "agent.hcl", "--approve", "--", "true"), "a password does not belong into a policy")
	u.quiet(r, password)
}

// The hosts of package managers are what these say, once.
func TestPackageHosts(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.program("~/.local/bin/npm", "#!/bin/sh\necho ran >>"+u.path("~/ran")+"\n"+
		"own=-own; [ \"$HOME\" = "+u.Home+" ] && own=\necho '{\"registry\": \"https://npm'$own'.example/\"}'\n")
	u.Env = []string{"PATH=" + u.path("~/.local/bin") + ":/usr/bin:/bin"}
	u.write("~/.config/nono/config.hcl", "network {\n  groups = [\"packages\"]\n}\n")
	first := u.succeeds(u.nono("run", "--", "true"))
	if !strings.Contains(first.Stderr, "the hosts of the group packages: npm: npm.example (npm config list)") {
		t.Errorf("what was learned is not told\n%s", first)
	}
	if !strings.Contains(first.Stderr, "by group packages") {
		t.Errorf("the start line lacks it\n%s", first)
	}
	again := u.succeeds(u.nono("run", "--", "sh", "-c", "echo it is $npm_config_registry"))
	u.quiet(again, "the hosts of the group packages")
	if !strings.Contains(again.Stdout, "it is https://npm.example/\n") {
		t.Errorf("npm inside is not told\n%s", again)
	}
	shown := strings.Fields(u.succeeds(u.nono("plan", "--", "true")).Stdout)
	if !strings.Contains(strings.Join(shown, " "), "npm_config_registry learned from npm's settings https://npm.example/") {
		t.Errorf("the plan lacks it: %s", shown)
	}
	// As the user, and as the agent's own would answer.
	if ran := u.read("~/ran"); ran != "ran\nran\n" {
		t.Errorf("npm was asked %q", ran)
	}
	if r := u.nono("why", "--host", "npm.example", "--port", "443"); r.Code != 0 || !strings.Contains(r.Stdout, "config.hcl:2:13") {
		t.Errorf("%s", r)
	}
}
