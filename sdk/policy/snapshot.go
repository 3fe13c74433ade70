package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Snapshot is what is recorded before the agent starts, so that what it changed can be shown and
// undone. Without paths there is none, and then the rest is empty too.
type Snapshot struct {
	// Paths are the directories that are recorded, each with all beneath it. One may lie in another.
	Paths []SnapshotPath `json:"paths,omitempty"`
	// Exclude says of what the contents are not stored; that it changed is still seen. What is later
	// in the list beats what is earlier.
	Exclude []SnapshotExclude `json:"exclude,omitempty"`
	// Keep is how much is kept of snapshots; nil where nothing is said.
	Keep *SnapshotKeep `json:"keep,omitempty"`
}

// SnapshotPath is one directory that is recorded.
type SnapshotPath struct {
	ID     RuleID `json:"id"` // "snapshot.path.0"
	Source Source `json:"source"`
	// Path is absolute and clean, with every link resolved.
	Path string `json:"path"`
	// Name is the absolute path that was asked for; it differs from Path where a link was followed.
	Name string `json:"name,omitempty"`
}

// SnapshotExclude is one pattern of what is not stored.
type SnapshotExclude struct {
	ID     RuleID `json:"id"` // "snapshot.exclude.0"
	Source Source `json:"source"`
	// Pattern is as in a .gitignore, and [CheckExclude] accepts it. One without a slash, or with one
	// at its end alone, is about a name at any depth; any other about a path seen from each recorded
	// directory. * ? and [a-z] stand for something within a name, ** for any number of directories. A
	// slash at the end means directories alone, and ! at the beginning takes back what an earlier
	// pattern excludes. One that goes on with " beside NAME" holds only where that name stands in the
	// same directory (see [CutBeside]). What lies in an excluded directory is excluded with it.
	Pattern string `json:"pattern"`
}

// SnapshotKeep is how many sessions' snapshots are kept, for how long after the session's end, and
// how many bytes they may take together. What is nil is not said.
type SnapshotKeep struct {
	ID       RuleID `json:"id"` // "snapshot.keep.0"
	Source   Source `json:"source"`
	Sessions *int64 `json:"sessions,omitempty"`
	Age      *int64 `json:"age,omitempty"`  // in seconds
	Size     *int64 `json:"size,omitempty"` // in bytes
}

// IsOn reports whether anything is recorded.
func (s *Snapshot) IsOn() bool { return len(s.Paths) > 0 }

// Covers reports whether a path is recorded, excluded or not.
func (s *Snapshot) Covers(name string) bool {
	for _, p := range s.Paths {
		if Within(name, p.Path) {
			return true
		}
	}
	return false
}

func (s *Snapshot) rules() []Rule {
	var rules []Rule
	for _, p := range s.Paths {
		rules = append(rules, Rule{p.ID, p.Source, "record " + Printable(p.Path)})
	}
	for _, e := range s.Exclude {
		rules = append(rules, Rule{e.ID, e.Source, "store nothing of " + Printable(e.Pattern)})
	}
	if k := s.Keep; k != nil {
		rules = append(rules, Rule{k.ID, k.Source, k.says()})
	}
	return rules
}

func (k *SnapshotKeep) says() string {
	words := "keep snapshots"
	if k.Sessions != nil {
		words += fmt.Sprintf(" of %d sessions", *k.Sessions)
	}
	if k.Age != nil {
		words += fmt.Sprintf(" for %d seconds", *k.Age)
	}
	if k.Size != nil {
		words += fmt.Sprintf(" up to %d bytes", *k.Size)
	}
	return words
}

// The most that a pattern may have: names one after the other, and bytes.
const (
	maxExcludeParts = 64
	maxExcludeBytes = 4096
)

// CutBeside takes a pattern of [SnapshotExclude] apart: "target/ beside Cargo.toml" is "target/",
// where a Cargo.toml stands beside it. Where there is no such condition the name is empty. After a
// backslash the words are a part of the pattern.
func CutBeside(pattern string) (rest, name string) {
	const word = " beside "
	i := strings.LastIndex(pattern, word)
	if i < 0 || strings.HasSuffix(pattern[:i], `\`) {
		return pattern, ""
	}
	return pattern[:i], pattern[i+len(word):]
}

// CheckExclude says what is wrong with a pattern of [SnapshotExclude].
func CheckExclude(pattern string) error {
	rest, beside := CutBeside(pattern)
	if rest != pattern && (strings.ContainsAny(beside, "*?[\\/") || beside == "" ||
		beside == "." || beside == "..") {
		return fmt.Errorf("%q, which it must stand beside, is no name", beside)
	}
	rest = strings.TrimPrefix(rest, "!")
	rest = strings.TrimSuffix(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "":
		return errors.New("it names nothing")
	case len(pattern) > maxExcludeBytes:
		return fmt.Errorf("it is longer than %d bytes", maxExcludeBytes)
	case strings.ContainsRune(pattern, 0):
		return errors.New("no name has a NUL byte")
	}
	parts := strings.Split(rest, "/")
	if len(parts) > maxExcludeParts {
		return fmt.Errorf("it has more than %d names one after the other", maxExcludeParts)
	}
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%q cannot be a part of it", part)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("%q is no pattern: a [ is not closed, or a \\ escapes nothing", part)
		}
	}
	return nil
}
