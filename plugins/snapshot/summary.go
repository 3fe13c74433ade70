//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk/policy"
)

// changes lists what is different between the two snapshots of a directory, renames found.
func (s *state) changes(
	ctx context.Context, root *sessions.Root,
) (list []*compare.Change, err error) {
	if root.Before == root.After {
		return nil, nil
	}
	before, closeBefore, err := s.manifest(root.Before)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeBefore()) }()
	after, closeAfter, err := s.manifest(root.After)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAfter()) }()
	err = compare.Manifests(before, after, func(c *compare.Change) error {
		if !c.OnlyTimes() {
			list = append(list, c)
		}
		return context.Cause(ctx)
	})
	return compare.Renames(list), err
}

// manifest opens a snapshot.
func (s *state) manifest(id store.ManifestID) (*tree.Reader, func() error, error) {
	from, err := s.store.OpenManifest(id)
	if err != nil {
		return nil, nil, fmt.Errorf("opening snapshot %s: %w", id, err)
	}
	r, err := tree.NewReader(from)
	if err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return r, from.Close, nil
}

// opener is a snapshot that can be opened again and again.
func (s *state) opener(id store.ManifestID) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return s.store.OpenManifest(id) }
}

// summary is what changed, in a line, and what nothing is known of.
func (s *state) summary(ctx context.Context, of *sessions.Session) ([]string, error) {
	var counts counts
	var lines []string
	for i := range of.Roots {
		root := &of.Roots[i]
		if root.Gone != "" {
			lines = append(lines, fmt.Sprintf("%s cannot be compared with what it was: %s",
				policy.Printable(root.Path), policy.Printable(root.Gone)))
			continue
		}
		list, err := s.changes(ctx, root)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			counts.add(i, c)
		}
		counts.unreadable += max(root.Unreadable[0], root.Unreadable[1])
	}
	return append([]string{counts.line()}, lines...), nil
}

// counts are how many paths changed, and how. It is what the line at a session's end says, and what
// a difference begins with.
type counts struct {
	changed, renamed, added, removed int
	git                              map[repository]bool // each counts as one
	permanent                        int
	unreadable                       int64
}

// repository is a git directory beneath one of the recorded directories.
type repository struct {
	root int
	path string
}

// add counts a change in one of the recorded directories, among those that renames were found in.
func (n *counts) add(root int, c *compare.Change) {
	if c.Permanent() != "" {
		n.permanent++
	}
	if c.InGit {
		if n.git == nil {
			n.git = map[repository]bool{}
		}
		n.git[repository{root, c.Git}] = true
		return
	}
	switch c.Kind() {
	case compare.Added:
		n.added++
	case compare.Removed:
		n.removed++
	case compare.Renamed:
		n.renamed++
	case compare.Changed, compare.Unknown:
		n.changed++
	}
}

// says is "12 paths changed, 2 renamed, 3 new, 1 removed, and .git".
func (n *counts) says() string {
	var parts []string
	if n.changed > 0 {
		parts = append(parts, plural(n.changed, "path")+" changed")
	}
	for _, of := range []struct {
		number int
		what   string
	}{{n.renamed, "renamed"}, {n.added, "new"}, {n.removed, "removed"}} {
		if of.number > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.number, of.what))
		}
	}
	switch git := n.saysGit(); {
	case len(parts) == 0 && git == "":
		return "nothing changed"
	case len(parts) == 0:
		parts = []string{git + " changed"}
	case git != "":
		parts = append(parts, "and "+git)
	}
	line := strings.Join(parts, ", ")
	if n.permanent > 0 {
		line += fmt.Sprintf(", %d of which cannot be undone", n.permanent)
	}
	return line
}

// saysGit names the git directories.
func (n *counts) saysGit() string {
	if len(n.git) > 1 {
		return fmt.Sprintf("%d git directories", len(n.git))
	}
	for in := range n.git {
		if in.path == "" {
			return "the git directory"
		}
		return policy.Printable(in.path)
	}
	return ""
}

// line is "12 paths changed, 2 renamed, 3 new, 1 removed, and .git: nono session diff".
func (n *counts) line() string {
	line := n.says()
	if n.changed+n.renamed+n.added+n.removed+len(n.git) > 0 {
		line += ": nono session diff"
	}
	if n.unreadable > 0 {
		line += fmt.Sprintf("; %s could not be recorded", plural(int(n.unreadable), "name"))
	}
	return line
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
