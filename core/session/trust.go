package session

import (
	"encoding/hex"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// ofTrust is where the protections of verified files come from.
var ofTrust = policy.Source{
	Origin: policy.OriginCommand, Flag: "verified by the trust layer",
}

// takeTrust ends the start where the layer that looks at signatures refuses it: nothing else counts
// then, and no other layer is asked. What it verified stays what it is for as long as the session.
func (r *run) takeTrust(facts []fact.Fact, look hostfile.Look) error {
	for _, m := range r.members {
		if m.block.Kind != policy.KindTrust {
			continue
		}
		told := m.planShare(r.req.Config).Told(&r.policy)
		told = slices.DeleteFunc(told, func(p diag.Problem) bool { return p.Severity != diag.Error })
		if err := told.Err(); err != nil {
			return err
		}
	}
	return r.keepVerified(facts, look)
}

// keepVerified makes a protection of each verified file, as if a policy had one, and notes the
// content with which it is to be seen. What the user himself wants written is neither protected nor
// held, and that is told.
func (r *run) keepVerified(facts []fact.Fact, look hostfile.Look) error {
	var rules []policy.PathRule
	var files []plan.Verified
	known := map[string]bool{}
	for _, f := range facts {
		f, ok := f.(fact.VerifiedFile)
		if !ok {
			continue
		}
		way, err := hostfile.Follow(look, f.Path)
		if err != nil || way.Entry.Type != policy.Regular {
			return diag.Errorf("%s was verified, and is gone or no file any more",
				diag.Homely(f.Path, r.host.Home)).Try("start again when nobody changes it")
		}
		for _, link := range way.Links() {
			r.around.Links = append(r.around.Links, link.Path)
		}
		if known[way.Path] {
			continue
		}
		known[way.Path] = true
		if at, ok := r.req.Config.Lifts(way.Path); ok {
			r.problems = append(r.problems, diag.Warningf("%s was verified, and the agent may change it",
				diag.Homely(way.Path, r.host.Home)).At(at))
			continue
		}
		rule := policy.PathRule{
			Source: ofTrust, Access: policy.Protect, Path: way.Path, Type: policy.Regular,
		}
		if f.Path != way.Path {
			rule.Name = f.Path
		}
		rules = append(rules, rule)
		files = append(files, plan.Verified{Path: way.Path, SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	if len(rules) == 0 {
		return nil
	}
	r.policy = r.policy.With(rules, nil)
	for i, rule := range r.policy.Filesystem[len(r.policy.Filesystem)-len(rules):] {
		files[i].Rule = rule.ID
	}
	r.verified = files
	return r.boundRules()
}
