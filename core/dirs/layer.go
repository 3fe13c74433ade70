package dirs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/sdk/ownfile"
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
	return ownfile.CheckPrivate(dir, info, os.Geteuid(), "layer "+name+" keeps its state there")
}
