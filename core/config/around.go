package config

import (
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Around is what a run protects, and looks at when it is over, in the projects that the agent may
// write: at their roots, and in the other repositories that git would enter from there.
type Around struct {
	// Rules are protections besides those of the policy.
	Rules []policy.PathRule
	// Names are the places of all protections, there or not, by the names that git and others
	// outside know them by. Nothing is ever made on the host to hold a place, so what can be done is
	// to look, at the end, what the agent made there.
	Names []string
	// Links are the symbolic links on the way to a protected or a denied name that the agent could
	// replace.
	Links []string
	// Projects are the writable directories in which was looked, and Repositories what was found.
	Projects     []string
	Repositories []git.Repository
	// Unseen are directories that were not looked into, because there are too many.
	Unseen []string
	// Reported are names relative to a project that are told when they are new or changed, and paths.
	Reported []string
	// Look is what was looked at, and Git who looked.
	Look hostfile.Look
	Git  *git.Finder
	// Problems refuse the run.
	Problems diag.Problems
}

// Around finds out what else is to be protected. It takes the longer the larger the project is, so
// that it is not part of Load: it may be done while processes start, once, and by one goroutine.
func (c *Config) Around() Around {
	p := c.protector
	rules, problems := len(p.rules), len(p.problems)
	p.effort.left = maxEffort // what the rules themselves took is another matter
	var around Around
	for _, root := range p.roots {
		if root.Type != policy.Directory {
			continue
		}
		p.effort.at = root.Source
		around.Projects = append(around.Projects, root.Path)
		found := p.git.Repositories(root.Path, git.Around)
		for _, r := range found.Repositories {
			p.each(func(is pattern) []string { return p.projects.PlacesIn(r, is.path) })
		}
		around.Repositories = append(around.Repositories, found.Repositories...)
		if found.Unseen != "" {
			around.Unseen = append(around.Unseen, found.Unseen)
		}
		if found.More {
			p.add(problem(root.Source, "there is more for git to enter from %s than can be protected: "+
				"more than %d repositories, or an index or settings of a size that no person makes",
				p.homely(root.Path), git.MaxRepositories).
				Try("grant less of it"))
		}
	}
	for i := range p.rules[rules:] {
		around.Rules = append(around.Rules, p.rules[rules+i].PathRule)
	}
	around.Names, around.Links, around.Reported = p.names, p.links, p.reported
	around.Look, around.Git = p.look, p.git
	around.Problems = p.problems[problems:]
	return around
}
