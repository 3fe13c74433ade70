package dirs

import (
	"errors"
	"fmt"
	"io/fs"
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

// LayerConfig is the directory of a layer's own among what the user configures. No profile, and
// nothing else there, has a name with a dot and no extension.
func (d Dirs) LayerConfig(name string) string {
	return filepath.Join(d.Config, strings.ReplaceAll(name, "/", "."))
}

// KeptBy is where a layer has left something, of what outlives sessions and of what the user
// configures; "" if it never did.
func (d Dirs) KeptBy(name string) (string, error) {
	for _, dir := range []string{d.LayerConfig(name), d.Layer(name)} {
		names, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("looking what layer %s keeps: %w", name, err)
		case len(names) > 0:
			return dir, nil
		}
	}
	return "", nil
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
