package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/test/kernels/serial"
)

// page is docs/kernels.md as it grows.
type page struct{ strings.Builder }

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// table prints one row of cells after another.
func (p *page) table(head []string, rows [][]string) {
	p.printf("| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		p.printf("| %s |\n", strings.Join(r, " | "))
	}
	p.printf("\n")
}

const intro = `# Kernels

Which kernels nono was booted on, and what each of them lets it hold. ` +
	"`make kernels PAGE=1` wrote this page: " + `it
fetches the newest kernel of each series that Debian's packages offer and boots it under qemu, with
a small Debian in memory, no disk and no network. In each machine, as an ordinary user and as root,
it tries README's demo (which does each thing without nono too), ` + "`nono doctor`" + `, the table
of attacks (` + "`nono doctor --attack`" + `, each with its control), and the launcher's own tests.
A machine's clock counts its instructions, so no deadline passes for what else is done outside.
Where it says "-", that was not tried on that kernel.
[hosts.md](hosts.md) says what each version of Landlock adds, and what to do about a host.

`

const ending = `## What was not to be had

%s
- Ubuntu's kernels and others with patches of their own: the restriction of user namespaces by
  AppArmor (` + "`kernel.apparmor_restrict_unprivileged_userns`" + `) %s. A profile that
  denied nono ` + "`userns`" + ` was once loaded by hand on 6.12 and 7.3 and kept nothing from it,
  so the restriction itself is not shown here; that nono's own profile loads is.
- Other processors than x86-64, and Docker.
- A processor's flaws, and what is done against them: an emulator has none, and the machines run
  with ` + "`mitigations=off`" + `. It changes how long things take and nothing else.
`

// markdown is the page, of all kernels that there are and of what was found on some.
func markdown(all []kernel, found map[string]findings) string {
	var p page
	p.WriteString(intro)
	var booted []findings
	for _, k := range all {
		if f, ok := found[k.Series]; ok {
			booted = append(booted, f)
		}
	}
	p.overview(booted)
	p.situations(booted)
	p.settings(booted)
	p.attacks(booted)
	p.open(booted)
	p.broken(booted)
	p.missing(all, booted)
	return p.String()
}

// overview is a line for each kernel.
func (p *page) overview(booted []findings) {
	p.printf("## The kernels\n\n")
	var rows [][]string
	for _, f := range booted {
		abi := "?"
		if f.Host != nil {
			abi = fmt.Sprint(f.Host.Landlock)
			if f.Host.Landlock == 0 {
				abi = "none"
			}
		}
		rows = append(rows, []string{
			f.Kernel.Series, "`" + f.Kernel.Package + "`", abi,
			f.short(asShipped, demo, false), f.short(asShipped, demo, true),
			f.short(without, demo, false), f.short(without, demo, true),
			f.tests(tested[0]), f.Day,
		})
	}
	p.table([]string{
		"kernel", "package", "Landlock", "tier", "root's", "without namespaces", "root's",
		"the launcher's tests", "day",
	}, rows)
}

// situations is what the demo came to in each.
func (p *page) situations(booted []findings) {
	p.printf("## Tiers, and what decides about them\n\n" +
		"The tier in which an ordinary user's nono runs the demo, by the host's settings.\n\n")
	var rows [][]string
	for _, s := range situations[1:] {
		var changed []string
		for _, set := range s.settings {
			name := strings.ReplaceAll(set.Path, "/", ".")
			changed = append(changed, fmt.Sprintf("`%s=%s`", name, set.Value))
		}
		if s.before != "" {
			changed = append(changed, "a profile")
		}
		r := []string{s.name, strings.Join(changed, " ")}
		for _, f := range booted {
			r = append(r, f.short(s.name, demo, false))
		}
		rows = append(rows, r)
	}
	p.table(slices.Concat([]string{"host", "settings"}, series(booted)), rows)
	p.printf("What nono says at the start there:\n\n")
	var said []string
	by := map[string][]string{}
	for _, f := range booted {
		for _, r := range f.Results {
			if r.Trial != demo || r.Root {
				continue
			}
			for _, line := range outcomeOf(r).Detail {
				if by[line] == nil {
					said = append(said, line)
				}
				where := f.Kernel.Series + " " + r.Situation
				by[line] = append(by[line], where)
			}
		}
	}
	for _, line := range said {
		p.printf("- `%s`: %s\n", strings.ReplaceAll(line, "`", "'"), strings.Join(by[line], "; "))
	}
	p.printf("\n")
}

func series(booted []findings) []string {
	var all []string
	for _, f := range booted {
		all = append(all, f.Kernel.Series)
	}
	return all
}

// settings are the kernels' own, as they were found.
func (p *page) settings(booted []findings) {
	p.printf("## As Debian ships them\n\n")
	names := map[string]bool{}
	for _, f := range booted {
		if f.Host != nil {
			for name := range f.Host.Settings {
				names[name] = true
			}
		}
	}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	rows := [][]string{{"security modules"}}
	for _, f := range booted {
		modules := "?"
		if f.Host != nil {
			modules = strings.ReplaceAll(f.Host.Modules, ",", " ")
		}
		rows[0] = append(rows[0], modules)
	}
	for _, name := range sorted {
		r := []string{"`" + strings.ReplaceAll(name, "/", ".") + "`"}
		for _, f := range booted {
			value := "-"
			if f.Host != nil && f.Host.Settings[name] != "" {
				value = f.Host.Settings[name]
			}
			r = append(r, value)
		}
		rows = append(rows, r)
	}
	p.table(slices.Concat([]string{""}, series(booted)), rows)
}

// attacks is how the table of attacks ended, and what it says is open, by kernel.
func (p *page) attacks(booted []findings) {
	p.printf("## The table of attacks\n\n")
	var rows [][]string
	for _, s := range situations {
		for _, root := range []bool{false, true} {
			r := []string{s.name + whose(root)}
			some := false
			for _, f := range booted {
				short := f.short(s.name, attack, root)
				some = some || short != "-"
				r = append(r, short)
			}
			if some {
				rows = append(rows, r)
			}
		}
	}
	p.table(slices.Concat([]string{"host"}, series(booted)), rows)
}

// open is what the table of attacks found open to an ordinary user's agent, and in which tier.
func (p *page) open(booted []findings) {
	type row struct{ threat, tried string }
	tiers := map[row]map[string][]string{}
	var tried []findings
	for _, f := range booted {
		some := false
		for _, r := range f.Results {
			var report attackReport
			if r.Trial != attack || r.Root || json.Unmarshal([]byte(r.Out), &report) != nil {
				continue
			}
			some = true
			for _, one := range report.Findings {
				if one.Result != isOpen {
					continue
				}
				at := row{one.Threat, one.Tried}
				if tiers[at] == nil {
					tiers[at] = map[string][]string{}
				}
				of := tiers[at][f.Kernel.Series]
				if !slices.Contains(of, report.Tier) {
					tiers[at][f.Kernel.Series] = append(of, report.Tier)
				}
			}
		}
		if some {
			tried = append(tried, f)
		}
	}
	if tried == nil {
		return
	}
	p.printf("What it found open to an ordinary user's agent, by the tier; " +
		"[threats.md](threats.md) says of\neach why.\n\n")
	sorted := slices.SortedFunc(maps.Keys(tiers), func(a, b row) int {
		return cmp.Or(
			cmp.Compare(len(a.threat), len(b.threat)), // E2 before E10
			cmp.Compare(a.threat, b.threat), cmp.Compare(a.tried, b.tried),
		)
	})
	var rows [][]string
	for _, at := range sorted {
		r := []string{at.threat + " " + at.tried}
		for _, f := range tried {
			r = append(r, strings.Join(slices.Sorted(slices.Values(tiers[at][f.Kernel.Series])), ", "))
		}
		rows = append(rows, r)
	}
	p.table(slices.Concat([]string{"open"}, series(tried)), rows)
}

// broken are the details of whatever is not as it should be.
func (p *page) broken(booted []findings) {
	var lines []string
	for _, f := range booted {
		if f.Broken != "" {
			lines = append(lines, fmt.Sprintf("- %s: %s",
				f.Kernel.Series, strings.Join(strings.Fields(f.Broken), " ")))
		}
		for _, r := range f.Results {
			o := outcomeOf(r)
			if o.Failed {
				lines = append(lines, fmt.Sprintf("- %s, %s: %s", f.Kernel.Series,
					called(r.Situation, r.Root, r.Trial), strings.Join(o.Detail, "; ")))
			}
		}
	}
	if lines != nil {
		p.printf("## What is not as it should be\n\n%s\n\n", strings.Join(lines, "\n"))
	}
}

func whose(root bool) string {
	if root {
		return ", as root"
	}
	return ""
}

// missing is what no kernel here shows.
func (p *page) missing(all []kernel, booted []findings) {
	seen := map[int]bool{}
	newest, restricts := 0, false
	for _, f := range booted {
		if f.Host != nil {
			seen[f.Host.Landlock] = true
			newest = max(newest, f.Host.Landlock)
			_, has := f.Host.Settings["kernel/apparmor_restrict_unprivileged_userns"]
			restricts = restricts || has
		}
	}
	var gaps []string
	for abi := 1; abi < newest; abi++ {
		if !seen[abi] {
			gaps = append(gaps, fmt.Sprint(abi))
		}
	}
	versions := "- Every version of Landlock up to the newest was there."
	if gaps != nil {
		versions = "- Landlock's versions " + strings.Join(gaps, ", ") +
			": no kernel that was booted has them."
	}
	var bare []string
	for _, f := range booted {
		if f.Host != nil && f.Host.Bare {
			bare = append(bare, f.Kernel.Series)
		}
	}
	if bare != nil {
		versions += "\n- The modules of " + strings.Join(bare, ", ") +
			", which the archives have no longer: what a program can only reach through one of them " +
			"was not tried there."
	}
	var left []string
	for _, k := range all {
		of := func(f findings) bool { return f.Kernel.Series == k.Series }
		if !slices.ContainsFunc(booted, of) {
			left = append(left, k.Series)
		}
	}
	if left != nil {
		versions += "\n- In the archives and not booted for this page: " + strings.Join(left, ", ") + "."
	}
	restriction := "is in none of those that were booted"
	if restricts {
		restriction = "is in some of Debian's, and was not tried"
	}
	p.printf(ending, versions, restriction)
}

// tests is how a package's tests ended on a kernel, all batches together.
func (f findings) tests(pkg string) string {
	var batches []serial.Result
	for _, r := range f.Results {
		if r.Trial == pkg {
			batches = append(batches, r)
		}
	}
	if batches == nil {
		return "-"
	}
	return testsOutcome(batches...).Short
}

// short is a trial's outcome on a kernel; "-" where it was not made.
func (f findings) short(situation, trial string, root bool) string {
	for _, r := range f.Results {
		if r.Situation == situation && r.Trial == trial && r.Root == root {
			return outcomeOf(r).Short
		}
	}
	for _, l := range f.Lacking {
		if l.Situation == situation {
			return "cannot be had"
		}
	}
	return "-"
}
