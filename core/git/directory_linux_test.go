package git

import (
	"os"
	"path/filepath"
	"testing"
)

// A directory is taken for one without others where its file system is known to count them, and only
// there.
func TestLeaf(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"empty", "above/below"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("empty", root+"/link"); err != nil {
		t.Fatal(err)
	}
	look := func(path string) directory {
		d, err := lookAt(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	device := look(root).is.Dev
	for name, want := range map[string]bool{"empty": true, "above": false, "file": false, "link": false} {
		d := look(filepath.Join(root, name))
		if name == "empty" {
			d.is.Nlink = 2 // also where the disk of tests does not count
		}
		if got := (counted{device: true}).leaf(d); got != want {
			t.Errorf("%s is a leaf: %v", name, got)
		}
		if (counted{device: false}).leaf(d) {
			t.Errorf("%s is a leaf where nobody counts", name)
		}
	}
	for _, path := range []string{"/proc", "/proc/self/task"} {
		d := look(path)
		d.is.Nlink = 2
		if (counted{}).leaf(d) {
			t.Errorf("%s is a leaf, on a file system of which that is not known", path)
		}
	}
	for path, device := range map[string]uint64{root: device + 1, root + "/link": device, root + "/gone": device} {
		if countsNames(path, device) {
			t.Errorf("%s is taken for a directory of device %#x", path, device)
		}
	}
}
