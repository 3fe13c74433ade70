package remains

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/diag"
)

// Tell tells a person: a line for each kind, and what to do about it.
func (r Report) Tell(out *diag.Printer, home string) {
	t := teller{out: out, home: home}
	if r.Ended > 0 {
		out.Line("ended %d %s that the command left behind", r.Ended,
			plural(r.Ended, "process", "processes"))
	}
	for _, left := range r.Private {
		t.private(left)
	}
	for _, o := range r.Copies {
		// What failed is the run's error, and told as that.
		if says, try := o.Text(home); says != "" && !o.Failed() {
			out.Problem(diag.Warningf("%s", says).Try("%s", try))
		}
	}
	for _, place := range r.Worktrees {
		told := diag.Warningf("the git worktree %s lay outside of every grant and is gone",
			t.short(place))
		out.Problem(told.Try("what was committed there is in the repository, "+
			"and `git worktree prune` forgets the place; to work in one, "+
			"make it in the project, or give it a directory first: mkdir %s, and --allow %[1]s",
			t.short(place)))
	}
	t.outside(r.Outside)
	if r.Cut {
		out.Line("there was more, which is not listed")
	}
}

// teller prints what was found.
type teller struct {
	out  *diag.Printer
	home string
}

// mostTold is how many of one kind are named.
const mostTold = 10

func (t teller) short(path string) string { return diag.Homely(path, t.home) }

// list is the first names of a list.
func (t teller) list(paths []string) string {
	shown := make([]string, 0, mostTold)
	for _, p := range paths[:min(mostTold, len(paths))] {
		shown = append(shown, t.short(p))
	}
	text := strings.Join(shown, ", ")
	if more := len(paths) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// private says what was lost.
func (t teller) private(left Left) {
	if left.Unread != "" {
		t.out.Detail("looking at what was left in %s: %s", left.Dir, left.Unread)
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
	t.out.Line("%s is private: %d %s left there %s gone: %s", t.short(left.Dir),
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
func (t teller) outside(o Outside) {
	t.names(o)
	t.git(o)
	if len(o.RunLater) > 0 {
		t.out.Line("new or changed, and tools outside run what they say: %s", t.list(o.RunLater))
	}
	for _, c := range o.Heads {
		t.out.Line("HEAD of %s was %s, and is %s", t.short(c.Path), c.Was, c.Is)
	}
	for _, dir := range o.Unseen {
		t.out.Problem(diag.Warningf("not all was looked at for what git would run: there is too much, "+
			"and from %s on nothing more was seen", t.short(dir)).
			Try("look before you use git or an editor in directories that the agent made"))
	}
	for _, dir := range o.UnseenLast {
		t.out.Detail("looking at what changed: there are too many directories; "+
			"%s and those after it were not looked into", t.short(dir))
	}
}

// names tells of the names that are protected where they exist.
func (t teller) names(o Outside) {
	if n := len(o.New); n > 0 {
		t.out.Problem(diag.Warningf("new since the start: %s", t.list(o.New)).
			Try("programs outside the sandbox act on %s: look before you use git or an agent here",
				plural(n, "it", "them")))
	}
	for _, c := range o.Changed[:min(mostTold, len(o.Changed))] {
		t.out.Problem(diag.Warningf("%s was %s at the start, and is %s", t.short(c.Path), c.Was, c.Is).
			Try("programs outside the sandbox act on it: look before you use git or an agent here"))
	}
}

// git tells of repositories: where git would go now and did not before.
func (t teller) git(o Outside) {
	if len(o.Repositories) > 0 {
		var shown []string
		for _, r := range o.Repositories {
			text := t.short(r.Path)
			if r.Bare {
				text += " (bare: git takes the directory itself for one)"
			}
			shown = append(shown, text)
		}
		t.out.Problem(diag.Warningf("git repositories that are new since the start: %s", t.list(shown)).
			Try("git runs what their settings and hooks say when it enters them; " +
				"`nono git check` shows that"))
	}
	for _, e := range o.Entered {
		t.out.Problem(diag.Warningf("the index of %s has repositories in it since the start: %s",
			t.short(e.Repository), t.list(e.Paths)).
			Try("`git status` there enters them and runs what their settings say; " +
				"`nono git check` shows that"))
	}
	for _, u := range o.Unread {
		t.out.Problem(diag.Warningf("the index of %s cannot be read any more: %s",
			t.short(u.Repository), u.Why).
			Try("git may find repositories in it that nono does not: make it anew with `git reset`"))
	}
	for _, dir := range o.Lost {
		t.out.Problem(diag.Warningf("git does not take %s for a repository any more: "+
			"its HEAD, objects or refs are gone", t.short(dir)).
			Try("it looks for another one in the directory itself, and above: " +
				"put it right before you use git there"))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
