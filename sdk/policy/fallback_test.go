package policy_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

// withLogin is a policy in which a login stands in for the key of acme: the file is denied by
// default, and there, or not.
func withLogin(is policy.FileType) policy.Policy {
	byDefault := policy.Source{Origin: policy.OriginDefault, File: "default.hcl", Line: 1}
	own := policy.Source{Origin: policy.OriginProfile, File: "acme.hcl", Line: 5}
	p := policy.Policy{
		Credentials: []policy.Credential{
			{ID: "credentials.acme", Service: "acme", Fallback: &policy.Fallback{
				Filesystem:  []policy.PathRule{{Access: policy.Write, Path: "/h/.acme/login", Type: is, Source: own}},
				Lifts:       []policy.Lift{{Path: "/h/.acme/login", Source: own}},
				Environment: []policy.EnvRule{{Action: policy.EnvSet, Name: "ACME_MODE", Value: "login", Source: own}},
				Hosts:       []policy.HostRule{{Action: policy.HostAllow, Host: "acme.example", Source: own}},
			}},
			{ID: "credentials.other", Service: "other"},
		},
		Network: policy.Network{Hosts: []policy.HostRule{
			{ID: "network.allow.0", Action: policy.HostAllow, Host: "first.example"},
		}},
	}
	return p.With([]policy.PathRule{
		{Access: policy.Write, Path: "/h/.acme", Type: policy.Directory, Source: own},
		{Access: policy.Deny, Path: "/h/.acme/login", Type: policy.Regular, Source: byDefault},
		{Access: policy.Deny, Path: "/h/.acme/other", Type: policy.Regular, Source: byDefault},
	}, nil)
}

// What stands in for a key is given where the key is missing, and in no other case. Everything else
// is as it was.
func TestSettled(t *testing.T) {
	for name, test := range map[string]struct {
		missing []string
		given   bool
	}{
		"a key":               {nil, false},
		"no key":              {[]string{"acme"}, true},
		"no key of another's": {[]string{"other", "nobody"}, false},
		"none at all":         {[]string{"other", "acme"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			before := withLogin(policy.Regular)
			p := before.Settled(test.missing)
			if diff := cmp.Diff(withLogin(policy.Regular), before); diff != "" {
				t.Errorf("the policy itself changed: %s", diff)
			}
			d := policy.NewDecider(&p)
			for what, got := range map[string]bool{
				"the login":    d.Path("/h/.acme/login", policy.OpWrite).Allowed,
				"the host":     d.Host("acme.example", 443).Allowed,
				"the variable": d.Variable("ACME_MODE").Allowed,
			} {
				if got != test.given {
					t.Errorf("%s is given: %v", what, got)
				}
			}
			if d.Path("/h/.acme/other", policy.OpRead).Allowed || !d.Path("/h/.acme/x", policy.OpWrite).Allowed ||
				!d.Host("first.example", 443).Allowed || len(p.Credentials) != 2 {
				t.Errorf("something else changed: %+v", p)
			}
			seen := map[policy.RuleID]bool{}
			for _, r := range p.Rules() {
				if r.ID == "" || seen[r.ID] {
					t.Errorf("the id %q is of two rules, or none", r.ID)
				}
				seen[r.ID] = true
			}
			for _, c := range p.Credentials {
				if c.Fallback != nil {
					t.Errorf("%s is not settled", c.Service)
				}
			}
		})
	}
}

// A lift of a fallback's takes back what a default denies, and not what the user does.
func TestSettledDenials(t *testing.T) {
	p := withLogin(policy.Regular)
	p = p.With([]policy.PathRule{{
		Access: policy.Deny, Path: "/h/.acme/login", Type: policy.Regular,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--deny /h/.acme/login"},
	}}, nil).Settled([]string{"acme"})
	d := policy.NewDecider(&p).Path("/h/.acme/login", policy.OpRead)
	if d.Allowed || d.Rule == nil || d.Rule.Source.Flag == "" {
		t.Errorf("got %+v", d)
	}
}

// A login that nobody has made stands in for nothing. Where no file is to be granted, what else
// there is does.
func TestStandsIn(t *testing.T) {
	missing := policy.PathRule{Access: policy.Write, Path: "/a", Type: policy.Missing}
	there := policy.PathRule{Access: policy.Write, Path: "/b", Type: policy.Regular}
	hosts := []policy.HostRule{{Action: policy.HostAllow, Host: "acme.example"}}
	for name, test := range map[string]struct {
		f    *policy.Fallback
		want bool
	}{
		"none":             {nil, false},
		"a file":           {&policy.Fallback{Filesystem: []policy.PathRule{there}}, true},
		"one of two files": {&policy.Fallback{Filesystem: []policy.PathRule{missing, there}}, true},
		"no file":          {&policy.Fallback{Filesystem: []policy.PathRule{missing}, Hosts: hosts}, false},
		"a host":           {&policy.Fallback{Hosts: hosts}, true},
	} {
		if got := test.f.StandsIn(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestSettledGivesNoMore holds, for any rules, that a policy in which no key is missing decides as
// if there were no fallback, and that settling takes nothing from what is granted without one.
func TestSettledGivesNoMore(t *testing.T) {
	paths := rapid.SampledFrom([]string{"/a", "/a/b", "/a/b/c", "/d"})
	sources := rapid.SampledFrom([]policy.Origin{policy.OriginDefault, policy.OriginProfile, policy.OriginFlag})
	rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.PathRule {
		return policy.PathRule{
			Access: rapid.SampledFrom([]policy.Access{policy.Read, policy.Write, policy.Deny, policy.Protect}).Draw(t, "access"),
			Path:   paths.Draw(t, "path"), Type: policy.Directory,
			Source: policy.Source{Origin: sources.Draw(t, "origin")},
		}
	}), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		plain := policy.Policy{}.With(rules.Draw(t, "rules"), nil)
		f := &policy.Fallback{}
		for _, r := range rules.Draw(t, "fallback") {
			if r.Access.Grants() {
				f.Filesystem = append(f.Filesystem, r)
				f.Lifts = append(f.Lifts, policy.Lift{Path: r.Path, Source: r.Source})
			}
		}
		p := plain
		p.Credentials = []policy.Credential{{Service: "acme", Fallback: f}}
		kept, held := p.Settled(nil), p.Settled([]string{"acme"})
		of := func(p policy.Policy) *policy.Decider { return policy.NewDecider(&p) }
		for _, path := range []string{"/a", "/a/b", "/a/b/c", "/d", "/e"} {
			for _, op := range []policy.Op{policy.OpRead, policy.OpWrite, policy.OpExecute} {
				want := of(plain).Path(path, op)
				what := fmt.Sprintf("%s %s", op, path)
				if got := of(kept).Path(path, op); got.Allowed != want.Allowed {
					t.Fatalf("%s with a key: %v", what, got.Allowed)
				}
				if got := of(held).Path(path, op); want.Allowed && !got.Allowed {
					t.Fatalf("%s is granted with a key alone", what)
				}
				asked := want.Rule != nil && want.Rule.Access == policy.Deny && want.Rule.Source.Origin == policy.OriginFlag
				if got := of(held).Path(path, op); asked && got.Allowed {
					t.Fatalf("%s is denied by the user, and allowed without a key", what)
				}
			}
		}
	})
}
