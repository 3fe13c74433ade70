// Package show prints a plan for people: all of it for `nono plan`, one line of it for the start of
// a run, and what to tell when a command has failed.
package show

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Print writes the plan for people: what is granted, denied and protected, each with the line that
// says so. Verbose adds what every run has (the system's own files, the base fragment) and every
// mount. What a file or a person chose is printed with control characters escaped.
func Print(w io.Writer, p *plan.Plan, verbose, colour bool) error {
	pr := &printer{plan: read(p), verbose: verbose, colour: colour}
	pr.command()
	pr.layers()
	pr.paths()
	pr.environment()
	pr.credentials()
	pr.network()
	pr.snapshot()
	pr.trust()
	pr.limits()
	pr.base()
	pr.notices()
	if verbose {
		pr.mounts()
	}
	_, err := io.WriteString(w, pr.out.String())
	return err
}

// printer collects the sections.
type printer struct {
	plan    *page
	verbose bool
	colour  bool
	out     strings.Builder
}

// page is a plan with what printing asks of it again and again.
type page struct {
	*plan.Plan
	view  view.View
	sight view.Sight
	// grants are the user's own, denials anyone's, by path.
	grants, denials rules
	// verified are the protections of verified files.
	verified map[policy.RuleID]bool
}

func read(p *plan.Plan) *page {
	g := &page{
		Plan: p, view: p.View(), sight: p.Sight(), grants: rules{}, denials: rules{},
		verified: map[policy.RuleID]bool{},
	}
	for _, f := range p.Verified {
		g.verified[f.Rule] = true
	}
	for _, r := range p.Rules {
		switch {
		case r.Type == policy.Missing:
		case r.Access.Grants() && r.Source.Asked():
			g.grants.add(r)
		case r.Access == policy.Deny:
			g.denials.add(r)
		}
	}
	return g
}

// rules finds rules by their path.
type rules map[string]plan.Rule

func (rs rules) add(r plan.Rule) {
	if _, ok := rs[r.Path]; !ok {
		rs[r.Path] = r
	}
}

// above is the rule with the longest path at p or above.
func (rs rules) above(p string) (plan.Rule, bool) {
	for ; ; p = path.Dir(p) {
		if r, ok := rs[p]; ok || p == "/" || p == "." {
			return r, ok
		}
	}
}

// section writes a heading and rows of columns; nothing if there are no rows.
func (pr *printer) section(title string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	if pr.out.Len() > 0 {
		pr.out.WriteByte('\n')
	}
	if pr.colour {
		title = "\x1b[1m" + title + "\x1b[0m"
	}
	fmt.Fprintln(&pr.out, title)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = policy.Printable(cell)
		}
	}
	widths := columnWidths(rows)
	for _, row := range rows {
		fmt.Fprintf(&pr.out, "  %s\n", aligned(row, widths))
	}
}

// widest is where a cell stops to push the columns after it to the right. One long name would leave
// all the others far from what is said about them.
const widest = 88

// columnWidths is how much room the columns of a table need. What stands last in its row needs
// none.
func columnWidths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		row = withoutEnd(row)
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n := utf8.RuneCountInString(cell); n <= widest && i < len(row)-1 {
				widths[i] = max(widths[i], n)
			}
		}
	}
	return widths
}

// aligned is one row, each cell at its column as far as that is free, with no space at the end.
func aligned(row []string, widths []int) string {
	var b strings.Builder
	column := 0 // where the next cell belongs
	for i, cell := range withoutEnd(row) {
		if at := utf8.RuneCountInString(b.String()); i > 0 {
			b.WriteString(strings.Repeat(" ", max(2, column-at)))
		}
		b.WriteString(cell)
		column += widths[i] + 2
	}
	return b.String()
}

// withoutEnd leaves out the empty cells at the end of a row.
func withoutEnd(row []string) []string {
	for len(row) > 1 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	return row
}

func (pr *printer) command() {
	p := pr.plan
	rows := [][]string{
		{"command", quoteArgs(p.Command.Args)},
		{"runs", pr.short(p.Command.Executable)},
		{"in", pr.short(p.Command.Dir) + p.dirText(" (", ")")},
		{"host", fmt.Sprintf("tier %s, kernel %s, Landlock %d",
			p.Host.Tier, p.Host.Kernel, p.Host.LandlockABI)},
	}
	if p.Fallback != nil {
		rows = append(rows, []string{"tier A", "not here: " + p.Fallback.Reason})
		for line := range strings.SplitSeq(p.Fallback.Try, "\n") {
			rows = append(rows, []string{"", line})
		}
	}
	pr.section("plan", rows)
}

// quoteArgs shows where an argument with spaces begins and ends.
func quoteArgs(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n'\"") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out[i] = a
	}
	return strings.Join(out, " ")
}

func (pr *printer) layers() {
	var rows [][]string
	for _, l := range pr.plan.Layers {
		from := "built in"
		if !l.BuiltIn {
			from = pr.short(l.Path)
			if len(l.Digest) >= 12 {
				from += ", sha256 " + l.Digest[:12]
			}
		}
		why := l.Why
		if l.Remembered {
			why += "; it answered the same request before, and was not asked (--fresh asks it)"
		}
		rows = append(rows, []string{string(l.Kind), l.Name + " " + l.Version, from, why})
	}
	for _, d := range pr.plan.Disabled {
		rows = append(rows, []string{string(d.Kind), "disabled", "", d.Source.String()})
	}
	pr.section("layers", rows)
}

// mostVerified is how many verified files are listed where nobody asks for all.
const mostVerified = 20

// paths prints the filesystem rules in three groups. What every run has is counted and shown with
// -v.
func (pr *printer) paths() {
	for _, group := range []struct {
		title string
		has   func(policy.Access) bool
	}{
		{"granted", policy.Access.Grants},
		{"denied", func(a policy.Access) bool { return a == policy.Deny }},
		{"protected", func(a policy.Access) bool { return a == policy.Protect }},
	} {
		var asked, rest [][]string
		standard, verified := 0, 0
		for _, r := range pr.plan.Rules {
			row := []string{string(r.Access), pr.named(r), pr.source(r), pr.held(r)}
			switch {
			case r.Access == "" || !group.has(r.Access):
			case r.Source.Asked():
				asked = append(asked, row)
			case !pr.verbose && pr.standard(r):
				standard++
			case pr.plan.verified[r.ID] && verified >= mostVerified && !pr.verbose:
				verified++
			default:
				rest = append(rest, row)
				if pr.plan.verified[r.ID] {
					verified++
				}
			}
		}
		if more := verified - mostVerified; more > 0 && !pr.verbose {
			rest = append(rest, []string{
				fmt.Sprintf("and %d more verified files (-v lists them)", more),
			})
		}
		rows := append(asked, rest...) // what the user wrote is what the user looks for
		if group.title == "protected" {
			rows = append(rows, pr.own()...)
		}
		if standard > 0 {
			rows = append(rows, []string{
				fmt.Sprintf("and %d of the default profile (-v lists them)", standard),
			})
		}
		if group.title == "granted" {
			rows = append(rows, pr.private()...)
			rows = append(rows, pr.kept()...)
		}
		pr.section(group.title, rows)
	}
}

// private are the directories that the session has for itself.
func (pr *printer) private() [][]string {
	if dirs := pr.plan.granted(base.RuleScratch); len(dirs) > 0 {
		return [][]string{{"private", dirs[len(dirs)-1], "gone after the run"}}
	}
	var dirs []string
	for _, s := range pr.plan.Mounts {
		if t, ok := s.Mount.(fragment.Tmpfs); ok && t.Path != "/" && !policy.Within(t.Path, "/dev") &&
			(t.Path != pr.plan.Command.Dir || t.Path == pr.plan.Host.Home) {
			dirs = append(dirs, pr.short(t.Path))
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	return [][]string{{"private", strings.Join(dirs, " "), "in memory, gone after the run"}}
}

// kept are the build caches, and the directories that agents have in the place of their own.
func (pr *printer) kept() [][]string {
	var rows [][]string
	for _, h := range pr.plan.Homes {
		rows = append(rows, []string{"kept", pr.short(h.Dir), "in the place of " + pr.short(h.Own)})
	}
	dirs := pr.plan.granted(base.RuleCaches)
	for _, s := range pr.plan.Mounts {
		if s.Rule() == base.RuleCaches {
			dirs = append(dirs, pr.short(s.At()))
		}
	}
	if len(dirs) == 0 {
		return rows
	}
	return append(rows,
		[]string{"kept", strings.Join(dirs, " "), "what tools build, for this project alone"})
}

// own is what keeps nono's own files from the agent, where a grant would have reached them.
func (pr *printer) own() [][]string {
	var rows [][]string
	for _, s := range pr.plan.Mounts {
		if s.Rule() != base.RuleSelf {
			continue
		}
		if m, ok := s.Mount.(fragment.Mask); ok {
			rows = append(rows, []string{"hide", pr.short(m.Path), "nono's own files"})
		}
		if b, ok := s.Mount.(fragment.Bind); ok && !b.Writable {
			rows = append(rows, []string{
				"protect", pr.short(b.Path), "nono's programs, or a policy of this run",
			})
		}
	}
	return rows
}

// standard reports a rule that every run has and that holds: not worth a line. A default denial
// inside a grant of the user's is.
func (pr *printer) standard(r plan.Rule) bool {
	held := r.Held == sdk.Enforced || pr.plan.disabled(r.ID.Kind())
	_, granted := pr.plan.grants.above(r.Path)
	return r.Source.Origin == policy.OriginDefault && r.Access != policy.Protect && held &&
		!(r.Required && granted)
}

// named is the rule's path, with the name it was asked for where a link was followed.
func (pr *printer) named(r plan.Rule) string {
	s := pr.short(r.Path)
	if r.Name != "" && r.Name != r.Path {
		s = pr.short(r.Name) + " -> " + s
	}
	for i, l := range r.Lifted {
		joint := ", "
		if i == 0 {
			joint = ", but not "
		}
		s += joint + pr.short(l.Path)
	}
	if r.Type == policy.Missing {
		s += " (not there)"
	}
	return s
}

func (pr *printer) source(r plan.Rule) string {
	switch r.Source.Origin {
	case policy.OriginCommand:
		return cmp.Or(r.Source.Flag, "the command you typed")
	case policy.OriginDefault:
		if !pr.verbose {
			return "default"
		}
	case policy.OriginBase, policy.OriginConfig, policy.OriginProfile, policy.OriginFile,
		policy.OriginFlag:
	}
	return r.Source.String()
}

// held says how the rule is held, with -v; and always where it is not, or where it changes nothing.
func (pr *printer) held(r plan.Rule) string {
	given, _, partly := pr.plan.given(r)
	_, copied := pr.plan.view.Cover(r.Path).Mount.(fragment.Copy)
	switch {
	case r.Held != sdk.Enforced:
		return strings.ToUpper(string(r.Held)) + ": " + r.Why
	case r.Access.Grants() && r.Type != policy.Missing && !given:
		return pr.why(r)
	case partly:
		return "in part: " + r.Why
	case copied:
		return "a copy, brought back at the end"
	case r.Unreadable+r.Unwritable != "":
		return "gives less: " + r.Unreadable + r.Unwritable
	case pr.verbose:
		return r.By
	case pr.oftenWritten(r):
		return "git config, remote add and push -u write it: --write " + pr.short(r.Path)
	}
	return ""
}

// oftenWritten reports the one default protection that ordinary work runs into: the settings of the
// repository that is granted.
func (pr *printer) oftenWritten(r plan.Rule) bool {
	root, settings := strings.CutSuffix(r.Path, "/.git/config")
	_, granted := pr.plan.grants[root]
	return r.Access == policy.Protect && !r.Source.Asked() && settings && granted &&
		r.Type != policy.Missing
}

// why says why a grant gives nothing.
func (pr *printer) why(r plan.Rule) string {
	if d, ok := pr.plan.denials.above(r.Path); ok {
		return "gives nothing: denied by " + d.Source.String()
	}
	if pr.plan.walled() {
		return "gives nothing: it is the host's own, and a session has no more of it than nono gives each"
	}
	return "gives nothing: the session has its own"
}

// environment prints names and where they come from. A literal is shown; the user's own values and
// secrets are not in a plan.
func (pr *printer) environment() {
	lines := map[policy.RuleID]plan.Rule{}
	for _, r := range pr.plan.Rules {
		lines[r.ID] = r
	}
	var rows [][]string
	var inherited []string
	for _, v := range pr.plan.Env {
		rule, ok := lines[v.Rule]
		plain := len(v.Value) == 1 && v.Value[0].Host == v.Name
		if plain && !rule.Source.Asked() {
			inherited = append(inherited, v.Name)
			continue
		}
		from := "layer " + v.Layer
		if ok && rule.Source.Origin != policy.OriginBase {
			from = pr.source(rule)
		} else if v.Layer == plan.Core {
			from = "nono"
		}
		text := v.Text()
		if v.Rule.IsSecret() {
			text += ", " + rule.By
		}
		rows = append(rows, []string{v.Name, from, text}) // the value last: PATH is long
	}
	if len(inherited) > 0 {
		rows = append(rows, []string{"inherited: " + strings.Join(inherited, " ")})
	}
	pr.section("environment", rows)
}

// limits are what the user lets a run use.
func (pr *printer) limits() {
	var rows [][]string
	for _, r := range pr.plan.Rules {
		switch r.ID {
		case base.RuleTime, base.RuleOpenFiles, base.RuleProcessMax:
			rows = append(rows, []string{r.Says, pr.source(r), pr.held(r)})
		}
	}
	pr.section("limits", rows)
}

func (pr *printer) base() {
	var rows [][]string
	for _, r := range pr.plan.Rules {
		if r.ID.Kind() != policy.KindBase || r.Source.Origin != policy.OriginBase {
			continue
		}
		if pr.verbose || r.Held != sdk.Enforced {
			rows = append(rows, []string{r.Says, pr.held(r)})
		}
	}
	if !pr.verbose {
		all := "private /proc and /dev, hardening, own processes only (-v lists all)"
		if pr.plan.walled() {
			all = "hardening, no descriptors but the standard three (-v lists all)"
		}
		rows = append(rows, []string{all})
	}
	pr.section("always", rows)
}

func (pr *printer) notices() {
	var rows [][]string
	for _, n := range pr.plan.Notices {
		at := ""
		if n.Source != (policy.Source{}) {
			at = n.Source.String()
		}
		rows = append(rows, []string{n.Text, at})
	}
	pr.section("notices", rows)
}

func (pr *printer) mounts() {
	var rows [][]string
	for _, m := range pr.plan.Mounts {
		rows = append(rows, []string{m.At(), view.Describe(m.Mount), m.Layer, string(m.Rule())})
	}
	pr.section("mounts", rows)
	rows = nil
	for _, g := range pr.plan.Landlock {
		rows = append(rows, []string{
			g.Path, merge.Words(g.Rights), strings.Join(g.Layers, ", "), string(g.For),
		})
	}
	pr.section("landlock", rows)
	pr.calls()
	rows = nil
	for _, f := range pr.plan.Seccomp {
		if f.Layer != plan.Core {
			rows = append(rows, []string{strings.Join(f.Syscalls, " "), f.Errno, f.Layer, string(f.For)})
		}
	}
	pr.section("system calls that layers refuse", rows)
	rows = nil
	for _, l := range pr.plan.Lost {
		rows = append(rows, []string{
			l.Of, l.Lost.What + " (" + l.Lost.Layer + ")",
			"lost to " + l.To.What + " (" + l.To.Layer + ")",
		})
	}
	pr.section("lost", rows)
}

// calls prints every system call with the reason why it is allowed or refused.
func (pr *printer) calls() {
	var rows [][]string
	for _, j := range base.JudgementsOn(pr.plan.Host, pr.plan.shared()) {
		rows = append(rows, []string{j.Verdict(), j.About + ": " + j.Why})
		for _, line := range wrapped(j.Names()) {
			rows = append(rows, []string{"", "  " + line})
		}
	}
	rows = append(rows, []string{"ENOSYS", "all others: They are newer than this nono."})
	pr.section("system calls", rows)
}

// shared is what the filter of tier B was made for.
func (p *page) shared() base.Shared {
	return base.Shared{
		Network: p.disabled(policy.KindNetwork), Supervised: len(p.Supervised) > 0,
		Connected: len(p.Through) > 0 || len(p.Credentials) > 0,
	}
}

// wrapped joins words to lines that a terminal has room for.
func wrapped(words []string) []string {
	var lines []string
	for _, word := range words {
		last := len(lines) - 1
		if last < 0 || len(lines[last])+1+len(word) > widest {
			lines = append(lines, word)
		} else {
			lines[last] += " " + word
		}
	}
	return lines
}

func (pr *printer) short(p string) string { return pr.plan.short(p) }

func (p *page) short(name string) string { return diag.Homely(name, p.Host.Home) }
