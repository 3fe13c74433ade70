package policy

import (
	"testing"
	"unicode"
)

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"plain": "plain",
		"Gr\u00fc\u00dfe \u65e5\u672c \U0001f600": "Gr\u00fc\u00dfe \u65e5\u672c \U0001f600",
		"\x1b[31mred\x1b[0m":                      `\x1b[31mred\x1b[0m`,
		"\x1b]52;c;aGk=\x07":                      `\x1b]52;c;aGk=\x07`,
		"a\nnono: all is well":                    `a\x0anono: all is well`,
		"a\rb\tc\x00d\x7f":                        `a\x0db\x09c\x00d\x7f`,
		"\u009b31m":                               `\x9b31m`, // CSI in one character
		"not \xff UTF-8":                          `not \xff UTF-8`,
		"\ufffd is a character":                   "\ufffd is a character",
		"\u202egnp.exe":                           `\u202egnp.exe`,
		"\u2066\u2069\u061c":                      `\u2066\u2069\u061c`,
		"soft\u00adhyphen":                        `soft\xadhyphen`,
		"zero\u200bwidth\ufeff":                   `zero\u200bwidth\ufeff`,
		"line\u2028line\u2029":                    `line\u2028line\u2029`,
		"tag \U000e0041 \U000e007f":               `tag \U000e0041 \U000e007f`,
		"":                                        "",
	} {
		got := Printable(s)
		if got != want {
			t.Errorf("%q is shown as %q, want %q", s, got, want)
		}
		if again := Printable(got); again != got {
			t.Errorf("%q changes when it is printed a second time: %q", got, again)
		}
	}
}

// Whatever goes in, nothing that acts on a terminal comes out.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[0m")
	f.Add("\xff\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Printable(s) {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q keeps %q", s, r)
			}
		}
	})
}
