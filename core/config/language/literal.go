package language

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"
)

// verbatim is the string that a literal in quotes stands for, as it was written. hcl's own value of
// it is normalised, one way of writing an accented letter made into another, and a file is known by
// its very bytes: a rule about one would be about another that may not exist. Where the two differ
// in more than that, hcl's is taken.
func verbatim(expr hclsyntax.Expression, src []byte, value string) string {
	written, ok := unquote(string(expr.Range().SliceBytes(src)))
	if !ok || norm.NFC.String(written) != value {
		return value
	}
	return written
}

// unquote reads a string in quotes as hcl does, whose escapes are few.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$${") || strings.HasPrefix(s, "%%{"):
			b.WriteString(s[1:3])
			s = s[3:]
		case s[0] != '\\':
			b.WriteByte(s[0])
			s = s[1:]
		default:
			r, _, rest, err := strconv.UnquoteChar(s, '"')
			if err != nil {
				return "", false
			}
			b.WriteRune(r)
			s = rest
		}
	}
	return b.String(), true
}

// Quote is a string as it would be written. What a terminal would act on is escaped.
func Quote(s string) string {
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
