//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// program is one of those that are compared. A nil command is what it cannot do.
type program struct {
	name string
	// prepare makes what the first run needs, in a directory that is new.
	prepare func(dir string) error
	// first keeps a tree in that directory, for the first time; unchanged and changed are asked when
	// it has been kept before.
	first, unchanged, changed func(tree, dir string) *exec.Cmd
	// diff tells what changed since it was kept last, and undo puts that back; left is what has to be
	// done before, when the changes were made.
	left, diff, undo func(tree, dir string) *exec.Cmd

	in, last string // where its directories are, and the last of them
}

// finder is how a program is found on this machine.
type finder func() (*program, error)

// found are the programs that are there.
func found(missing *[]string, dir string, finders ...finder) []*program {
	var programs []*program
	for _, find := range finders {
		p, err := find()
		if err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			*missing = append(*missing, err.Error())
			continue
		}
		p.in = dir
		programs = append(programs, p)
	}
	return programs
}

// firstOf measures the first time, in a new directory. What was kept there before goes.
func (p *program) firstOf(tree string, round int, before ...func() error) (sample, error) {
	if p.last != "" {
		if err := os.RemoveAll(p.last); err != nil {
			return sample{}, err
		}
	}
	p.last = filepath.Join(p.in, p.name+strconv.Itoa(round))
	if err := os.Mkdir(p.last, 0o700); err != nil {
		return sample{}, err
	}
	if p.prepare != nil {
		if err := p.prepare(p.last); err != nil {
			return sample{}, err
		}
	}
	return p.run(p.first, tree, before)
}

func (p *program) unchangedOf(tree string, before ...func() error) (sample, error) {
	return p.run(p.unchanged, tree, before)
}

func (p *program) changedOf(tree string) (sample, error) { return p.run(p.changed, tree, nil) }

func (p *program) run(
	how func(tree, dir string) *exec.Cmd, tree string, before []func() error,
) (sample, error) {
	if how == nil {
		return sample{}, nil
	}
	for _, do := range before {
		if err := do(); err != nil {
			return sample{}, err
		}
	}
	return once(how(tree, p.last))
}

// command is a program with an environment that none of the user's settings are in.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "RESTIC_PASSWORD=x",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
	}
	return cmd
}

func nono() (*program, error) {
	do := func(what string) func(tree, dir string) *exec.Cmd {
		return func(tree, dir string) *exec.Cmd {
			return command("/proc/self/exe", "-do", what, "-of", tree, "-state", dir)
		}
	}
	record := do("record")
	return &program{
		name: "nono", first: record, unchanged: record, changed: record,
		left: record, diff: do("diff"), undo: do("undo"),
	}, nil
}

func restic() (*program, error) {
	if _, err := exec.LookPath("restic"); err != nil {
		return nil, errors.New("restic is not installed")
	}
	at := func(dir string, args ...string) *exec.Cmd {
		return command("restic", append([]string{
			"--quiet", "--repo", dir + "/repository", "--cache-dir", dir + "/cache",
		}, args...)...)
	}
	backup := func(tree, dir string) *exec.Cmd { return at(dir, "backup", tree) }
	return &program{
		name:    "restic",
		prepare: func(dir string) error { return at(dir, "init").Run() },
		first:   backup, unchanged: backup, changed: backup,
	}, nil
}

func git() (*program, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("git is not installed")
	}
	at := func(tree, dir string, args ...string) *exec.Cmd {
		return command("git", append([]string{"--git-dir", dir, "--work-tree", tree}, args...)...)
	}
	add := func(tree, dir string) *exec.Cmd { return at(tree, dir, "add", "--all", "--force", tree) }
	return &program{
		name:    "git",
		prepare: func(dir string) error { return command("git", "init", "--quiet", "--bare", dir).Run() },
		first:   add, changed: add,
		unchanged: func(tree, dir string) *exec.Cmd { return at(tree, dir, "status", "--porcelain") },
		diff:      func(tree, dir string) *exec.Cmd { return at(tree, dir, "diff", "--name-status") },
		undo:      func(tree, dir string) *exec.Cmd { return at(tree, dir, "restore", tree) },
	}, nil
}

func cp() (*program, error) {
	return &program{name: "cp", first: func(tree, dir string) *exec.Cmd {
		return command("cp", "-a", tree, dir)
	}}, nil
}

// size is how big a tree is.
type size struct{ Files, Directories, Bytes int64 }

func count(tree string) (size, error) {
	var s size
	err := filepath.WalkDir(tree, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch info, err := d.Info(); {
		case err != nil:
			return err
		case d.IsDir():
			s.Directories++
		case d.Type().IsRegular():
			s.Files++
			s.Bytes += info.Size()
		}
		return nil
	})
	return s, err
}
