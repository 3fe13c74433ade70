package profile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/profile"
)

func TestServices(t *testing.T) {
	s := profile.Services{Own: filepath.Join(t.TempDir(), "services")}
	if p, err := s.Find("openai"); err != nil || p.Origin != profile.BuiltIn ||
		!strings.Contains(string(p.Text), `credential "openai"`) {
		t.Errorf("%+v, %v", p, err)
	}
	if err := os.Mkdir(s.Own, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"openai", "acme"} {
		if err := os.WriteFile(filepath.Join(s.Own, name+".hcl"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := s.Find(name); err != nil || p.Origin != profile.Own || string(p.Text) != name {
			t.Errorf("%+v, %v", p, err)
		}
	}
	names, err := s.Names()
	if err != nil || !slices.IsSorted(names) || !slices.Contains(names, "acme") ||
		!slices.Contains(names, "anthropic") {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := s.Find("nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := s.Find("../default"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is no name: %v", err)
	}
}
