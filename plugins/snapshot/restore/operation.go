//go:build linux

package restore

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Root is the tree that is given back, and which directory was recorded: another one that stands at
// its path today is refused.
type Root struct {
	Path string
	beneath.Identity
}

// ErrReplaced says that the root is not the directory that was recorded.
var ErrReplaced = errors.New("it is not the directory that was recorded: it was replaced since")

// Operation is what is done at one path.
type Operation struct {
	// Path is beneath the root, which is "".
	Path string `json:"path"`
	// Now is what must be there, Want what shall be there; nil is nothing.
	Now  *tree.Entry `json:"now,omitempty"`
	Want *tree.Entry `json:"want,omitempty"`
	// NowPeer and WantPeer name a file that is not touched, and that this one is, or shall be, another
	// name of.
	NowPeer  string `json:"now_peer,omitempty"`
	WantPeer string `json:"want_peer,omitempty"`
	// InPlace says that the file stays, and only its mode, owner, attributes or times change.
	InPlace bool `json:"in_place,omitempty"`
	// Git is the git directory that the path lies in, if InGit.
	Git   string `json:"git,omitempty"`
	InGit bool   `json:"in_git,omitempty"`
	// Rank orders files that depend on one another.
	Rank Rank `json:"rank"`

	bytes []byte // what shall be there, where it is in no store yet
}

// Rank is when a file is put in its place: of a git directory the objects come first, and HEAD
// last, so that what is there at any moment refers to what is there. The zero is none.
type Rank int

// The ranks, in order.
const (
	RankObject Rank = iota + 1
	RankFile
	RankGit
	RankRef
	RankIndex
	RankHead
)

// Note is something that the user is told about one path.
type Note struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

func isDir(e *tree.Entry) bool { return e != nil && e.Type == tree.Dir }

func isFile(e *tree.Entry) bool { return e != nil && e.Type == tree.File }

// removes reports whether what is there has to go before something else can come.
func (o *Operation) removes() bool {
	return o.Now != nil && (o.Want == nil || isDir(o.Now) != isDir(o.Want))
}

// puts reports whether something is put at the path that is made ready before.
func (o *Operation) puts() bool { return o.Want != nil && !isDir(o.Want) && !o.InPlace }

// moves reports whether names change in the directory that the path is in.
func (o *Operation) moves() bool {
	return !o.InPlace && (!isDir(o.Now) || !isDir(o.Want))
}

// split is a path's directory and its name in it.
func split(p string) (dir, name string) {
	dir, name = path.Split(p)
	return strings.TrimSuffix(dir, "/"), name
}

// within reports whether a path is a directory, or lies in it.
func within(p, dir string) bool {
	return dir == "" || p == dir || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}

func byPath(a, b *Operation) int { return tree.Compare(a.Path, b.Path) }

// file identifies a file that has several names.
type file struct{ device, inode uint64 }

func fileOf(e *tree.Entry) file { return file{e.Device, e.Inode} }

// same reports whether two looks saw one file that nobody wrote to in between. The time of its last
// change tells nothing here, for a rename moves it.
func same(now, then *tree.Entry) bool {
	if now == nil || then == nil {
		return now == then
	}
	const kind = unix.S_IFMT
	return now.Inode == then.Inode && now.Device == then.Device && now.Mode&kind == then.Mode&kind &&
		(isDir(then) || now.Size == then.Size && now.MTime == then.MTime)
}

// like reports whether what stands there is what was made ready for it.
func like(now, want *tree.Entry) bool {
	if now == nil || want == nil {
		return now == want
	}
	const kind = unix.S_IFMT
	switch {
	case now.Mode&kind != want.Mode&kind:
		return false
	case isDir(want):
		return true
	case want.Type == tree.Link:
		return now.Target == want.Target
	}
	return now.Size == want.Size && now.MTime == want.MTime
}

// Manifest opens a manifest's bytes.
type Manifest func() (io.ReadCloser, error)

// read goes through a manifest.
func (m Manifest) read(do func(*tree.Reader) error) (err error) {
	from, err := m()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	r, err := tree.NewReader(from)
	if err != nil {
		return err
	}
	return do(r)
}

// entries goes through all that is in a manifest but its root.
func (m Manifest) entries(do func(path string, e *tree.Entry) error) error {
	return m.read(func(r *tree.Reader) error {
		for {
			dir, err := r.NextDirectory()
			if errors.Is(err, io.EOF) {
				return nil
			}
			for err == nil {
				var e *tree.Entry
				if e, err = r.Next(); err == nil {
					err = do(tree.Join(dir.Path, e.Name), e)
				}
			}
			if !errors.Is(err, io.EOF) {
				return err
			}
		}
	})
}

// Selection is a choice of paths, and of all that lies beneath them. An empty one is everything.
type Selection []string

// has reports whether a path is chosen.
func (s Selection) has(p string) bool {
	return len(s) == 0 ||
		slices.ContainsFunc(s, func(chosen string) bool { return within(p, chosen) })
}

// touches reports whether a directory, something in it, or something above it is chosen.
func (s Selection) touches(dir string) bool {
	return s.has(dir) ||
		slices.ContainsFunc(s, func(chosen string) bool { return within(chosen, dir) })
}

func doing(what, path string, err error) error {
	if path == "" {
		path = "."
	}
	return fmt.Errorf("%s %q: %w", what, path, err)
}
