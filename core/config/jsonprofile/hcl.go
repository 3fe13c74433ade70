package jsonprofile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

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
		title := block.Name
		if block.Label != "" {
			title += " " + language.Quote(block.Label)
		}
		if len(block.Attributes) == 0 {
			fmt.Fprintf(&b, "%s {}\n", title)
			continue
		}
		fmt.Fprintf(&b, "%s {\n", title)
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
			fmt.Fprintf(b, "%s%s = %s\n", indent, name, language.Quote(v.Items[0].Text))
		case v.Is.Shape == language.Variables:
			fmt.Fprintf(b, "%s%s = {\n", indent, name)
			for _, it := range v.Items {
				fmt.Fprintf(b, "%s  %s = %s\n", indent, language.Quote(it.Key), language.Quote(it.Text))
			}
			fmt.Fprintf(b, "%s}\n", indent)
		case v.Is.Shape == language.Structured:
			fmt.Fprintf(b, "%s%s = {\n", indent, name)
			inner := &language.Tree{Attributes: v.Fields}
			attributes(b, indent+"  ", inner)
			fmt.Fprintf(b, "%s}\n", indent)
		case v.Is.Shape == language.NumberList:
			fmt.Fprintf(b, "%s%s = [", indent, name)
			for i, it := range v.Items {
				if i > 0 {
					b.WriteString(", ")
				}
				b.WriteString(it.Text)
			}
			b.WriteString("]\n")
		case len(v.Items) == 0:
			fmt.Fprintf(b, "%s%s = []\n", indent, name)
		default: // lists of strings: Parse makes nothing else
			fmt.Fprintf(b, "%s%s = [\n", indent, name)
			for _, it := range v.Items {
				fmt.Fprintf(b, "%s  %s,\n", indent, language.Quote(it.Text))
			}
			fmt.Fprintf(b, "%s]\n", indent)
		}
	}
}
