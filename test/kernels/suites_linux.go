package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/test/kernels/serial"
)

// Tests of nono's own are run on the kernels too: compiled here, and there is no Go where they run.
// Those that build programs find these, by a program called go that copies what was built before.

// goThere is that program.
const goThere = `#!/bin/bash
# go build ... -o OUT ... PACKAGE
package=${@: -1}
tags=
while [ $# -gt 0 ]; do
	case $1 in
	-o) out=$2 ;;
	-tags) tags=+$2 ;;
	esac
	shift
done
built=/opt/tests/built/${package//\//_}$tags
[ -e "$built" ] || { echo "go: $package was not built before" >&2; exit 1; }
rm -f "$out"
exec cp "$built" "$out"
`

// builds are the programs that the tests build, as they name them, and from where.
var builds = []struct{ in, name, tags string }{
	{"core/launch", "../../cmd/nono-init", ""},
	{"core/launch", "../../cmd/nono-init", "nono_omit"},
	{"core/launch", "./testdata/prober", ""},
}

// tested are the packages whose tests are run.
var tested = []string{"core/launch"}

// buildTests compiles them.
func buildTests(to string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	built := filepath.Join(to, "built")
	if err := os.MkdirAll(built, 0o755); err != nil {
		return err
	}
	for _, b := range builds {
		out := filepath.Join(built, strings.ReplaceAll(b.name, "/", "_"))
		args := []string{"build", "-trimpath", "-buildvcs=false"}
		if b.tags != "" {
			out += "+" + b.tags
			args = append(args, "-tags", b.tags)
		}
		if err := goTool(b.in, append(args, "-o", out, b.name)...); err != nil {
			return err
		}
	}
	for _, pkg := range tested {
		args := []string{"test", "-trimpath", "-c", "-o", filepath.Join(to, binary(pkg)), "./" + pkg}
		if err := goTool(".", args...); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, "go"), []byte(goThere), 0o755)
}

func goTool(dir string, args ...string) error {
	c := exec.Command("go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// binary is the name of a package's compiled tests.
func binary(pkg string) string { return filepath.Base(pkg) + ".test" }

// batch is how many tests are run by one command: one that does not end takes few with it.
const batch = 8

// ownTests runs them as an ordinary user.
func ownTests(built string) ([]serial.Trial, error) {
	var all []serial.Trial
	for _, pkg := range tested {
		names, err := listed(pkg, filepath.Join(built, binary(pkg)))
		if err != nil {
			return nil, err
		}
		for some := range slices.Chunk(names, batch) {
			all = append(all, serial.Trial{
				Name: pkg, Dir: testsAt + pkg, Seconds: 310, Command: []string{
					"/opt/tests/" + binary(pkg), "-test.v", "-test.timeout", "300s",
					"-test.run", "^(" + strings.Join(some, "|") + ")$",
				},
			})
		}
	}
	return all, nil
}

// listed are the names of a package's tests.
func listed(pkg, program string) ([]string, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	c := exec.Command(program, "-test.list", "^Test")
	c.Dir = pkg
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("asking for the tests of %s: %w", pkg, err)
	}
	return strings.Fields(string(out)), nil
}

// testsAt is where the directories lie that they run in.
const testsAt = "/opt/tests/at/"
