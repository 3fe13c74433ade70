package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

func TestWith(t *testing.T) {
	read := func(path string) policy.PathRule { return policy.PathRule{Access: policy.Read, Path: path} }
	pass := func(name string) policy.EnvRule { return policy.EnvRule{Action: policy.EnvPass, Name: name} }
	ids := func(p policy.Policy) (ids []policy.RuleID) {
		for _, r := range p.Rules() {
			ids = append(ids, r.ID)
		}
		return ids
	}
	deny := policy.PathRule{Access: policy.Deny, Path: "/b"}
	first := policy.Policy{}.With([]policy.PathRule{read("/a"), deny}, []policy.EnvRule{pass("A")})
	want := []policy.RuleID{"filesystem.read.0", "filesystem.deny.0", "environment.pass.0"}
	if diff := cmp.Diff(want, ids(first)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Twice, from one policy: neither may be seen in the other, nor in the first.
	more := []policy.PathRule{read("/c")}
	second, third := first.With(more, nil), first.With([]policy.PathRule{read("/d")}, []policy.EnvRule{pass("B")})
	if diff := cmp.Diff(want, ids(first)); diff != "" {
		t.Errorf("the policy changed: -want +got:\n%s", diff)
	}
	if second.Filesystem[2].Path != "/c" || third.Filesystem[2].Path != "/d" {
		t.Errorf("one amendment shows in the other: %v, %v", second.Filesystem, third.Filesystem)
	}
	if more[0].ID != "" {
		t.Error("the rules that were given have changed")
	}
	want = []policy.RuleID{
		"filesystem.read.0", "filesystem.deny.0", "filesystem.read.1", "environment.pass.0", "environment.pass.1",
	}
	if diff := cmp.Diff(want, ids(third)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
