package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// written is a path as it can be typed or written where the rule stands: as a flag, or as a string
// of a file.
func (r *reader) written(g *rule, path string) string {
	return r.spelled(string(g.Access), g.Source, path)
}

func (r *reader) spelled(flag string, at policy.Source, path string) string {
	path = r.homely(path)
	if at.Flag != "" {
		return "--" + flag + " " + diag.Word(path)
	}
	return Quoted(path)
}

// Quoted is a path as a string of a file: what reads it back is hcl, and then [host.expand].
func Quoted(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range path {
		switch {
		case r == '$':
			b.WriteString("$$")
		case r == '*' || r == '?':
			b.WriteString("$" + string(r))
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '%' && strings.HasPrefix(path[i:], "%{"):
			b.WriteString("%%")
		case r == utf8.RuneError && !strings.HasPrefix(path[i:], "\ufffd"):
			fmt.Fprintf(&b, "$x%02x", path[i])
		case policy.Printable(string(r)) != string(r):
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "$x%02x", c)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
