package config

import (
	"errors"
	"io/fs"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// maxEffort bounds how much a policy can make nono look at, counted in bytes of the names. A file
// of 64 KiB can have five thousand paths, and each may lead through forty links that are four
// kilobytes long: such a one took five minutes. Five thousand denials of a person's take over half
// of this, and so do seven hundred grants, each a project to look into.
const maxEffort = 11 << 20

// errEffort is what a look says when nothing is left.
var errEffort = errors.New("too many names to look at")

// effort is what is left of it.
type effort struct {
	*report
	left int
	at   policy.Source // the rule that is being looked at
}

func newEffort(r *report) *effort {
	return &effort{r, maxEffort, policy.Source{
		Origin: policy.OriginDefault, File: builtinFile, Line: 1, Column: 1,
	}}
}

// bounded looks as long as something is left. Then it is a problem, once, and no run comes of it
// whatever is made of the error.
func (e *effort) bounded(look hostfile.Look) hostfile.Look {
	const beside = 64 // bytes: what a look costs besides its name
	return func(path string) (hostfile.Entry, error) {
		if e.left < 0 {
			return hostfile.Entry{}, &fs.PathError{Op: "looking at", Path: path, Err: errEffort}
		}
		if e.left -= len(path) + beside; e.left < 0 {
			e.add(problem(e.at, "the rules up to this one lead through too many names").
				Try("name the directory that many of them lie in"))
		}
		return look(path)
	}
}
