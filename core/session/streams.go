package session

import (
	"errors"
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/sdk/policy"
)

// examineStreams looks at what nono was started with, before anything is started for it.
func examineStreams(o EarlyOptions) (streams.Set, error) {
	set, err := streams.Examine(o.Stdin, o.Stdout, o.Stderr)
	var refused *streams.RefusedError
	if errors.As(err, &refused) {
		return streams.Set{}, diag.Errorf("%s", refused.Error()).Try("%s", refused.Try)
	}
	return set, err
}

// checkStreams holds the streams that are files against the policy: a redirection gives the command
// a file that no rule need grant, but not one that a rule denies, and never one of nono's own.
func (r *run) checkStreams() error {
	var problems diag.Problems
	decider := policy.NewDecider(&r.policy)
	for n, s := range r.streams {
		if s.Kind != recipe.FileStream || s.Name == "" {
			continue
		}
		if p, refused := r.checkFile(decider, s); refused {
			p.Summary = streams.Name(n) + " is " + diag.Homely(s.Name, r.req.Dirs.Home) + ", which " +
				p.Summary
			problems = append(problems, p)
		}
	}
	return problems.Err()
}

func (r *run) checkFile(decider *policy.Decider, s streams.Stream) (diag.Problem, bool) {
	op := policy.OpRead
	if s.Write {
		op = policy.OpWrite
	}
	if r.livesBy(s.Name, op) {
		return diag.Errorf("is nono's own").Try("redirect to another file"), true
	}
	d := decider.Path(s.Name, op)
	if d.Allowed || d.Rule == nil || d.Rule.Access.Grants() {
		return diag.Problem{}, false // a redirection needs no grant
	}
	p := diag.Errorf("is %s", d.Why).At(d.Rule.Source)
	if s.Write {
		return p.Try("if the command's output is to stand there: `nono run ... | cat > FILE`"), true
	}
	return p.Try("if the command is to have what stands there: `cat FILE | nono run ...`"), true
}

// livesBy reports whether a file is one that this run, or a later one, lives by.
func (r *run) livesBy(name string, op policy.Op) bool {
	own := r.req.Dirs.All()
	if op == policy.OpWrite {
		own = slices.Concat(own, r.ownPrograms(), r.req.Config.Files)
	}
	return slices.ContainsFunc(own, func(path string) bool { return policy.Within(name, path) })
}
