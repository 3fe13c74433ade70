package compare

import (
	"path"
	"slices"

	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// Renames finds what was renamed in a list of changes, and gives a list in which it is one change
// instead of a removal and an addition. A list in the order in which Manifests gives it stays in
// order.
//
// The same inode is the same file, whatever it holds now. A file of another inode that holds the
// same was moved by copying it; of several the one with the same name is taken, or else the first.
// Empty files are like each other, and so are links, and say nothing.
func Renames(changes []*Change) []*Change {
	f := finder{byInode: map[inode][]*Change{}, byContent: map[tree.Digest][]*Change{}}
	for _, c := range changes {
		if c.Kind() == Removed && !c.Before.Excluded {
			at := inode{c.Before.Device, c.Before.Inode}
			f.byInode[at] = append(f.byInode[at], c)
			if telling(c.Before) {
				f.byContent[c.Before.Content] = append(f.byContent[c.Before.Content], c)
			}
		}
	}
	taken := map[*Change]bool{}
	take := func(c *Change, from *Change) {
		taken[from] = true
		c.Before, c.From = from.Before, from.Path
		c.What = Entries(c.Before, c.After)
	}
	// All inodes first: what has its own again is no copy of something else.
	for _, same := range []func(*Change) []*Change{f.ofInode, f.ofContent} {
		for _, c := range changes {
			if c.Kind() != Added || c.After.Excluded {
				continue
			}
			if from := best(same(c), taken, path.Base(c.Path)); from != nil {
				take(c, from)
			}
		}
	}
	markTaken(changes)
	return slices.DeleteFunc(slices.Clone(changes), func(c *Change) bool { return taken[c] })
}

type inode struct{ device, number uint64 }

type finder struct {
	byInode   map[inode][]*Change
	byContent map[tree.Digest][]*Change
}

// telling reports whether two files that are like this one are likely to be the same.
func telling(e *tree.Entry) bool { return e.Type == tree.File && !e.Excluded && e.Size > 0 }

func (f *finder) ofInode(c *Change) []*Change {
	var same []*Change
	for _, from := range f.byInode[inode{c.After.Device, c.After.Inode}] {
		// An inode that was given up goes to the next file that is made.
		if from.Before.Type == c.After.Type && (c.After.Type != tree.File ||
			from.Before.Content == c.After.Content || path.Base(from.Path) == path.Base(c.Path)) {
			same = append(same, from)
		}
	}
	return same
}

func (f *finder) ofContent(c *Change) []*Change {
	if !telling(c.After) {
		return nil
	}
	return f.byContent[c.After.Content]
}

// best is the first that was not taken, one of the same name before the others.
func best(from []*Change, taken map[*Change]bool, name string) *Change {
	var first *Change
	for _, c := range from {
		switch {
		case taken[c]:
		case path.Base(c.Path) == name:
			return c
		case first == nil:
			first = c
		}
	}
	return first
}

// markTaken marks what moved because its directory did.
func markTaken(changes []*Change) {
	moved := map[string]string{}
	for _, c := range changes {
		if c.From != "" && c.After.Type == tree.Dir {
			moved[c.Path] = c.From
		}
	}
	for _, c := range changes {
		from, ok := moved[parent(c.Path)]
		c.With = ok && c.From == tree.Join(from, path.Base(c.Path)) && c.What&^Times == 0
	}
}

func parent(p string) string {
	if dir := path.Dir(p); dir != "." {
		return dir
	}
	return ""
}
