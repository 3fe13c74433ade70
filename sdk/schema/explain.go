package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// Problem is something wrong with a text, in words for whoever wrote it: lower case, no full stop.
type Problem struct {
	Range   hcl.Range
	Summary string
	// Detail says what to do; it may be empty.
	Detail string
}

// Explain puts hcl's diagnostics into our words. For a name that the schema does not know it says
// which one was probably meant; the schema may be nil for diagnostics of syntax. Problems are in
// the order of the text.
func Explain(
	diags hcl.Diagnostics, known *hcl.BodySchema, source func(filename string) []byte,
) []Problem {
	var ps []Problem
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		p := explain(d, known, source)
		if d.Subject != nil {
			p.Range = *d.Subject
		}
		ps = append(ps, p)
	}
	return sorted(ps)
}

func explain(d *hcl.Diagnostic, known *hcl.BodySchema, source func(string) []byte) Problem {
	name := "this"
	if d.Subject != nil {
		name = text(*d.Subject, source)
	}
	var label, block string
	switch {
	case d.Summary == "Unsupported argument":
		return unknownAttribute(name, known)
	case d.Summary == "Unsupported block type":
		return unknownBlock(name, known)
	case d.Summary == "Attribute redefined":
		return Problem{
			Summary: fmt.Sprintf("%q is set twice in this block", name),
			Detail:  "keep one of them; a list can hold several values",
		}
	case d.Summary == "Missing required argument":
		return Problem{Summary: "an attribute is missing: " + between(d.Detail, `"`, `"`)}
	case scan(d.Summary, "Extraneous label for ", &block):
		return Problem{
			Summary: fmt.Sprintf("a %s block has no more names than that", block),
			Detail:  "remove " + name,
		}
	case strings.HasPrefix(d.Summary, "Missing ") && strings.Contains(d.Summary, " for ") &&
		strings.HasPrefix(d.Detail, "All "):
		label, block, _ = strings.Cut(strings.TrimPrefix(d.Summary, "Missing "), " for ")
		return Problem{
			Summary: fmt.Sprintf("a %s block needs a name", block),
			Detail:  fmt.Sprintf("write %s %q {", block, label),
		}
	}
	if d.Summary == "Missing item separator" && strings.ContainsAny(name, "}=\n") {
		return unclosedList // hcl took what follows for the next item
	}
	words, ok := syntax[d.Summary]
	if template := begun(d, source); template != nil && (words == unclosedString || !ok) {
		return *template // to hcl it goes on behind the string's end
	}
	if ok {
		return words
	}
	// hcl has about fifty ways of saying that a text is no HCL. The rest of them keep hcl's words,
	// in our form.
	return Problem{Summary: "cannot read this: " + plain(d.Summary), Detail: plain(d.Detail)}
}

// begun is the problem with a ${ or %{ that the line at fault has, or nil.
func begun(d *hcl.Diagnostic, source func(string) []byte) *Problem {
	if d.Subject == nil {
		return nil
	}
	src := source(d.Subject.Filename)
	at := min(d.Subject.Start.Byte, len(src))
	line := src[bytes.LastIndexByte(src[:at], '\n')+1:]
	line, _, _ = bytes.Cut(line, []byte("\n"))
	// What is meant literally has its first letter twice.
	switch {
	case bytes.Count(line, []byte("${")) > bytes.Count(line, []byte("$${")):
		return &interpolation
	case bytes.Count(line, []byte("%{")) > bytes.Count(line, []byte("%%{")):
		return &directive
	}
	return nil
}

var value = Problem{
	Summary: "a value is missing or cannot be read here",
	Detail:  `a value is a string in quotes, a number, true, false, or a list: ["a", "b"]`,
}

var unclosedString = Problem{
	Summary: "a string is not closed on its line", Detail: `put a " where it ends`,
}

var unclosedList = Problem{Summary: "a list is never closed", Detail: "put a ] where it ends"}

var noValue = Problem{
	Summary: "a name in braces has no value", Detail: `write { NAME = "..." }`,
}

var interpolation = Problem{
	Summary: "${...} is not evaluated here", Detail: "for a literal ${ write $${",
}

var directive = Problem{
	Summary: "%{...} is not evaluated here", Detail: "for a literal %{ write %%{",
}

var syntax = map[string]Problem{
	"Argument or block definition required": {
		Summary: "expected an attribute or a block here",
		Detail:  "write NAME = VALUE, or NAME { ... }",
	},
	"Argument definition required": {
		Summary: "a block on one line can hold one attribute only",
		Detail:  "write one line for each attribute",
	},
	"Invalid single-argument block definition": {
		Summary: "a block on one line can hold one attribute only",
		Detail:  "write one line for each attribute, and } on a line of its own",
	},
	"Invalid block definition": {
		Summary: "expected = or { after the name",
		Detail:  "write NAME = VALUE for an attribute, NAME { ... } for a block",
	},
	"Invalid argument name": {
		Summary: "the name of an attribute stands without quotes", Detail: "write NAME = VALUE",
	},
	"Unclosed configuration block": {
		Summary: "a block is never closed", Detail: "put a } where it ends",
	},
	"Missing newline after argument": {
		Summary: "a new line is missing after this value",
		Detail:  "one attribute a line; the items of a list stand in [ ]",
	},
	"Unexpected comma after argument": {
		Summary: "a comma after an attribute",
		Detail:  "attributes are separated by new lines, not by commas",
	},
	"Missing newline after block definition": {
		Summary: "a new line is missing after the block",
		Detail:  "what follows a } stands on a line of its own",
	},
	"Invalid multi-line string":    unclosedString,
	"Unterminated string literal":  unclosedString,
	"Unterminated template string": unclosedString,
	"Missing item separator": {
		Summary: "a comma is missing between two items of a list",
	},
	"Unterminated tuple constructor expression": unclosedList,
	"Unterminated object constructor expression": {
		Summary: "a value in braces is never closed", Detail: "put a } where it ends",
	},
	"Missing attribute separator": {
		Summary: "a comma or a new line is missing between two names in braces",
	},
	"Missing attribute value":     noValue,
	"Missing key/value separator": noValue,
	"Invalid expression":          value,
	"Missing expression":          value,
	"Invalid number literal":      value,
	"Unbalanced parentheses":      value,
	"Invalid escape sequence": {
		Summary: "a backslash in a string stands before a letter that it cannot",
		Detail:  `for a backslash itself write \\`,
	},
	"Invalid character": {
		Summary: "a character that cannot stand here",
		Detail:  `strings stand in straight double quotes: "..."`,
	},
	"Unsupported operator": {
		Summary: "a character that cannot stand here", Detail: "write values out; nothing is computed",
	},
	"Invalid character encoding": {
		Summary: "the text is not UTF-8", Detail: "save the file as UTF-8",
	},
	"Unclosed template interpolation sequence":        interpolation,
	"Extra characters after interpolation expression": interpolation,
	"Invalid template directive":                      directive,
	"Invalid template control keyword":                directive,
}

func unknownAttribute(name string, known *hcl.BodySchema) Problem {
	p := Problem{Summary: fmt.Sprintf("unknown attribute %q", name)}
	attrs, blocks := names(known)
	switch near := Nearest(name, attrs); {
	case near != "":
		p.Detail = fmt.Sprintf("did you mean %q?", near)
	case Nearest(name, blocks) != "":
		p.Detail = fmt.Sprintf("did you mean the block %s { ... }?", Nearest(name, blocks))
	case len(attrs) == 0:
		p.Detail = "there are no attributes here"
	default:
		p.Detail = "known here: " + strings.Join(attrs, ", ")
	}
	return p
}

func unknownBlock(name string, known *hcl.BodySchema) Problem {
	p := Problem{Summary: fmt.Sprintf("unknown block %q", name)}
	attrs, blocks := names(known)
	switch near := Nearest(name, blocks); {
	case near != "":
		p.Detail = fmt.Sprintf("did you mean %q?", near)
	case Nearest(name, attrs) != "":
		p.Detail = fmt.Sprintf("did you mean the attribute %s = ...?", Nearest(name, attrs))
	case len(blocks) == 0:
		p.Detail = "there are no blocks here"
	default:
		p.Detail = "known here: " + strings.Join(blocks, ", ")
	}
	return p
}

func names(s *hcl.BodySchema) (attrs, blocks []string) {
	if s == nil {
		return nil, nil
	}
	for _, a := range s.Attributes {
		attrs = append(attrs, a.Name)
	}
	for _, b := range s.Blocks {
		blocks = append(blocks, b.Type)
	}
	slices.Sort(attrs) // hcldec makes its schema from a map
	slices.Sort(blocks)
	return attrs, blocks
}

// longestSlip is how long a name may be for a slip in it to be looked for. Nothing that anyone
// means has more, and the search takes the cube of it.
const longestSlip = 64

// Nearest is the known name that was probably meant, or "". About a third of the letters may be
// wrong: hcl's own fixed limit of two takes "ab" for "os".
func Nearest(given string, known []string) string {
	if len(given) > longestSlip {
		return ""
	}
	best, distance := "", max(1, (len(given)+1)/3)+1
	for _, k := range known {
		if strings.EqualFold(k, given) {
			return k
		}
		// Each letter that one has more than the other is an edit, and need not be looked for.
		if max(len(given)-len(k), len(k)-len(given)) >= distance {
			continue
		}
		if d := edits(given, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// edits counts insertions, deletions and changes, and two neighbours swapped as one: the commonest
// slip of all.
func edits(a, b string) int {
	d := levenshtein.Distance(a, b, nil)
	for i := 0; i+1 < len(a); i++ {
		swapped := a[:i] + a[i+1:i+2] + a[i:i+1] + a[i+2:]
		d = min(d, levenshtein.Distance(swapped, b, nil)+1)
	}
	return d
}

// plain puts a sentence of hcl's into our form.
func plain(s string) string {
	s = strings.TrimSuffix(s, ".")
	if s != "" {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	ours := strings.NewReplacer(
		"argument", "attribute", "Argument", "Attribute", "configuration ", "")
	return ours.Replace(s)
}

func between(s, open, end string) string {
	_, s, _ = strings.Cut(s, open)
	s, _, _ = strings.Cut(s, end)
	return s
}

func scan(s, prefix string, rest *string) bool {
	r, ok := strings.CutPrefix(s, prefix)
	*rest = r
	return ok
}
