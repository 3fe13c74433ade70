// Package landlock is nono's filesystem layer on Linux. It compiles the filesystem rules of a policy into two defences that hold
// independently of each other:
//
//   - the view: a mount namespace in which only what was granted exists. What is granted is bound at its own path, what is
//     denied inside a grant is masked, what is protected is bound read-only;
//   - Landlock rules on top of the view, which give each granted path its rights.
//
// The layer is ephemeral: it reads the host, answers with data, and is gone before the agent starts.
//
//	response, err := landlock.New().Plan(ctx, &sdk.PlanRequest{Host: host, Command: command, Policy: policy})
//
// # How the view is made
//
// Inside a mount namespace the deepest mount decides. So a view is a list of the places where something changes on the way down:
// a grant, a mask, a protection, a private directory. The layer walks these places, parents first, asks the policy's own decision
// ([policy.Decider.Path]) what each of them allows, and emits a mount where that differs from what the mount above shows already. A
// policy of a hundred rules that say the same about nested paths is one mount.
//
// A mount point cannot be renamed or removed, but its parent can, and then the path that a rule speaks of means something
// else. So each directory between a writable grant and a masked or protected path beneath it is pinned: bound onto itself. The price is
// that a rename or a hard link across a pinned directory fails with EXDEV, as between two file systems.
//
// # What it cannot hold
//
//   - A program outside that replaces a masked or read-only file by rename takes the mount with it, and the new file is bare. The
//     coverage of a rule about a single file says so. Directories are safe against that.
//   - A file that has several names is denied or protected by one of them only; a warning says so.
//   - A grant without execution keeps programs from being started from there. It does not keep an interpreter from reading them.
package landlock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer { return layer{tree: hostTree{}} }

type layer struct{ tree tree }

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
			Help: "how much the private home and each temporary directory may hold, in MiB (1024 if not set)",
		}},
		HostVariables: []string{variableHOME, variableTMPDIR},
	}
}

const (
	settingPrivateSize = "private_size"
	variableHOME       = "HOME"
	variableTMPDIR     = "TMPDIR"
)

// Plan implements sdk.Layer.
func (l layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if req.Host.Tier != sdk.TierA {
		return nil, errors.New("cannot hold the filesystem rules: this layer needs user namespaces, which the host does not give")
	}
	size, problem := privateSize(req.Settings)
	if problem != nil {
		return &sdk.PlanResponse{Diagnostics: []sdk.Diagnostic{*problem}}, nil
	}
	return compile(l.tree, request{
		policy:      &req.Policy,
		home:        req.Host.Home,
		dir:         req.Command.Dir,
		homeName:    req.HostVariables[variableHOME],
		tmpdir:      temporary(&req.Policy, req.HostVariables),
		privateSize: size,
		landlock:    req.Host.LandlockABI > 0,
	}), nil
}

// privateSize reads the one setting.
func privateSize(settings []byte) (uint64, *sdk.Diagnostic) {
	var s struct {
		PrivateSize *float64 `json:"private_size"`
	}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &s); err != nil {
			return 0, &sdk.Diagnostic{Severity: sdk.SeverityError, Attribute: settingPrivateSize, Summary: "cannot read the layer's settings: " + err.Error()}
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

// temporary is the value that the agent's TMPDIR will have, or nothing.
func temporary(p *policy.Policy, host map[string]string) string {
	decision := policy.NewDecider(p).Variable(variableTMPDIR)
	switch {
	case !decision.Allowed:
		return ""
	case decision.Rule.Action == policy.EnvSet:
		return decision.Rule.Value
	}
	return host[variableTMPDIR]
}

// Interface guard.
var _ sdk.Layer = layer{}
