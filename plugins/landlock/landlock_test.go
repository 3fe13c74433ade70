package landlock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

func TestContract(t *testing.T) {
	layertest.Conformance(t, New, layertest.Options{})
}

// One plan over the real tree and the real contract: the table tests play the tree.
func TestPlan(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(home, "proj")
	if err := os.Mkdir(project, 0o700); err != nil {
		t.Fatal(err)
	}
	req := &sdk.PlanRequest{Run: sdk.Run{
		Host:    sdk.Host{Tier: sdk.TierA, LandlockABI: 7, Home: home},
		Command: sdk.Command{Dir: project},
		Policy: policy.Policy{Filesystem: []policy.PathRule{{
			ID: "filesystem.allow.0", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"},
			Access: policy.Allow, Path: project, Type: policy.Directory,
		}}},
	}}
	response := layertest.New(t, New()).Plan(req)
	found := false
	for _, s := range response.Fragment.Steps {
		if b, ok := s.(fragment.Bind); ok && b.Path == project {
			found = b.Writable && b.Inode != 0
		}
	}
	if !found {
		t.Errorf("no writable bind of %s: %v", project, response.Fragment.Steps)
	}

	req.Host.Tier = sdk.TierB
	if _, err := layertest.New(t, New()).Host.Plan(t.Context(), req); err == nil || !strings.Contains(err.Error(), "user namespaces") {
		t.Errorf("without user namespaces: %v, want a refusal that names them", err)
	}
}

func TestPrivateSize(t *testing.T) {
	tests := []struct {
		settings string
		want     uint64
		problem  string
	}{
		{``, 1 << 30, ""},
		{`{}`, 1 << 30, ""},
		{`{"private_size": 64}`, 64 << 20, ""},
		{`{"private_size": 1.5}`, 3 << 19, ""},
		{`{"private_size": 0}`, 0, "at least 1 MiB"},
		{`{"private_size": -1}`, 0, "at least 1 MiB"},
		{`{"private_size": 1e300}`, 0, "at least 1 MiB"},
		{`{"private_size": "big"}`, 0, "cannot read"},
	}
	for _, test := range tests {
		got, problem := privateSize([]byte(test.settings))
		switch {
		case test.problem == "" && (problem != nil || got != test.want):
			t.Errorf("%s: %d, %+v; want %d", test.settings, got, problem, test.want)
		case test.problem != "" && (problem == nil || problem.Severity != sdk.SeverityError || !strings.Contains(problem.Summary, test.problem)):
			t.Errorf("%s: %+v, want an error with %q", test.settings, problem, test.problem)
		}
	}
}

// TMPDIR is what the agent will see, not what the user has.
func TestTemporary(t *testing.T) {
	host := map[string]string{"TMPDIR": "/run/user/1/tmp"}
	pass := policy.EnvRule{Action: policy.EnvPass, Name: "TMPDIR", Source: policy.Source{Origin: policy.OriginDefault}}
	set := policy.EnvRule{Action: policy.EnvSet, Name: "TMPDIR", Value: "/scratch", Source: policy.Source{Origin: policy.OriginFile}}
	tests := []struct {
		rules []policy.EnvRule
		want  string
	}{
		{nil, ""},
		{[]policy.EnvRule{pass}, "/run/user/1/tmp"},
		{[]policy.EnvRule{pass, set}, "/scratch"},
	}
	for _, test := range tests {
		if got := temporary(&policy.Policy{Environment: test.rules}, host); got != test.want {
			t.Errorf("%v: %q, want %q", test.rules, got, test.want)
		}
	}
}
