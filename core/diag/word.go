package diag

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// Word is a text as one word of the shell, so that what a message advises can be typed as it
// stands. A ~ at the beginning of a path keeps its meaning.
func Word(s string) string {
	home := ""
	if s == "~" || strings.HasPrefix(s, "~/") {
		home, s = s[:1], s[1:]
		if s != "" {
			home, s = home+"/", s[1:]
		}
	}
	switch {
	case home != "" && s == "":
		return home
	case s != "" && strings.Trim(s, plain) == "":
		return home + s
	case policy.Printable(s) == s:
		return home + "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return home + "$'" + b.String() + "'"
}

// plain are the characters that no shell gives a meaning within a word.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-"

// Words is a command as it can be typed.
func Words(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = Word(arg)
	}
	return strings.Join(quoted, " ")
}
