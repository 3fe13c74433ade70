package config

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A lift takes back what is denied by default or by a profile, at one path and beneath. It never
// reaches further than the path it names: to lift a directory lifts no denial that lies deeper in
// it. What the user denied himself no lift takes back, and a lift grants nothing.

// lift is one, as it was written.
type lift struct {
	policy.Lift
	name  string   // the path that was asked for
	links []string // that were followed on the way
	// fallback is the service in the place of whose key it holds; "" for one that always does.
	fallback string
}

// liftFlag is --lift.
func (r *reader) liftFlag(f Flag) {
	path, bad := r.literal(f.Value)
	if bad != nil {
		r.add(bad.at(f.source(), f.Value))
		return
	}
	r.lift(r.Dir, path, language.Item{Text: f.Value, Source: f.source()})
}

// lift reads one. What it means is settled when all denials are known.
func (r *reader) lift(dir, path string, it language.Item) {
	path, to, ok := r.follow(dir, path, it)
	if !ok {
		return
	}
	for _, own := range r.Own {
		if policy.Within(to.Path, own) {
			r.add(problem(it.Source, "%s is nono's own, and nothing of it can be lifted",
				r.homely(to.Path)).
				Try("what decides about the next run must be out of the agent's reach"))
			return
		}
	}
	l := lift{
		Lift: policy.Lift{Path: to.Path, Source: it.Source}, name: asName(path, to), fallback: r.within,
	}
	for _, link := range to.Links() {
		l.links = append(l.links, link.Path)
	}
	r.lifts = append(r.lifts, l)
}

// liftDenials takes out of the denials what was lifted. Each lift is held against all denials there
// are: two of one denial do not stand in each other's way.
func (r *reader) liftDenials() {
	gone := map[int]bool{}
	for _, l := range r.lifts {
		if l.fallback != "" {
			continue // until it holds
		}
		reached := false
		var beneath []string
		for i := range r.rules {
			d := &r.rules[i]
			switch {
			case d.Access != policy.Deny:
			case policy.Within(l.Path, d.Path):
				reached = true
				r.liftOne(l, d)
				gone[i] = gone[i] || d.Path == l.Path
			case policy.Within(d.Path, l.Path):
				beneath = append(beneath, r.homely(d.name()))
			}
		}
		if !reached {
			r.liftsNothing(l, beneath)
		}
	}
	if len(gone) == 0 {
		return
	}
	kept := make([]rule, 0, len(r.rules)-len(gone))
	for i := range r.rules {
		if !gone[i] {
			kept = append(kept, r.rules[i])
		}
	}
	r.rules = kept
}

// liftOne takes a path out of a denial.
func (r *reader) liftOne(l lift, d *rule) {
	if !d.Source.Liftable() {
		r.add(problem(l.Source, "%s cannot be lifted: %s denies it, and what you denied yourself "+
			"nothing takes back", r.homely(l.name), d.Source).Try("take one of the two lines out"))
		return
	}
	same := func(other policy.Lift) bool { return other.Path == l.Path }
	if !slices.ContainsFunc(d.Lifted, same) {
		d.Lifted = append(d.Lifted, l.Lift)
	}
}

// liftsNothing tells of a lift at a path that nothing denies.
func (r *reader) liftsNothing(l lift, beneath []string) {
	const most = 5
	if len(beneath) == 0 {
		r.notice(l.Source, "there is no denial of %s to lift", r.homely(l.name))
		return
	}
	shown := strings.Join(beneath[:min(most, len(beneath))], ", ")
	if len(beneath) > most {
		shown += " ..."
	}
	r.notice(l.Source, "%s is not denied; what is denied in it is lifted by its own name only: %s",
		r.homely(l.name), shown)
}

// liftAsks are what a file from elsewhere lifts, always or in the place of a service's key.
func (r *reader) liftAsks(s *source, fallback string) []Ask {
	var asks []Ask
	for _, l := range r.lifts {
		given := slices.ContainsFunc(r.lifts, func(other lift) bool {
			return !r.isForeign(other.Source) && other.fallback == "" &&
				policy.Within(l.Path, other.Path)
		})
		if s.wrote(l.Source) && l.fallback == fallback && !given {
			asks = append(asks, Ask{
				"to lift the denial of " + r.homely(l.Path), l.Source, wants("lift", l.Path),
			})
		}
	}
	return asks
}

// proveLifts refuses a lift that an agent could lead elsewhere: it would take back another denial
// than the one that was meant.
func (r *reader) proveLifts(all *policy.Decider) {
	for _, l := range r.lifts {
		if by, ok := r.plantedOn(l.links, true, all); ok {
			r.add(problem(l.Source, "%s leads through the link %s, %s", r.homely(l.name),
				r.homely(by.link), by.why).
				Try("name what it leads to: %s", r.spelled("lift", l.Source, l.Path)))
		}
	}
}

// tellLifts tells of lifts that nothing comes of, because nothing grants what they lift; and of
// what a profile lifts, for whoever typed its name did not name that: a login, which is then
// inside.
func (r *reader) tellLifts(granted *policy.Decider) {
	for _, l := range r.lifts {
		if l.fallback != "" {
			continue // told where it holds
		}
		to, err := hostfile.Follow(r.look, l.Path)
		missing := err == nil && to.Entry.Type == policy.Missing
		d := granted.Path(l.Path, policy.OpRead)
		switch {
		case d.Allowed && !missing && l.Source.Origin == policy.OriginProfile:
			r.notice(l.Source, "%s is denied by default, and can be read inside: "+
				"a login in it is the agent's to use, and to pass on", r.homely(l.name))
		case !d.Allowed && !missing && !r.anyBeneath(l.Path):
			r.notice(l.Source, "%s is lifted, and nothing grants it: a lift gives nothing by itself",
				r.homely(l.name))
		}
	}
}

// anyBeneath reports whether a grant names something that lies in a directory.
func (r *reader) anyBeneath(dir string) bool {
	return slices.ContainsFunc(r.rules, func(g rule) bool {
		return g.Access.Grants() && g.Type != policy.Missing && policy.Within(g.Path, dir)
	})
}
