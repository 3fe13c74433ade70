package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// summaryGrants is how many grants the start line lists.
const summaryGrants = 4

// Summary is the line at the start of a run, without the "nono: " before it, and a second line if
// something is not held:
//
//	rw ~/proj; network closed; home private; tier A
//
// It names every layer that is not nono's own, with what it serves inside.
func Summary(made *plan.Plan) string {
	p := read(made)
	parts := p.grantsText()
	if len(parts) == 0 && !p.disabled(policy.KindFilesystem) {
		parts = []string{"no path granted"}
	}
	parts = append(parts, p.credentialText(), p.networkText(), p.homeText(), p.sharedText(),
		p.snapshotText())
	if dir := p.dirText("", ""); dir != "" {
		parts = append(parts, "current directory "+dir)
	}
	parts = append(parts, p.foreignText()...)
	parts = append(parts, p.tierText())
	line := strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
	if not := p.notHeld(); not != "" {
		line += "\nnot held: " + not
	}
	return line
}

// Hint is what to tell when the agent has failed: what existed inside and where to look further.
func Hint(made *plan.Plan) string {
	p := read(made)
	if p.disabled(policy.KindFilesystem) {
		return "all files were open to it; `nono plan` shows what was not"
	}
	inside := "the system's files"
	if grants := p.grantsText(); len(grants) > 0 {
		inside = strings.Join(grants, ", ") + " and " + inside
	}
	return "inside were " + inside + "; `nono plan` shows all"
}

func (p *page) disabled(k policy.Kind) bool {
	return slices.ContainsFunc(p.Disabled, func(d policy.Disabled) bool { return d.Kind == k })
}

// grantsText lists what the user granted. The system's files and the toolchain of the command are
// no news.
func (p *page) grantsText() []string {
	if p.disabled(policy.KindFilesystem) {
		return []string{"all files open"}
	}
	var parts []string
	listed := map[string]bool{}
	for _, r := range p.Rules {
		// What is denied all the same, or is the session's own anyway, was asked for and is not
		// given.
		given, writable, partly := p.given(r)
		if !r.Access.Grants() || !r.Source.Asked() || r.Type == policy.Missing || !given {
			continue
		}
		word := "ro "
		switch {
		case r.Unreadable != "":
			word = "unreadable "
		case r.Access == policy.Unix:
			word = "socket "
		case writable && r.Unwritable == "":
			word = "rw "
		}
		shown := r.Path
		if own, moved := p.movedFrom(r.Path); moved {
			shown, partly = own, true
		}
		part := word + policy.Printable(p.short(shown))
		if partly {
			part += " in part"
		}
		if _, copied := p.view.Cover(r.Path).Mount.(fragment.Copy); copied {
			part += " (brought back at the end)"
		}
		if !listed[part] {
			listed[part] = true
			parts = append(parts, part)
		}
	}
	if more := len(parts) - summaryGrants; more > 0 {
		parts = append(parts[:summaryGrants], fmt.Sprintf("and %d more", more))
	}
	return parts
}

// foreignText names each layer that is not nono's own, and what it serves inside.
func (p *page) foreignText() []string {
	var parts []string
	for _, l := range p.Layers {
		if l.BuiltIn {
			continue
		}
		part := "layer " + policy.Printable(l.Name)
		var serves []string
		for _, s := range p.Listeners {
			if s.Layer == l.Name {
				serves = append(serves, string(s.Network)+" "+s.Dialled())
			}
		}
		if len(serves) > 0 {
			part += " serves " + strings.Join(serves, ", ")
		}
		parts = append(parts, part)
	}
	return parts
}

// homeText says whose home directory the agent has.
func (p *page) homeText() string {
	shared, _ := p.sight.Shows(p.Host.Home)
	switch {
	case shared:
		return "home shared"
	case p.walled():
		return "home unreadable"
	}
	return "home private"
}

// sharedText says that there is no shared memory. Programs that need it do not say what they lack,
// and in tier A they have it.
func (p *page) sharedText() string {
	if p.walled() && !p.disabled(policy.KindFilesystem) && !p.reaches(places.SharedMemory) {
		return "no " + places.SharedMemory
	}
	return ""
}

// dirText says, between two words, what is wrong with the current directory: nobody granted it.
func (p *page) dirText(before, after string) string {
	if p.walled() && !p.reaches(p.Command.Dir) {
		return before + "not granted" + after
	}
	if _, memory := p.view.Cover(p.Command.Dir).Mount.(fragment.Tmpfs); !memory {
		return ""
	}
	if p.view.HostBeneath(p.Command.Dir) {
		return before + "not granted" + after
	}
	return before + "empty" + after
}

// notHeld is what is not fully held although nobody disabled it.
func (p *page) notHeld() string {
	var out []string
	for _, r := range p.Rules {
		// What --disable took away is announced in notices of its own.
		overridden := p.disabled(r.ID.Kind()) ||
			(r.ID == base.RuleMounts && p.disabled(policy.KindFilesystem)) ||
			(r.ID == base.RuleNetwork && p.disabled(policy.KindNetwork))
		if r.Held == sdk.Enforced || overridden {
			continue
		}
		brief := p.brief(r.ID)
		switch {
		case p.walled() && brief != "":
			out = append(out, brief)
		case p.walled() && r.Access == policy.Protect && !r.Required: // gathered below
		default:
			out = append(out, fmt.Sprintf("%s (%s: %s)",
				policy.Printable(r.Says), r.Held, policy.Printable(r.Why)))
		}
	}
	if open := p.openText(); p.walled() && open != "" {
		out = append(out, open)
	}
	return strings.Join(out, "; ")
}
