package scope

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is what all names have in common that a person, or a file system, may take for one another:
// CLAUDE.md and claude.MD, letters in full width, an accent as a character of its own, and
// characters that are not seen at all.
//
// It is not about letters of other scripts that look alike: no program takes those for the name.
func Fold(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	name = strings.Map(func(r rune) rune {
		if isIgnorable(r) {
			return -1
		}
		return r
	}, name)
	// Folding can make a form that is not the normal one any more, and the other way round.
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}

// isIgnorable reports characters that leave no trace in a line of text.
func isIgnorable(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Lookalikes are the names that may be taken for one of some others, each with that one.
func Lookalikes(names []string, of []string) map[string]string {
	genuine := make(map[string]bool, len(of))
	folded := make(map[string]string, len(of))
	lengths := map[int]bool{}
	for _, name := range of {
		genuine[name] = true
		fold := Fold(name)
		folded[fold] = name
		lengths[len(fold)] = true
	}
	found := map[string]string{}
	for _, name := range names {
		// Of nearly all names that is enough to know: folded, they are as long.
		if !lengths[len(name)] && isASCII(name) || genuine[name] {
			continue
		}
		if of, ok := folded[Fold(name)]; ok {
			found[name] = of
		}
	}
	return found
}
