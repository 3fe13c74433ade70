package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/profile"
)

// Every group that there is can be named, brings hosts, and names no other group.
func TestGroups(t *testing.T) {
	names := profile.Hosts{}.Groups()
	if len(names) < 5 {
		t.Fatalf("there are only the groups %q", names)
	}
	for _, name := range names {
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

// A password for a proxy is in nothing that is printed or stored.
func TestUpstreamPassword(t *testing.T) {
	w := newWorld(t)
	w.flags("--allow-host a.example\n--upstream-proxy http://ada:hunter2@proxy.example:3128")
	cfg := load(t, w)
	if got := string(cfg.UpstreamAuth.Reveal()); got != "ada:hunter2" {
		t.Errorf("the password is %q", got)
	}
	if text := fmt.Sprintf("%+v", cfg); strings.Contains(text, "hunter2") {
		t.Errorf("the password is in %s", text)
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
