package main

import (
	"fmt"
	"strings"
)

// verdict is what a result means.
type verdict int

const (
	same    verdict = iota + 1 // inside as outside
	meant                      // it differs, as the row says
	lacking                    // not compared
	wrong                      // it differs, and nobody said so; or it does not, and somebody did
)

func (x result) verdict() verdict {
	equal := x.outside == x.inside
	switch {
	case x.lacks != "":
		return lacking
	case x.differs == nil && equal:
		return same
	case x.differs != nil && !equal && x.inside.code == x.differs.code &&
		strings.Contains(x.inside.output, x.differs.says):
		return meant
	}
	return wrong
}

// line is the result as it is shown while the rows are tried.
func (x result) line() string {
	at := fmt.Sprintf("%s %-10s %-28s ", x.tier, x.group, x.name)
	switch x.verdict() {
	case same:
		return at + "the same\n"
	case meant:
		return at + "differs: " + x.differs.why + "\n"
	case lacking:
		return at + "not compared, this machine lacks: " + x.lacks + "\n"
	case wrong:
	}
	meant := "as outside"
	if x.differs != nil {
		meant = fmt.Sprintf("exit code %d and %q", x.differs.code, x.differs.says)
	}
	text := at + "WRONG, it should be " + meant + "\n    $ " + indent(x.run) + "\n"
	if x.outside == x.inside {
		return text + "  on both sides:\n" + x.inside.text()
	}
	text += "  outside:\n" + x.outside.text() + "  inside:\n" + x.inside.text()
	if x.outside.files != x.inside.files {
		text += "  files:\n" + difference(x.outside.files, x.inside.files)
	}
	return text
}

func (o outcome) text() string {
	return fmt.Sprintf("    exit code %d\n    %s\n", o.code, indent(strings.TrimSpace(o.output)))
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n    ") }

// difference are the lines that only one of the two has.
func difference(outside, inside string) string {
	var text strings.Builder
	only := func(side, a, b string) {
		other := "\n" + b
		for line := range strings.Lines(a) {
			if !strings.Contains(other, "\n"+line) {
				text.WriteString("    " + side + " only: " + line)
			}
		}
	}
	only("outside", outside, inside)
	only("inside", inside, outside)
	return text.String()
}

// count counts the results of each verdict.
func count(results []result) map[verdict]int {
	n := map[verdict]int{}
	for _, x := range results {
		n[x.verdict()]++
	}
	return n
}

func sum(results []result) string {
	n := count(results)
	return fmt.Sprintf("%d the same, %d differ as they should, %d wrong, %d not compared\n",
		n[same], n[meant], n[wrong], n[lacking])
}

// allRight is true if something was compared and nothing was wrong.
func allRight(results []result) bool {
	n := count(results)
	return n[same] > 0 && n[wrong] == 0
}

// differ is the title over the rows that differ as they should.
const differ = "What differs, and why"

// alone is the title over the rows that differ in tier A and are as outside in tier B.
const alone = "What is as outside in tier B"

const intro = "# A day's work, inside as outside\n\n" +
	"Written by `make work PAGE=1`, from the table in `test/work`. Each command ran twice, each time\n" +
	"in a new project: outside, and with `nono run --allow-cwd` and the grants that its row has. The\n" +
	"exit code, what was printed and the files that were left were compared. All of that was done\n" +
	"in each of the [two tiers](hosts.md#the-two-tiers), and once more where the machine was too busy\n" +
	"for the command to end outside.\n\n" +
	"| kind of work | tier | the same | differ as they should | wrong | not compared |\n" +
	"| --- | --- | --- | --- | --- | --- |\n"

// markdown is the page.
func markdown(results []result) string {
	var page strings.Builder
	page.WriteString(intro)
	for _, g := range groups {
		for _, in := range tiers {
			var of []result
			for _, x := range results {
				if x.group == g.name && x.tier == in {
					of = append(of, x)
				}
			}
			n := count(of)
			fmt.Fprintf(&page, "| %s | %s | %d | %d | %d | %d |\n",
				g.name, in, n[same], n[meant], n[wrong], n[lacking])
		}
	}
	section(&page, results, meant, differ, func(x result) string { return x.differs.why })
	section(&page, results, same, alone, func(x result) string { return x.note })
	section(&page, results, wrong, "What is wrong", func(result) string { return "not explained yet" })
	section(&page, results, lacking, "What was not compared", func(x result) string {
		return "the machine lacks: " + x.lacks
	})
	return page.String()
}

// section writes a section about the results of one verdict, if there are any that it says why of.
func section(
	page *strings.Builder, results []result, v verdict, title string, why func(result) string,
) {
	first := true
	for _, x := range results {
		if x.verdict() != v || why(x) == "" {
			continue
		}
		if first {
			fmt.Fprintf(page, "\n## %s\n\n| work | tier | command | |\n| --- | --- | --- | --- |\n", title)
			first = false
		}
		command := strings.ReplaceAll(strings.TrimSpace(x.run), "\n", "; ")
		command = strings.ReplaceAll(command, "|", `\|`)
		fmt.Fprintf(page, "| %s: %s | %s | `%s` | %s |\n", x.group, x.name, x.tier, command, why(x))
	}
}
