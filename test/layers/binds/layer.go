package main

import (
	"context"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "test/binds", Version: "1.0.0", Kind: policy.KindFilesystem, Lifetime: sdk.Ephemeral,
		Pure: true,
	}
}

// Plan implements sdk.Layer. A mount holds or nono-init refuses, so each rule is held, but for what
// core puts into every session.
func (layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	var response sdk.PlanResponse
	for _, p := range req.Places.Places {
		response.Fragment.Steps = append(response.Fragment.Steps, mount(p))
	}
	for _, l := range req.Places.Links {
		response.Fragment.Steps = append(response.Fragment.Steps,
			fragment.Link{For: l.Rule, Path: l.Path, Target: l.Target})
	}
	for _, r := range req.Places.Rules {
		held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "mounts"}
		if r.Is == places.Kept {
			why := "every session has its own " + r.Path
			held = sdk.Coverage{Rule: r.ID, Held: sdk.Unavailable, Why: why}
		}
		response.Coverage = append(response.Coverage, held)
	}
	return &response, nil
}

func mount(p places.Place) fragment.Mount {
	switch p.Shows {
	case places.Host:
		return fragment.Bind{
			For: p.Rule, Path: p.Path, Writable: p.Rights.Write, NoExec: !p.Rights.Execute,
			Devices: p.Devices, Device: p.Device, Inode: p.Inode,
		}
	case places.Private:
		return fragment.Tmpfs{For: p.Rule, Path: p.Path, Size: 1 << 30, Mode: p.Mode, Report: p.Report}
	case places.Empty:
		return fragment.Tmpfs{For: p.Rule, Path: p.Path, Size: 4096, Mode: 0o555}
	case places.Hidden:
	}
	return fragment.Mask{
		For: p.Rule, Path: p.Path, Directory: p.Type == policy.Directory, Readable: p.Readable,
	}
}

// Interface guard.
var _ sdk.Layer = layer{}
