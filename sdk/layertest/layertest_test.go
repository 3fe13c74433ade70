package layertest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/places"
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
	if req.Places.Additive && l.breaks != "gives less" {
		resp.Fragment.Steps = given(req.Places.Places)
	}
	switch l.breaks {
	case "gives more":
		resp.Fragment.Steps = append(resp.Fragment.Steps, fragment.Landlock{
			Path: req.Host.Home, Rights: []fragment.Right{fragment.RightList},
		})
	case "empty":
		resp.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "there is nothing to do"}}
	case "forgets":
		resp.Coverage = resp.Coverage[:max(0, len(resp.Coverage)-1)]
	case "coverage":
		resp.Coverage = []sdk.Coverage{{Rule: "network.allow.0", Held: sdk.Enforced}}
	case "secrets":
		resp.Secrets = map[string]sdk.Secret{"token": sdk.NewSecret([]byte("s3cret"))}
		resp.Fragment.Steps = []fragment.Step{fragment.Env{Name: "TOKEN", Value: fragment.Text("s3cret")}}
	case "unused":
		resp.Secrets = map[string]sdk.Secret{"token": sdk.NewSecret([]byte("s3cret"))}
	case "writes":
		return resp, os.WriteFile(req.Host.Home+"/notes", []byte("mine"), 0o600)
	case "makes":
		return resp, os.MkdirAll(req.Dir+"/more", 0o700)
	case "wavers":
		resp.Coverage = append(resp.Coverage, sdk.Coverage{Held: sdk.Partial, Rule: policy.RuleID(fmt.Sprint("filesystem.", described.Add(1)))})
	case "reads":
		content, _ := os.ReadFile(req.Host.Home + "/notes")
		resp.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Summary: "notes: " + string(content)}}
	case "unserved":
		resp.Fragment.Steps = []fragment.Step{fragment.Listener{Name: "proxy", Network: fragment.TCP}}
	case "unserved udp":
		resp.Fragment.Steps = []fragment.Step{fragment.Listener{Name: "dns", Network: fragment.UDP}}
	case "state":
		resp.Secrets = map[string]sdk.Secret{"token": sdk.NewSecret([]byte("s3cret"))}
		resp.Fragment.Steps = []fragment.Step{fragment.Env{Name: "TOKEN", Value: fragment.Value{fragment.SecretValue("token")}}}
	case "says":
		resp.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Attribute: "prot", Summary: "odd"}}
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

// given are places as Landlock's rules.
func given(all []places.Place) []fragment.Step {
	var steps []fragment.Step
	for _, p := range all {
		step := fragment.Landlock{For: p.Rule, Path: p.Path}
		for right, has := range map[fragment.Right]bool{
			fragment.RightList: p.List, fragment.RightRead: p.Rights.Read,
			fragment.RightWrite: p.Rights.Write, fragment.RightExecute: p.Rights.Execute,
		} {
			if has {
				step.Rights = append(step.Rights, right)
			}
		}
		slices.Sort(step.Rights)
		steps = append(steps, step)
	}
	return steps
}

// Start implements sdk.Starter.
func (l *layer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	if l.breaks == "state" {
		return &sdk.StartResponse{State: req.Secrets["token"].Reveal()}, nil
	}
	return &sdk.StartResponse{State: []byte("started")}, nil
}

// Finish implements sdk.Starter.
func (l *layer) Finish(_ context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	if l.breaks == "stateless" && req.State == nil {
		return nil, errors.New("there is no state")
	}
	if l.breaks == "stateful" && req.State != nil {
		return nil, errors.New("there is state")
	}
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
		"coverage":     "coverage_answers_for",
		"forgets":      "coverage_answers_for",
		"gives more":   "a_filesystem_layer_answers_for_a_host",
		"gives less":   "a_filesystem_layer_answers_for_a_host",
		"says":         "diagnostics_name",
		"secrets":      "no_secret_stands_in_clear",
		"unused":       "no_secret_stands_in_clear",
		"writes":       "Plan_only_reads",
		"makes":        "Plan_only_reads",
		"asks":         "Plan_only_reads",
		"wavers":       "one_request_has_one_answer",
		"impure":       "a_layer_that_says_it_is_pure_looks_at_nothing",
		"reads":        "a_layer_that_says_it_is_pure_looks_at_nothing",
		"looks":        "SIGSYS",
		"looks beside": "SIGSYS",
		"ephemeral":    "an_ephemeral_layer",
		"unserved":     "each_listener_is_served",
		"unserved udp": "each_listener_is_served",
		"state":        "with_the_state_that_Start_returned",
		"stateful":     "with_the_state_that_Start_returned",
		"stateless":    "Finish_works_after_a_Start_that_was_cut_off",
		"twice":        "finished twice",
	} {
		t.Run(breaks, func(t *testing.T) {
			t.Parallel()
			c := exec.Command(exe, "-test.run=^TestBroken$")
			c.Env = append(os.Environ(), "LAYERTEST_BREAKS="+breaks, "TMPDIR="+t.TempDir())
			out, err := c.CombinedOutput()
			if err == nil || !strings.Contains(string(out), promise) {
				t.Errorf("%v, and not %q:\n%s", err, promise, out)
			}
		})
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
