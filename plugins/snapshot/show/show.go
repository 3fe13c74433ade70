// Package show prints what is different between two snapshots: as a list, as a unified diff, and
// for a program.
//
//	p := show.Printer{To: os.Stdout, Open: store.Open, Colour: true, Escape: true}
//	for _, c := range changes {
//		err := p.Diff(name, c)
//	}
//
// Names, and on a terminal the contents of files, are the agent's: they are printed with control
// characters escaped.
package show

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	udiff "github.com/aymanbagabas/go-udiff"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk/policy"
)

// Opener opens a content.
type Opener func(tree.Digest) (io.ReadCloser, error)

// Printer prints changes.
type Printer struct {
	To   io.Writer
	Open Opener
	// Colour is for a terminal. Escape has control characters in contents escaped, which a program
	// that applies the diff must not find so.
	Colour, Escape bool
}

// MaxText is how large a file may be whose lines are shown.
const MaxText = 2 << 20

const around = 3 // lines around a difference

// Named is a change with the name that the user knows the path by.
type Named struct {
	*compare.Change

	// Name is that of the path, and OldName that of where it was before.
	Name, OldName string
}

// Text is what a file held, for lines to be compared; false for one that has none, or too many.
func (p *Printer) Text(e *tree.Entry) (string, bool, error) {
	switch {
	case e == nil:
		return "", true, nil
	case e.Type == tree.Link:
		return e.Target, true, nil
	case e.Type != tree.File || e.Excluded || e.Size > MaxText:
		return "", false, nil
	}
	from, err := p.Open(e.Content)
	if err != nil {
		return "", false, err
	}
	defer from.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(from, MaxText+1))
	if err != nil {
		return "", false, err
	}
	if len(text) > MaxText || bytes.IndexByte(text, 0) >= 0 {
		return "", false, nil
	}
	return string(text), true, nil
}

// Diff prints one change: a head that says what happened to the path, and the lines of a text.
func (p *Printer) Diff(n Named) error {
	var b strings.Builder
	before, after := "a/"+policy.Printable(n.OldName), "b/"+policy.Printable(n.Name)
	p.head(&b, "diff --git "+before+" "+after)
	for _, line := range headLines(n) {
		p.head(&b, line)
	}
	if err := p.body(&b, n, before, after); err != nil {
		return err
	}
	_, err := io.WriteString(p.To, b.String())
	return err
}

func (p *Printer) head(b *strings.Builder, line string) { p.line(b, bold, line) }

// headLines are what git says of a change, and in comments what it does not know.
func headLines(n Named) []string {
	var lines []string
	c := n.Change
	switch {
	case c.Kind() == compare.Unknown:
	case c.Before == nil:
		lines = append(lines, fmt.Sprintf("new file mode %06o", c.After.Mode))
	case c.After == nil:
		lines = append(lines, fmt.Sprintf("deleted file mode %06o", c.Before.Mode))
	case c.Before.Mode != c.After.Mode:
		lines = append(lines, fmt.Sprintf("old mode %06o", c.Before.Mode),
			fmt.Sprintf("new mode %06o", c.After.Mode))
	}
	if c.From != "" {
		lines = append(lines, "rename from "+policy.Printable(n.OldName),
			"rename to "+policy.Printable(n.Name))
	}
	if c.Before != nil && c.After != nil {
		if c.What&compare.Owner != 0 {
			lines = append(lines, fmt.Sprintf("# owner %d:%d, was %d:%d",
				c.After.UID, c.After.GID, c.Before.UID, c.Before.GID))
		}
		if c.What&compare.Xattrs != 0 {
			lines = append(lines, "# its extended attributes changed")
		}
		if c.What&compare.Linked != 0 {
			lines = append(lines, "# it was another file's name, or is now (a hard link)")
		}
	}
	if c.Why != "" {
		lines = append(lines, "# "+policy.Printable(c.Why))
	}
	if why := c.Permanent(); why != "" {
		lines = append(lines, "# cannot be undone: "+policy.Printable(why))
	}
	return lines
}

func (p *Printer) body(b *strings.Builder, n Named, before, after string) error {
	c := n.Change
	if !hasContent(c.Before) && !hasContent(c.After) || c.Before != nil && c.After != nil &&
		c.What&(compare.Content|compare.Target|compare.Type) == 0 {
		return nil
	}
	old, oldText, err := p.Text(content(c.Before))
	if err != nil {
		return err
	}
	now, nowText, err := p.Text(content(c.After))
	if err != nil {
		return err
	}
	if !oldText || !nowText {
		p.line(b, "", fmt.Sprintf("Binary files %s and %s differ", before, after))
		p.line(b, "", fmt.Sprintf("# %s, was %s", about(c.After), about(c.Before)))
		return nil
	}
	if !hasContent(c.Before) {
		before = "/dev/null"
	}
	if !hasContent(c.After) {
		after = "/dev/null"
	}
	text, err := udiff.ToUnified(before, after, old, udiff.Lines(old, now), around)
	if err != nil {
		return fmt.Errorf("comparing %s: %w", policy.Printable(n.Name), err)
	}
	for line := range strings.Lines(text) {
		p.diffLine(b, strings.TrimSuffix(line, "\n"))
	}
	return nil
}

func hasContent(e *tree.Entry) bool {
	return e != nil && (e.Type == tree.File || e.Type == tree.Link)
}

func content(e *tree.Entry) *tree.Entry {
	if hasContent(e) {
		return e
	}
	return nil
}

// about is a content that is not shown.
func about(e *tree.Entry) string {
	switch {
	case e == nil:
		return "nothing"
	case e.Type == tree.Dir:
		return "a directory"
	case e.Type == tree.Link:
		return "a link to " + policy.Printable(e.Target)
	case e.Type != tree.File:
		return "a " + e.Type.String()
	case e.Excluded:
		return fmt.Sprintf("%d bytes, not stored", e.Size)
	}
	return fmt.Sprintf("%d bytes, digest %s", e.Size, hex.EncodeToString(e.Content[:6]))
}

// The colours.
const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	reset = "\x1b[0m"
)

func (p *Printer) diffLine(b *strings.Builder, line string) {
	colour := ""
	switch {
	case strings.HasPrefix(line, "+++ ") || strings.HasPrefix(line, "--- "):
		colour = bold
	case strings.HasPrefix(line, "@@"):
		colour = cyan
	case strings.HasPrefix(line, "+"):
		colour = green
	case strings.HasPrefix(line, "-"):
		colour = red
	}
	if p.Escape {
		line = visible(line)
	}
	p.line(b, colour, line)
}

func (p *Printer) line(b *strings.Builder, colour, line string) {
	if p.Colour && colour != "" {
		line = colour + line + reset
	}
	b.WriteString(line + "\n")
}

// visible is a line of a file with control characters escaped, but for tabs, which move nothing
// that matters.
func visible(line string) string {
	if !strings.ContainsFunc(line, func(r rune) bool {
		return r != '\t' && (r < ' ' || r == 0x7f || r > 0x7e)
	}) && utf8.ValidString(line) {
		return line
	}
	parts := strings.Split(line, "\t")
	for i, part := range parts {
		parts[i] = policy.Printable(part)
	}
	return strings.Join(parts, "\t")
}

// Kind is what happened to a path, in a word for a list.
func Kind(c *compare.Change) string {
	switch c.Kind() {
	case compare.Added:
		return "new"
	case compare.Removed:
		return "removed"
	case compare.Renamed:
		return "renamed"
	case compare.Changed:
		if c.What&compare.Type != 0 {
			return "now a " + typeOf(c.After.Mode)
		}
		if c.What&(compare.Content|compare.Target|compare.Opaque) == 0 {
			return c.What.String()
		}
		return "changed"
	case compare.Unknown:
		return "unknown"
	}
	return c.Kind().String()
}

func typeOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "link"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}
