package attack

import (
	"fmt"
	"slices"
	"strings"
)

// Page is docs/threats.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	rows := map[string][]Row{}
	for _, r := range Table(true) {
		rows[r.Threat] = append(rows[r.Threat], r)
	}
	for _, part := range Threats() {
		fmt.Fprintf(&b, "\n## %s\n\n| | what is tried | tier A | tier B |\n| --- | --- | --- | --- |\n", part.Name)
		for _, t := range part.Threats {
			first := fmt.Sprintf("**%s** %s", t.ID, t.Name)
			for _, g := range alike(rows[t.ID]) {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", first, g.tried, g.a, g.b)
				first = ""
			}
			if also := t.also(); also != "" {
				fmt.Fprintf(&b, "| %s | %s | | |\n", first, also)
			}
		}
	}
	return b.String()
}

const pageHead = `# What the sandbox is built against

Each threat, what ` + "`nono doctor --attack`" + ` tries of it on your machine, and what holds it: in tier A, where an ordinary user may have
namespaces, and in tier B, where nono has Landlock and a filter of system calls alone. **Open** is what this tier does not hold, with the
reason. What cannot be tried on a user's machine names the tests that try it. Nothing is sent
to another machine, and what is tried is tried on what nono made for it, in directories of its own. This page is made from the table itself (` + "`core/attack`" + `,
` + "`make generate`" + `), and each row is a test: ` + "`test/e2e`" + ` makes all of them in both tiers, as an ordinary user and as root, and with no
sandbox first, where it has to work.
`

// also says where else a threat is tried, or why it is nowhere.
func (t *Threat) also() string {
	var tests []string
	for _, test := range t.Tests {
		tests = append(tests, "`"+test+"`")
	}
	switch {
	case t.Elsewhere == "" && len(tests) == 0:
		return ""
	case len(tests) == 0:
		return "not tried: " + t.Elsewhere
	case t.Elsewhere == "":
		return "also " + strings.Join(tests, ", ")
	}
	return "not on your machine (" + t.Elsewhere + "), but by " + strings.Join(tests, ", ")
}

// group is rows that end in the same way.
type group struct{ tried, a, b string }

// alike puts rows together of which the same is to be said.
func alike(rows []Row) []group {
	var groups []group
	for _, r := range rows {
		g := group{r.Tried, r.A.String(), "the same"}
		if b := r.In(TierB).String(); b != g.a {
			g.b = b
		}
		same := slices.IndexFunc(groups, func(other group) bool { return other.a == g.a && other.b == g.b })
		if same < 0 {
			groups = append(groups, g)
		} else {
			groups[same].tried += "; " + g.tried
		}
	}
	return groups
}

// String says what becomes of an attack.
func (h Hold) String() string {
	switch {
	case h.By == "":
		return "**open**: " + h.Not
	case h.Since == 0:
		return h.By
	}
	return fmt.Sprintf("%s, from Landlock %d on; before, **open**: %s", h.By, h.Since, h.Not)
}
