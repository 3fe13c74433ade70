// Package self is what a session may know of itself: nono tells it the rules whose effect it sees
// anyway, and the rest it finds out by trying.
//
//	content, err := self.Describe(&pol, view.Rules, from) // core shows this inside, at self.File
//
//	known, err := self.Read(content)          // and inside:
//	answer := known.Ask("/home/ada/proj/.env", why.Read, self.Try, home)
//
// What is allowed the kernel says, to a try that changes nothing; which line says so is looked up.
// So the answer is right for whatever holds the session, and for a session of another nono.
//
// # What is not told
//
// Nothing inside learns of a name that it does not see. Of the denials only those are told whose
// stand-ins are seen, and of the grants and protections those of what is there. A rule about what
// does not exist, or about what no grant shows, is left out. So is a rule's id, for it counts those
// that were left out; where a line stands in a file that cannot be read inside, as the user's own
// configuration never can; and what was typed behind a flag, where that is another name of the
// path.
package self

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// File is where a session finds what it may know.
const File = base.SessionFile

// Variable names another place of the file, in a session in which nothing can be mounted.
const Variable = base.SessionVariable

// version is that of the file's form. What is added later stands beside what is there.
const version = 1

// most is how large the file may be: the default's rules are left out of a larger one, and then
// all.
const most = 60 << 10

// Known is what a session may know of its rules.
type Known struct {
	Version int `json:"version"`
	// Rules are those about files whose effect is seen.
	Rules []Rule `json:"rules"`
	// Off says by which flag or line no path is restricted at all; nil where they are.
	Off *policy.Source `json:"off,omitempty"`
	// Incomplete says that there were too many to tell.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Rule is one of them.
type Rule struct {
	Access policy.Access   `json:"access"`
	Path   string          `json:"path"`
	Type   policy.FileType `json:"type"`
	Lifted []policy.Lift   `json:"lifted,omitempty"`
	Source policy.Source   `json:"source"`
}

// From is where the names in flags, and those of files, begin.
type From struct {
	Dir  string // in which the command was given, without links
	Home string
}

// Describe is the content of the file, from the policy and how each of its rules stands.
func Describe(p *policy.Policy, standing []places.Rule, from From) ([]byte, error) {
	known := Known{Version: version, Rules: []Rule{}}
	tell := teller{policy.NewDecider(p), from}
	for _, d := range p.Disabled {
		if d.Kind == policy.KindFilesystem {
			at := tell.line(d.Source)
			known.Off = &at
		}
	}
	for i, r := range p.Filesystem {
		if i < len(standing) && seen(standing[i].Is) {
			known.Rules = append(known.Rules, tell.rule(r))
		}
	}
	text, err := bytejson.Marshal(known)
	if err != nil || len(text) <= most {
		return text, err
	}
	known.Incomplete = true
	known.Rules = slices.DeleteFunc(known.Rules, func(r Rule) bool { return !r.Source.Asked() })
	if text, err = bytejson.Marshal(known); err != nil || len(text) <= most {
		return text, err
	}
	return bytejson.Marshal(Known{Version: version, Rules: []Rule{}, Incomplete: true})
}

// seen reports whether what a rule does is seen inside.
func seen(is places.Standing) bool {
	switch is {
	case places.Shown, places.Masked, places.Stub, places.ReadOnly, places.Spared:
		return true
	case places.Absent, places.Own, places.Kept, places.Overruled, places.Unseen, places.Aside,
		places.Unknown:
	}
	return false
}

// teller leaves out what is not seen.
type teller struct {
	decide *policy.Decider
	from   From
}

// rule is a rule without the name that it was asked for by and the lifts that give nothing.
func (t teller) rule(r policy.PathRule) Rule {
	unseen := func(l policy.Lift) bool { return !t.reads(l.Path) }
	lifted := slices.DeleteFunc(slices.Clone(r.Lifted), unseen)
	for i, l := range lifted {
		lifted[i].Source = t.source(l.Source, l.Path)
	}
	return Rule{
		Access: r.Access, Path: r.Path, Type: r.Type, Lifted: lifted, Source: t.source(r.Source, r.Path),
	}
}

// source is where a rule about a path comes from. A flag that has another name for the path is told
// without it.
func (t teller) source(s policy.Source, about string) policy.Source {
	if flag, typed, ok := strings.Cut(s.Flag, " "); ok && t.path(typed) != about {
		s.Flag = flag
	}
	return t.line(s)
}

// line is a source without its place in a file that nothing inside may read. Where it ends nobody
// inside has use for.
func (t teller) line(s policy.Source) policy.Source {
	s.EndLine, s.EndColumn = 0, 0
	own := s.Origin == policy.OriginConfig || s.Origin == policy.OriginProfile
	if own || s.Origin == policy.OriginFile && !t.reads(t.path(s.File)) {
		return policy.Source{Origin: s.Origin}
	}
	return s
}

// path is what was typed, from the root.
func (t teller) path(typed string) string {
	switch rest, ofHome := strings.CutPrefix(typed, "~/"); {
	case typed == "~" || ofHome:
		return path.Join(t.from.Home, rest)
	case path.IsAbs(typed):
		return path.Clean(typed)
	}
	return path.Join(t.from.Dir, typed)
}

func (t teller) reads(name string) bool { return t.decide.Path(name, policy.OpRead).Allowed }

// policy is the rules as the decision wants them.
func (k Known) policy() (p policy.Policy) {
	if k.Off != nil {
		p.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: *k.Off}}
	}
	for i, r := range k.Rules {
		p.Filesystem = append(p.Filesystem, policy.PathRule{
			ID: policy.RuleID(fmt.Sprint("known.", i)), Source: r.Source, Access: r.Access,
			Path: r.Path, Type: r.Type, Lifted: r.Lifted,
		})
	}
	return p
}

// Read reads the file.
func Read(text []byte) (Known, error) {
	var known Known
	if err := bytejson.Unmarshal(text, &known); err != nil {
		return Known{}, fmt.Errorf("reading %s: %w", File, err)
	}
	if known.Version < 1 || known.Version > version {
		return Known{}, fmt.Errorf("%s has version %d, and this nono reads %d",
			File, known.Version, version)
	}
	return known, nil
}

// Ask answers one question about the session. What is allowed try says; nil means that it is.
func (k Known) Ask(
	name string, op why.Op, try func(name string, op why.Op) error, home string,
) why.Answer {
	at := real(name, op)
	says := why.Rules(k.policy(), at, op, home)
	says.Path = name
	if at != path.Clean(name) {
		says.Real = at
	}
	err := try(name, op)
	rules := says.Allowed
	says.Allowed, says.By = err == nil, why.ByKernel
	switch {
	case err == nil && rules:
	case err == nil:
		says.Rule, says.Changes = nil, nil
		says.Why = "no rule grants it, and the session has something of its own there"
		says.Note = "it is none of your files, and but for a build cache gone when the session ends"
	case rules:
		says.Note = "the rule grants it; what is there says: " + reason(err)
		says.Why, says.Changes = "not possible", nil
	case says.Rule == nil:
		says.Why = "nothing that this session has: " + reason(err)
		says.Note = "what is denied without being seen is not told here; " +
			"the same question outside says all"
	default:
		says.Note = reason(err)
	}
	if k.Incomplete && says.Rule == nil {
		says.Note += "; there are too many rules for all of them to be told here"
	}
	return says
}

// real is what a name leads to inside, as far as that can be seen. Where a name itself is made or
// removed, its last part is not followed.
func real(name string, op why.Op) string {
	dir, last := name, ""
	if op == why.Create || op == why.Delete {
		dir, last = path.Dir(name), path.Base(name)
	}
	route, err := hostfile.Follow(hostfile.Host, dir)
	if err != nil {
		return path.Clean(name)
	}
	return path.Join(route.Path, last)
}

// reason is an error without what was being done.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
