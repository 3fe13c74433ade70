package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// A policy beyond the limits is refused by core, at the first line that is too much, and no layer
// is blamed.
func TestTooManyRules(t *testing.T) {
	r := &run{}
	for i := range plan.MaxRules {
		r.policy.Filesystem = append(r.policy.Filesystem, policy.PathRule{
			Access: policy.Deny, Path: fmt.Sprint("/", i), Type: policy.Missing, Source: policy.Source{Line: i + 1},
		})
	}
	if err := r.boundRules(); err != nil {
		t.Fatal(err)
	}
	last := policy.PathRule{Access: policy.Deny, Path: "/last", Type: policy.Missing, Source: policy.Source{Line: 9000}}
	r.policy.Filesystem = append(r.policy.Filesystem, last)
	var problem diag.Problem
	if err := r.boundRules(); !errors.As(err, &problem) || problem.Source.Line != 9000 || problem.Detail == "" {
		t.Errorf("one rule too many: %v", err)
	}
}

func TestTooManyMounts(t *testing.T) {
	view := places.View{Links: make([]places.Link, 1), Places: make([]places.Place, plan.MaxMounts-1)}
	// Most have no rule, one has line 3, and two, of two rules, have line 7.
	for i, id := range []policy.RuleID{"a", "b", "c"} {
		view.Places[i].Rule = id
	}
	lines := map[policy.RuleID]policy.Source{"a": {Line: 3}, "b": {Line: 7}, "c": {Line: 7}}
	if err := boundPlaces(view, lines); err != nil {
		t.Fatal(err)
	}
	view.Places = append(view.Places, places.Place{})
	var problem diag.Problem
	err := boundPlaces(view, lines)
	if !errors.As(err, &problem) || !strings.Contains(err.Error(), "mounts, and at most") ||
		problem.Source.Line != 7 {
		t.Errorf("one mount too many: %+v", err)
	}
}
