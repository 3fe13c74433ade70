package landlock

import (
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/places"
)

// coverage says by what each rule is held.
func coverage(v places.View, kernel bool) []sdk.Coverage {
	copied := map[string]bool{}
	for _, p := range v.Places {
		copied[p.Path] = p.Copy
	}
	all := make([]sdk.Coverage, len(v.Rules))
	for i, r := range v.Rules {
		all[i] = cover(r, kernel)
		if r.Is == places.Shown && copied[r.Path] {
			all[i].By = "a copy in a private directory, brought back at the end"
		}
	}
	return all
}

func cover(r places.Rule, kernel bool) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced}
	switch r.Is {
	case places.Shown:
		held.By = shownBy(r.Rights, kernel)
	case places.Overruled:
		held.By = "denied, and not in the view"
	case places.Masked:
		held.By, held.Why = "masked", replaceable(r, "its new content is seen")
	case places.Stub:
		held.By = "a stub without rights in its place"
	case places.ReadOnly:
		held.By, held.Why = "read-only bind mount", replaceable(r, "the new one is not protected")
	case places.Unseen:
		held.By = "not in the view"
	case places.Absent:
		held.By = "nothing is there"
	case places.Own:
		held.By = "the session's own"
	case places.Kept:
		return sdk.Coverage{
			Rule: r.ID, Held: sdk.Unavailable,
			Why: "every session has its own " + r.Path + ", which this layer cannot take away",
		}
	case places.Spared, places.Aside, places.Unknown: // the first two are said where places only add
		return unknown(r)
	default:
		return unknown(r)
	}
	return held
}

func unknown(r places.Rule) sdk.Coverage {
	return sdk.Coverage{
		Rule: r.ID, Held: sdk.Unavailable, Why: "the layer does not know this kind of rule",
	}
}

// shownBy says what shows a granted path.
func shownBy(gives places.Rights, kernel bool) string {
	by := "bind mount"
	if !gives.Write {
		by = "read-only bind mount"
	} else if !gives.Execute {
		by = "no-exec bind mount"
	}
	if kernel {
		by += ", Landlock"
	}
	return by
}

// replaceable says what a rule about a single file cannot hold. Against the agent it holds, since a
// mount point cannot be renamed from inside.
func replaceable(r places.Rule, then string) string {
	if !r.Replaceable {
		return ""
	}
	return "held against the agent; " +
		"if a program outside replaces the file by rename meanwhile, " + then
}
