package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// files are the files beneath a directory, by their paths in it, with what shows a change: the
// digest of a file's content, where a link leads.
type files map[string]string

// look looks at a directory; each is told of every file, and how many there were.
func look(dir string, each func(n int) error) (files, error) {
	root, err := os.OpenRoot(dir) // no link that somebody made leads out of it
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	found := files{}
	err = fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch {
		case e.Type() == fs.ModeSymlink:
			if found[path], err = root.Readlink(path); err != nil {
				return err
			}
		case e.Type().IsRegular():
			content, err := root.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			found[path] = hex.EncodeToString(sum[:])
		default:
			found[path] = e.Type().String()
		}
		return each(len(found))
	})
	return found, err
}

// compare says in a line what is different in others.
func (f files) compare(other files) string {
	var added, changed, removed []string
	for path, is := range other {
		switch was, ok := f[path]; {
		case !ok:
			added = append(added, path)
		case was != is:
			changed = append(changed, path)
		}
	}
	for path := range f {
		if _, ok := other[path]; !ok {
			removed = append(removed, path)
		}
	}
	var said []string
	for _, part := range []struct {
		what  string
		paths []string
	}{{"added", added}, {"changed", changed}, {"removed", removed}} {
		if len(part.paths) > 0 {
			slices.Sort(part.paths)
			said = append(said, fmt.Sprintf("%s %s", part.what, strings.Join(part.paths, " ")))
		}
	}
	if len(said) == 0 {
		return "nothing has changed"
	}
	return strings.Join(said, ", ")
}
