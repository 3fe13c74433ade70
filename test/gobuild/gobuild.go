// Package gobuild builds the programs that tests run, where there is still a network to ask for
// modules.
package gobuild

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Nono builds nono and its programs into a directory. The module lies at root.
func Nono(root, dir string) error {
	if err := Build(root, dir+"/", "./cmd/..."); err != nil {
		return err
	}
	return Build(root, dir+"/nono", "./cmd/nono", "-ldflags=-E main.entry") // as `make build` does
}

// Build builds a package of the module at root into a file, or into a directory where the name of
// that ends in a slash.
func Build(root, to, pkg string, flags ...string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-buildvcs=false", "-o", to}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s of %s: %w\n%s", pkg, root, err, out)
	}
	return nil
}
