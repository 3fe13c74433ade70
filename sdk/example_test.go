package sdk_test

import (
	"context"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// motd is a whole layer: it gives the agent a variable.
type motd struct{}

// Describe implements sdk.Layer.
func (motd) Describe() sdk.Description {
	return sdk.Description{
		Name: "acme/motd", Version: "1.0.0", Kind: policy.KindCustom, Lifetime: sdk.Ephemeral,
		Settings: []sdk.Setting{
			{Name: "text", Type: sdk.SettingString, Required: true, Help: "what to say"},
		},
	}
}

// Plan implements sdk.Layer.
func (motd) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	var settings struct{ Text string }
	if err := req.Settings.Decode(&settings); err != nil {
		return nil, err
	}
	return &sdk.PlanResponse{Fragment: fragment.Fragment{Steps: []fragment.Step{
		fragment.Env{Name: "MOTD", Value: fragment.Text(settings.Text)},
	}}}, nil
}

// The smallest layer. This is its main.
func Example() {
	sdk.Main(motd{})
}
