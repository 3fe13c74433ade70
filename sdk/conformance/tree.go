package conformance

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// tree is all that stands in a directory, in a form that shows every change.
type tree map[string]string

func treeOf(dir string) (tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	found := tree{}
	err = fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			bytes, err := root.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(bytes))
		case info.Mode()&fs.ModeSymlink != 0:
			if content, err = root.Readlink(path); err != nil {
				return err
			}
		}
		found[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), content)
		return nil
	})
	return found, err
}

// changes are the paths at which another tree differs.
func (t tree) changes(other tree) []string {
	var paths []string
	for path, is := range other {
		if t[path] != is {
			paths = append(paths, path)
		}
	}
	for path := range t {
		if _, ok := other[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
