package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Prove shows that nothing of nono's own can be changed, replaced, or (for its directories) read from inside. It knows nothing
// of how the plan was made: it plays the mounts in their order and asks, for each name on the way to each of nono's paths, what
// stands there in the end.
//
// The limits: a hard link to one of the files has a path of its own, which no look at paths can find (Make warns of it); a
// directory that the host itself mounts at a second place is recognised where a bind's source is that directory or one above
// the target, not where the second place lies deeper inside a grant; and one of nono's directories that is made later, beside a
// running agent, can be read through a grant for reading of what lies above it.
func (p *Plan) Prove(own Own, look hostfile.Look) error {
	ts, err := own.targets(look)
	if err != nil {
		return fmt.Errorf("finding nono's own files: %w", err)
	}
	v, err := play(p.Mounts)
	if err != nil {
		return err
	}
	for _, t := range ts {
		for _, s := range v.mounts {
			if b, ok := s.Mount.(fragment.Bind); ok {
				if err := p.proveBind(v, s.At(), b, t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// play mounts the steps in order: a later one hides what an earlier one put at its path or beneath it, and a path that leads
// through a link of the view lands where the link leads.
func play(steps fragment.List) (view, error) {
	v := newView(nil)
	for _, s := range steps {
		mnt, ok := s.(fragment.Mount)
		if !ok {
			return v, fmt.Errorf("a %s step among the mounts", fragment.Name(s))
		}
		at, err := v.landing(mnt.At())
		if err != nil {
			return v, err
		}
		if hides := func(m mount) bool { return policy.Within(m.At(), at) }; slices.ContainsFunc(v.mounts, hides) {
			v = newView(slices.DeleteFunc(v.mounts, hides))
		}
		v.at[at] = len(v.mounts)
		v.mounts = append(v.mounts, mount{landed{mnt, at}.step(), Core})
	}
	return v, nil
}

// landed is a mount step at the path where it really ends up.
type landed struct {
	fragment.Mount
	at string
}

// step is the mount step with its path put right; what it shows stays what it was.
func (l landed) step() fragment.Mount {
	switch s := l.Mount.(type) {
	case fragment.Bind:
		s.From, s.Path = s.Source(), l.at
		return s
	case fragment.Link:
		s.Path = l.at
		return s
	case fragment.Tmpfs:
		s.Path = l.at
		return s
	case fragment.Mask:
		s.Path = l.at
		return s
	case fragment.File:
		s.Path = l.at
		return s
	case fragment.Proc:
		s.Path = l.at
		return s
	case fragment.Devpts:
		s.Path = l.at
		return s
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", l.Mount))
}

// landing follows the view's own links on the way to p; p itself is not followed.
func (v view) landing(p string) (string, error) {
	at := "/"
	todo := strings.Split(p, "/")
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		at = path.Join(at, next)
		i, ok := v.at[at]
		if !ok || len(todo) == 0 {
			continue
		}
		link, ok := v.mounts[i].Mount.(fragment.Link)
		if !ok {
			continue
		}
		if links++; links > hostfile.MaxLinks {
			return "", fmt.Errorf("the view's own links lead in a circle at %s", at)
		}
		at = path.Dir(at)
		if path.IsAbs(link.Target) {
			at = "/"
		}
		todo = append(strings.Split(link.Target, "/"), todo...)
	}
	return at, nil
}

// proveBind holds one bind against one target.
func (p *Plan) proveBind(v view, at string, b fragment.Bind, t target) error {
	root := t.shownBy(b)
	if t.hidden && root != t.Path && policy.Within(root, t.Path) {
		return fmt.Errorf("%s, which lies in %s, %s, can be read at %s", root, t.Path, t.what, at)
	}
	for _, h := range t.Hops {
		if !policy.Within(h.Path, root) {
			continue
		}
		inside := below(h.Path, root, at)
		if v.cover(inside).At() != at {
			continue // what is seen there is not this bind
		}
		last := h.Path == t.Path
		there := h.Entry.Type != policy.Missing || slices.Contains(p.Make, h.Path)
		immovable := !b.Writable || inside == at || (h.Entry.Target != "" && h.Fixed)
		switch {
		case !immovable:
			return fmt.Errorf("%s, on the way to %s, %s, can be replaced at %s", h.Path, t.Path, t.what, inside)
		case last && b.Writable:
			return fmt.Errorf("%s, %s, can be changed at %s", t.Path, t.what, inside)
		case last && t.hidden && there:
			return fmt.Errorf("%s, %s, can be read at %s", t.Path, t.what, inside)
		}
	}
	return nil
}
