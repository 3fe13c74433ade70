//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"

	"github.com/nono-run/nono/plugins/snapshot/compare"
	"github.com/nono-run/nono/plugins/snapshot/record"
	"github.com/nono-run/nono/plugins/snapshot/restore"
	"github.com/nono-run/nono/plugins/snapshot/statcache"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// recording is what the layer does when it is asked to start, as a process; and with what it
// recorded before, what it does when it is asked for differences or to put them back.
type recording struct{ do, tree, state, profile string }

func (r recording) run() (err error) {
	if r.profile != "" {
		f, err := os.OpenFile(r.profile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx := context.Background()
	s, err := store.Open(filepath.Join(r.state, "store"))
	if err != nil {
		return err
	}
	release, err := s.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	switch r.do {
	case "record":
		return r.record(ctx, s)
	case "diff":
		return r.diff(s)
	case "undo":
		return r.undo(ctx, s)
	}
	return fmt.Errorf("nothing is called %q", r.do)
}

func (r recording) record(ctx context.Context, s *store.Store) error {
	cache, err := statcache.Open(filepath.Join(r.state, "cache"))
	if err != nil {
		return err
	}
	pack, err := s.NewPack()
	if err != nil {
		return err
	}
	manifest, err := s.NewManifest()
	if err != nil {
		return err
	}
	result, err := record.Record(ctx, record.Request{
		Root: r.tree, Store: s, Pack: pack, Cache: cache, Manifest: manifest,
	})
	if err != nil {
		return errors.Join(err, pack.Discard(), manifest.Discard())
	}
	if err := pack.Seal(false); err != nil {
		return err
	}
	id, err := manifest.Seal(ctx, false)
	if err != nil {
		return err
	}
	if err := cache.Save(); err != nil {
		return err
	}
	line := fmt.Sprintln(id, result.Root.Device, result.Root.Inode)
	f, err := os.OpenFile(r.list(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// list is a file that has a line for each time that the tree was recorded.
func (r recording) list() string { return filepath.Join(r.state, "recorded") }

// lastTwo are the manifests that were recorded last, and the root.
func (r recording) lastTwo(
	s *store.Store,
) (before, after restore.Manifest, root restore.Root, err error) {
	text, err := os.ReadFile(r.list())
	if err != nil {
		return nil, nil, root, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) < 2 {
		return nil, nil, root, errors.New("the tree was not recorded twice")
	}
	root.Path = r.tree
	open := func(line string) (restore.Manifest, error) {
		var name string
		if _, err := fmt.Sscan(line, &name, &root.Device, &root.Inode); err != nil {
			return nil, err
		}
		id, err := store.ParseManifestID(name)
		return func() (io.ReadCloser, error) { return s.OpenManifest(id) }, err
	}
	if before, err = open(lines[len(lines)-2]); err == nil {
		after, err = open(lines[len(lines)-1])
	}
	return before, after, root, err
}

// diff finds what is different, as "nono session diff" does before it shows it.
func (r recording) diff(s *store.Store) error {
	before, after, _, err := r.lastTwo(s)
	if err != nil {
		return err
	}
	var readers []*tree.Reader
	for _, open := range []restore.Manifest{before, after} {
		stream, err := open()
		if err != nil {
			return err
		}
		defer func() { _ = stream.Close() }()
		reader, err := tree.NewReader(stream)
		if err != nil {
			return err
		}
		readers = append(readers, reader)
	}
	var changes []*compare.Change
	err = compare.Manifests(readers[0], readers[1], func(c *compare.Change) error {
		changes = append(changes, c)
		return nil
	})
	if changes = compare.Renames(changes); err == nil && len(changes) < undone {
		err = fmt.Errorf("%d changes were found", len(changes))
	}
	return err
}

// undo puts back what was changed.
func (r recording) undo(ctx context.Context, s *store.Store) error {
	before, after, root, err := r.lastTwo(s)
	if err != nil {
		return err
	}
	plan, err := restore.Make(ctx, restore.Request{Root: root, Store: s, Before: before, After: after})
	if err != nil {
		return err
	}
	if n := len(plan.Changes()); n != undone {
		return fmt.Errorf("%d changes are to be undone", n)
	}
	dir, err := os.MkdirTemp(r.state, "journal")
	if err != nil {
		return err
	}
	journal, err := plan.Write(ctx, dir)
	if err != nil {
		return err
	}
	_, err = journal.Apply(ctx)
	return err
}
