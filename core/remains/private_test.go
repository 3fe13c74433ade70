package remains

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
)

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".gitconfig")
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := LookInside("/home/ada", f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	write("notes/today")
	write(".bashrc")
	// A link is a file that was left, and is not followed: behind it lies the host.
	if err := os.Symlink("/", filepath.Join(dir, "all")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := l.files()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{".bashrc", "all", "notes/today"}; !slices.Equal(leftNames(got), want) {
		t.Errorf("got %v, want %q", got, want)
	}
}

func leftNames(files []leftover) []string {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = f.name
	}
	return all
}

// A file's holes take no memory, and so are not what was lost.
func TestSizeOfALeftover(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "holes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "holes"), 1<<40); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if full, holes := sizeOf(opened, "full"), sizeOf(opened, "holes"); full < 1<<19 || holes > 1<<19 {
		t.Errorf("the full file takes %d bytes, the one of holes %d", full, holes)
	}
}

func TestWhatIsToldOfLeftovers(t *testing.T) {
	const k = 1 << 10
	for _, c := range []struct {
		files []leftover
		want  string
	}{
		{[]leftover{{"notes", 100, false}}, "~ is private: 1 file left there is gone: ~/notes (1 KiB)"},
		{
			[]leftover{{".cache/go/1", 2 << 20, false}, {".cache/go/2", 3 << 20, false}, {"notes", 4 * k, false}, {"out/1", 5 * k, false}, {"empty", 0, false}},
			"~ is private: 5 files left there are gone: 2 in ~/.cache/go (5 MiB), ~/out/1 (5 KiB), ~/notes (4 KiB), ~/empty (empty)",
		},
		{
			[]leftover{{"src/a/x", k, false}, {"src/b/y/z", k, false}, {"src/b/y/w", k, false}, {"srcs", 4 * k, false}},
			"~ is private: 4 files left there are gone: ~/srcs (4 KiB), 3 in ~/src (3 KiB)",
		},
		{
			[]leftover{{"1", k, false}, {"2", k, false}, {"3", k, false}, {"4", k, false}, {"5", k, false}, {"6", k, false}, {"7", k, false}, {"8", k, false}, {"9", k, false}, {"a/1", 0, false}, {"a/2", 0, false}, {"b", 9 * k, false}},
			"~ is private: 12 files left there are gone: ~/b (9 KiB), ~/1 (1 KiB), ~/2 (1 KiB), ~/3 (1 KiB), ~/4 (1 KiB), ~/5 (1 KiB), " +
				"~/6 (1 KiB), ~/7 (1 KiB), ~/8 (1 KiB), ~/9 (1 KiB) and 2 more",
		},
	} {
		if got := toldOf("/home/ada", c.files); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got, want := toldOf("/srv/tmp", []leftover{{"x", 0, false}}), "/srv/tmp is private: 1 file left there is gone: /srv/tmp/x (empty)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// toldOf is the line about what was left in a directory.
func toldOf(dir string, files []leftover) string {
	var b strings.Builder
	r := Report{Private: []Left{{Dir: dir, Files: len(files), Gone: grouped(dir, files)}}}
	r.Tell(diag.NewPrinter(&b, false, false, false), "/home/ada")
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), "nono: "), "\n")
}

// The agent chooses the shape of what it leaves. However deep and wide that is, looking at it comes
// to an end.
func TestLeftoversOfAnUnreasonableShape(t *testing.T) {
	dir := t.TempDir()
	watch := func() *Private {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := LookInside("/home/ada", f)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := watch()
	defer l.Close()
	deep := filepath.Join(dir, strings.Repeat("d/", 1500))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(deep, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := l.files()
	if want := strings.Repeat("d/", deepest) + "d"; err != nil || !slices.Equal(leftNames(got), []string{want}) {
		t.Errorf("got %v, %v; want the directory where looking stopped", got, err)
	}

	for i := range maxLeftovers + 100 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := l.files(); err != nil || len(got) == 0 || len(got) > maxLeftovers {
		t.Errorf("%d files, %v", len(got), err)
	}
}
