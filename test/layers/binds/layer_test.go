package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return layer{} }, layertest.Options{})
}

// host is a small tree on disk: a home with a project in it, and something like a system beside it.
func host(t *testing.T) string {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"usr/bin/sh", "home/.ssh/id", "home/.netrc", "home/proj/.git/hooks/pre", "home/proj/.git/config", "home/proj/a/b/c", "data/out/file"} {
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o700))
		must(t, os.WriteFile(filepath.Join(root, file), nil, 0o600))
	}
	must(t, os.Symlink("usr/bin", filepath.Join(root, "bin")))
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request asks for rules such as "allow home/proj", "default deny home/.ssh" or "read usr/bin as
// bin".
func request(root string, lines ...string) *sdk.PlanRequest {
	req := &sdk.PlanRequest{Run: sdk.Run{
		Host:    sdk.Host{Tier: sdk.TierA, LandlockABI: 7, Home: filepath.Join(root, "home")},
		Command: sdk.Command{Dir: filepath.Join(root, "home/proj")},
	}}
	for i, line := range lines {
		words, source := strings.Fields(line), policy.Source{Origin: policy.OriginFlag, Flag: line}
		if words[0] == "default" {
			words, source = words[1:], policy.Source{Origin: policy.OriginDefault}
		}
		r := policy.PathRule{
			ID: policy.RuleID(fmt.Sprintf("filesystem.%d", i)), Source: source, Access: policy.Access(words[0]),
			Path: filepath.Join(root, words[1]), Type: policy.Missing,
		}
		if info, err := os.Lstat(r.Path); err == nil {
			r.Type = policy.Regular
			if info.IsDir() {
				r.Type = policy.Directory
			}
		}
		if len(words) == 4 {
			r.Name = filepath.Join(root, words[3])
		}
		req.Policy.Filesystem = append(req.Policy.Filesystem, r)
	}
	req.Places, _ = places.Compute(places.Input{
		Policy: &req.Policy, Home: req.Host.Home, Dir: req.Command.Dir, Look: hostfile.Host,
		Lookup: func(string) (string, bool) { return "", false },
	})
	return req
}

func TestSteps(t *testing.T) {
	root := host(t)
	tests := []struct {
		name  string
		rules []string
		want  []string
	}{
		{"nothing granted", nil, []string{"tmpfs home", "tmpfs home/proj"}},
		{
			"grants",
			[]string{"read usr/bin as bin", "allow home/proj", "write data/out"},
			[]string{"bind data/out rw noexec", "tmpfs home", "bind home/proj rw", "bind usr/bin", "link bin"},
		},
		{
			"a denial inside a grant, and beside it",
			[]string{"allow home/proj", "deny home/proj/a/b", "default deny home/.ssh", "default deny home/.netrc"},
			[]string{"tmpfs home", "mask home/.ssh", "bind home/proj rw", "bind home/proj/a rw", "mask home/proj/a/b"},
		},
		{
			"a protection",
			[]string{"allow home/proj", "protect home/proj/.git/hooks"},
			[]string{"tmpfs home", "bind home/proj rw", "bind home/proj/.git rw", "bind home/proj/.git/hooks"},
		},
		// The current directory is denied as well, and core does not start there.
		{"a denial beats a deeper grant", []string{"deny home", "allow home/proj", "read usr"}, []string{"tmpfs home", "bind usr"}},
		{"the real home", []string{"allow home", "default deny home/.netrc"}, []string{"bind home rw", "mask home/.netrc readable"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kit := layertest.New(t, layer{})
			var got []string
			for _, s := range kit.Plan(request(root, test.rules...)).Fragment.Steps {
				m := s.(fragment.Mount)
				if !strings.HasPrefix(m.At(), root+"/") { // the session's own /tmp
					continue
				}
				line := fragment.Kind(s) + " " + m.At()[len(root)+1:]
				switch m := m.(type) {
				case fragment.Bind:
					if m.Writable {
						line += " rw"
					}
					if m.NoExec {
						line += " noexec"
					}
				case fragment.Mask:
					if m.Readable {
						line += " readable"
					}
				}
				got = append(got, line)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
		})
	}
}

// The same promise as landlock's: what the mounts show of the host is what the policy allows.
func TestStepsAreThePolicysDecision(t *testing.T) {
	root := host(t)
	var paths []string
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink == 0 && p != root {
			paths = append(paths, p)
		}
		return err
	}))
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for range rapid.IntRange(0, 8).Draw(t, "rules") {
			access := rapid.SampledFrom([]string{"allow", "read", "write", "deny", "protect", "default read", "default deny"}).Draw(t, "access")
			lines = append(lines, access+" "+rapid.SampledFrom(paths).Draw(t, "path")[len(root)+1:])
		}
		req := request(root, lines...)
		response, err := layer{}.Plan(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		mounts := map[string]fragment.Mount{}
		for _, s := range response.Fragment.Steps {
			m := s.(fragment.Mount)
			mounts[m.At()] = m
		}
		shows := func(p string) (read, write, execute bool) {
			for ; p != "/"; p = filepath.Dir(p) {
				if m, ok := mounts[p]; ok {
					b, bind := m.(fragment.Bind)
					return bind, bind && b.Writable, bind && !b.NoExec
				}
			}
			return false, false, false
		}
		decide := policy.NewDecider(&req.Policy)
		for _, p := range paths {
			read, write, execute := shows(p)
			may := func(op policy.Op) bool { return decide.Path(p, op).Allowed }
			if read != may(policy.OpRead) || write != may(policy.OpWrite) || execute != may(policy.OpExecute) {
				t.Errorf("%s: the mounts give read %v, write %v, execute %v; the policy %v, %v, %v", p, read, write, execute,
					may(policy.OpRead), may(policy.OpWrite), may(policy.OpExecute))
			}
		}
		for _, r := range req.Policy.Filesystem {
			for p := r.Path; !r.Access.Grants() && p != root; p = filepath.Dir(p) {
				if _, write, _ := shows(filepath.Dir(p)); write && mounts[p] == nil {
					t.Errorf("%s can be renamed, and %s %s means something else then", p, r.Access, r.Path)
				}
			}
		}
		if len(response.Coverage) != len(req.Policy.Filesystem) || slices.ContainsFunc(response.Coverage, func(c sdk.Coverage) bool { return c.Held != sdk.Enforced }) {
			t.Errorf("coverage: %+v", response.Coverage)
		}
	})
}
