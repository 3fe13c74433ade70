package session

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A name is compared with an agent's directory as that is without links.
func TestStraight(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(base+"/real", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", base+"/link"); err != nil {
		t.Fatal(err)
	}
	got := straight([]string{base + "/link/rules", base + "/link/prompts", base + "/none/x", "Makefile"})
	want := []string{base + "/real/rules", base + "/real/prompts", base + "/none/x", "Makefile"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
