package layertest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

// described counts calls, over all layers.
var described atomic.Int32

// layer breaks one promise of the contract, or none.
type layer struct {
	breaks string
	calls  int
}

// Describe implements sdk.Layer.
func (l *layer) Describe() sdk.Description {
	d := sdk.Description{
		Name: "test/layer", Version: "1", Kind: policy.KindFilesystem, Lifetime: sdk.Resident,
		Settings: []sdk.Setting{{Name: "port", Type: sdk.SettingNumber, Help: "a port"}},
		Pure:     true,
	}
	switch l.breaks {
	case "describe":
		d.Version = fmt.Sprint(described.Add(1))
	case "settings":
		d.Settings[0].Name = "enabled"
	case "impure":
		d.Pure = false
	case "ephemeral":
		d.Lifetime = sdk.Ephemeral
	}
	return d
}

// Plan implements sdk.Layer.
func (l *layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	resp := &sdk.PlanResponse{}
	for _, r := range req.Policy.Filesystem {
		resp.Coverage = append(resp.Coverage, sdk.Coverage{Rule: r.ID, Held: sdk.Enforced})
	}
	switch l.breaks {
	case "empty":
		resp.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "there is nothing to do"}}
	case "coverage":
		resp.Coverage = []sdk.Coverage{{Rule: "network.allow.0", Held: sdk.Enforced}}
	case "secrets":
		resp.Secrets = map[string]sdk.Secret{"token": sdk.NewSecret([]byte("s3cret"))}
		resp.Fragment.Steps = []fragment.Step{fragment.Env{Name: "TOKEN", Value: fragment.Text("s3cret")}}
	case "reads":
		if req.Dir != "" {
			return resp, os.Mkdir(req.Dir, 0o700)
		}
	case "wavers":
		resp.Coverage = append(resp.Coverage, sdk.Coverage{Held: sdk.Partial, Rule: policy.RuleID(fmt.Sprint("filesystem.", described.Add(1)))})
	case "looks":
		_, _ = os.Lstat("/etc/passwd")
	case "looks beside": // in another goroutine
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			_, _ = os.ReadFile("/etc/passwd")
		}()
		<-looked
	case "asks":
		_, _ = req.Session.Ask(ctx, "may I?")
	case "port":
		resp.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityError, Attribute: "port", Summary: "it is not a port"}}
	}
	return resp, nil
}

// Start implements sdk.Starter.
func (l *layer) Start(context.Context, *sdk.StartRequest) (*sdk.StartResponse, error) {
	return &sdk.StartResponse{}, nil
}

// Finish implements sdk.Starter.
func (l *layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	if l.calls++; l.breaks == "twice" && l.calls > 1 {
		panic("finished twice")
	}
	return &sdk.FinishResponse{}, nil
}

func TestHonestLayer(t *testing.T) {
	layertest.Conformance(t, func() sdk.Layer { return &layer{} }, layertest.Options{})
}

// TestBroken is run by TestBrokenLayers, in a process of its own.
func TestBroken(t *testing.T) {
	breaks := os.Getenv("LAYERTEST_BREAKS")
	if breaks == "" {
		return
	}
	layertest.Conformance(t, func() sdk.Layer { return &layer{breaks: breaks} }, layertest.Options{})
}

// TestBrokenLayers: the suite finds each broken promise.
func TestBrokenLayers(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for breaks, promise := range map[string]string{
		"describe":     "Describe_gives_the_same_answer",
		"settings":     "Describe_gives_the_same_answer",
		"empty":        "an_empty_policy",
		"coverage":     "coverage_is_about",
		"secrets":      "what_a_fragment_calls_a_secret",
		"reads":        "Plan_only_reads",
		"asks":         "Plan_only_reads",
		"impure":       "gives_one_answer_to_one_request",
		"wavers":       "gives_one_answer_to_one_request",
		"looks":        "SIGSYS",
		"looks beside": "SIGSYS",
		"ephemeral":    "an_ephemeral_layer",
		"twice":        "finished twice",
	} {
		c := exec.Command(exe, "-test.run=^TestBroken$")
		c.Env = append(os.Environ(), "LAYERTEST_BREAKS="+breaks, "TMPDIR="+t.TempDir())
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), promise) {
			t.Errorf("%s: %v, and not %q:\n%s", breaks, err, promise, out)
		}
	}
}

func TestFromHCL(t *testing.T) {
	for _, c := range []struct{ breaks, text, want string }{
		{"", "port = 80", ""},
		{"", "prot = 80", "layer.hcl:1:1: "},
		{"", "port = \"x\"", "layer.hcl:1:8: "},
		{"port", "\nport = 80", "layer.hcl:2:8: it is not a port"},
	} {
		_, shown := layertest.New(t, &layer{breaks: c.breaks}).FromHCL(c.text, layertest.Request(nil))
		if got := strings.Join(shown, "\n"); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// Interface guard.
var _ sdk.Starter = (*layer)(nil)
