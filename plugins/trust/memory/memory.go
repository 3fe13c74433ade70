// Package memory is what was ever signed on this account: for each file, who signed it.
//
// A signature that is taken away makes a file look as if nobody had ever signed it. So what was
// seen once is remembered by the file's path, and from then on the file has to be signed by whom it
// was then, until the user has it forgotten:
//
//	known, err := memory.Load(dir)
//	entry, ok := known.Get("/home/ada/proj/CLAUDE.md")
//	for _, entry := range known.Beneath("/home/ada/proj") { ... }
//
//	err = memory.Update(ctx, dir, func(m *memory.Memory) error {
//		return m.Remember(memory.Entry{Path: "/home/ada/proj/CLAUDE.md", Signer: who, Since: now})
//	})
//
// What is not remembered is the content: an older version that the same signer has signed is as
// good as a newer one, for the user may change to another branch. A directory that was moved or
// cloned elsewhere has other paths, and nothing is known of them.
//
// The memory is one file, in a directory that no agent can write. It is replaced whole, under a
// lock, and has survived a crash of the machine once Update has returned. One that is damaged is an
// error and never an empty one: it would forget what keeps the files as they are.
package memory

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk/policy"
)

// Signer is who signed a file: the id of a key, or who a certificate names and who says so.
type Signer struct {
	Key              string
	Identity, Issuer string
}

// Entry is a file that was signed.
type Entry struct {
	// Path is absolute, clean and free of links, but that the file itself may be one.
	Path   string
	Signer Signer
	// Since is when its signature was first seen, to the second.
	Since time.Time
	// Bundle is where that signature was.
	Bundle string
	// Link is the name of the file beside it that it led to, where it was a link.
	Link string
}

// maxEntries is how many files are remembered. The memory of as many takes some 20 MB, and a second
// to read.
const maxEntries = 100_000

// ErrFull says that no more files are remembered.
var ErrFull = fmt.Errorf("more than %d signed files are not remembered; "+
	"`nono trust forget` makes room", maxEntries)

// Memory is what is known, in the order of the paths.
type Memory struct{ entries []Entry }

func byPath(e Entry, path string) int { return strings.Compare(e.Path, path) }

// Get is what is known of a path.
func (m *Memory) Get(path string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(m.entries, path, byPath)
	if !ok {
		return Entry{}, false
	}
	return m.entries[i], true
}

// All is everything.
func (m *Memory) All() []Entry { return slices.Clone(m.entries) }

// Len is how many files are remembered.
func (m *Memory) Len() int { return len(m.entries) }

// Beneath is what is known of a directory's files, at any depth; of a file, it is that file.
func (m *Memory) Beneath(dir string) []Entry {
	if e, ok := m.Get(dir); ok {
		return []Entry{e}
	}
	prefix := strings.TrimSuffix(dir, "/") + "/"
	begin, _ := slices.BinarySearchFunc(m.entries, prefix, byPath)
	end, _ := slices.BinarySearchFunc(m.entries[begin:], prefix,
		func(e Entry, prefix string) int {
			if strings.HasPrefix(e.Path, prefix) {
				return -1
			}
			return 1
		})
	return slices.Clone(m.entries[begin : begin+end])
}

// Remember adds a file, or replaces what is known of it.
func (m *Memory) Remember(e Entry) error {
	e.Since = time.Unix(e.Since.Unix(), 0)
	if err := e.check(); err != nil {
		return fmt.Errorf("remembering %s: %w", policy.Printable(e.Path), err)
	}
	i, ok := slices.BinarySearchFunc(m.entries, e.Path, byPath)
	switch {
	case ok:
		m.entries[i] = e
	case len(m.entries) >= maxEntries:
		return ErrFull
	default:
		m.entries = slices.Insert(m.entries, i, e)
	}
	return nil
}

// Forget removes what is known of a path, and reports whether anything was.
func (m *Memory) Forget(path string) bool {
	i, ok := slices.BinarySearchFunc(m.entries, path, byPath)
	if ok {
		m.entries = slices.Delete(m.entries, i, i+1)
	}
	return ok
}

// maxText bounds each text of an entry.
const maxText = 16 << 10

func (e *Entry) check() error {
	switch s := e.Signer; {
	case !isPath(e.Path) || !isPath(e.Bundle):
		return errors.New("a path is not absolute and clean")
	case (s.Key == "") == (s.Identity == "") || (s.Identity == "") != (s.Issuer == ""):
		return errors.New("it is signed by a key or by an identity with its issuer")
	case strings.Contains(e.Link, "/") || e.Link == "." || e.Link == "..":
		return errors.New("a link leads elsewhere than to a file beside it")
	case e.Since.Unix() < 0:
		return errors.New("the time lies before all computers")
	}
	for _, text := range e.texts() {
		if len(*text) > maxText {
			return errors.New("a text is too long")
		}
	}
	return nil
}

// texts are an entry's, in the order in which they are written.
func (e *Entry) texts() []*string {
	return []*string{&e.Path, &e.Signer.Key, &e.Signer.Identity, &e.Signer.Issuer, &e.Bundle, &e.Link}
}

func isPath(name string) bool {
	return path.IsAbs(name) && path.Clean(name) == name && strings.IndexByte(name, 0) < 0
}

// sorted is whether the entries are in order, each path once.
func (m *Memory) sorted() bool {
	for i := 1; i < len(m.entries); i++ {
		if cmp.Compare(m.entries[i-1].Path, m.entries[i].Path) >= 0 {
			return false
		}
	}
	return true
}
