package plan

import (
	"path"
	"strings"
)

// below is p as it is called when dir is called root.
func below(p, dir, root string) string {
	return path.Join(root, strings.TrimPrefix(p, dir))
}

// comparePaths orders paths by their components, so that a directory comes before all that lies in it and right before it: the
// separator sorts before every other character.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			switch {
			case x == '/':
				return -1
			case y == '/':
				return 1
			}
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
