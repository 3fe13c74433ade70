package reference

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/config"
)

// Page is the language as a page of the documentation.
func Page() string {
	var b strings.Builder
	b.WriteString("# The policy language\n\n" +
		"<!-- Made by `make generate` from the grammar in core/config. -->\n\n" +
		"What may stand in an `agent.hcl`, and in your own `config.hcl`. `nono help agent.hcl` " +
		"prints the same, and\n`nono init` writes a file to begin with.\n")
	for _, c := range chapters {
		fmt.Fprintf(&b, "\n## %s\n", c.title)
		for _, p := range c.text {
			b.WriteString("\n" + filled(pageWide, "", "", p))
		}
		if len(c.words) > 0 {
			b.WriteString("\n| written | means |\n| --- | --- |\n")
			for _, r := range c.words {
				fmt.Fprintf(&b, "| %s | %s |\n", code(r.name), cell(r.means))
			}
		}
		if c.title == stranger {
			b.WriteString("\n")
			for _, s := range asking() {
				b.WriteString("- " + s + "\n")
			}
		}
	}
	for _, s := range config.Language() {
		writeSection(&b, s)
	}
	return b.String()
}

func writeSection(b *strings.Builder, s config.Section) {
	heading := "Outside of any block"
	if s.Name != "" {
		heading = "`" + title(s) + "`"
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.", heading, upper(s.Grammar.Help))
	if s.Grammar.Later {
		b.WriteString(" Not built yet: a file that has it is refused.")
	}
	b.WriteString("\n\n| name | value | means |\n| --- | --- | --- |\n")
	for _, r := range rows(s) {
		name := strings.TrimSpace(r.name)
		if name != r.name {
			name = "... " + name // a name within the value above
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", code(name), code(r.value), cell(r.means))
	}
	if s.Example != "" {
		b.WriteString("\n```hcl" + s.Example + "```\n")
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// code is a text in a cell of a table, as code.
func code(s string) string { return "`" + cell(s) + "`" }

// cell is a text in a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
