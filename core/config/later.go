package config

import (
	"maps"
	"slices"

	"github.com/nono-run/nono/core/config/language"
)

// refuseLater refuses, by name, what the language has and this version cannot honour, and what no
// file from elsewhere may say, whatever is approved. The second comes first where both are true: it
// will not change.
func refuseLater(r *report, sources []*source) {
	for _, s := range sources {
		r.later(s, s.tree)
	}
}

func (r *report) later(s *source, t *language.Tree) {
	if t.Is.Later {
		r.add(problem(t.Source, "%s is not built yet", t.Title()).
			Try("remove the block; %s", instead(t, "")))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		v := t.Attributes[name]
		switch {
		case v.Is.OwnOnly && s.foreign:
			r.add(problem(v.Source, "%s of %s may only be said by your own config.hcl", quote(name),
				t.Title()).
				Try("remove it here; no approval makes it valid in this file"))
		case v.Is.Later && !t.Is.Later:
			r.add(problem(v.Source, "%s is not built yet", where(t, name)).
				Try("remove it; %s", instead(t, name)))
		}
	}
	if i := slices.IndexFunc(blocks, func(b block) bool { return b.name == t.Name }); i >= 0 &&
		blocks[i].refuse != nil {
		blocks[i].refuse(r, s, t)
	}
	for _, inner := range t.Blocks {
		if !t.Is.Later {
			r.later(s, inner)
		}
	}
}

// instead is what there is in the place of what is not built yet.
func instead(t *language.Tree, attribute string) string {
	switch {
	case t.Name == "limits" && attribute == "memory":
		return "the kernel limits the memory of a whole run only by a control group, and nono makes " +
			"none: where systemd gives you one, " +
			"`systemd-run --user --scope -p MemoryMax=4G -p MemorySwapMax=0 -- nono run ...`"
	case t.Name == "limits" && attribute == "cpu":
		return "the kernel limits processor time for each process alone, and starting another begins " +
			"anew; `time` is for the whole run, and what the shell limits (ulimit -t) holds inside as well"
	}
	return "nothing would honour it"
}

// where is an attribute as it is spoken of.
func where(t *language.Tree, attribute string) string {
	if t.Name == "" {
		return quote(attribute)
	}
	return quote(attribute) + " of " + t.Title()
}
