// Package machine is what the programs and tests beneath test ask of the machine that they run on.
package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Base is where the users of the tests live: the home of whoever runs them, because /tmp is the one
// place that is private in every sandbox.
func Base() string {
	if home, err := os.UserHomeDir(); err == nil {
		if f, err := os.CreateTemp(home, ".nt-"); err == nil {
			f.Close()
			os.Remove(f.Name())
			return home
		}
	}
	return os.TempDir()
}

// Children are a process's, found faster than by looking at all there are.
func Children(of int) []int {
	var pids []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of))
	for _, task := range tasks {
		list, _ := os.ReadFile(task)
		for field := range strings.FieldsSeq(string(list)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// RemoveAll removes a tree in which rights may have been taken away.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if errors.Is(err, os.ErrPermission) {
		_ = exec.Command("chmod", "-R", "u+rwX", dir).Run()
		err = os.RemoveAll(dir)
	}
	return err
}
