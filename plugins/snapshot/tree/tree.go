// Package tree is the manifest of a tree: what stood in it, without the contents.
//
// A manifest is written and read as a stream, directory after directory, so that a tree of a
// million files needs no more memory than one of a thousand. The directories come in the order of
// their paths compared component by component, as bytes; a directory's entries come in the order of
// their names:
//
//	""     a  b  c.txt      a and b are directories, and come next
//	"a"    x
//	"a/y"
//	"a-b"  ...
//
// So two manifests, or a manifest and the tree as it is now, are compared like two sorted lists:
//
//	reader, err := tree.NewReader(stream)
//	for {
//		dir, err := reader.NextDirectory() // io.EOF: that was all
//		for {
//			entry, err := reader.Next()    // io.EOF: the next directory
//		}
//	}
//
// Names, targets of links and paths are bytes of any kind.
//
// A [Reader] takes only what a [Writer] writes: for each manifest there is one way to write it, and
// everything else is an error, names that mean another place (a slash, "..") before all. It reads
// no more into memory than one entry and the names of directories that are to come.
package tree

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nono-run/nono/plugins/snapshot/store"
)

// Digest names content in the store. The zero is none.
type Digest = store.Digest

// Type is what stands at a name, as far as it can be undone.
type Type uint8

// The types. The zero is none.
const (
	// Dir is a directory; what is in it is in a [Directory] of its own.
	Dir Type = iota + 1
	// File is a regular file.
	File
	// Link is a symbolic link.
	Link
	// Special is a pipe, a socket or a device. It is listed, and never made again.
	Special
	// Unreadable is what could not be recorded. Why says what was in the way, and Mode what it is.
	Unreadable
)

// String is the type's name.
func (t Type) String() string {
	switch t {
	case Dir:
		return "directory"
	case File:
		return "file"
	case Link:
		return "link"
	case Special:
		return "special file"
	case Unreadable:
		return "unreadable"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Entry is what stands at one name.
type Entry struct {
	Name string
	Type Type
	// Excluded says that it lies in a tree whose contents are not stored: that it was changed can be
	// told, and not undone.
	Excluded bool
	// Mode is the file's type and its permissions, as the kernel has both (st_mode).
	Mode     uint32
	UID, GID uint32
	// Links is how many names the file has. Those that have its Device and Inode too are the same.
	Links         uint32
	Device, Inode uint64
	Size          int64
	MTime, CTime  int64 // in nanoseconds since 1970
	// Content is what a file holds, unless it is excluded.
	Content Digest
	// Target is where a link leads.
	Target string
	// Xattrs names a file's extended attributes as the store has them (see [EncodeXattrs]); the zero
	// is none.
	Xattrs Digest
	Why    string
}

// Directory is one directory, whose entries follow.
type Directory struct {
	// Path is where it lies beneath the root, which is "".
	Path string
	// Git says that it is where git keeps a repository, which is one unit: what is in it belongs
	// together.
	Git bool
	// Xattrs names its extended attributes.
	Xattrs Digest
	// Why says that the entries are not known, and what was in the way.
	Why string
}

// Head is what a manifest begins with.
type Head struct {
	// Path is where the root was found.
	Path string
	// Root is the root itself. It has no name; its Device and Inode say which directory was recorded.
	Root Entry
}

const (
	magic = "nono tree 1\n"
	// maxText is as long as a name, a target, the root's path, or a reason may be. The kernel gives
	// none of them more.
	maxText = 4 << 10
	// maxPath is as long as a path beneath the root may be.
	maxPath = 64 << 10
)

// Join is the path of a name in a directory.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Compare compares two paths component by component, as directories are ordered.
func Compare(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		// Where one of them has a component that ends, it is the first.
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		case a[i] < b[i]:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// check says what is wrong with an entry, the order aside.
func (e *Entry) check() error {
	switch {
	case len(e.Name) > maxText || len(e.Target) > maxText || len(e.Why) > maxText:
		return errors.New("a name, a target or a reason is too long")
	case e.Size < 0:
		return errors.New("a negative size")
	}
	var wrong bool
	switch e.Type {
	case Dir:
		wrong = e.Content != Digest{} || e.Xattrs != Digest{} || e.Target != "" || e.Why != ""
	case File:
		wrong = e.Target != "" || e.Why != "" || e.Excluded != (e.Content == Digest{})
	case Link:
		wrong = e.Content != Digest{} || e.Xattrs != Digest{} || e.Why != "" || e.Target == ""
	case Special:
		wrong = e.Content != Digest{} || e.Xattrs != Digest{} || e.Target != "" || e.Why != ""
	case Unreadable:
		wrong = e.Content != Digest{} || e.Xattrs != Digest{} || e.Target != "" || e.Why == ""
	default:
		return fmt.Errorf("no such type: %v", e.Type)
	}
	if wrong {
		return fmt.Errorf("what cannot be said of a %v", e.Type)
	}
	return nil
}

// checkName says what is wrong with the name of an entry that comes after another.
func checkName(name, after string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%q is no name", name)
	case after != "" && name <= after:
		return fmt.Errorf("%q comes after %q", name, after)
	}
	return nil
}

func (d *Directory) check() error {
	if len(d.Why) > maxText {
		return errors.New("a reason is too long")
	}
	return nil
}

// order knows which directory comes next: the first of those that were entries of the last one, or
// else the next of those above it.
type order struct {
	levels []level
	found  []string // the directories among the entries of the present one
	path   string
}

type level struct {
	path  string
	names []string // yet to come
}

// note keeps the name of a directory in the present one.
func (o *order) note(name string) error {
	if len(o.path)+1+len(name) > maxPath {
		return errors.New("a path is too long")
	}
	o.found = append(o.found, name)
	return nil
}

// next ends the present directory and tells which is to come.
func (o *order) next() (path string, ok bool) {
	if len(o.found) > 0 {
		o.levels = append(o.levels, level{path: o.path, names: o.found})
		o.found = nil
	}
	for len(o.levels) > 0 {
		last := &o.levels[len(o.levels)-1]
		if len(last.names) > 0 {
			o.path = Join(last.path, last.names[0])
			last.names = last.names[1:]
			return o.path, true
		}
		o.levels = o.levels[:len(o.levels)-1]
	}
	return "", false
}
