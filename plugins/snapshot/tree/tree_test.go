package tree_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// dir is a directory with its entries.
type dir struct {
	tree.Directory
	Entries []tree.Entry
}

var head = tree.Head{
	Path: "/home/me/proj",
	Root: tree.Entry{Type: tree.Dir, Mode: 0o40755, Links: 3, Device: 7, Inode: 2, Size: 4096},
}

func encode(head tree.Head, dirs []dir) ([]byte, error) {
	var to bytes.Buffer
	w, err := tree.NewWriter(&to, head)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		if err := w.Directory(&d.Directory); err != nil {
			return nil, err
		}
		for _, e := range d.Entries {
			if err := w.Entry(&e); err != nil {
				return nil, err
			}
		}
	}
	err = w.Close()
	return to.Bytes(), err
}

func decode(from io.Reader) (tree.Head, []dir, error) {
	r, err := tree.NewReader(from)
	if err != nil {
		return tree.Head{}, nil, err
	}
	var dirs []dir
	for {
		d, err := r.NextDirectory()
		if errors.Is(err, io.EOF) {
			return r.Head, dirs, nil
		}
		if err != nil {
			return tree.Head{}, nil, err
		}
		one := dir{Directory: *d}
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return tree.Head{}, nil, err
			}
			one.Entries = append(one.Entries, *e)
		}
		dirs = append(dirs, one)
	}
}

// sample has one of each.
func sample() []dir {
	content, xattrs := tree.Digest{1}, tree.Digest{2}
	return []dir{
		{Directory: tree.Directory{Xattrs: xattrs}, Entries: []tree.Entry{
			{Name: ".git", Type: tree.Dir, Mode: 0o40700},
			{Name: "a", Type: tree.Dir, Mode: 0o42775, UID: 1000, GID: 1000},
			{Name: "a-b", Type: tree.Dir, Excluded: true},
			{
				Name: "file", Type: tree.File, Mode: 0o100644, UID: 1<<32 - 1, Links: 2,
				Device: 1<<64 - 1, Inode: 1<<64 - 1, Size: 1<<63 - 1, MTime: -1, CTime: 1<<63 - 1,
				Content: content, Xattrs: xattrs,
			},
			{Name: "link\n", Type: tree.Link, Target: "\xff../x"},
			{Name: "pipe", Type: tree.Special, Mode: 0o10600},
			{Name: "secret", Type: tree.Unreadable, Why: "permission denied", Size: 9},
			{Name: "\xff", Type: tree.File, Content: content},
		}},
		{Directory: tree.Directory{Path: ".git", Git: true}},
		{Directory: tree.Directory{Path: "a"}, Entries: []tree.Entry{
			{Name: "b", Type: tree.Dir}, {Name: "c", Type: tree.Dir},
		}},
		{Directory: tree.Directory{Path: "a/b"}},
		{Directory: tree.Directory{Path: "a/c", Why: "permission denied"}},
		{Directory: tree.Directory{Path: "a-b"}, Entries: []tree.Entry{
			{Name: "x", Type: tree.File, Excluded: true, Size: 3},
		}},
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	manifest, err := encode(head, sample())
	if err != nil {
		t.Fatal(err)
	}
	gotHead, got, err := decode(iotest.OneByteReader(bytes.NewReader(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(head, gotHead); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Error(diff)
	}
}

func TestADirectoryMayBePassed(t *testing.T) {
	manifest, err := encode(head, sample())
	if err != nil {
		t.Fatal(err)
	}
	r, err := tree.NewReader(bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for {
		d, err := r.NextDirectory()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, d.Path)
		if _, err := r.Next(); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if want := []string{"", ".git", "a", "a/b", "a/c", "a-b"}; !slices.Equal(paths, want) {
		t.Errorf("%q, want %q", paths, want)
	}
	if _, err := r.NextDirectory(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// Directories come in the order of [tree.Compare], whatever their names.
func TestOrderOfDirectories(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune("a-./ b\x01")), 1, 3, -1).
		Filter(func(s string) bool { return !strings.Contains(s, "/") && s != "." && s != ".." })
	rapid.Check(t, func(t *rapid.T) {
		paths := []string{""}
		for range rapid.IntRange(0, 20).Draw(t, "directories") {
			path := tree.Join(rapid.SampledFrom(paths).Draw(t, "in"), name.Draw(t, "name"))
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
		slices.SortFunc(paths, tree.Compare)
		var dirs []dir
		for _, path := range paths {
			d := dir{Directory: tree.Directory{Path: path}}
			for _, other := range paths {
				i := strings.LastIndexByte(other, '/')
				if other != "" && strings.TrimSuffix(other[:i+1], "/") == path {
					d.Entries = append(d.Entries, tree.Entry{Name: other[i+1:], Type: tree.Dir})
				}
			}
			dirs = append(dirs, d)
		}
		manifest, err := encode(head, dirs)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := decode(bytes.NewReader(manifest)); err != nil || !cmp.Equal(got, dirs) {
			t.Fatalf("%v: %s", err, cmp.Diff(got, dirs))
		}
	})
}

func TestCompare(t *testing.T) {
	sorted := []string{"", "a", "a/b", "a/b/c", "a/b-", "a/c", "a\x01", "a-", "a-/b", "aa", "b"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := tree.Compare(a, b)
			if got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("Compare(%q, %q) is %d", a, b, got)
			}
		}
	}
}

// The writer and the reader refuse the same, so what the one refuses is put together by hand for
// the other: a harmless entry of the same length, replaced in the bytes.
func TestNamesThatMeanAnotherPlace(t *testing.T) {
	for _, bad := range []string{".", "..", "a/b", "/", "a\x00", "../../x"} {
		t.Run(bad, func(t *testing.T) {
			one := []dir{{Entries: []tree.Entry{{Name: bad, Type: tree.Dir}}}}
			if _, err := encode(head, one); err == nil {
				t.Error("it was written")
			}
			harmless := strings.Repeat("~", len(bad))
			one[0].Entries[0].Name = harmless
			one = append(one, dir{Directory: tree.Directory{Path: harmless}})
			manifest, err := encode(head, one)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Count(manifest, []byte(harmless)) != 1 {
				t.Fatal("the name is not there once")
			}
			if _, _, err := decode(bytes.NewReader(manifest)); err != nil {
				t.Fatalf("the harmless one is refused: %v", err)
			}
			manifest = bytes.Replace(manifest, []byte(harmless), []byte(bad), 1)
			if _, dirs, err := decode(bytes.NewReader(manifest)); err == nil {
				t.Errorf("it was read: %+v", dirs)
			}
		})
	}
}

func TestNamesOutOfOrder(t *testing.T) {
	for _, bad := range []string{"a", "b"} { // before the first, and the same again
		one := []dir{{Entries: []tree.Entry{
			{Name: "b", Type: tree.Special}, {Name: bad, Type: tree.Special},
		}}}
		if _, err := encode(head, one); err == nil {
			t.Errorf("b, %s was written", bad)
		}
		one[0].Entries[1].Name = "~"
		manifest, err := encode(head, one)
		if err != nil {
			t.Fatal(err)
		}
		manifest = bytes.Replace(manifest, []byte("~"), []byte(bad), 1)
		if _, dirs, err := decode(bytes.NewReader(manifest)); err == nil {
			t.Errorf("b, %s was read: %+v", bad, dirs)
		}
	}
}

func TestWhatAWriterRefuses(t *testing.T) {
	root := func(entries ...tree.Entry) dir { return dir{Entries: entries} }
	content := tree.Digest{1}
	for name, dirs := range map[string][]dir{
		"no root":                   {},
		"a directory that is none":  {root(), {Directory: tree.Directory{Path: "a"}}},
		"a directory that is miss":  {root(tree.Entry{Name: "a", Type: tree.Dir})},
		"no type":                   {root(tree.Entry{Name: "a"})},
		"an unknown type":           {root(tree.Entry{Name: "a", Type: 99})},
		"a file without content":    {root(tree.Entry{Name: "a", Type: tree.File})},
		"a link that leads nowhere": {root(tree.Entry{Name: "a", Type: tree.Link})},
		"no reason":                 {root(tree.Entry{Name: "a", Type: tree.Unreadable})},
		"content of a link": {root(
			tree.Entry{Name: "a", Type: tree.Link, Target: "x", Content: content})},
		"content that is excluded": {root(
			tree.Entry{Name: "a", Type: tree.File, Excluded: true, Content: content})},
		"a negative size": {root(tree.Entry{Name: "a", Type: tree.Special, Size: -1})},
		"a name without an end": {root(
			tree.Entry{Name: strings.Repeat("a", 5000), Type: tree.Special})},
		"a reason without an end": {root(
			tree.Entry{Name: "a", Type: tree.Unreadable, Why: strings.Repeat("a", 5000)})},
		"directories out of order": {
			root(tree.Entry{Name: "a", Type: tree.Dir}, tree.Entry{Name: "b", Type: tree.Dir}),
			{Directory: tree.Directory{Path: "b"}},
			{Directory: tree.Directory{Path: "a"}},
		},
	} {
		if _, err := encode(head, dirs); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	for name, head := range map[string]tree.Head{
		"nothing":            {},
		"a root that's none": {Root: tree.Entry{Type: tree.File, Content: content}},
		"a root with a name": {Root: tree.Entry{Type: tree.Dir, Name: "x"}},
	} {
		if _, err := encode(head, []dir{root()}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// A path grows by one name with each directory, and a manifest is small beside what it could make
// of that.
func TestAPathWithoutAnEnd(t *testing.T) {
	name := strings.Repeat("n", 4000)
	dirs, path := []dir{}, ""
	for range 20 {
		dirs = append(dirs, dir{
			Directory: tree.Directory{Path: path}, Entries: []tree.Entry{{Name: name, Type: tree.Dir}},
		})
		path = tree.Join(path, name)
	}
	if _, err := encode(head, dirs); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("written: %.100v", err)
	}
}

func TestAManifestThatIsCutOff(t *testing.T) {
	manifest, err := encode(head, sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := range manifest {
		if _, _, err := decode(bytes.NewReader(manifest[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(manifest), err)
		}
	}
	if _, _, err := decode(bytes.NewReader(append(manifest, 0))); err == nil {
		t.Error("it may go on after its end")
	}
	broken := errors.New("broken disk")
	from := io.MultiReader(bytes.NewReader(manifest[:len(manifest)/2]), iotest.ErrReader(broken))
	if _, _, err := decode(from); !errors.Is(err, broken) {
		t.Errorf("an error of the disk is %v", err)
	}
}

func TestXattrs(t *testing.T) {
	all := []beneath.Xattr{
		{Name: "user.a", Value: []byte{}}, {Name: "user.b", Value: bytes.Repeat([]byte("x"), 300)},
	}
	b := tree.EncodeXattrs(all)
	got, err := tree.DecodeXattrs(b)
	if diff := cmp.Diff(all, got); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	whole := map[int]bool{0: true, len(tree.EncodeXattrs(all[:1])): true}
	for n := range b {
		if _, err := tree.DecodeXattrs(b[:n]); (err == nil) != whole[n] {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	slices.Reverse(all)
	if _, err := tree.DecodeXattrs(tree.EncodeXattrs(all)); err == nil {
		t.Error("out of order, and taken")
	}
}

// What is read can be written, and then it is the same: there are no two ways to write a manifest.
func FuzzReader(f *testing.F) {
	manifest, err := encode(head, sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(manifest)
	f.Add(manifest[:len(manifest)/2])
	f.Fuzz(func(t *testing.T, manifest []byte) {
		head, dirs, err := decode(bytes.NewReader(manifest))
		if err != nil {
			return
		}
		again, err := encode(head, dirs)
		if err != nil || !bytes.Equal(again, manifest) {
			t.Errorf("%v: read %q, written %q", err, manifest, again)
		}
	})
}

func FuzzXattrs(f *testing.F) {
	f.Add(tree.EncodeXattrs([]beneath.Xattr{{Name: "user.a", Value: []byte("b")}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := tree.DecodeXattrs(b)
		if err == nil && !bytes.Equal(tree.EncodeXattrs(all), b) {
			t.Errorf("%q is read as %q", b, all)
		}
	})
}
