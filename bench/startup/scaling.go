//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// growth is how long a start takes against the number of one thing in the policy: the medians, in
// milliseconds, for each of numbers; zero is a policy that nono refuses for its size.
type growth struct {
	What    string    `json:"what"`
	Medians []float64 `json:"medians_ms"`
}

var numbers = []int{10, 100, 500, 1000, 4000}

// many is what there is many of, with the policy that names all of it.
var many = []struct {
	what    string
	access  string
	files   bool // rather than directories
	granted bool // whether the directory that they lie in is
}{
	{"rules that change nothing", "read", false, true},
	{"grants", "allow", false, false},
	{"denials", "deny", true, true},
}

// grow runs nono n times for each number of each thing, in turn.
func grow(nono, root string, n int) ([]growth, error) {
	var all []growth
	for i, m := range many {
		times := make([][]float64, len(numbers))
		dirs := make([]string, len(numbers))
		for k, number := range numbers {
			dirs[k] = filepath.Join(root, fmt.Sprintf("grow-%d-%d", i, number))
			if err := furnish(dirs[k], number, m.files, m.access); err != nil {
				return nil, err
			}
		}
		for range n {
			for k := range numbers {
				cmd := exec.Command(nono, "run", "-s", "-c", "agent.hcl")
				if m.granted {
					cmd.Args = append(cmd.Args, "--allow-cwd")
				}
				cmd.Args = append(cmd.Args, "--", "true")
				cmd.Dir = dirs[k]
				s, err := once(cmd)
				if err != nil && strings.Contains(err.Error(), "too many names") {
					continue
				}
				if err != nil {
					return nil, err
				}
				times[k] = append(times[k], s.wall)
			}
		}
		g := growth{What: m.what}
		for _, t := range times {
			if len(t) < n {
				g.Medians = append(g.Medians, 0)
				continue
			}
			g.Medians = append(g.Medians, quantile(t, 0.5))
		}
		all = append(all, g)
	}
	return all, nil
}

// furnish makes a directory of so many files or directories, and the policy that names them.
func furnish(dir string, n int, files bool, access string) error {
	if err := os.MkdirAll(filepath.Join(dir, "d"), 0o700); err != nil {
		return err
	}
	names := make([]string, n)
	for i := range names {
		name := fmt.Sprintf("d/%d", i)
		names[i] = `"` + name + `"`
		var err error
		if files {
			err = os.WriteFile(filepath.Join(dir, name), nil, 0o600)
		} else {
			err = os.Mkdir(filepath.Join(dir, name), 0o700)
		}
		if err != nil {
			return err
		}
	}
	policy := "filesystem {\n" + access + " = [" + strings.Join(names, ",") + "]\n}\n"
	return os.WriteFile(filepath.Join(dir, "agent.hcl"), []byte(policy), 0o600)
}

// refusal is what nono says to more grants than it takes. They are flags, for a policy file may
// not be so long.
func refusal(nono, dir string) (string, error) {
	const tooMany = 9000
	args := []string{"run"}
	for i := range tooMany {
		args = append(args, fmt.Sprintf("--read=%d", i))
	}
	cmd := exec.Command(nono, append(args, "--", "true")...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil {
		return "", fmt.Errorf("%d grants are taken", tooMany)
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "error: ") {
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("%d grants end with %s, and no error", tooMany, firstLine(stderr.Bytes()))
}
