package landlock

import (
	"errors"
	"fmt"
	"path"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// The versions of Landlock from which on something is held that none before it holds.
const (
	abiRefer    = 2 // moving a file from one directory to another can be allowed
	abiTruncate = 3 // truncating a file is writing it
)

// planAdditive is the answer on a host without user namespaces: Landlock rules and nothing else.
// Core has worked out the places in the form in which they only ever add, as the rules do.
func planAdditive(req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if req.Host.LandlockABI < 1 {
		return nil, errors.New("cannot hold the filesystem rules: " +
			"this host has neither user namespaces nor Landlock")
	}
	size, problems := readSizes(req.Settings)
	if len(problems) > 0 {
		return &sdk.PlanResponse{Diagnostics: problems}, nil
	}
	return &sdk.PlanResponse{
		Fragment: fragment.Fragment{Steps: additiveRules(req.Places.Places)},
		Coverage: additiveCoverage(
			req.Places.Rules, req.Host.LandlockABI, req.Policy.Filesystem,
		),
		Diagnostics: size.unheld(),
	}, nil
}

// unheld tells of sizes that the user has set and that bound nothing, because the session has no
// directories in memory.
func (s sizes) unheld() []sdk.Diagnostic {
	var told []sdk.Diagnostic
	tell := func(name, why string) {
		told = append(told, sdk.Diagnostic{
			Severity: sdk.SeverityWarning, Attribute: name, Summary: name + " bounds nothing here: " + why,
		})
	}
	if s.home != usualHome<<20 {
		tell(homeSize, "without user namespaces there is no private home")
	}
	if s.tmp != usualTmp<<20 {
		tell(tmpSize, "without user namespaces the temporary directory is on the disk")
	}
	return told
}

// additiveRules are a rule for each place that gives more than those above it.
func additiveRules(all []places.Place) []fragment.Step {
	given := map[string]rights{"/": 0}
	var steps []fragment.Step
	for _, p := range all { // parents first
		gives, above := rightsOf(p), above(given, p.Path)
		if gives&^above == 0 {
			continue
		}
		given[p.Path] = above | gives
		steps = append(steps, fragment.Landlock{
			For: p.Rule, Path: p.Path, Rights: gives.names(), Device: p.Device, Inode: p.Inode,
		})
	}
	return steps
}

// additiveCoverage says by what each rule is held.
func additiveCoverage(rules []places.Rule, abi int, of []policy.PathRule) []sdk.Coverage {
	sockets := map[policy.RuleID]bool{}
	for _, r := range of {
		sockets[r.ID] = r.Access == policy.Unix
	}
	all := make([]sdk.Coverage, len(rules))
	for i, r := range rules {
		all[i] = coverAdditive(r, abi)
		if r.Is == places.Shown && sockets[r.ID] {
			all[i].By = "core connects to it"
		}
	}
	return all
}

func coverAdditive(r places.Rule, abi int) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced}
	unwritten := "Landlock gives no writing there"
	if abi < abiTruncate {
		unwritten = "Landlock and the system-call filter give no writing there"
	}
	switch r.Is {
	case places.Shown:
		return coverGrant(r, abi)
	case places.Overruled:
		held.By = "denied, and not granted"
	case places.Spared:
		held.By = "Landlock: what lies beside it is granted by name"
	case places.ReadOnly:
		held.By = unwritten
	case places.Unseen:
		held.By = "not granted"
	case places.Absent:
		held.By = "nothing is there"
	case places.Own:
		held.By = "the session's own"
	case places.Kept:
		return sdk.Coverage{
			Rule: r.ID, Held: sdk.Unavailable,
			Why: "every session has " + r.Path + ", which this layer cannot take away",
		}
	case places.Aside:
		return sdk.Coverage{
			Rule: r.ID, Held: sdk.Partial, By: "kept aside, and told at the end",
			Why: "without user namespaces nothing in a grant for writing can be protected " +
				"and files still be made beside it",
		}
	case places.Masked, places.Stub, places.Unknown:
		return unknown(r)
	default:
		return unknown(r)
	}
	return held
}

// coverGrant says what gives a granted path, and what is missing of it.
func coverGrant(r places.Rule, abi int) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "Landlock"}
	switch {
	case r.Opened != "" && r.Rights.Write:
		held.Held = sdk.Partial
		held.Why = fmt.Sprintf("nothing can be made, renamed or removed in %s, because of %s",
			between(r), r.Opened)
	case r.Opened != "" && r.Unlisted:
		held.Why = fmt.Sprintf("%s cannot be listed, because of %s; what is made there meanwhile "+
			"is not granted", between(r), r.Opened)
	case r.Opened != "":
		held.Why = fmt.Sprintf("what is made in %s meanwhile is not granted, because of %s",
			between(r), r.Opened)
	case r.Rights.Write && abi < abiRefer:
		held.Why = "this kernel's Landlock lets no file be moved from one directory to another"
	case !r.Rights.Write && abi < abiTruncate:
		held.By = "Landlock, and the system-call filter against truncating"
	}
	return held
}

// between are the directories from the grant to what is not given in it.
func between(r places.Rule) string {
	last := path.Dir(r.Opened)
	if last == r.Path {
		return r.Path
	}
	return r.Path + " and down to " + last
}
