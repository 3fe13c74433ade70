//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holding is what the processes of one program have of memory while the command runs, in MiB: the
// medians over the watched runs.
type holding struct {
	Name string `json:"name"`
	// Own is anonymous memory, which no other process has.
	Own float64 `json:"own_mib"`
	// Files is what is mapped of files, the program above all: processes of one program share it.
	Files float64 `json:"files_mib"`
}

// hold runs a command in the sandbox that waits, so many times, and looks at all processes
// meanwhile.
func hold(s sandbox, dir string, runs int) ([]holding, error) {
	own, files := map[string][]float64{}, map[string][]float64{}
	var order []string
	for range runs {
		now, err := holdOnce(s, dir)
		if err != nil {
			return nil, err
		}
		for _, h := range now {
			if !slices.Contains(order, h.Name) {
				order = append(order, h.Name)
			}
			own[h.Name] = append(own[h.Name], h.Own)
			files[h.Name] = append(files[h.Name], h.Files)
		}
	}
	all := make([]holding, 0, len(order))
	for _, name := range order {
		if len(own[name]) > runs/2 { // and not one that was about to end when it was seen
			all = append(all, holding{name, quantile(own[name], 0.5), quantile(files[name], 0.5)})
		}
	}
	return all, nil
}

// holdAll looks at the memory of each sandbox while a command runs in it, but at a terminal, where
// it is the same.
func holdAll(results []result, dir string, runs int) error {
	for i, r := range results {
		if r.atTerminal {
			continue
		}
		held, err := hold(r.sandbox, dir, runs)
		if err != nil {
			return fmt.Errorf("the memory of %s: %w", r.Name, err)
		}
		all := together(held)
		results[i].Held = &all
	}
	return nil
}

// together is what several processes have.
func together(held []holding) holding {
	all := holding{Name: "all"}
	for _, h := range held {
		all.Own += h.Own
		all.Files += h.Files
	}
	return all
}

// added adds a process to those of its program.
func added(all []holding, h holding) []holding {
	i := slices.IndexFunc(all, func(other holding) bool { return other.Name == h.Name })
	if i < 0 {
		return append(all, h)
	}
	all[i].Own += h.Own
	all[i].Files += h.Files
	return all
}

// holdOnce holds one run by its input. Once cat has echoed a line all layers have started.
func holdOnce(s sandbox, dir string) ([]holding, error) {
	cmd := s.command(dir, "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var now []holding
	_, err = io.WriteString(in, "here\n")
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err == nil {
		now, err = holdings(cmd.Process.Pid)
	}
	_ = in.Close() // cat ends; and how it ends is what counts
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return now, nil
}

// holdings looks at a process and all that descend from it. It reads what anyone may read: some of
// them show nobody the rest.
func holdings(root int) ([]holding, error) {
	family := []int{root}
	for before := 0; before < len(family); {
		before = len(family)
		for _, pid := range pids() {
			if !slices.Contains(family, pid) && slices.Contains(family, parent(pid)) {
				family = append(family, pid)
			}
		}
	}
	var all []holding
	for _, pid := range family {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return nil, err
		}
		var h holding
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			fields := strings.Fields(value)
			if len(fields) == 0 {
				continue
			}
			if key == "Name" {
				h.Name = fields[0]
			}
			if key != "RssAnon" && key != "RssFile" && key != "RssShmem" {
				continue
			}
			kib, err := strconv.ParseFloat(fields[0], 64)
			if err != nil {
				return nil, err
			}
			if key == "RssAnon" {
				h.Own = kib / 1024
			} else {
				h.Files += kib / 1024
			}
		}
		if h.Own+h.Files > 0 { // one that has ended has no memory
			all = added(all, h)
		}
	}
	return all, nil
}
