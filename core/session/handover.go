package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/handover"
	"github.com/nono-run/nono/sdk/policy"
)

// lookAround finds the other repositories that git would enter from what the agent may write.
func (r *run) lookAround() error {
	if r.policy.IsDisabled(policy.KindFilesystem) {
		return nil // nobody protects anything
	}
	r.around = r.req.Config.Around()
	for _, dir := range r.around.Unseen {
		r.req.Out.Detail("looking for git repositories: there are too many directories; "+
			"%s and those after it were not looked into", dir)
	}
	if err := r.around.Problems.Err(); err != nil || r.dry {
		return err
	}
	r.before = handover.Look(handover.Watched{
		Names: r.around.Names, Projects: r.around.Projects, Repositories: r.around.Repositories,
		Reported: r.around.Reported, Home: r.req.Dirs.Home, ConfigHome: r.req.Dirs.UserConfig,
	}, r.around.Look, r.around.Git)
	return nil
}

// tellHandedOver says what is new or changed since the start, of all that programs outside act on:
// git above all. A line for each kind, and what to do about it.
func (r *run) tellHandedOver() {
	if r.before == nil {
		return
	}
	found := r.before.Compare()
	t := teller{out: r.req.Out, home: r.req.Dirs.Home}
	t.names(found)
	t.git(found)
	if len(found.Reported) > 0 {
		t.out.Line("new or changed, and tools outside run what they say: %s", t.list(found.Reported))
	}
	for _, c := range found.Heads {
		t.out.Line("HEAD of %s was %s, and is %s", t.short(c.Path), c.Was, c.Is)
	}
	for _, dir := range found.Unseen {
		t.out.Problem(diag.Warningf("not all was looked at for what git would run: there is too much, "+
			"and from %s on nothing more was seen", t.short(dir)).
			Try("look before you use git or an editor in directories that the agent made"))
	}
	for _, dir := range found.UnseenLast {
		t.out.Detail("looking at what changed: there are too many directories; "+
			"%s and those after it were not looked into", dir)
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

// names tells of the names that are protected where they exist.
func (t teller) names(found handover.Report) {
	if n := len(found.New); n > 0 {
		t.out.Problem(diag.Warningf("new since the start: %s", t.list(found.New)).
			Try("programs outside the sandbox act on %s: look before you use git or an agent here",
				plural(n, "it", "them")))
	}
	for _, c := range found.Changed[:min(mostTold, len(found.Changed))] {
		t.out.Problem(diag.Warningf("%s was %s at the start, and is %s", t.short(c.Path), c.Was, c.Is).
			Try("programs outside the sandbox act on it: look before you use git or an agent here"))
	}
}

// git tells of repositories: where git would go now and did not before.
func (t teller) git(found handover.Report) {
	if len(found.Repositories) > 0 {
		var shown []string
		for _, r := range found.Repositories {
			if slices.Contains(found.Bare, r) {
				r += " (bare: git takes the directory itself for one)"
			}
			shown = append(shown, r)
		}
		t.out.Problem(diag.Warningf("git repositories that are new since the start: %s", t.list(shown)).
			Try("git runs what their settings and hooks say when it enters them; " +
				"`nono git check` shows that"))
	}
	for _, at := range slices.Sorted(maps.Keys(found.Entered)) {
		t.out.Problem(diag.Warningf("the index of %s has repositories in it since the start: %s",
			t.short(at), t.list(found.Entered[at])).
			Try("`git status` there enters them and runs what their settings say; " +
				"`nono git check` shows that"))
	}
	for _, at := range slices.Sorted(maps.Keys(found.Unread)) {
		t.out.Problem(diag.Warningf("the index of %s cannot be read any more: %s",
			t.short(at), found.Unread[at]).
			Try("git may find repositories in it that nono does not: make it anew with `git reset`"))
	}
	for _, dir := range found.Lost {
		t.out.Problem(diag.Warningf("git does not take %s for a repository any more: "+
			"its HEAD, objects or refs are gone", t.short(dir)).
			Try("it looks for another one in the directory itself, and above: " +
				"put it right before you use git there"))
	}
}
