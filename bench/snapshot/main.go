//go:build linux

// Command snapshot measures what a snapshot costs beside other programs that keep a tree, in one
// run on one machine.
//
//	go run ./bench/snapshot -tree /usr/local/go
//
// The tree is copied first. nono is a process that does what the snapshot layer does between being
// asked and having answered: it opens the store and the cache, records, seals, and keeps the cache.
// Beside it stand restic, git and cp, each as one process on the same tree; they take turns. One
// that is not installed is left out, with a line that says so.
//
// As root it has what it measures run before other work and, where it finds mkfs, also measures
// other file systems, on images that it mounts, and with nothing of them in memory.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// options are the flags.
type options struct {
	tree, dir, filesIn string
	rounds             int
	files              []int
	filesystems        []string
	markdown           string
}

func main() {
	var o options
	var files, filesystems string
	var child recording
	flag.StringVar(&o.tree, "tree", "/usr/local/go", "the tree to copy and record")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where it is copied to")
	flag.StringVar(&o.filesIn, "files-in", "/dev/shm", "where the trees of small files are made")
	flag.IntVar(&o.rounds, "rounds", 5, "turns of each program")
	flag.StringVar(&files, "files", "10000,100000,1000000", "the sizes of the trees of small files")
	flag.StringVar(&filesystems, "filesystems", "ext4,xfs,btrfs", "which to make, as root")
	flag.StringVar(&o.markdown, "markdown", "", "also write the tables to this file")
	flag.StringVar(&child.do, "do", "", "be the process that does this, and is measured")
	flag.StringVar(&child.tree, "of", "", "with which tree")
	flag.StringVar(&child.state, "state", "", "where its store and cache are")
	flag.StringVar(&child.profile, "profile", "", "write a CPU profile of it")
	flag.Parse()
	run := func() error {
		for name := range strings.FieldsFuncSeq(files, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(name)
			if err != nil {
				return fmt.Errorf("-files: %w", err)
			}
			o.files = append(o.files, n)
		}
		if filesystems != "" && os.Getuid() == 0 {
			o.filesystems = strings.Split(filesystems, ",")
		}
		return bench(o)
	}
	if child.do != "" {
		run = child.run
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "snapshot:", err)
		os.Exit(1)
	}
}

func bench(o options) (err error) {
	if o.rounds < 1 {
		return errors.New("-rounds is at least 1")
	}
	dir, err := os.MkdirTemp(o.dir, "bench-snapshot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := report{options: o, Machine: thisMachine()}
	if err := r.project(dir); err != nil {
		return err
	}
	for _, n := range o.files {
		if err := r.smallFiles(n); err != nil {
			return err
		}
	}
	for _, name := range o.filesystems {
		if err := r.filesystem(dir, name); err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			r.Missing = append(r.Missing, err.Error())
		}
	}
	text := r.text()
	if o.markdown != "" {
		if err := os.WriteFile(o.markdown, []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Print(text)
	return err
}

// project measures on the copy of the tree.
func (r *report) project(dir string) error {
	tree := filepath.Join(dir, "tree")
	if err := command("cp", "-a", r.tree, tree).Run(); err != nil {
		return fmt.Errorf("copying %s: %w", r.tree, err)
	}
	var err error
	if r.Tree, err = count(tree); err != nil {
		return err
	}
	programs := found(&r.Missing, dir, nono, restic, git, cp)
	untilBelieved()
	if r.First, err = turns(programs, r.rounds, func(p *program, round int) (sample, error) {
		return p.firstOf(tree, round)
	}); err != nil {
		return err
	}
	if r.Unchanged, err = turns(programs, r.rounds, func(p *program, _ int) (sample, error) {
		return p.unchangedOf(tree)
	}); err != nil {
		return err
	}
	// Each round changes other files, and each program sees what the round changed.
	changed := -1
	r.Changed, err = turns(programs, r.rounds, func(p *program, round int) (sample, error) {
		if round != changed {
			changed = round
			if err := change(tree, 100, round); err != nil {
				return sample{}, err
			}
		}
		return p.changedOf(tree)
	})
	if err != nil {
		return err
	}
	if err := r.differences(tree, programs); err != nil {
		return err
	}
	return os.RemoveAll(tree)
}

// undone is how many files are changed, shown and put back.
const undone = 1000

// differences measures what comes after a run: what changed, and the way back.
func (r *report) differences(tree string, programs []*program) (err error) {
	var all []*program
	for _, p := range programs {
		if p.diff != nil {
			all = append(all, p)
		}
	}
	// A program's differences are gone once it has put them back, so both are measured in one turn.
	diffs := map[string][]sample{}
	r.Undo, err = turns(all, r.rounds, func(p *program, round int) (sample, error) {
		// What another program put back is kept first.
		if _, err := p.run(p.changed, tree, nil); err != nil {
			return sample{}, err
		}
		if err := change(tree, undone, round); err != nil {
			return sample{}, err
		}
		if _, err := p.run(p.left, tree, nil); err != nil {
			return sample{}, err
		}
		s, err := p.run(p.diff, tree, nil)
		if err != nil {
			return sample{}, err
		}
		if round > 0 {
			diffs[p.name] = append(diffs[p.name], s)
		}
		return p.run(p.undo, tree, nil)
	})
	for _, p := range all {
		if err == nil {
			r.Diff = append(r.Diff, medians(p.name, diffs[p.name]))
		}
	}
	return err
}

// smallFiles measures on a tree of so many files of about a KiB.
func (r *report) smallFiles(n int) (err error) {
	dir, err := os.MkdirTemp(r.filesIn, "bench-snapshot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tree := filepath.Join(dir, "tree")
	if err := makeSmall(tree, n); err != nil {
		return err
	}
	finders := []finder{nono}
	if n <= 100_000 { // git takes minutes beyond
		finders = append(finders, git)
	}
	programs := found(&r.Missing, dir, finders...)
	untilBelieved()
	rounds := max(1, min(r.rounds, 300_000/n))
	s := scale{Files: n, Rounds: rounds}
	if s.First, err = turns(programs, rounds, func(p *program, round int) (sample, error) {
		return p.firstOf(tree, round)
	}); err != nil {
		return err
	}
	s.Unchanged, err = turns(programs, rounds, func(p *program, _ int) (sample, error) {
		return p.unchangedOf(tree)
	})
	r.Small = append(r.Small, s)
	return err
}

// filesystem measures on a file system of its own.
func (r *report) filesystem(dir, name string) (err error) {
	d, err := newDisk(dir, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	tree := filepath.Join(d.at, "tree")
	if err := command("cp", "-a", r.tree, tree).Run(); err != nil {
		return err
	}
	programs := found(&[]string{}, d.at, nono, restic, git)
	rounds := min(r.rounds, 3)
	untilBelieved()
	s := system{Name: name, Rounds: rounds}
	for _, cold := range []bool{false, true} {
		// Each program's first run is on a store of its own, each time another.
		first, err := turns(programs, rounds, func(p *program, round int) (sample, error) {
			return p.firstOf(tree, round, d.forget(cold))
		})
		if err != nil {
			return err
		}
		unchanged, err := turns(programs, rounds, func(p *program, _ int) (sample, error) {
			return p.unchangedOf(tree, d.forget(cold))
		})
		if err != nil {
			return err
		}
		s.Runs = append(s.Runs, coldness{cold, first, unchanged})
	}
	r.Systems = append(r.Systems, s)
	return nil
}
