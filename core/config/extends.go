package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/profiles"
	"github.com/nono-run/nono/sdk/policy"
)

// Sources are read in the order of what wins: the default profile, the user's own config.hcl, the
// profiles, the file of -c. A profile stands behind those that it extends, and each stands there
// once, however many ask for it. What a source is asked for by decides whose word it is: a profile
// of nono's or the user's own is only that where the user asks for it, and else what the file from
// elsewhere asks for that brings it.

// maxProfiles is how many profiles one run may have: each is parsed.
const maxProfiles = 20

// gatherer finds the sources of a run.
type gatherer struct {
	*host
	*report
	all      []*source // those that were read
	followed map[*source]bool
	chain    []*source // those whose extends are being followed
	profiles []*source // in the order of what wins
	left     int       // how many rules the profiles may still have
}

// sources are the texts there are, parsed. The default profile is part of the program; the user's
// config.hcl may be missing; a profile or a file that was named may not.
func (h *host) sources(r *report) []*source {
	g := &gatherer{host: h, report: r, followed: map[*source]bool{}, left: maxRules}
	var named []*source // by the user
	forOwn, forFile := maxRules, maxRules
	own := g.known(h.ownConfig(r), &forOwn)
	file := g.known(h.namedFile(r), &forFile)
	for _, s := range []*source{own, file} {
		if s != nil {
			g.follow(s)
			named = append(named, s)
		}
	}
	for _, name := range h.Profiles {
		at := policy.Source{Origin: policy.OriginFlag, Flag: "--profile " + name}
		if s := g.profile(h.profile(name, h.Dir, at, r)); s != nil {
			named = append(named, s)
		}
	}
	settleAskers(named)
	builtin := diag.Text{Origin: policy.OriginDefault, File: builtinFile, Content: profiles.Default}
	order := []*source{{Text: builtin, tree: builtinTree()}, own}
	for _, s := range g.profiles {
		if s != own && s != file { // which stand where they stand, whoever extends them
			order = append(order, s)
		}
	}
	if file != own {
		order = append(order, file)
	}
	return slices.DeleteFunc(order, func(s *source) bool { return s == nil })
}

// known is the source that has been read already, where this one is the same, and else this one,
// parsed; rules is how many it may have.
func (g *gatherer) known(s *source, rules *int) *source {
	if s == nil {
		return nil
	}
	if i := slices.IndexFunc(g.all, s.is); i >= 0 {
		return g.all[i]
	}
	same := func(o *source) bool { return o.Origin == s.Origin && o.File == s.File }
	if slices.ContainsFunc(g.all, same) {
		s.File = s.path // a rule says by these two whose it is
	}
	g.all = append(g.all, s)
	tree, problems := parse(s.Text)
	if problems.Failed() {
		g.problems = append(g.problems, problems...)
		return s
	}
	g.notices = append(g.notices, problems...)
	s.tree = tree
	s.bound(g.report, rules)
	return s
}

// profile puts a profile behind those that it extends.
func (g *gatherer) profile(s *source) *source {
	if s = g.known(s, &g.left); s != nil && !g.followed[s] {
		g.follow(s)
		g.profiles = append(g.profiles, s)
	}
	return s
}

// follow finds the profiles that a source extends.
func (g *gatherer) follow(s *source) {
	if s.tree == nil || g.followed[s] {
		return
	}
	g.followed[s] = true
	g.chain = append(g.chain, s)
	for _, it := range s.tree.List("extends") {
		if found := g.extended(s, it); found != nil {
			s.extends = append(s.extends, extended{found, it.Source})
		}
		if len(g.all) > maxProfiles {
			g.add(problem(it.Source, "there are more than %d profiles", maxProfiles).
				Try("put what belongs together into one"))
			break
		}
	}
	g.chain = g.chain[:len(g.chain)-1]
}

// extended is the profile that a source extends in one line; nil where that is the default, or a
// problem.
func (g *gatherer) extended(s *source, it language.Item) *source {
	name := it.Text
	if profile.IsFile(name) {
		var ok bool
		if name, ok = g.path(s, it); !ok {
			return nil
		}
	}
	found := g.host.profile(name, "", it.Source, g.report)
	if found == nil {
		return nil
	}
	if i := slices.IndexFunc(g.chain, found.is); i >= 0 {
		g.add(problem(it.Source, "profiles extend each other in a circle: %s",
			circle(append(slices.Clone(g.chain[i:]), g.chain[i]))).Try("take one of the lines out"))
		return nil
	}
	return g.profile(found)
}

// path is the absolute path of a file that a source extends. A file from elsewhere names what lies
// beneath its own directory and nothing else: what is no policy is told with the line at fault, and
// must be no file of the user's that a stranger chose.
func (g *gatherer) path(s *source, it language.Item) (string, bool) {
	path, bad := g.expand(it.Text)
	switch {
	case bad != nil:
		g.add(bad.at(it.Source, it.Text))
		return "", false
	case !filepath.IsAbs(path) && s.dir == "":
		g.add(problem(it.Source, "%s is relative, and this file belongs to no project",
			quote(it.Text)).Try("write the path out, or the name of a profile"))
		return "", false
	case !filepath.IsAbs(path):
		path = filepath.Join(s.dir, path)
	}
	path = filepath.Clean(path)
	if to, err := g.resolve(path); s.foreign &&
		(err != nil || s.ground == "" || !policy.Within(to.Path, s.ground)) {
		g.add(problem(it.Source, "%s extends %s, which does not lie beneath its own directory",
			s.File, g.homely(path)).
			Try("if you trust it, name it yourself: --profile %s", diag.Word(g.homely(path))))
		return "", false
	}
	return path, true
}

// circle says who extends whom.
func circle(chain []*source) string {
	names := make([]string, len(chain))
	for i, s := range chain {
		names[i] = s.File
	}
	return strings.Join(names, " extends ")
}

// settleAskers decides whose approval it takes for what each source asks for, given those that the
// user named. What his own files extend is his word, but for a file that others may have written,
// which asks for itself. Whatever a file from elsewhere brings besides, it asks for, and it is
// given nothing by its place but what that file is.
func settleAskers(named []*source) {
	settled := map[*source]bool{}
	var roots []*source // files from elsewhere that the user named
	var own func(s *source)
	own = func(s *source) {
		if settled[s] {
			return
		}
		settled[s] = true
		if s.foreign {
			s.asker = s
			roots = append(roots, s)
			return
		}
		for _, e := range s.extends {
			own(e.is)
		}
	}
	for _, s := range named {
		own(s)
	}
	var brought func(s, by *source)
	brought = func(s, by *source) {
		for _, e := range s.extends {
			if settled[e.is] {
				continue
			}
			settled[e.is] = true
			e.is.foreign, e.is.asker = true, by
			e.is.ground, e.is.noGround = by.ground, by.noGround
			brought(e.is, by)
		}
	}
	for _, root := range roots {
		brought(root, root)
	}
}

// extendsAsks are the profiles that a file from elsewhere brings by their names. What it brings
// from its own directory is no more a stranger's than it is itself.
func (r *reader) extendsAsks(s *source) []Ask {
	var asks []Ask
	for _, e := range s.extends {
		if e.is.asker != nil && e.is.asker != e.is && e.is.Origin == policy.OriginProfile {
			asks = append(asks, Ask{
				"to begin from the profile " + e.is.File, e.at, wants("extends", e.is.File),
			})
		}
	}
	return asks
}
