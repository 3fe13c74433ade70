package session

import (
	"os"
	"path/filepath"
	"slices"
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
