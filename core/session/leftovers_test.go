package session

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
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
	l, err := watchLeftovers("/home/ada", f)
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
	got, err := l.Files()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/home/ada/.bashrc", "/home/ada/all", "/home/ada/notes/today"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsToldOfLeftovers(t *testing.T) {
	l := &leftovers{dir: "/home/ada"}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"/home/ada/notes"}, "~ is private: 1 file left there is gone (~/notes)"},
		{
			[]string{"/home/ada/.cache/go/1", "/home/ada/.cache/go/2", "/home/ada/notes", "/home/ada/out/1"},
			"~ is private: 4 files left there are gone (~/notes, 1 in ~/out, 2 in ~/.cache)",
		},
		{
			[]string{"/home/ada/.a", "/home/ada/1", "/home/ada/2", "/home/ada/3", "/home/ada/d/4", "/home/ada/d/5"},
			"~ is private: 6 files left there are gone (~/1, ~/2, ~/3 and 3 more)",
		},
	} {
		if got := l.tell(c.files, "/home/ada"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	elsewhere := &leftovers{dir: "/srv/tmp"}
	if got, want := elsewhere.tell([]string{"/srv/tmp/x"}, "/home/ada"), "/srv/tmp is private: 1 file left there is gone (/srv/tmp/x)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The agent chooses the shape of what it leaves. However deep and wide that is, looking at it comes
// to an end.
func TestLeftoversOfAnUnreasonableShape(t *testing.T) {
	dir := t.TempDir()
	watch := func() *leftovers {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		l, err := watchLeftovers("/home/ada", f)
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
	got, err := l.Files()
	if want := "/home/ada/" + strings.Repeat("d/", deepest) + "d"; err != nil || !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, %v; want the directory where looking stopped", got, err)
	}

	for i := range maxLeftovers + 100 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := l.Files(); err != nil || len(got) == 0 || len(got) > maxLeftovers {
		t.Errorf("%d files, %v", len(got), err)
	}
}
