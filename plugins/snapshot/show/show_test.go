package show_test

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/show"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// contents are a store of a test's.
type contents map[tree.Digest]string

func (c contents) open(d tree.Digest) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(c[d])), nil
}

func (c contents) file(text string) *tree.Entry {
	d := tree.Digest(sha256.Sum256([]byte(text)))
	c[d] = text
	return &tree.Entry{Type: tree.File, Mode: 0o100644, Size: int64(len(text)), Content: d}
}

func change(path string, before, after *tree.Entry) show.Named {
	c := &compare.Change{Path: path, Before: before, After: after}
	if before != nil && after != nil {
		c.What = compare.Entries(before, after)
	}
	return show.Named{Change: c, Name: path, OldName: path}
}

func diff(t *testing.T, c contents, escape, colour bool, n show.Named) string {
	t.Helper()
	var b strings.Builder
	p := show.Printer{To: &b, Open: c.open, Escape: escape, Colour: colour}
	if err := p.Diff(n); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	c := contents{}
	link := &tree.Entry{Type: tree.Link, Mode: 0o120777, Target: "/etc/passwd\x1b"}
	dir := &tree.Entry{Type: tree.Dir, Mode: 0o040755}
	mode := c.file("a\n")
	mode.Mode = 0o100600
	owned := c.file("a\n")
	owned.UID = 7
	excluded := &tree.Entry{Type: tree.File, Mode: 0o100644, Excluded: true, Size: 3}
	for name, tt := range map[string]struct {
		change show.Named
		want   string
	}{
		"new": {change("x", nil, c.file("a\n")), "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n"},
		"removed": {
			change("x", c.file("a\n"), nil),
			"diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
		},
		"a name of the agent's": {
			change("x\x1b[2J\n", c.file("a\n"), c.file("b\n")),
			`diff --git a/x\x1b[2J\x0a b/x\x1b[2J\x0a` + "\n" + `--- a/x\x1b[2J\x0a` + "\n" + `+++ b/x\x1b[2J\x0a` + "\n@@ -1 +1 @@\n-a\n+b\n",
		},
		"mode":  {change("x", c.file("a\n"), mode), "diff --git a/x b/x\nold mode 100644\nnew mode 100600\n"},
		"owner": {change("x", c.file("a\n"), owned), "diff --git a/x b/x\n# owner 7:0, was 0:0\n"},
		"a link": {
			change("x", nil, link),
			"diff --git a/x b/x\nnew file mode 120777\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\\x1b\n\\ No newline at end of file\n",
		},
		"a directory": {change("x", nil, dir), "diff --git a/x b/x\nnew file mode 040755\n"},
		"excluded": {
			change("x", excluded, excluded),
			"diff --git a/x b/x\n# cannot be undone: its contents are not recorded (excluded)\n",
		},
	} {
		if got := diff(t, c, true, false, tt.change); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// What is no text, or a very long one, is shown by its size and digest.
func TestBinary(t *testing.T) {
	c := contents{}
	for _, text := range []string{"a\x00b", strings.Repeat("x", show.MaxText+1)} {
		got := diff(t, c, true, false, change("x", c.file("a\n"), c.file(text)))
		if !strings.Contains(got, "Binary files a/x and b/x differ\n# ") || !strings.Contains(got, " bytes, digest ") ||
			len(got) > 300 {
			t.Errorf("got %s", got[:min(len(got), 300)])
		}
	}
}

// On a terminal nothing of a file's reaches it but text and tabs; elsewhere a program gets the bytes.
func TestEscaped(t *testing.T) {
	c := contents{}
	n := change("x", nil, c.file("a\tb\x1b]0;evil\x07\r\n"))
	if got := diff(t, c, true, false, n); strings.ContainsAny(got, "\x1b\x07\r") || !strings.Contains(got, "+a\tb\\x1b]0;evil") {
		t.Errorf("got %q", got)
	}
	if got := diff(t, c, false, false, n); !strings.Contains(got, "+a\tb\x1b]0;evil\x07\r\n") {
		t.Errorf("got %q", got) // the control
	}
	if got := diff(t, c, true, true, n); !strings.Contains(got, "\x1b[32m+a\tb\\x1b]0;evil\\x07\\x0d\x1b[0m\n") {
		t.Errorf("got %q", got)
	}
}

func TestStat(t *testing.T) {
	c := contents{}
	renamed := change("new", c.file("a\n"), c.file("a\n"))
	renamed.From, renamed.OldName = "old", "old"
	var b strings.Builder
	p := show.Printer{To: &b, Open: c.open}
	if err := p.Stat([]show.Named{
		change("text", c.file("a\nb\n"), c.file("a\nc\nd\n")), change("binary", c.file("\x00"), c.file("\x00\x00")),
		renamed, change("gone\x1b", c.file("a"), nil), change("dir", nil, &tree.Entry{Type: tree.Dir}),
	}); err != nil {
		t.Fatal(err)
	}
	want := "changed  +2 -1         text\nchanged  1 -> 2 bytes  binary\nrenamed                old -> new\n" +
		"removed  +0 -1         gone\\x1b\nnew                    dir\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// For a program a name keeps its bytes.
func TestJSON(t *testing.T) {
	c := contents{}
	var b strings.Builder
	if err := show.JSON(&b, show.For("/root", change("x\xff", c.file("a"), c.file("b")).Change)); err != nil {
		t.Fatal(err)
	}
	var got show.Change
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "changed" || len(got.What) != 1 || got.What[0] != "content" || got.Before.Size != 1 || len(got.After.Digest) != 64 {
		t.Errorf("got %+v", got)
	}
}

// Whatever was changed, taking all differences back gives what was before, and none of them nothing.
func TestHunks(t *testing.T) {
	line := rapid.StringMatching(`[ab]{0,2}\n`)
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			return strings.Join(rapid.SliceOfN(line, 0, 40).Draw(t, name), "") + rapid.SampledFrom([]string{"", "x"}).Draw(t, name+" end")
		}
		before, after := text("before"), text("after")
		hunks, err := show.Hunks(before, after)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := show.TakeBack(after, hunks); err != nil || back != before {
			t.Fatalf("all: %q, %v", back, err)
		}
		if back, err := show.TakeBack(after, nil); err != nil || back != after {
			t.Fatalf("none: %q, %v", back, err)
		}
		for _, h := range hunks {
			if !strings.HasPrefix(h.Text, "@@ ") {
				t.Fatalf("shown is %q", h.Text)
			}
		}
	})
}
