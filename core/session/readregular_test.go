package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(at("file"), []byte("content"), 0o600))
	must(os.Symlink("file", at("link")))
	must(os.WriteFile(at("endless"), []byte(strings.Repeat("x", 2*longestRegular)), 0o600))
	must(unix.Mkfifo(at("pipe"), 0o600))
	must(os.Symlink("/dev/zero", at("zero")))

	for _, name := range []string{"file", "link"} {
		if got, err := readRegular(at(name)); err != nil || string(got) != "content" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := readRegular(at("endless")); err != nil || len(got) != longestRegular {
		t.Errorf("endless: %d bytes, %v", len(got), err)
	}
	for _, name := range []string{"pipe", "zero", ".", "missing"} {
		if got, err := readRegular(at(name)); err == nil {
			t.Errorf("%s was read: %d bytes", name, len(got))
		}
	}
}
