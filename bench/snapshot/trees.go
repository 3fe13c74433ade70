//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// untilBelieved waits until what was just written is so old that a cache may believe its stamps: a
// minute, since a page that is written through a mapping may move them late.
func untilBelieved() { time.Sleep(65 * time.Second) }

// makeSmall makes files of about a KiB, a hundred in a directory.
func makeSmall(tree string, n int) error {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for i := range n {
		dir := filepath.Join(tree, fmt.Sprint(i/10_000), fmt.Sprint(i/100%100))
		if i%100 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		text.Reset()
		for text.Len() < 700+random.IntN(800) {
			fmt.Fprintf(&text, "%x the quick brown fox\n", random.Uint64())
		}
		path := filepath.Join(dir, fmt.Sprintf("file-%d.txt", i))
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// change appends to so many files of a tree, others in each round.
func change(tree string, n, round int) error {
	var paths []string
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < n {
		return errors.Join(err, fmt.Errorf("%d files", len(paths)))
	}
	for i := range n {
		path := paths[(i*len(paths)/n+round)%len(paths)]
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, "changed", round)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// disk is a file system in an image, which is read past the page cache of the file system below.
type disk struct{ image, device, at string }

const diskSize = 4 << 30

func newDisk(dir, name string) (*disk, error) {
	d := &disk{image: filepath.Join(dir, name+".img"), at: filepath.Join(dir, name)}
	f, err := os.OpenFile(d.image, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close(), os.Mkdir(d.at, 0o700)); err != nil {
		return nil, err
	}
	mkfs := command("mkfs."+name, "-q", d.image)
	if out, err := mkfs.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %w: %s", mkfs.Args, err, out)
	}
	device, err := command("losetup", "--find", "--show", "--direct-io=on", d.image).Output()
	if err != nil {
		return nil, fmt.Errorf("losetup: %w", err)
	}
	d.device = strings.TrimSpace(string(device))
	if err := d.mount(); err != nil {
		return nil, errors.Join(err, d.detach())
	}
	return d, nil
}

func (d *disk) mount() error { return command("mount", d.device, d.at).Run() }

func (d *disk) detach() error { return command("losetup", "--detach", d.device).Run() }

// forget is what to do before a run on a tree of which nothing is in memory.
func (d *disk) forget(cold bool) func() error {
	if !cold {
		return func() error { return nil }
	}
	return func() error {
		if err := unix.Unmount(d.at, 0); err != nil {
			return fmt.Errorf("unmounting %s: %w", d.at, err)
		}
		return d.mount()
	}
}

func (d *disk) remove() error {
	err := unix.Unmount(d.at, 0)
	if err != nil {
		return fmt.Errorf("unmounting %s: %w", d.at, err)
	}
	return errors.Join(d.detach(), os.Remove(d.image), os.Remove(d.at))
}
