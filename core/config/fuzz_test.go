package config_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// addFiles gives the fuzzer the policies of the golden tests to begin with.
func addFiles(f *testing.F, name string) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, archive := range archives {
		content, err := os.ReadFile(archive)
		if err != nil {
			f.Fatal(err)
		}
		if _, file, ok := strings.Cut(string(content), "-- "+name+" --\n"); ok {
			file, _, _ = strings.Cut(file, "\n-- ")
			f.Add(file)
		}
	}
}

// problemsOf are the problems that Load returned; each must have words, and a line or a flag.
func problemsOf(t *testing.T, err error) diag.Problems {
	t.Helper()
	var problems diag.Problems
	if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
		t.Fatalf("not a problem: %v", err)
	}
	for _, p := range problems {
		if p.Summary == "" || p.Source.Line == 0 && p.Source.Flag == "" {
			t.Fatalf("a problem without words or place: %+v", p)
		}
	}
	return problems
}

// FuzzLoad: whatever a file holds, it is read into a policy that keeps to its own directory, or
// refused with words for it.
func FuzzLoad(f *testing.F) {
	addFiles(f, "proj/agent.hcl")
	w := newWorld(f)
	w.flags("-c agent.hcl")
	w.file("proj/agent.hcl", "")
	system := decide(load(f, w))
	f.Fuzz(func(t *testing.T, src string) {
		w.tb = t
		w.file("proj/agent.hcl", src)
		if memory, _ := costs(w); memory > mostMemory {
			t.Fatalf("it cost %d MiB", memory>>20)
		}
		loaded, err := config.Load(w.options)
		if problemsOf(t, err) != nil {
			return
		}
		for _, r := range loaded.Config.Policy.Filesystem {
			if r.Access.Grants() && !policy.Within(r.Path, w.root+"/proj") &&
				!system.Path(r.Path, policy.OpRead).Allowed {
				t.Fatalf("%s of %s without being asked", r.Access, r.Path)
			}
		}
	})
}

// FuzzOwnConfig: the same for the user's own file, which asks for nothing; and every rule has an id
// of its own.
func FuzzOwnConfig(f *testing.F) {
	addFiles(f, "home/.config/nono/config.hcl")
	addFiles(f, "proj/agent.hcl")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, src string) {
		w.tb = t
		w.file("home/.config/nono/config.hcl", src)
		loaded, err := config.Load(w.options)
		if problemsOf(t, err) != nil {
			return
		}
		if len(loaded.Config.Asks) > 0 {
			t.Fatalf("it asks %v", loaded.Config.Asks)
		}
		seen := map[policy.RuleID]bool{}
		for _, r := range loaded.Config.Policy.Rules() {
			if seen[r.ID] || r.ID == "" {
				t.Fatalf("%q is there twice", r.ID)
			}
			seen[r.ID] = true
		}
	})
}

// FuzzFlags: a flag is a rule or a problem, and the value of --env is in neither.
func FuzzFlags(f *testing.F) {
	names := []string{
		"allow", "read", "write", "env", "disable", "allow-cwd", "other", "allow-host", "deny-host",
		"opaque-host", "open-port", "listen-port", "network-profile", "upstream-proxy", "upstream-bypass",
	}
	for _, value := range []string{
		"http://ada:hunter2-hunter2@p.example:3128", "socks5://ada:hunter2-hunter2@p", "system",
		"http://ada:hunter2-hunter2@p.example:x",
	} {
		f.Add(slices.Index(names, "upstream-proxy"), value)
	}
	for i, value := range []string{"*.a.example:8443", "10.0.0.0/8:*", "localhost", "22", "22", "minimal"} {
		f.Add(slices.Index(names, "allow-host")+i, value)
	}
	for i, value := range []string{
		"~/x", "$HOME/../y", "missing/..", "A=hunter2-hunter2",
		"network", "", "x",
	} {
		f.Add(i, value)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, name int, value string) {
		flag := config.Flag{Name: names[max(name, -(name+1))%len(names)], Value: value}
		w.options.Flags = []config.Flag{flag}
		loaded, err := config.Load(w.options)
		_ = problemsOf(t, err)
		secret, isSecret := "", false
		if flag.Name == "env" {
			_, secret, isSecret = strings.Cut(value, "=")
		}
		if u, err := url.Parse(value); flag.Name == "upstream-proxy" && err == nil && u.User != nil {
			secret, isSecret = u.User.Password()
			isSecret = isSecret && strings.Count(value, secret) == 1
		}
		if !isSecret || len(secret) < 12 {
			return
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("the value is in the message: %v", err)
		}
		if err == nil && strings.Contains(fmt.Sprintf("%+v", *loaded.Config), secret) {
			t.Fatalf("the value is in the configuration")
		}
	})
}
