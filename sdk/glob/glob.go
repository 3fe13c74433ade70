// Package glob matches paths with patterns in which ** stands for any number of directories.
//
//	pattern, err := glob.Parse(".claude/**/*.md")
//	pattern.Match(".claude/skills/deploy/SKILL.md") // true
//
// A pattern is names with slashes between them. In a name * stands for any bytes, ? for any one,
// and [a-z] for one of several, as [path.Match] has it; a dot at the beginning is a byte like any
// other. A ** at the end stands for all that lies beneath, and not for the directory itself.
//
// It looks at no file.
package glob

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// AnyDepth is the name that stands for any number of directories.
const AnyDepth = "**"

// maxNames is how many names a pattern may have one after the other.
const maxNames = 64

// Pattern is names, of which [AnyDepth] may be one.
type Pattern []string

// Parse reads a pattern of paths that are seen from some directory.
func Parse(text string) (Pattern, error) {
	var p Pattern
	for name := range strings.SplitSeq(text, "/") {
		switch {
		case name == "":
			return nil, errors.New("a name in it is empty")
		case name == "." || name == "..":
			return nil, fmt.Errorf("it leads through %s", name)
		case strings.IndexByte(name, 0) >= 0:
			return nil, errors.New("a NUL is in it")
		case name == AnyDepth && len(p) > 0 && p[len(p)-1] == AnyDepth:
			continue // as many as one stands for
		}
		if _, err := path.Match(name, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		p = append(p, name)
	}
	if len(p) > maxNames {
		return nil, fmt.Errorf("it has more than %d names", maxNames)
	}
	return p, nil
}

// Match reports whether a path, seen from where the pattern begins, is one that it means.
func (p Pattern) Match(name string) bool {
	if len(p) > 0 && p[len(p)-1] == AnyDepth {
		return MatchNames(append(p[:len(p):len(p)], "*"), strings.Split(name, "/"))
	}
	return MatchNames(p, strings.Split(name, "/"))
}

// MatchNames matches the names of a path with those of a pattern, of which [AnyDepth] stands for
// any number, none included.
func MatchNames(pattern, names []string) bool {
	// After a ** that took too little, one name more is given to the last of them: those before it
	// cannot have taken too much.
	retry, retryAt := -1, 0
	i, at := 0, 0
	for at < len(names) {
		switch {
		case i < len(pattern) && pattern[i] == AnyDepth:
			retry, retryAt = i, at
			i++
		case i < len(pattern) && MatchName(pattern[i], names[at]):
			i++
			at++
		case retry >= 0:
			retryAt++
			i, at = retry+1, retryAt
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == AnyDepth {
		i++
	}
	return i == len(pattern)
}

// IsPlain reports whether a name of a pattern means itself alone.
func IsPlain(name string) bool { return !strings.ContainsAny(name, `*?[\`) }

// MatchName matches one name. A pattern that cannot be read matches nothing.
func MatchName(pattern, name string) bool {
	if IsPlain(pattern) {
		return pattern == name
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
