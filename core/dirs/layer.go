package dirs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Layer is where a layer keeps what outlives sessions. It need not exist.
func (d Dirs) Layer(name string) string {
	// A layer's name has no dot, so that no two of them share a directory or lie in one another.
	return filepath.Join(d.State, "layers", strings.ReplaceAll(name, "/", "."))
}

// MakeLayer makes that directory, for the user alone, if it is missing.
func (d Dirs) MakeLayer(name string) error {
	dir := d.Layer(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of layer %s: %w", name, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("checking the directory of layer %s: %w", name, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; layer %s keeps its state there", dir, name)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user; layer %s keeps its state there", dir, name)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others (mode %04o); run `chmod 700 %s`",
			dir, info.Mode().Perm(), dir)
	}
	return nil
}
