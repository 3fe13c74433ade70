// Package landlock is nono's filesystem layer on Linux. Core has worked out what the agent is to
// see of the files ([places.View]); the layer turns that into two defences that hold independently
// of each other:
//
//   - the view: a mount namespace in which only what was granted exists. A place that shows the
//     host's own is a bind of it, what is denied is a mask, a private directory is a file system in
//     memory;
//   - Landlock rules on top of the view, which give each granted path its rights.
//
// The layer is ephemeral and pure: it answers with data that follow from its request alone, and is
// gone before the agent starts.
//
//	request := &sdk.PlanRequest{Host: host, Policy: policy, Places: view}
//	response, err := landlock.New().Plan(ctx, request)
//
// # How mounts hold it
//
// Inside a mount namespace the deepest mount decides, just as the deepest place does, so each place
// is one mount. A mount point cannot be renamed or removed. Its parent can, and then the path that
// a rule speaks of means something else; so a directory that places call a pin is bound onto
// itself. The price is that a rename or a hard link across such a directory fails with EXDEV, as
// between two file systems.
//
// # What it cannot hold
//
//   - A program outside that replaces a masked or read-only file by rename takes the mount with it,
//     and the new file is bare. The coverage of a rule about a single file says so. Directories are
//     safe against that.
//   - A file that has several names is denied or protected by one of them only. Core warns of that.
//   - A grant without execution keeps programs from being started from there. It does not keep an
//     interpreter from reading them.
package landlock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer { return layer{} }

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name:     "landlock",
		Version:  "1.0.0",
		Kind:     policy.KindFilesystem,
		Lifetime: sdk.Ephemeral,
		Settings: []sdk.Setting{{
			Name: settingPrivateSize,
			Type: sdk.SettingNumber,
			Help: "how much the private home and each temporary directory may hold, in MiB " +
				"(1024 if not set)",
		}},
		Pure: true,
	}
}

const settingPrivateSize = "private_size"

// Plan implements sdk.Layer.
func (l layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if req.Host.Tier != sdk.TierA {
		return nil, errors.New("cannot hold the filesystem rules: " +
			"this layer needs user namespaces, which the host does not give")
	}
	size, problem := privateSize(req.Settings)
	if problem != nil {
		return &sdk.PlanResponse{Diagnostics: []sdk.Diagnostic{*problem}}, nil
	}
	kernel := req.Host.LandlockABI > 0
	answer := &sdk.PlanResponse{
		Fragment: fragment.Fragment{Steps: mounts(req.Places, size)},
		Coverage: coverage(req.Places.Rules, kernel),
	}
	if kernel {
		answer.Fragment.Steps = append(answer.Fragment.Steps, rules(req.Places.Places)...)
	} else if len(req.Places.Rules) > 0 {
		answer.Diagnostics = []sdk.Diagnostic{{
			Severity: sdk.SeverityWarning,
			Summary:  "this kernel has no Landlock: the mount view alone holds the filesystem rules",
		}}
	}
	return answer, nil
}

// privateSize reads the one setting.
func privateSize(settings []byte) (uint64, *sdk.Diagnostic) {
	var s struct {
		PrivateSize *float64 `json:"private_size"`
	}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &s); err != nil {
			return 0, &sdk.Diagnostic{
				Severity: sdk.SeverityError, Attribute: settingPrivateSize,
				Summary: "cannot read the layer's settings: " + err.Error(),
			}
		}
	}
	if s.PrivateSize == nil {
		return 1024 << 20, nil
	}
	if mib := *s.PrivateSize; mib >= 1 && mib < 1<<30 {
		return uint64(mib * (1 << 20)), nil
	}
	return 0, &sdk.Diagnostic{
		Severity: sdk.SeverityError, Attribute: settingPrivateSize,
		Summary: fmt.Sprintf("%s must be at least 1 MiB, and is %v", settingPrivateSize, *s.PrivateSize),
		Detail:  "write it as a number of MiB: " + settingPrivateSize + " = 4096",
	}
}

// Interface guard.
var _ sdk.Layer = layer{}
