package wire_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/wire"
)

func TestFeaturesAreFieldsAndValues(t *testing.T) {
	all := wire.Features()
	for _, want := range []string{
		"Step.bind", "Bind.no_exec", "Right.RIGHT_READ", "Proxy.listener", "Setting.type", "Question.hidden",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, f := range all {
		if strings.HasPrefix(f, "PlanRequest.") || strings.HasPrefix(f, "Policy.") {
			t.Errorf("%s is no layer's to say", f)
		}
	}
}

func TestFit(t *testing.T) {
	plan := func() *layerpb.PlanResponse {
		return &layerpb.PlanResponse{
			Steps: []*layerpb.Step{
				{Step: &layerpb.Step_Bind{Bind: &layerpb.Bind{Path: []byte("/a"), NoExec: true}}},
				{Step: &layerpb.Step_Landlock{Landlock: &layerpb.Landlock{
					Path: []byte("/a"), Rights: []layerpb.Right{layerpb.Right_RIGHT_READ, layerpb.Right_RIGHT_LIST},
				}}},
			},
			Coverage: []*layerpb.Coverage{{Rule: "r", Held: layerpb.Held_HELD_ENFORCED, By: "words"}},
			Secrets:  map[string][]byte{"a": []byte("b")},
		}
	}
	for unknown, want := range map[string]string{
		"":                 "",
		"Link.target":      "", // not used
		"Step.bind":        "Step.bind",
		"Bind.no_exec":     "Bind.no_exec",
		"Right.RIGHT_LIST": "Right.RIGHT_LIST",
	} {
		m := plan()
		err := wire.Fit(m, func(f string) bool { return f != unknown })
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("without %s: %v", unknown, err)
		case want == "" && (err != nil || !proto.Equal(m, plan())):
			t.Errorf("without %q: %v, %v", unknown, m, err)
		}
	}
	m := plan()
	if err := wire.Fit(m, func(f string) bool { return f != "Coverage.by" }); err != nil {
		t.Error(err)
	}
	if m.GetCoverage()[0].GetBy() != "" || m.GetCoverage()[0].GetRule() != "r" {
		t.Errorf("what core can do without is there, or more is gone: %v", m)
	}
}
