// Package landlock is nono's filesystem layer on Linux. Core has worked out what the agent is to
// see of the files ([places.View]); the layer turns that into two defences that hold independently
// of each other:
//
//   - the view: a mount namespace in which only what was granted exists. A place that shows the
//     host's own is a bind of it, what is denied is a mask, a private directory is a file system in
//     memory, and a single file that is written in one is a copy, which core brings back;
//   - Landlock rules on top of the view, which give each granted path its rights.
//
// On a host without user namespaces there is no view, and the rules are all that there is. They
// only ever give, and what one gives holds beneath its path. So core has worked out places that do
// the same (the additive form of package places), and each is a rule. A rule binds to the file that
// stands at its path when it is made, and not to the name: what takes that name later is not given.
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
//   - Without user namespaces, what nono itself protects inside a grant for writing; and nobody is
//     kept from a path's existence, nor from the target of a link.
//   - A grant without execution keeps programs from being started from there. It does not keep an
//     interpreter from reading them.
package landlock

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
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
		Settings: []sdk.Setting{
			{
				Name: homeSize, Type: sdk.SettingNumber, Default: usualHome,
				Help: "how much the private home may hold, in MiB: 3072 for 3 GiB",
			},
			{
				Name: tmpSize, Type: sdk.SettingNumber, Default: usualTmp,
				Help: "how much /tmp, and each other temporary directory, may hold, in MiB: 3072 for 3 GiB",
			},
		},
		Pure: true,
	}
}

// The settings. A directory holds as many files as there are 8 KiB in its size; nono-init sees to
// that.
const (
	homeSize = "private_size"
	tmpSize  = "tmp_size"

	usualHome = 512  // MiB: what tools keep between runs is on the disk, in nono's cache
	usualTmp  = 1024 // MiB: compilers and linkers work there
)

// Plan implements sdk.Layer.
func (l layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	switch additive := req.Places.Additive; {
	case req.Host.Tier == sdk.TierB && additive:
		return planAdditive(req)
	case req.Host.Tier != sdk.TierA || additive:
		return nil, fmt.Errorf("cannot hold the filesystem rules: the places are not those of a host "+
			"of tier %q", req.Host.Tier)
	}
	size, problems := readSizes(req.Settings)
	if len(problems) > 0 {
		return &sdk.PlanResponse{Diagnostics: problems}, nil
	}
	kernel := req.Host.LandlockABI > 0
	answer := &sdk.PlanResponse{
		Fragment: fragment.Fragment{Steps: mounts(req.Places, size)},
		Coverage: coverage(req.Places, kernel),
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

// sizes are how many bytes the session's own directories may hold.
type sizes struct{ home, tmp uint64 }

// of is what a private directory may hold.
func (s sizes) of(p places.Place) uint64 {
	if p.Report { // what is lost with it is told, so it is the home
		return s.home
	}
	return s.tmp
}

// readSizes reads the settings.
func readSizes(settings []byte) (sizes, []sdk.Diagnostic) {
	mib := struct {
		Home float64 `json:"private_size"`
		Tmp  float64 `json:"tmp_size"`
	}{usualHome, usualTmp}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &mib); err != nil {
			return sizes{}, []sdk.Diagnostic{{
				Severity: sdk.SeverityError, Summary: "cannot read the layer's settings: " + err.Error(),
			}}
		}
	}
	var problems []sdk.Diagnostic
	size := func(name string, n float64) uint64 {
		if n >= 1 && n < 1<<30 {
			return uint64(n * (1 << 20))
		}
		problems = append(problems, sdk.Diagnostic{
			Severity: sdk.SeverityError, Attribute: name,
			Summary: fmt.Sprintf("%s must be at least 1 MiB, and is %v", name, n),
			Detail:  "write it as a number of MiB: " + name + " = 4096",
		})
		return 0
	}
	return sizes{home: size(homeSize, mib.Home), tmp: size(tmpSize, mib.Tmp)}, problems
}

// Interface guard.
var _ sdk.Layer = layer{}
