package main

import "github.com/nono-run/nono/test/hosts"

// groups is the table: a file of its own for each.
var groups = []group{
	git, manuals, python, node, rust, golang, java, compilers, debuggers, terminals,
}

// A tier is how much of the sandbox the host lets be made: see docs/hosts.md.
type tier string

const (
	tierA tier = "A"
	tierB tier = "B" // no namespaces
)

var tiers = []tier{tierA, tierB}

// host is one that has this tier.
func (t tier) host() hosts.Host { return hosts.Host{NoNamespaces: t == tierB} }

// A group is one kind of work. What it says holds for each of its rows too.
type group struct {
	name  string
	needs []string // programs without which there is nothing to compare
	given string   // see row
	grant []string
	env   []string
	path  []string
	home  bool
	rows  []row
}

// A row is something that a person does, and expects to work in the sandbox as it does outside.
type row struct {
	name string
	// needs are programs without which there is nothing to compare. They are looked for first.
	needs []string
	// given is a script of sh that makes ready what the row starts from. It runs outside, in the
	// project, before each of the two; USER_HOME is the home of whoever tries the rows. If it fails
	// the machine lacks something, and the row is not compared.
	given string
	// run is the command line, for sh.
	run string
	// grant are flags of `nono run`, besides --allow-cwd.
	grant []string
	// env are variables, NAME=VALUE, that the command gets on both sides.
	env []string
	// path are directories beneath the home that stand first in PATH.
	path []string
	// home makes HOME that of whoever tries the rows, for what is installed there. Without it HOME is
	// new and empty, and PATH has nothing of the other.
	home bool
	// differs is set where the sandbox is meant to make a difference, and inB where it is another, or
	// none, in tier B.
	differs, inB *deviation
}

// A deviation is what happens inside instead, and why that is right.
type deviation struct {
	code int    // the exit code
	says string // a part of what is printed
	why  string // as the page has it: a sentence, and what to do
	none bool   // see none
}

// none is a deviation that is not one: in tier B it is as outside, where tier A has one.
func none(why string) *deviation { return &deviation{none: true, why: why} }

// deviation is the one that is meant in a tier.
func (r row) deviation(in tier) *deviation {
	d := r.differs
	if in == tierB && r.inB != nil {
		d = r.inB
	}
	if d != nil && d.none {
		return nil
	}
	return d
}

// all are the group's rows, each with what holds for the whole group.
func (g group) all() []row {
	rows := make([]row, 0, len(g.rows))
	for _, r := range g.rows {
		r.needs = join(g.needs, r.needs)
		r.grant = join(g.grant, r.grant)
		r.env = join(g.env, r.env)
		r.path = join(r.path, g.path)
		r.home = r.home || g.home
		r.given = g.given + "\n" + r.given
		rows = append(rows, r)
	}
	return rows
}

func join(a, b []string) []string { return append(append([]string{}, a...), b...) }
