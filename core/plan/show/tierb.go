package show

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// inBrief is what of core's own rules is not held in tier B, for the start line; `nono plan` prints
// each with its reason.
var inBrief = map[policy.RuleID]string{
	base.RuleNames:      "names, sizes and times of other files",
	base.RuleAttributes: "changes of their modes and owners",
	base.RuleProcesses:  "other processes' command lines",
	base.RuleProc:       "the host's /proc",
	base.RuleEnds:       "processes that outrun the end",
	base.RuleLinks:      "links on the way to denied names",
	base.RuleDocuments:  "policy files",
}

// brief is the same for this plan's kernel; empty for a rule that the start line has no words for.
func (p *page) brief(id policy.RuleID) string {
	if id == base.RuleProcesses && p.Host.LandlockABI < base.HasScopes {
		return "signals to other processes, and their command lines"
	}
	return inBrief[id]
}

// mostNamed is how many protections the start line names.
const mostNamed = 2

// walled reports whether nothing can be mounted on the plan's host.
func (p *page) walled() bool { return p.Host.Tier == sdk.TierB }

// tierText says which tier holds, and why no better one.
func (p *page) tierText() string {
	text := fmt.Sprintf("tier %s", p.Host.Tier)
	if p.Fallback != nil {
		text += " (" + policy.Printable(p.Fallback.Reason) + ")"
	}
	return text
}

// openText names nono's own protections that tier B does not hold.
func (p *page) openText() string {
	var names []string
	for _, r := range p.Rules {
		if r.Access == policy.Protect && r.Held != sdk.Enforced && !r.Required {
			names = append(names, policy.Printable(p.inDir(r.Path)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	more := ""
	if n := len(names) - mostNamed; n > 0 {
		names, more = names[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more + " (kept aside)"
}

// inDir is a path as seen from the command's directory, where it lies in that.
func (p *page) inDir(name string) string {
	if policy.Within(name, p.Command.Dir) && name != p.Command.Dir {
		return strings.TrimPrefix(name, path.Clean(p.Command.Dir)+"/")
	}
	return p.short(name)
}

// granted are the paths that core's own Landlock rules give for a rule.
func (p *page) granted(id policy.RuleID) []string {
	var all []string
	for _, g := range p.Landlock {
		if g.For == id {
			all = append(all, p.short(g.Path))
		}
	}
	return all
}

// given reports whether what a rule grants is given, and for writing; partly says that it is given
// piece by piece, because something in it is not.
func (p *page) given(r plan.Rule) (given, writable, partly bool) {
	if given, writable = p.sight.Shows(r.Path); given || !p.walled() {
		return given, writable, false
	}
	for _, g := range p.Landlock {
		if g.For == r.ID && policy.Within(g.Path, r.Path) {
			given, partly = true, true
			writable = writable || slices.Contains(g.Rights, fragment.RightWrite)
		}
	}
	return given, writable, partly
}

// movedFrom is the directory of an agent's own of which a path is a part, where the agent has
// another in its place.
func (p *page) movedFrom(name string) (own string, moved bool) {
	for _, h := range p.Homes {
		if policy.Within(name, h.Own) {
			return h.Own, true
		}
	}
	return "", false
}

// reaches reports whether anything is given of a directory.
func (p *page) reaches(dir string) bool {
	shown, _ := p.sight.Shows(dir)
	return shown || slices.ContainsFunc(p.Landlock, func(g merge.Grant) bool {
		return policy.Within(g.Path, dir)
	})
}
