package session

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/namewatch"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// ofTrust is where the protections of verified files come from.
var ofTrust = policy.Source{
	Origin: policy.OriginCommand, Flag: "verified by the trust layer",
}

// verification is what the agent is to see as it was verified.
type verification struct {
	verified []plan.Verified
	leading  []namewatch.Name // the names that lead to it
	steady   *namewatch.Watch // notices when they lead elsewhere
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
			r.nameVerified(link.Path)
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
		r.nameVerified(way.Path)
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

// nameVerified has a name watched that leads to a verified file, as far as it is the host's own
// directories by which it is found. In those that nono makes nobody outside can rename anything.
func (r *run) nameVerified(path string) {
	shown := ""
	if r.policy.IsDisabled(policy.KindFilesystem) {
		shown = "/"
	}
	for _, rule := range r.policy.Filesystem {
		beneath := rule.Path != path && policy.Within(path, rule.Path)
		if rule.Access.Grants() && beneath && (shown == "" || len(rule.Path) < len(shown)) {
			shown = rule.Path
		}
	}
	if shown == "" && r.walled() {
		shown = filepath.Dir(path) // the name of a file that is granted alone leads to the host's too
	}
	if shown != "" {
		// Where no mount can hold what was verified, the first change of it is noticed as well.
		watched := namewatch.Name{Path: path, Beneath: shown, Content: r.walled()}
		r.leading = append(r.leading, watched)
	}
}

// watchVerified notices from here on when somebody outside puts another file in the place of a
// verified one. It begins before nono-init holds the files to what was verified, which it does as
// soon as it has the mounts.
func (r *run) watchVerified() (err error) {
	r.steady, err = namewatch.Begin(r.leading)
	return err
}

// recheck holds the verified files to what was verified once more, right before the agent may read
// them. In tier A nono-init has copied them; in tier B the agent reads the files themselves.
func (r *run) recheck() error {
	if !r.walled() {
		return nil
	}
	for _, v := range r.verified {
		digest := sha256.New()
		f, err := hostfile.Open(v.Path)
		if err == nil {
			_, err = io.Copy(digest, io.LimitReader(f, mostVerified))
			err = errors.Join(err, f.Close())
		}
		if err != nil || hex.EncodeToString(digest.Sum(nil)) != v.SHA256 {
			return diag.Errorf("%s was changed since it was verified",
				diag.Homely(v.Path, r.host.Home)).Try("start again when nobody changes it")
		}
	}
	return nil
}

// mostVerified is more than a file of instructions ever has; of a larger one the digest is another.
const mostVerified = 1 << 30

// replaced is the reason to end where that has happened. A mount goes with the file that it is
// over, so from then on the agent reads what nobody has verified.
func (r *run) replaced() error {
	path, changed := r.steady.Changed()
	if !changed {
		return nil
	}
	what := "a verified file"
	if path != "" {
		what = diag.Homely(path, r.host.Home)
	}
	what += " was replaced"
	by := "from outside"
	if r.walled() {
		by = "or changed, from outside or by the agent" // which nothing keeps from it there
	}
	return diag.Errorf("%s %s, so the agent would read what was not verified",
		what, by).Try("start again; where what is there now is right, sign it first (nono trust sign)")
}
