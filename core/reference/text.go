package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config"
)

// How wide lines are: of help, and of the page.
const (
	wide     = 96
	pageWide = 140
)

// Text is the language as a terminal shows it.
func Text() string {
	var b strings.Builder
	for _, c := range chapters {
		fmt.Fprintf(&b, "%s:\n", c.title)
		for _, p := range c.text {
			b.WriteString(filled(wide, "  ", "  ", p))
		}
		writeRows(&b, "  ", c.words)
		if c.title == stranger {
			for _, s := range asking() {
				b.WriteString(filled(wide, "  - ", "    ", s))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("The blocks (`nono help agent.hcl BLOCK` has an example of each):\n\n")
	for _, s := range config.Language() {
		writeBlock(&b, s)
		b.WriteString("\n")
	}
	return b.String()
}

// Block is one block of it, with its example.
func Block(name string) (string, bool) {
	sections := config.Language()
	i := slices.IndexFunc(sections, func(s config.Section) bool {
		return name != "" && s.Name == name
	})
	if i < 0 {
		return "", false
	}
	s := sections[i]
	var b strings.Builder
	writeBlock(&b, s)
	if s.Stranger != "" {
		asks := "A file from elsewhere needs approval for " + s.Stranger + "."
		b.WriteString("\n" + filled(wide, "", "", asks))
	}
	if s.Example != "" {
		b.WriteString("\nExample:\n")
		for line := range strings.Lines(s.Example) {
			if line != "\n" {
				line = "  " + line
			}
			b.WriteString(line)
		}
	}
	return b.String(), true
}

// asking is what a file from elsewhere needs approval for, in a line for each block.
func asking() []string {
	var lines []string
	for _, s := range config.Language() {
		if s.Stranger == "" {
			continue
		}
		where := title(s) + ": "
		if s.Name == "" {
			where = ""
		}
		lines = append(lines, where+s.Stranger)
	}
	return lines
}

// writeBlock writes a block as it stands in a file, with what each name means beside it.
func writeBlock(b *strings.Builder, s config.Section) {
	indent := ""
	if s.Name != "" {
		later := ""
		if s.Grammar.Later {
			later = " (not built yet)"
		}
		b.WriteString(filled(wide, "# ", "# ", s.Grammar.Help+later))
		b.WriteString(title(s) + " {\n")
		indent = "  "
	}
	all := rows(s)
	names := 0
	for _, r := range all {
		names = max(names, len(r.name))
	}
	for i, r := range all {
		equals := "="
		if s.Grammar.Blocks[r.name] != nil {
			equals = " "
		}
		all[i].name = fmt.Sprintf("%-*s %s %s", names, r.name, equals, r.value)
	}
	writeRows(b, indent, all)
	if s.Name != "" {
		b.WriteString("}\n")
	}
}

// writeRows writes a table of two columns.
func writeRows(b *strings.Builder, indent string, rows []row) {
	column := 0
	for _, r := range rows {
		column = max(column, len(r.name))
	}
	for _, r := range rows {
		first := fmt.Sprintf("%s%-*s  ", indent, column, r.name)
		b.WriteString(filled(wide, first, strings.Repeat(" ", len(first)), r.means))
	}
}

// filled is a text in lines that are not too wide, the first with another beginning.
func filled(wide int, first, others, text string) string {
	var b strings.Builder
	line, began := first, false
	for _, word := range strings.Fields(text) {
		switch {
		case !began:
			line += word
		case len(line)+1+len(word) > wide:
			b.WriteString(line + "\n")
			line = others + word
		default:
			line += " " + word
		}
		began = true
	}
	b.WriteString(line + "\n")
	return b.String()
}
