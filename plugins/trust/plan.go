package trust

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/policy"
)

// plan verifies what a run would go by, and answers with what it has verified.
func plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	a, err := open(ctx, &req.Policy.Trust, req.ConfigDir, req.StateDir,
		keys.Options{UID: req.Host.UID})
	var damaged *memory.DamagedError
	switch {
	case errors.As(err, &damaged):
		return refused(sdk.Diagnostic{Summary: damaged.Error(), Detail: damaged.Try()}), nil
	case err != nil:
		return nil, err
	}
	a.dir, a.home = req.Command.Dir, req.Host.Home
	s, err := a.look(ctx, request{
		Request: scope.Request{
			Dir: a.dir, Home: a.home, Patterns: patternsOf(&req.Policy.Trust),
			Remembered: inSight(a.memory.All(), req),
		},
		documents: req.Documents,
	})
	if err != nil {
		return nil, err
	}
	answer := &sdk.PlanResponse{Coverage: coverage(&req.Policy.Trust), Diagnostics: s.diagnostics()}
	if hasErrors(answer.Diagnostics) {
		return answer, nil
	}
	s.tell(answer)
	if !req.DryRun {
		err = s.remember(ctx, req.StateDir)
	}
	return answer, err
}

func refused(d sdk.Diagnostic) *sdk.PlanResponse {
	d.Severity = sdk.SeverityError
	return &sdk.PlanResponse{Diagnostics: []sdk.Diagnostic{d}}
}

func hasErrors(all []sdk.Diagnostic) bool {
	return slices.ContainsFunc(all,
		func(d sdk.Diagnostic) bool { return d.Severity == sdk.SeverityError })
}

func patternsOf(t *policy.Trust) []scope.Pattern {
	all := make([]scope.Pattern, 0, len(t.Files))
	for _, f := range t.Files {
		all = append(all, scope.Pattern{Rule: f.ID, Text: f.Pattern})
	}
	return all
}

// inSight are the remembered files that the agent may see: those in the current directory and
// beneath it, in the directories above it, and beneath what is granted. The policy's patterns find
// others themselves.
func inSight(all []memory.Entry, req *sdk.PlanRequest) []string {
	above := map[string]bool{} // directories of which the files in them are seen
	for dir := req.Command.Dir; ; dir = path.Dir(dir) {
		above[dir] = true
		if dir == "/" {
			break
		}
	}
	beneath := map[string]bool{req.Command.Dir: true}
	for i := range req.Policy.Filesystem {
		if r := &req.Policy.Filesystem[i]; r.Access.Grants() {
			beneath[r.Path] = true
		}
	}
	if req.Policy.IsDisabled(policy.KindFilesystem) {
		beneath["/"] = true
	}
	var seen []string
	for i := range all {
		name := all[i].Path
		in := above[path.Dir(name)]
		for at := name; !in; at = path.Dir(at) {
			in = beneath[at]
			if at == "/" {
				break
			}
		}
		if in {
			seen = append(seen, name)
		}
	}
	return seen
}

// coverage says that every rule is held: what is refused for one is an error besides.
func coverage(t *policy.Trust) []sdk.Coverage {
	var all []sdk.Coverage
	held := func(id policy.RuleID, by string) {
		all = append(all, sdk.Coverage{Rule: id, Held: sdk.Enforced, By: by})
	}
	const verified = "verified before the start"
	for _, f := range t.Files {
		held(f.ID, verified)
	}
	if u := t.Unsigned; u != nil {
		held(u.ID, verified)
	}
	for _, s := range t.Signers {
		held(s.ID, "no other signature counts")
	}
	for _, r := range t.Revoked {
		held(r.ID, "it does not count")
	}
	for _, r := range t.Roots {
		held(r.ID, "certificates are checked against it")
	}
	return all
}

// mostTold is how many files are told of, each of what refuses the run and of what is warned of.
const mostTold = 20

// diagnostics are what refuses the run and what is warned of, each root cause once.
func (s *survey) diagnostics() []sdk.Diagnostic {
	var all []sdk.Diagnostic
	if p := s.unfinished; p != nil {
		all = append(all, sdk.Diagnostic{
			Severity: sdk.SeverityError, Rule: p.Rule,
			Summary: fmt.Sprintf("the pattern %q means more files than can be looked through",
				policy.Printable(p.Text)),
			Detail: "begin it with the directory that is meant",
		})
	}
	verdicts := s.verdicts()
	for _, of := range []struct {
		status   check.Status
		severity sdk.Severity
		more     string
	}{
		{check.Refused, sdk.SeverityError, "are refused"},
		{check.Warned, sdk.SeverityWarning, "are not signed either"},
	} {
		told, more := 0, 0
		for i := range verdicts {
			switch v := &verdicts[i]; {
			case v.Status != of.status || v.Says == "":
			case told == mostTold:
				more++
			default:
				told++
				all = append(all, sdk.Diagnostic{
					Severity: of.severity, Rule: v.Rule, Summary: v.Says, Detail: v.Try,
				})
			}
		}
		if more > 0 {
			all = append(all, sdk.Diagnostic{
				Severity: of.severity, Summary: fmt.Sprintf("%d more files %s", more, of.more),
				Detail: "`nono trust verify` lists all of them",
			})
		}
	}
	if !hasErrors(all) && slices.ContainsFunc(verdicts,
		func(v check.Verdict) bool { return v.Status == check.Refused }) {
		// A file is refused because of another one, and that must have been told.
		all = append(all, sdk.Diagnostic{
			Severity: sdk.SeverityError, Summary: "a file is refused, and nothing says why",
			Detail: "this is a mistake in nono",
		})
	}
	return all
}

// tell tells which files are verified. Core shows the agent what has these digests and nothing
// else, so that no content is in the answer. The closed sets are among them: who put an older one
// of the same signer there, one that says less, would open what is closed.
func (s *survey) tell(answer *sdk.PlanResponse) {
	for _, b := range s.closed {
		answer.Facts = append(answer.Facts, fact.VerifiedFile{Path: b.Path, SHA256: b.SHA256})
	}
	for _, it := range s.items {
		if it.verdict.Status == check.Verified {
			answer.Facts = append(answer.Facts,
				fact.VerifiedFile{Path: it.Path, SHA256: it.verdict.SHA256})
		}
	}
}

// remember has what is verified for the first time remembered.
func (s *survey) remember(ctx context.Context, stateDir string) error {
	var first []memory.Entry
	for _, it := range s.items {
		if it.verdict.Status == check.Verified && it.file.Remembered == nil {
			first = append(first, entryOf(&it.verdict))
		}
	}
	if len(first) == 0 {
		return nil
	}
	return memory.Update(ctx, stateDir, func(m *memory.Memory) error {
		for _, e := range first {
			if _, ok := m.Get(e.Path); ok {
				continue // another run has seen it first
			}
			if err := m.Remember(e); err != nil {
				return err
			}
		}
		return nil
	})
}

func entryOf(v *check.Verdict) memory.Entry {
	return memory.Entry{
		Path: v.Path, Signer: v.Signer, Since: time.Now(), Bundle: v.Bundle, Link: v.Link,
	}
}
