package remains

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/diag"
)

// Line is one thing to tell a person.
type Line struct {
	Says string
	// Try is what to do about a line that warns.
	Try   string
	Warns bool
	// Aside says that only who asked for more wants to know.
	Aside bool
}

// Tell tells a person at the end of a run.
func (r Report) Tell(out *diag.Printer, home string) {
	for _, l := range r.Lines(home) {
		switch {
		case l.Warns:
			out.Problem(diag.Warningf("%s", l.Says).Try("%s", l.Try))
		case l.Aside:
			out.Detail("%s", l.Says)
		default:
			out.Line("%s", l.Says)
		}
	}
}

// Lines are what there is to tell: a line for each kind, and what to do about it.
func (r Report) Lines(home string) []Line {
	t := teller{home: home}
	if r.Ended > 0 {
		t.say("ended %d %s that the command left behind", r.Ended,
			plural(r.Ended, "process", "processes"))
	}
	for _, left := range r.Private {
		t.private(left)
	}
	for _, o := range r.Copies {
		// What failed is the run's error, and told as that.
		if says, try := o.Text(home); says != "" && !o.Failed() {
			t.warn(try, "%s", says)
		}
	}
	for _, place := range r.Worktrees {
		shown := t.short(place)
		t.warn("what was committed there is in the repository, "+
			"and `git worktree prune` forgets the place; to work in one, make it in the project, "+
			"or give it a directory first: mkdir "+shown+", and --allow "+shown,
			"the git worktree %s lay outside of every grant and is gone", shown)
	}
	t.keptAside(r.Aside)
	t.outside(r.Outside)
	if r.Cut {
		t.say("there was more, which is not listed")
	}
	return t.lines
}

// teller composes the lines.
type teller struct {
	home  string
	lines []Line
}

func (t *teller) say(format string, args ...any) {
	t.lines = append(t.lines, Line{Says: fmt.Sprintf(format, args...)})
}

func (t *teller) aside(format string, args ...any) {
	t.lines = append(t.lines, Line{Says: fmt.Sprintf(format, args...), Aside: true})
}

// warn takes what to do, and then what it is about.
func (t *teller) warn(try, format string, args ...any) {
	t.lines = append(t.lines, Line{Says: fmt.Sprintf(format, args...), Try: try, Warns: true})
}

// mostTold is how many of one kind are named.
const mostTold = 10

func (t *teller) short(path string) string { return diag.Homely(path, t.home) }

// list is the first names of a list.
func (t *teller) list(paths []string) string {
	shown := make([]string, 0, mostTold)
	for _, p := range paths[:min(mostTold, len(paths))] {
		shown = append(shown, t.short(p))
	}
	return listed(shown, len(paths)-len(shown))
}

// listed is a list of which more is not shown.
func listed(shown []string, more int) string {
	text := strings.Join(shown, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// private says what was lost.
func (t *teller) private(left Left) {
	if left.Unread != "" {
		t.aside("looking at what was left in %s: %s", left.Dir, left.Unread)
		return
	}
	var named []string
	more := left.Files
	for _, g := range left.Gone[:min(mostTold, len(left.Gone))] {
		text := fmt.Sprintf("%s (%s)", t.short(g.Path), size(g.Bytes))
		if g.Files > 1 {
			text = fmt.Sprintf("%d in %s", g.Files, text)
		}
		named = append(named, text)
		more -= g.Files
	}
	list := strings.Join(named, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	t.say("%s is private: %d %s left there %s gone: %s", t.short(left.Dir),
		left.Files, plural(left.Files, "file", "files"), plural(left.Files, "is", "are"), list)
}

// size is a number of bytes for people.
func size(n int64) string {
	const kib, mib = 1 << 10, 1 << 20
	switch {
	case n == 0:
		return "empty"
	case n < mib:
		return fmt.Sprintf("%d KiB", (n+kib-1)/kib)
	}
	return fmt.Sprintf("%d MiB", (n+mib/2)/mib)
}

// outside tells what is new or changed since the start, of all that programs outside act on.
func (t *teller) outside(o Outside) {
	t.names(o)
	t.git(o)
	if len(o.RunLater) > 0 {
		t.say("new or changed, and tools outside run what they say: %s", t.list(o.RunLater))
	}
	for _, c := range o.Heads {
		t.say("HEAD of %s was %s, and is %s", t.short(c.Path), c.Was, c.Is)
	}
	for _, dir := range o.Unseen {
		t.warn("look before you use git or an editor in directories that the agent made",
			"not all was looked at for what git would run: there is too much, "+
				"and from %s on nothing more was seen", t.short(dir))
	}
	for _, dir := range o.UnseenLast {
		t.aside("looking at what changed: there are too many directories; "+
			"%s and those after it were not looked into", t.short(dir))
	}
}

// names tells of the names that are protected where they exist.
func (t *teller) names(o Outside) {
	if n := len(o.New); n > 0 {
		t.warn("programs outside the sandbox act on "+plural(n, "it", "them")+
			": look before you use git or an agent here",
			"new since the start: %s", t.list(o.New))
	}
	for _, c := range o.Changed[:min(mostTold, len(o.Changed))] {
		t.warn("programs outside the sandbox act on it: look before you use git or an agent here",
			"%s was %s at the start, and is %s", t.short(c.Path), c.Was, c.Is)
	}
}

// git tells of repositories: where git would go now and did not before.
func (t *teller) git(o Outside) {
	if len(o.Repositories) > 0 {
		var shown []string
		for _, r := range o.Repositories {
			text := t.short(r.Path)
			if r.Bare {
				text += " (bare: git takes the directory itself for one)"
			}
			shown = append(shown, text)
		}
		t.warn("git runs what their settings and hooks say when it enters them; "+
			"`nono git check` shows that",
			"git repositories that are new since the start: %s", t.list(shown))
	}
	for _, e := range o.Entered {
		t.warn("`git status` there enters them and runs what their settings say; "+
			"`nono git check` shows that",
			"the index of %s has repositories in it since the start: %s",
			t.short(e.Repository), t.list(e.Paths))
	}
	for _, u := range o.Unread {
		t.warn("git may find repositories in it that nono does not: make it anew with `git reset`",
			"the index of %s cannot be read any more: %s",
			t.short(u.Repository), u.Why)
	}
	for _, dir := range o.Lost {
		t.warn("it looks for another one in the directory itself, and above: "+
			"put it right before you use git there",
			"git does not take %s for a repository any more: "+
				"its HEAD, objects or refs are gone", t.short(dir))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
