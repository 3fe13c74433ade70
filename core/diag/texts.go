package diag

import (
	"bytes"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// Texts are the files that a policy was read from, as they were read: the file itself may have
// changed since. A nil Texts has none, and then no problem is shown with its line.
type Texts []Text

// Text is one file, under the names that a [policy.Source] has for it.
type Text struct {
	Origin  policy.Origin
	File    string
	Content []byte
}

// Hide makes the texts forget the lines that a source spans, in every copy of them: a problem there
// is shown with its place alone.
func (ts Texts) Hide(at policy.Source) {
	for _, t := range ts {
		if t.Origin != at.Origin || t.File != at.File {
			continue
		}
		for n := at.Line; n >= 1 && n <= max(at.Line, at.EndLine); n++ {
			line := nthLine(t.Content, n)
			for i := range line {
				line[i] = ' '
			}
		}
	}
}

// Excerpt is what is shown of the text of a source's line; "" if there is none.
func (ts Texts) Excerpt(at policy.Source) string {
	return strings.ReplaceAll(excerpt(ts.line(at), at.Column), "\t", "    ")
}

// line is the text of a source's line, without its end. It is empty for a flag, for a file that is
// not among the texts, and for a line that the file does not have.
func (ts Texts) line(at policy.Source) string {
	if at.Line < 1 {
		return ""
	}
	for _, t := range ts {
		if t.Origin == at.Origin && t.File == at.File {
			line := nthLine(t.Content, at.Line)
			if len(bytes.TrimSpace(line)) == 0 {
				return "" // nothing to show, or hidden
			}
			return strings.TrimSuffix(string(line), "\r")
		}
	}
	return ""
}

// nthLine is one line of a text, in the text; the first is 1.
func nthLine(text []byte, n int) []byte {
	for ; n > 1; n-- {
		_, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return nil
		}
		text = rest
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}
