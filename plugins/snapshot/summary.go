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

// changes goes through what is different between the two snapshots of a directory.
func (s *state) changes(
	ctx context.Context, root *sessions.Root, each func(*compare.Change) error,
) (err error) {
	if root.Before == root.After {
		return nil
	}
	before, closeBefore, err := s.manifest(root.Before)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBefore()) }()
	after, closeAfter, err := s.manifest(root.After)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAfter()) }()
	return compare.Manifests(before, after, func(c *compare.Change) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if c.OnlyTimes() {
			return nil
		}
		return each(c)
	})
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
		if err := s.changes(ctx, root, counts.add); err != nil {
			return nil, err
		}
		counts.unreadable += max(root.Unreadable[0], root.Unreadable[1])
	}
	return append([]string{counts.line()}, lines...), nil
}

// counts are how many paths changed, and how.
type counts struct {
	added, removed, changed, permanent int
	unreadable                         int64
}

func (n *counts) add(c *compare.Change) error {
	switch c.Kind() {
	case compare.Added:
		n.added++
	case compare.Removed:
		n.removed++
	case compare.Changed, compare.Renamed, compare.Unknown:
		n.changed++
	}
	if c.Permanent() != "" {
		n.permanent++
	}
	return nil
}

// says is "12 paths changed, 3 new, 1 removed".
func (n *counts) says() string {
	var parts []string
	if n.changed > 0 {
		parts = append(parts, plural(n.changed, "path")+" changed")
	}
	if n.added > 0 {
		parts = append(parts, fmt.Sprintf("%d new", n.added))
	}
	if n.removed > 0 {
		parts = append(parts, fmt.Sprintf("%d removed", n.removed))
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	line := strings.Join(parts, ", ")
	if n.permanent > 0 {
		line += fmt.Sprintf(", %d of which cannot be undone", n.permanent)
	}
	return line
}

// line is "12 paths changed, 3 new, 1 removed: nono session diff".
func (n *counts) line() string {
	line := n.says()
	if n.changed+n.added+n.removed > 0 {
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
