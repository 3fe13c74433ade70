package session

import (
	"os"
	"strings"

	"github.com/nono-run/nono/core/diag"
)

// tellAppeared warns of protected names that did not exist before the run and do now. Something
// outside the sandbox acts on each of them, git above all, and no mount can hold the place of what
// is not there.
func (r *run) tellAppeared() {
	var made []string
	for _, path := range r.req.Config.Absent {
		if _, err := os.Lstat(path); err == nil {
			made = append(made, diag.Homely(path, r.req.Dirs.Home))
		}
	}
	if len(made) == 0 {
		return
	}
	r.req.Out.Problem(diag.Warningf("new since the start: %s", strings.Join(made, ", ")).
		Try("programs outside the sandbox act on %s: look before you use git or an agent here",
			plural(len(made), "it", "them")))
}
