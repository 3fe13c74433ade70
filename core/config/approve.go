package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// A file that the user named may lie in a repository that a stranger wrote. By itself it may name
// the command and its arguments, grant beneath its own directory where that is a project
// (place.go), tighten anything, and set plain variables. What the user's own configuration or flags
// give already is not asked for again. All else is, a line each, with what it brings of profiles,
// and each block says what that is for itself; what no approval makes valid was refused before
// (later.go).
//
// What is approved is a set of wants, and not a text: a file that asks for no more than was
// approved of it is not asked about again, however it changed.

// Ask is one thing that a file asks for, said in a few words.
type Ask struct {
	Says   string
	Source policy.Source
	// Wants are what it comes to, in words that mean the same in every run.
	Wants []string
}

// Request is all that a file asks for.
type Request struct {
	// File is the file as the user knows it, Path its absolute path without links.
	File, Path string
	Asks       []Ask
	// New says of each ask whether it was not approved before.
	New []bool
	// Ground is why the file grants nothing by its place; "" if it does.
	Ground string
}

// Wants are what the asks come to.
func (q Request) Wants() []string {
	var all []string
	for _, a := range q.Asks {
		all = append(all, a.Wants...)
	}
	return all
}

// want is a thing to be approved: what is to be done, and with what.
func want(words ...string) string {
	for i, w := range words[1:] {
		words[i+1] = strconv.QuoteToASCII(w)
	}
	return strings.Join(words, " ")
}

func wants(words ...string) []string { return []string{want(words...)} }

// What may be done with a path and all that lies beneath it.
const (
	opRead    = string(policy.OpRead)
	opWrite   = string(policy.OpWrite)
	opExecute = string(policy.OpExecute)
)

// approved is what was approved of a file.
type approved map[string]bool

// covers reports whether something was approved: itself, or the same for a directory above.
func (a approved) covers(wanted string) bool {
	if a[wanted] {
		return true
	}
	op, quoted, _ := strings.Cut(wanted, " ")
	if op != opRead && op != opWrite && op != opExecute {
		return false
	}
	for at, err := strconv.Unquote(quoted); err == nil && at != "/"; {
		if at = filepath.Dir(at); a[want(op, at)] {
			return true
		}
	}
	return false
}

// approve finds what files from elsewhere ask for, and refuses the run unless it is approved. What
// the user can still be asked about is left to confirm.
func (r *reader) approve(sources []*source) []Ask {
	var all []Ask
	for _, q := range r.requests(sources) {
		all = append(all, q.Asks...)
		if r.Approve {
			continue
		}
		known := approved{}
		if r.Approved != nil {
			before, err := r.Approved(q.Path)
			if err != nil {
				r.add(sourced(err, q.Asks[0].Source))
				continue
			}
			for _, w := range before {
				known[w] = true
			}
		}
		for i, ask := range q.Asks {
			q.New[i] = slices.ContainsFunc(ask.Wants, func(w string) bool { return !known.covers(w) })
		}
		switch {
		case !slices.Contains(q.New, true):
		case r.Confirm != nil:
			r.open = append(r.open, q)
		default:
			r.refuse(q)
		}
	}
	return all
}

// requests are what each file from elsewhere asks for that the user named, itself and by what it
// brings. The asks are in the order of the lines.
func (r *reader) requests(sources []*source) []Request {
	var all []Request
	of := map[*source]int{}
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
		if len(asks) == 0 {
			continue
		}
		i, ok := of[s.asker]
		if !ok {
			i = len(all)
			of[s.asker] = i
			all = append(all, Request{File: s.asker.File, Path: s.asker.path, Ground: s.asker.noGround})
		}
		all[i].Asks = append(all[i].Asks, asks...)
		all[i].New = append(all[i].New, make([]bool, len(asks))...)
	}
	return all
}

// refuse refuses what is new of a request, a line each.
func (r *reader) refuse(q Request) {
	last := 0
	for i, isNew := range q.New {
		if isNew {
			last = i
		}
	}
	for i, ask := range q.Asks {
		if !q.New[i] {
			continue
		}
		refused := problem(ask.Source, "%s asks %s, and that is not approved", q.File, ask.Says)
		if i == last { // once, when all have been read: it is about the file
			refused = refused.Try("%sif you trust this file: `nono approve %s`, or --approve for one run",
				placed(q.Ground), diag.Word(q.File))
		}
		r.add(refused)
	}
}

// confirm asks the user about what is open, when nothing else stands in the way of the run.
func (r *reader) confirm() {
	for _, q := range r.open {
		yes, err := r.Confirm(q)
		switch {
		case err != nil:
			r.add(sourced(err, q.Asks[0].Source))
		case !yes:
			r.add(problem(policy.Source{Origin: policy.OriginFile, File: q.File},
				"what it asks for is not approved"))
		}
	}
}

// placed is why the place of a file gives it nothing, for a message; "" if it does.
func placed(noGround string) string {
	if noGround == "" {
		return ""
	}
	return noGround + ", so a file there grants nothing by its place\n"
}
