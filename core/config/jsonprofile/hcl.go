package jsonprofile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/nono-run/nono/core/config/language"
)

// HCL is the policy of a tree that [Parse] gave, as it would be written by hand.
func HCL(t *language.Tree) []byte {
	var b bytes.Buffer
	attributes(&b, "", t)
	for _, block := range t.Blocks {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s {\n", block.Name)
		attributes(&b, "  ", block)
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func attributes(b *bytes.Buffer, indent string, t *language.Tree) {
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		v := t.Attributes[name]
		switch {
		case v.Is.Shape == language.String:
			fmt.Fprintf(b, "%s%s = %s\n", indent, name, quoted(v.Items[0].Text))
		case v.Is.Shape == language.Variables:
			fmt.Fprintf(b, "%s%s = {\n", indent, name)
			for _, it := range v.Items {
				fmt.Fprintf(b, "%s  %s = %s\n", indent, quoted(it.Key), quoted(it.Text))
			}
			fmt.Fprintf(b, "%s}\n", indent)
		default: // lists: Parse makes nothing else
			fmt.Fprintf(b, "%s%s = [\n", indent, name)
			for _, it := range v.Items {
				fmt.Fprintf(b, "%s  %s,\n", indent, quoted(it.Text))
			}
			fmt.Fprintf(b, "%s]\n", indent)
		}
	}
}

// quoted is a string as the language has it. What a terminal would act on is escaped.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
