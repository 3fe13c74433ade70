package landlock

import (
	"path"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// coverage answers for every filesystem rule how far it is held, and warns where a rule is held for one name of several.
func (c *compiler) coverage() []sdk.Coverage {
	var all []sdk.Coverage
	for _, r := range c.policy.Filesystem {
		held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced}
		switch {
		case r.Access.Grants():
			held.By = c.grantBy(r)
		case r.Access == policy.Deny:
			held = c.denied(r)
		case r.Access == policy.Protect:
			held = c.protected(r)
		default:
			held = sdk.Coverage{Rule: r.ID, Held: sdk.Unavailable, Why: "the layer does not know this kind of rule"}
		}
		all = append(all, held)
	}
	if !c.landlock && len(c.policy.Filesystem) > 0 {
		c.diagnostics = append(c.diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityWarning,
			Summary:  "this kernel has no Landlock: the mount view alone holds the filesystem rules",
		})
	}
	return all
}

const (
	byAbsence = "nothing is there"
	byView    = "not in the view"
)

// grantBy says what shows a granted path.
func (c *compiler) grantBy(r policy.PathRule) string {
	switch {
	case ofCore(r.Path), !r.Source.Asked() && policy.Within(r.Path, "/dev"):
		return "the session's own"
	case !c.nodes[r.Path].exists():
		return byAbsence
	case c.denial(r.Path) != nil:
		return "denied, and not in the view"
	}
	by := "bind mount"
	if may := c.rights(r.Path); !may.write {
		by = "read-only bind mount"
	} else if !may.execute {
		by = "no-exec bind mount"
	}
	if c.landlock {
		by += ", Landlock"
	}
	return by
}

func (c *compiler) denied(r policy.PathRule) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: byView}
	at := c.view[r.Path]
	switch {
	case ofCore(r.Path) && r.Source.Asked():
		return sdk.Coverage{Rule: r.ID, Held: sdk.Unavailable, Why: "every session has its own " + r.Path + ", which this layer cannot take away"}
	case !c.nodes[r.Path].exists():
		held.By = byAbsence
	case at.shows == showsMask && c.above(r.Path).shows != showsHost:
		held.By = "a stub without rights in its place"
	case at.shows == showsMask:
		held.By, held.Why = "masked", c.fragile(r, "its new content is seen")
		c.warnOfNames(r, "read or changed")
	}
	return held
}

func (c *compiler) protected(r policy.PathRule) sdk.Coverage {
	held := sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "read-only bind mount"}
	at, bound := c.view[r.Path]
	switch {
	case !c.nodes[r.Path].exists():
		held.By = byAbsence
	case c.denial(r.Path) != nil:
		held.By = "denied as well"
	case bound && at.shows == showsHost && c.above(r.Path).gives.write:
		held.Why = c.fragile(r, "the new one is not protected")
		c.warnOfNames(r, "changed")
	case !bound && c.above(r.Path).shows != showsHost:
		held.By = byView
	}
	return held
}

// fragile says what a rule about a single file cannot hold: the mount sits on the file, not on its name, and a program outside that
// saves it by rename takes both away. Against the agent it holds, since a mount point cannot be renamed from inside.
func (c *compiler) fragile(r policy.PathRule, then string) string {
	if c.nodes[r.Path].isDirectory() {
		return ""
	}
	return "held against the agent; if a program outside replaces the file by rename meanwhile, " + then
}

// warnOfNames warns of a file with several names: the rule holds for this one.
func (c *compiler) warnOfNames(r policy.PathRule, how string) {
	if n := c.nodes[r.Path]; !n.isDirectory() && n.names > 1 {
		c.report(sdk.SeverityWarning, r, r.Path+" has another name (a hard link), under which it can be "+how+" if that lies in a grant",
			"find it with: find DIRECTORY -samefile "+path.Clean(r.Path))
	}
}
