package config

import (
	"maps"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// serviceName is what a service may be called: it becomes a part of rule ids, and the name of a
// listener.
var serviceName = lazyregexp.New(`^[a-z0-9][a-z0-9_-]{0,39}$`)

func serviceOf(name string) listName { return listName{"service", name} }

// services reads what is known of the services that sources and flags name. A block may be about
// one of which nothing is known.
func (h *host) services(r *report, sources []*source, lists hostLists) {
	from := profile.Services{Own: h.ownDir("services")}
	find := func(name string, at policy.Source, needed bool) {
		if _, known := lists[serviceOf(name)]; known || !serviceName.MatchString(name) && !needed {
			return
		}
		if s := h.service(from, name, at, needed, r); s != nil {
			lists[serviceOf(name)] = s
		}
	}
	for _, s := range sources {
		if s.tree == nil {
			continue
		}
		for _, t := range s.tree.Blocks {
			if t.Name == credential.name {
				find(t.Label, t.Source, false)
			}
		}
	}
	said := map[string]bool{}
	for _, s := range sources {
		if s.tree != nil {
			for _, t := range s.tree.Blocks {
				said[t.Name+" "+t.Label] = true
			}
		}
	}
	for _, f := range h.Flags {
		if f.Name == credential.name {
			find(f.Value, f.source(), !said[credential.name+" "+f.Value])
		}
	}
}

// service is what is known of one; nil if that is nothing, which is a problem where it is needed.
func (h *host) service(
	from profile.Services, name string, at policy.Source, needed bool, r *report,
) *source {
	p, err := from.Find(name)
	if isNotExist(err) {
		if needed {
			names, _ := from.Names() // what cannot be listed is not offered
			unknown := problem(at, "nothing is known of a service %s", quote(shortened(name)))
			if near := schema.Nearest(name, names); near != "" {
				unknown = unknown.Try("did you mean %q?", near)
			} else {
				unknown = unknown.Try("there are: %s; another one is told of by a block credential %q "+
					"in a policy file", strings.Join(names, ", "), shortened(name))
			}
			r.add(unknown)
		}
		return nil
	}
	if err != nil {
		r.add(sourced(err, at))
		return nil
	}
	s := h.readList(p, at, r, serviceGrammar)
	if s == nil {
		return nil
	}
	if len(s.tree.Blocks) != 1 || s.tree.Blocks[0].Label != name {
		r.add(problem(at, "%s is to have one block, credential %q", s.File, name))
		return nil
	}
	return s
}

// serviceGrammar is what may stand in a file about a service.
var serviceGrammar = &language.Block{
	Blocks: map[string]*language.Block{"credential": {
		Label: "SERVICE", Attributes: ownAttributes(credential.grammar.Attributes),
	}},
}

// ownAttributes are those that are built.
func ownAttributes(all map[string]language.Attribute) map[string]language.Attribute {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(_ string, a language.Attribute) bool { return a.Later })
	return all
}
