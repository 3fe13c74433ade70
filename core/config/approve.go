package config

import (
	"cmp"
	"slices"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// Ask is one thing that a file asks for, said in a few words.
type Ask struct {
	Says   string
	Source policy.Source
}

// approve finds what files from elsewhere ask for, and refuses the run unless it is approved.
//
// Such a file may lie in a repository that a stranger wrote. By itself it may name the command and
// its arguments, grant beneath its own directory where that is a project (place.go), tighten
// anything, and set plain variables. What the user's own configuration or flags give already is not
// asked for again. All else is, a line each, and each block says what that is for itself; what no
// approval makes valid was refused before (later.go).
func (r *reader) approve(sources []*source) []Ask {
	var all []Ask
	for _, s := range sources {
		if !s.foreign {
			continue
		}
		var asks []Ask
		for _, t := range slices.Concat(s.tree.Blocks, []*language.Tree{s.tree}) {
			if of := blockOf(t).asks; of != nil {
				asks = append(asks, of(r, s, t)...)
			}
		}
		slices.SortStableFunc(asks, func(a, b Ask) int {
			return cmp.Or(cmp.Compare(a.Source.Line, b.Source.Line),
				cmp.Compare(a.Source.Column, b.Source.Column))
		})
		all = append(all, asks...)
		if r.Approve {
			continue
		}
		for i, ask := range asks {
			refused := problem(ask.Source, "%s asks %s, and that is not approved", s.asker.File, ask.Says)
			if i == len(asks)-1 { // once, when all have been read: it is about the file
				refused = refused.Try("%sif you trust this file, run again with --approve",
					s.placed())
			}
			r.add(refused)
		}
	}
	return all
}

// placed is why the place of a file gives it nothing, for a message; "" if it does.
func (s *source) placed() string {
	if s.noGround == "" {
		return ""
	}
	return s.noGround + ", so a file there grants nothing by its place\n"
}
