package session

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk/policy"
)

// meetOthers looks at the other sessions that are live: two may write in one directory, which is
// told, and none has this one's name. This one is stored by then, so of two that start at the same
// time at least one meets the other.
func (r *run) meetOthers() error {
	list, err := store.In(r.req.Dirs).Unfinished()
	if err != nil {
		return err
	}
	for _, e := range list {
		taken := e.ID != r.stored.ID() && e.State == store.Live && e.Record != nil &&
			r.req.Name != "" && e.Record.Name == r.req.Name
		if taken {
			return diag.Errorf("a session that is called %s runs already, as %s", r.req.Name, e.ID).
				Try("give this one another name; `nono ps` lists those that run")
		}
	}
	others := store.Sharing(list, r.trees(), r.stored.ID())
	if len(others) == 0 {
		return nil
	}
	const most = 3
	shown := make([]string, 0, most)
	for _, e := range others[:min(most, len(others))] {
		program := diag.Words(e.Record.Command[:min(1, len(e.Record.Command))])
		shown = append(shown, fmt.Sprintf("%s (%s)", e.ID, program))
	}
	named := strings.Join(shown, ", ")
	if more := len(others) - len(shown); more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	apart := "what each changes there cannot be told apart"
	if r.policy.Snapshot.IsOn() {
		apart = "what each changes there cannot be told apart, by `nono session diff` either"
	}
	r.req.Out.Problem(diag.Warningf("others may write where this one may: session %s", named).
		Try("%s; `nono ps` lists what runs, and a git worktree for each keeps them apart", apart))
	return nil
}

// trees are the directories that the user lets the agent write in.
func (r *run) trees() []string {
	var trees []string
	for _, g := range r.policy.Filesystem {
		if g.Access.Writable() && g.Type == policy.Directory && g.Source.Asked() {
			trees = append(trees, g.Path)
		}
	}
	return trees
}
