package remains

import (
	"fmt"
	"slices"

	"github.com/nono-run/nono/core/aside"
)

// Aside is what has become of what was kept aside because nobody could protect it.
type Aside struct {
	// Session is the session's id: with it the command that puts back is called.
	Session string `json:"session,omitempty"`
	// Changes are what is another now, and Policies those of them that are policy files of the run.
	Changes  []Altered `json:"changes,omitempty"`
	Policies []Altered `json:"policies,omitempty"`
}

// Altered is a path, and how it is another: "new", "gone", "changed".
type Altered struct {
	Path string `json:"path"`
	How  string `json:"how"`
}

// AsideOf sorts what has changed in a session.
func AsideOf(session string, changes []aside.Change, policies []string) Aside {
	a := Aside{Session: session}
	for _, c := range changes {
		is := Altered{c.Path, c.How()}
		if slices.Contains(policies, c.Path) {
			a.Policies = append(a.Policies, is)
		} else {
			a.Changes = append(a.Changes, is)
		}
	}
	return a
}

// keptAside tells what was changed that this host could not protect.
func (t *teller) keptAside(a Aside) {
	back := "`nono session restore " + a.Session + "` puts it back; "
	if len(a.Policies) > 0 {
		t.warn(back+"look before the next run is made from it",
			"a policy file of this run was changed in it: %s", t.altered(a.Policies))
	}
	if len(a.Changes) > 0 {
		t.warn(back+"look before you use git or an agent here",
			"changed, and programs outside the sandbox act on it: %s", t.altered(a.Changes))
	}
}

// altered is the first of some paths, with how they are another.
func (t *teller) altered(all []Altered) string {
	shown := make([]string, 0, mostTold)
	for _, c := range all[:min(mostTold, len(all))] {
		shown = append(shown, fmt.Sprintf("%s (%s)", t.short(c.Path), c.How))
	}
	return listed(shown, len(all)-len(shown))
}
