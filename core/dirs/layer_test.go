package dirs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLayersHaveDirectoriesOfTheirOwn(t *testing.T) {
	d := Dirs{State: filepath.Join(t.TempDir(), "state")}
	seen := map[string]bool{}
	for _, name := range []string{"landlock", "landlock/x", "x/landlock", "x"} {
		if err := d.MakeLayer(name); err != nil {
			t.Fatal(err)
		}
		dir := d.Layer(name)
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		for other := range seen {
			if other == dir || strings.HasPrefix(other+"/", dir+"/") || strings.HasPrefix(dir+"/", other+"/") {
				t.Errorf("%s and %s are not apart", other, dir)
			}
		}
		seen[dir] = true
		if err := d.MakeLayer(name); err != nil {
			t.Errorf("a second time: %v", err)
		}
	}
}

func TestLayersDirectoryIsTheUsersAlone(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"open to others": func(dir string) error { return os.Chmod(dir, 0o755) },
		"not a directory": func(dir string) error {
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.Symlink(t.TempDir(), dir)
		},
	} {
		d := Dirs{State: t.TempDir()}
		if err := d.MakeLayer("a/b"); err != nil {
			t.Fatal(err)
		}
		if err := spoil(d.Layer("a/b")); err != nil {
			t.Fatal(err)
		}
		if err := d.MakeLayer("a/b"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error is %v, and should say %q", err, name)
		}
	}
}
