package config

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// Accepts reports whether a version that a plugin describes itself with meets the constraint of its block. A constraint is a list of
// conditions, separated by commas, all of which must hold: = != > >= < <= and ~>, which lets only the last number that is written grow.
func (p Plugin) Accepts(version string) bool {
	v, err := parseVersion(version)
	if p.Version == "" {
		return true
	}
	if err != nil {
		return false
	}
	for _, c := range strings.Split(p.Version, ",") {
		op, than, err := splitCondition(c)
		if err != nil || !op.holds(v, than) {
			return false
		}
	}
	return true
}

func checkConstraint(s string) error {
	for _, c := range strings.Split(s, ",") {
		if _, _, err := splitCondition(c); err != nil {
			return err
		}
	}
	return nil
}

type operator string

// operators, those of two characters first.
var operators = []operator{"!=", ">=", "<=", "~>", ">", "<", "="}

func splitCondition(s string) (operator, string, error) {
	s = strings.TrimSpace(s)
	op := operator("=")
	for _, o := range operators {
		if rest, ok := strings.CutPrefix(s, string(o)); ok {
			op, s = o, strings.TrimSpace(rest)
			break
		}
	}
	v, err := parseVersion(s)
	return op, v, err
}

// parseVersion puts a version into the form that package semver reads. 1.2 stays 1.2 and means 1.2.0 in a comparison.
func parseVersion(s string) (string, error) {
	if s == "" {
		return "", errors.New("a version is missing")
	}
	v := "v" + strings.TrimPrefix(s, "v")
	if !semver.IsValid(v) {
		return "", fmt.Errorf("%q is not a version", s)
	}
	return v, nil
}

func (o operator) holds(v, than string) bool {
	c := semver.Compare(v, than)
	switch o {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case "~>":
		// ~> 1.2 keeps the 1, ~> 1.2.3 keeps the 1.2; ~> 1 keeps the 1, for want of anything before it.
		if strings.Count(than, ".") >= 2 {
			return c >= 0 && semver.MajorMinor(v) == semver.MajorMinor(than)
		}
		return c >= 0 && semver.Major(v) == semver.Major(than)
	}
	return false
}
