package remains

import (
	"slices"

	"github.com/nono-run/nono/core/aside"
)

// Aside is what has become of what was kept aside because nobody could protect it.
type Aside struct {
	// Session is the session's id: with it the command that puts back is called.
	Session string `json:"session,omitempty"`
	// Changes are what is another now, and Policies those of them that are policy files of the run.
	Changes  []aside.Change `json:"changes,omitempty"`
	Policies []aside.Change `json:"policies,omitempty"`
}

// AsideOf sorts what has changed in a session.
func AsideOf(session string, changes []aside.Change, policies []string) Aside {
	a := Aside{Session: session}
	for _, c := range changes {
		if slices.Contains(policies, c.Path) {
			a.Policies = append(a.Policies, c)
		} else {
			a.Changes = append(a.Changes, c)
		}
	}
	return a
}

// keptAside tells what was changed that this host could not protect.
func (t *teller) keptAside(a Aside) {
	back := "`nono session restore " + a.Session + "` puts it back; "
	if len(a.Policies) > 0 {
		t.warn(back+"look before the next run is made from it",
			"a policy file of this run was changed in it: %s", t.changes(a.Policies))
	}
	if len(a.Changes) > 0 {
		t.warn(back+"look before you use git or an agent here",
			"changed, and programs outside the sandbox act on it: %s", t.changes(a.Changes))
	}
}

// changes is the first of some changes, in words.
func (t *teller) changes(all []aside.Change) string {
	shown := make([]string, 0, mostTold)
	for _, c := range all[:min(mostTold, len(all))] {
		shown = append(shown, c.Text(t.home))
	}
	return listed(shown, len(all)-len(shown))
}
