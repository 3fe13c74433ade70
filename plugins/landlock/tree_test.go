package landlock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

// fakeTree is a tree written down as lines: "/dir/", "/file", "/link -> target", "/device!", "/file *2" for a file with two names, and
// "/dir/ closed" for a directory that may not be searched. Parents need not be written.
type fakeTree map[string]entry

type entry struct {
	node   node
	target string
	closed bool
}

func newTree(lines ...string) fakeTree {
	t := fakeTree{}
	add := func(p string, e entry) {
		e.node.device, e.node.inode = 1, uint64(len(t)+1)
		t[p] = e
	}
	for _, line := range append([]string{"/"}, lines...) {
		p, note, _ := strings.Cut(line, " ")
		e := entry{node: node{kind: policy.Regular, names: 1}}
		switch {
		case strings.HasPrefix(note, "-> "):
			e.node.kind, e.node.link, e.target = policy.Special, true, note[3:]
		case strings.HasPrefix(note, "*"):
			e.node.names = uint64(note[1] - '0')
		case strings.HasSuffix(p, "/"):
			e.node.kind, e.closed = policy.Directory, note == "closed"
		case strings.HasSuffix(p, "!"):
			e.node.kind = policy.Special
		}
		p = strings.TrimRight(p, "!/")
		if p == "" {
			p = "/"
		}
		for _, above := range ancestors(p) {
			if _, ok := t[above]; !ok {
				add(above, entry{node: node{kind: policy.Directory}})
			}
		}
		if old, ok := t[p]; ok {
			e.node.inode = old.node.inode
			old.closed = e.closed
			t[p] = old
			continue
		}
		add(p, e)
	}
	return t
}

func (t fakeTree) Lstat(p string) (node, error) {
	for _, above := range ancestors(p) {
		if t[above].closed {
			return node{}, &fs.PathError{Op: "lstat", Path: p, Err: fs.ErrPermission}
		}
	}
	if e, ok := t[p]; ok {
		return e.node, nil
	}
	return node{kind: policy.Missing}, nil
}

func (t fakeTree) Readlink(p string) (string, error) {
	if e, ok := t[p]; ok && e.node.link {
		return e.target, nil
	}
	return "", fs.ErrInvalid
}

func TestFollow(t *testing.T) {
	tree := newTree(
		"/bin -> usr/bin", "/usr/bin/python3 -> python3.11", "/usr/bin/python3.11",
		"/home/ada/code -> /data/ada", "/data/ada/proj/", "/data/ada/up -> ../..",
		"/loop/a -> b", "/loop/b -> a",
	)
	tests := []struct {
		name, path string
		links      []link
	}{
		{"/usr/bin", "/usr/bin", nil},
		{"/bin/python3", "/usr/bin/python3.11", []link{{"/bin", "usr/bin"}, {"/usr/bin/python3", "python3.11"}}},
		{"/home/ada/code/proj", "/data/ada/proj", []link{{"/home/ada/code", "/data/ada"}}},
		{"/home/ada/code/up/bin", "/usr/bin", []link{{"/home/ada/code", "/data/ada"}, {"/data/ada/up", "../.."}, {"/bin", "usr/bin"}}},
		{"/home/ada/code/new/file", "/data/ada/new/file", []link{{"/home/ada/code", "/data/ada"}}},
		{"/../usr/./bin/../bin", "/usr/bin", nil},
	}
	for _, test := range tests {
		path, links, err := follow(tree, test.name)
		if err != nil || path != test.path {
			t.Errorf("%s leads to %s, %v; want %s", test.name, path, err, test.path)
		}
		if d := cmp.Diff(test.links, links, cmp.AllowUnexported(link{})); d != "" {
			t.Errorf("%s: links (-want +got):\n%s", test.name, d)
		}
	}
	if _, _, err := follow(tree, "/loop/a"); err == nil {
		t.Error("a loop of links has an end")
	}
}

func TestHostTree(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	for _, err := range []error{
		os.WriteFile(file, nil, 0o600),
		os.Link(file, filepath.Join(dir, "second")),
		os.Symlink("file", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		path  string
		kind  policy.FileType
		link  bool
		names uint64
	}{
		{dir, policy.Directory, false, 0},
		{file, policy.Regular, false, 2},
		{filepath.Join(dir, "link"), policy.Special, true, 1},
		{"/dev/null", policy.Special, false, 0},
		{filepath.Join(dir, "none"), policy.Missing, false, 0},
		{filepath.Join(file, "beneath"), policy.Missing, false, 0},
	}
	for _, test := range tests {
		n, err := hostTree{}.Lstat(test.path)
		if err != nil || n.kind != test.kind || n.link != test.link || (test.names > 0 && n.names != test.names) {
			t.Errorf("%s: %+v, %v; want %s, link %v, %d names", test.path, n, err, test.kind, test.link, test.names)
		}
		if n.exists() && n.inode == 0 {
			t.Errorf("%s has no inode", test.path)
		}
	}
	if target, err := (hostTree{}).Readlink(filepath.Join(dir, "link")); err != nil || target != "file" {
		t.Errorf("the link points to %q, %v", target, err)
	}
	if _, err := (hostTree{}).Lstat(strings.Repeat("x", 5000)); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name that cannot be looked at: %v, want an error that is not absence", err)
	}
}
