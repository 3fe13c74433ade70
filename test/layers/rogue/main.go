// Command nono-layer-rogue is a third filesystem layer for the tests, "test/rogue": landlock's own
// answers, from a process that fails when it is told to. The product has no code that fails for a
// test, and yet every way in which an ephemeral layer can fail has to be shown.
//
//	layer "filesystem" {
//	  plugin    = "test/rogue"
//	  misbehave = "hang-plan"
//	}
//
// It can also give an answer that breaks the contract: see wishes.
//
// Told LAYER_EARLY=linger it does not end when core is done with it, as a layer that hangs in its
// last moment would not.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/nono-run/nono/plugins/landlock"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/test/layers/misbehave"
)

func main() {
	misbehave.At("begin", misbehave.Early())
	if misbehave.Early() == "linger" {
		if err := linger(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	sdk.Main(layer{landlock.New()})
}

type layer struct{ sdk.Layer }

// Describe implements sdk.Layer.
func (l layer) Describe() sdk.Description {
	misbehave.At("describe", misbehave.Early())
	d := l.Layer.Describe()
	d.Name = "test/rogue"
	if misbehave.Early() == "waver" {
		d.Version += "+" + rand.Text()
	}
	d.Settings = append(d.Settings, sdk.Setting{
		Name: "misbehave", Type: sdk.SettingString, Help: "how it fails, for tests",
		OneOf: append(misbehave.All("plan"), slices.Sorted(maps.Keys(wishes))...),
	})
	return d
}

// Plan implements sdk.Layer.
func (l layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	var settings struct {
		Misbehave string `json:"misbehave"`
	}
	if len(req.Settings) > 0 {
		if err := json.Unmarshal(req.Settings, &settings); err != nil {
			return nil, fmt.Errorf("reading the settings: %w", err)
		}
	}
	misbehave.At("plan", settings.Misbehave)
	resp, err := l.Layer.Plan(ctx, req)
	if wish := wishes[settings.Misbehave]; err == nil && wish != nil {
		err = wish(req, resp)
	}
	return resp, err
}

// Interface guard.
var _ sdk.Layer = layer{}
