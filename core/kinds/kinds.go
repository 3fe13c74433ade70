// Package kinds is the table of what a layer can be about: the order in which layers are asked for
// their shares of the plan, the layer of nono's own for each kind, and what a run without one
// means.
//
// Whoever needs to know something about a kind asks here: config for the names a layer block may
// have, the session for the order and the program, the plan for the order in which it merges. So a
// new kind is a row here, a name in sdk/policy and its number in the contract.
package kinds

import (
	"cmp"
	"slices"

	"github.com/nono-run/nono/sdk/policy"
)

// Kind is one row of the table.
type Kind struct {
	Name policy.Kind
	// row is the kind's place in the order of the Plan calls: a layer learns the facts of those in
	// earlier rows. The kinds of one row are asked at the same time.
	row int
	// builtIn is the program of nono's own layer, by operating system as Go names it.
	builtIn map[string]string
	// Always says that the kind's layer runs although no line of a policy asks for it.
	Always bool
	// Without says what a run without the kind's layer means for the agent; empty for custom.
	Without string
}

// table lists the kinds as they are listed to a user, custom last: that is any other layer.
var table = []Kind{
	{
		Name: policy.KindFilesystem, row: 4, builtIn: map[string]string{"linux": "landlock"},
		Always:  true,
		Without: "the agent sees and changes all files that you can, but for nono's own",
	},
	{
		Name: policy.KindNetwork, row: 3, builtIn: map[string]string{"linux": "netfilter"},
		Without: "the agent has the host's whole network",
	},
	{
		Name: policy.KindCredentials, row: 2, builtIn: map[string]string{"linux": "credproxy"},
		Without: "as if nothing had asked for a credential",
	},
	{
		Name: policy.KindSnapshot, row: 3, builtIn: map[string]string{"linux": "snapshot"},
		Without: "as if nothing had asked for a snapshot",
	},
	{
		Name: policy.KindTrust, row: 1, builtIn: map[string]string{"linux": "trust"},
		Without: "no signature is verified",
	},
	{Name: policy.KindCustom, row: 3},
}

// Of is the row of a kind; false for the name of a layer that is no kind.
func Of(name policy.Kind) (Kind, bool) {
	i := slices.IndexFunc(table, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return table[i], true
}

// Own are the kinds that have rules and a name of nono's: all but custom.
func Own() []Kind {
	return slices.DeleteFunc(slices.Clone(table),
		func(k Kind) bool { return k.Name == policy.KindCustom })
}

// Names are those of [Own], for a message and for the shell.
func Names() []string {
	var names []string
	for _, k := range Own() {
		names = append(names, string(k.Name))
	}
	return names
}

// IsOwn reports whether a layer block of this name is about one of nono's kinds.
func IsOwn(name string) bool { return slices.Contains(Names(), name) }

// BuiltIn is the name of nono's own layer of this kind on an operating system; "" if there is none.
func (k Kind) BuiltIn(goos string) string { return k.builtIn[goos] }

// PlanOrder are the rows of the Plan calls, from first to last.
func PlanOrder() [][]policy.Kind {
	var rows [][]policy.Kind
	last := 0
	for _, k := range slices.SortedStableFunc(slices.Values(table), byRow) {
		if k.row != last {
			rows = append(rows, nil)
			last = k.row
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k.Name)
	}
	return rows
}

// Compare orders kinds as their Plan calls are, and within a row as the table does. What is no kind
// comes first.
func Compare(a, b policy.Kind) int { return cmp.Compare(position(a), position(b)) }

func position(name policy.Kind) int {
	return slices.Index(slices.Concat(PlanOrder()...), name)
}

// CompareListed orders kinds as they are listed to a user.
func CompareListed(a, b policy.Kind) int {
	at := func(name policy.Kind) int {
		return slices.IndexFunc(table, func(k Kind) bool { return k.Name == name })
	}
	return cmp.Compare(at(a), at(b))
}

func byRow(a, b Kind) int { return cmp.Compare(a.row, b.row) }
