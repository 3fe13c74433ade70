package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/lease"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// AmbiguousError is a word that several sessions could be meant by.
type AmbiguousError struct {
	Word  string
	Among []Entry
}

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%d sessions could be meant by %q", len(e.Among), e.Word)
}

// Pick is the session that a word means: its id, else its name, else the beginning of either, if no
// other one begins so. Of several with one name it is the newest. The list is as [Store.List] has
// it.
func Pick(list []Entry, word string) (Entry, error) {
	for _, e := range list {
		if e.ID == word {
			return e, nil
		}
	}
	var begin []Entry
	for _, e := range list {
		switch {
		case word == "":
		case e.name() == word:
			return e, nil
		case strings.HasPrefix(e.ID, word):
			begin = append(begin, e)
		case strings.HasPrefix(e.name(), word) && !slices.ContainsFunc(begin, e.sameName):
			begin = append(begin, e)
		}
	}
	switch len(begin) {
	case 0:
		return Entry{}, ErrNone
	case 1:
		return begin[0], nil
	}
	return Entry{}, &AmbiguousError{word, begin}
}

// Last is the newest session of a directory. Where that has none, it is the newest one of the
// nearest directory above that has one.
func Last(list []Entry, dir string) (Entry, error) {
	var last Entry
	err := ErrNone
	for _, e := range list {
		if e.Record == nil || !policy.Within(dir, e.Record.Dir) {
			continue
		}
		// The list begins with the newest: only a nearer directory is better.
		if err != nil || len(e.Record.Dir) > len(last.Record.Dir) {
			last, err = e, nil
		}
	}
	return last, err
}

// LastRecorded is the newest session with a snapshot that a path lies in.
func LastRecorded(list []Entry, path string) (Entry, error) {
	for _, e := range list {
		if e.Record != nil && slices.ContainsFunc(e.Record.Recorded,
			func(root string) bool { return policy.Within(path, root) }) {
			return e, nil
		}
	}
	return Entry{}, ErrNone
}

// Sharing are the live sessions, but for one, whose agent may write where another's may: in one of
// these directories, beneath one or above. They are sorted by id.
func Sharing(list []Entry, trees []string, but string) []Entry {
	var others []Entry
	for _, e := range list {
		if e.ID == but || e.State != Live || e.Record == nil {
			continue
		}
		if slices.ContainsFunc(e.Record.Trees, func(theirs string) bool {
			return slices.ContainsFunc(trees, func(ours string) bool {
				return policy.Within(ours, theirs) || policy.Within(theirs, ours)
			})
		}) {
			others = append(others, e)
		}
	}
	slices.SortFunc(others, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return others
}

// name is what the user called it; "" where he did not, or nobody can tell.
func (e Entry) name() string {
	if e.Record == nil {
		return ""
	}
	return e.Record.Name
}

func (e Entry) sameName(o Entry) bool { return e.name() != "" && e.name() == o.name() }

var names = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckName says why a session cannot be called so.
func CheckName(name string) error {
	switch {
	case !names.MatchString(name):
		return errors.New("a name has at most 64 letters, digits, dots, dashes and underlines, " +
			"and begins with a letter or a digit")
	case lease.IsID(name):
		return errors.New("it could be the id of another session")
	}
	return nil
}
