// Package statement is what a signer says of files: these names have this content, and nothing else
// that matches these patterns may lie beside them.
//
//	said := statement.Statement{
//		Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256(content)}},
//		Closed:   []string{".claude/**"},
//	}
//	text, err := said.Marshal()
//
// The text is an in-toto statement, version 1, with a predicate of our own. So other tools can
// verify that a file is one of its subjects; that nothing else may lie there, they do not know.
// Statements of others are read too, for their subjects: their predicates say nothing to us.
//
// A name is relative to the directory in which the bundle lies, and is compared byte by byte:
// nothing folds case or composes letters. The same statement always has the same text.
package statement

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nono-run/nono/plugins/trust/strictjson"
	"github.com/nono-run/nono/sdk/policy"
)

// Predicate is the type of our predicate. It is a name, and nothing is looked up there.
const Predicate = "https://github.com/nono-run/nono/trust/files/v1"

// LogPredicate is the type of a predicate about the log of a session (package logs). A statement
// with it is about no file, and is not read here.
const LogPredicate = "https://github.com/nono-run/nono/trust/log/v1"

// Type is the type of an in-toto statement, version 1.
const Type = "https://in-toto.io/Statement/v1"

const (
	// MaxSize is how long the text of a statement may be: some 15,000 files.
	MaxSize = 2 << 20
	// mostClosed is how many patterns a statement may have.
	mostClosed = 1000
	// longestName is how long a name or a pattern may be, as a path on Linux.
	longestName = 4095
	// mostDepth is how deep the predicates of others may be nested.
	mostDepth = 32

	// version01 is what cosign writes.
	version01 = "https://in-toto.io/Statement/v0.1"
)

// What is wrong with a statement. The errors of this package wrap one of them, or one of
// strictjson.
var (
	ErrSize      = errors.New("the statement is too long")
	ErrVersion   = errors.New("it is not an in-toto statement of a version known here")
	ErrPredicate = errors.New("its predicate has no type")
	ErrLog       = errors.New("it is about the log of a session, and not about files")
	ErrSubjects  = errors.New("it names no file")
	ErrTwice     = errors.New("it names a file twice")
	ErrName      = errors.New("a name in it is none of a file beneath the bundle's directory")
	ErrDigest    = errors.New("a file in it does not have one SHA-256 digest and no other")
	ErrClosed    = errors.New("what it says else may not lie there is no list of patterns")
)

// Subject is a file and its content.
type Subject struct {
	// Name is relative to the bundle's directory, with slashes.
	Name   string
	SHA256 [sha256.Size]byte
}

// Statement is what is signed.
type Statement struct {
	Subjects []Subject
	// Closed are patterns, relative to the bundle's directory: a file that matches one and is no
	// subject is not to be there.
	Closed []string
}

// The text, as in-toto has it.
type (
	text struct {
		Type          string         `json:"_type"`
		Subject       []subject      `json:"subject"`
		PredicateType string         `json:"predicateType"`
		Predicate     jsontext.Value `json:"predicate,omitzero"`
	}
	subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	predicate struct {
		Closed []string `json:"closed"`
	}
)

// Marshal is the statement's text, the same for the same statement, whatever the order in it.
func (s Statement) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("writing a statement: %w", err)
	}
	t := text{Type: Type, PredicateType: Predicate}
	byName := func(a, b Subject) int { return cmp.Compare(a.Name, b.Name) }
	for _, file := range slices.SortedFunc(slices.Values(s.Subjects), byName) {
		digest := map[string]string{"sha256": hex.EncodeToString(file.SHA256[:])}
		t.Subject = append(t.Subject, subject{Name: file.Name, Digest: digest})
	}
	closed, err := json.Marshal(predicate{Closed: slices.Sorted(slices.Values(s.Closed))})
	if err != nil {
		return nil, fmt.Errorf("writing a statement: %w", err)
	}
	t.Predicate = closed
	out, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("writing a statement: %w", err)
	}
	if len(out) > MaxSize {
		return nil, fmt.Errorf("writing a statement: %w: %d files make %d bytes, and at most %d"+
			" are read again", ErrSize, len(s.Subjects), len(out), MaxSize)
	}
	return out, nil
}

// Parse reads the text of a statement, ours or another's.
func Parse(b []byte) (Statement, error) {
	s, err := parse(b)
	if err != nil {
		return Statement{}, fmt.Errorf("reading a statement: %w", err)
	}
	return s, nil
}

func parse(b []byte) (Statement, error) {
	if len(b) > MaxSize {
		return Statement{}, fmt.Errorf("%w: %d bytes, and at most %d are read", ErrSize, len(b),
			MaxSize)
	}
	var t text
	if err := strictjson.Unmarshal(b, mostDepth, &t); err != nil {
		return Statement{}, err
	}
	ours := t.PredicateType == Predicate
	if t.Type != Type && (ours || t.Type != version01) {
		return Statement{}, fmt.Errorf("%w: %s", ErrVersion, quoted(t.Type))
	}
	if t.PredicateType == "" {
		return Statement{}, ErrPredicate
	}
	if t.PredicateType == LogPredicate {
		return Statement{}, ErrLog
	}
	s := Statement{Subjects: make([]Subject, 0, len(t.Subject))}
	for _, file := range t.Subject {
		digest, err := parseDigest(file.Digest)
		if err != nil {
			return Statement{}, fmt.Errorf("%w: %s", err, quoted(file.Name))
		}
		s.Subjects = append(s.Subjects, Subject{Name: file.Name, SHA256: digest})
	}
	if ours {
		var p predicate
		if err := strictjson.Unmarshal(t.Predicate, mostDepth, &p); err != nil {
			return Statement{}, fmt.Errorf("%w: %w", ErrClosed, err)
		}
		s.Closed = p.Closed
	}
	return s, s.check()
}

// check holds for what is written and for what is read.
func (s Statement) check() error {
	if len(s.Subjects) == 0 {
		return ErrSubjects
	}
	seen := make(map[string]bool, len(s.Subjects))
	for _, file := range s.Subjects {
		if why := fault(file.Name); why != "" {
			return fmt.Errorf("%w: %s %s", ErrName, quoted(file.Name), why)
		}
		if seen[file.Name] {
			return fmt.Errorf("%w: %s", ErrTwice, quoted(file.Name))
		}
		seen[file.Name] = true
	}
	if len(s.Closed) > mostClosed {
		return fmt.Errorf("%w: it has %d of them, and at most %d are read", ErrClosed,
			len(s.Closed), mostClosed)
	}
	for _, pattern := range s.Closed {
		if why := fault(pattern); why != "" {
			return fmt.Errorf("%w: %s %s", ErrClosed, quoted(pattern), why)
		}
	}
	return nil
}

// fault says what keeps a name from being that of a file beneath a directory, or is empty.
func fault(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > longestName:
		return "is longer than a path can be"
	case strings.HasPrefix(name, "/"):
		return "is absolute"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character"
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "leads out of the directory"
	case name == "." || !fs.ValidPath(name):
		return "is not a path written in the one way that is used here, in UTF-8"
	}
	return ""
}

// parseDigest reads what in-toto calls a digest set. Who finds two digests in it might compare the
// weaker one, so there is exactly one.
func parseDigest(set map[string]string) (digest [sha256.Size]byte, err error) {
	written, ok := set["sha256"]
	if len(set) != 1 || !ok || len(written) != 2*len(digest) || strings.ToLower(written) != written {
		return digest, ErrDigest
	}
	if _, err := hex.Decode(digest[:], []byte(written)); err != nil {
		return digest, ErrDigest
	}
	return digest, nil
}

// quoted is a string of the statement, for a message.
func quoted(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	return `"` + policy.Printable(s) + `"`
}
