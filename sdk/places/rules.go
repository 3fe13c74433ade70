package places

import (
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// rules says of every filesystem rule how it stands, and warns where it holds one name of several.
func (c *computer) rules() []Rule {
	all := make([]Rule, len(c.Policy.Filesystem))
	for i := range c.Policy.Filesystem {
		r := &c.Policy.Filesystem[i]
		all[i] = Rule{ID: r.ID, Path: r.Path, Is: c.standing(r)}
		switch all[i].Is {
		case Shown:
			all[i].Rights = c.rights(r.Path)
		case Masked:
			all[i].Replaceable = !c.isDirectory(r.Path)
			c.warnOfNames(r, "read or changed")
		case ReadOnly:
			if at, ok := c.view[r.Path]; ok && at.Shows == Host && c.above(r.Path).Rights.Write {
				all[i].Replaceable = !c.isDirectory(r.Path)
				c.warnOfNames(r, "changed")
			}
		case Absent, Own, Kept, Overruled, Stub, Unseen, Spared, Aside, Unknown:
		}
	}
	return all
}

func (c *computer) standing(r *policy.PathRule) Standing {
	switch r.Access {
	case policy.Allow, policy.Read, policy.Write, policy.Unix:
		return c.grantStanding(r)
	case policy.Deny:
		return c.denialStanding(r)
	case policy.Protect:
		return c.protectionStanding(r)
	}
	return Unknown
}

func (c *computer) grantStanding(r *policy.PathRule) Standing {
	switch {
	case c.ofCore(r.Path), !r.Source.Asked() && policy.Within(r.Path, "/dev"):
		return Own
	case r.Type == policy.Missing || !c.exists(r.Path):
		return Absent
	case c.denial(r.Path) != nil:
		return Overruled
	}
	return Shown
}

func (c *computer) denialStanding(r *policy.PathRule) Standing {
	at := c.view[r.Path]
	// With a part of it lifted, a directory of the session's own is in its place.
	hidden := at.Shows == Hidden || at.Shows == Private && at.Rule == r.ID
	switch {
	case c.ofCore(r.Path) && r.Source.Asked():
		return Kept
	case !c.exists(r.Path):
		return Absent
	case hidden && c.above(r.Path).Shows == Host:
		return Masked
	case hidden:
		return Stub
	}
	return Unseen
}

func (c *computer) protectionStanding(r *policy.PathRule) Standing {
	_, placed := c.view[r.Path]
	switch {
	case !c.exists(r.Path):
		return Absent
	case c.denial(r.Path) != nil:
		return Overruled
	case !placed && c.above(r.Path).Shows != Host:
		return Unseen
	}
	return ReadOnly
}

// names is how many names a file has. What a directory says there changes with all that is made in
// it, and means nothing to a layer.
func names(e hostfile.Entry) uint64 {
	if e.Type == policy.Directory {
		return 0
	}
	return e.Links
}

// warnOfNames warns of a file with several names: the rule holds for this one.
func (c *computer) warnOfNames(r *policy.PathRule, how string) {
	if e := c.stands[r.Path]; e.Type != policy.Directory && e.Links > 1 {
		c.warn(r, r.Path+" has another name (a hard link), "+
			"under which it can be "+how+" if that lies in a grant",
			"find it with: find DIRECTORY -samefile "+r.Path)
	}
}
