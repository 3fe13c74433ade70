// Command nono-layer-idle is a layer that stays as long as the agent does, and does nothing: what a
// run costs with it and without is what nono itself costs for each layer that stays.
package main

import (
	"context"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

func main() { sdk.Main(layer{}) }

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "bench/idle", Version: "1.0.0", Kind: policy.KindCustom, Lifetime: sdk.Resident,
	}
}

// Plan implements sdk.Layer.
func (layer) Plan(context.Context, *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	return &sdk.PlanResponse{}, nil
}

// Start implements sdk.Starter.
func (layer) Start(context.Context, *sdk.StartRequest) (*sdk.StartResponse, error) {
	return &sdk.StartResponse{}, nil
}

// Finish implements sdk.Starter.
func (layer) Finish(context.Context, *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	return &sdk.FinishResponse{}, nil
}
