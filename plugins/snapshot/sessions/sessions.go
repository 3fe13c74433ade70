//go:build linux

package sessions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/hostfile"
)

// version is that of the files that this nono writes.
const version = 1

const (
	sessionFile = "session.json"
	rollbackDir = "rollback"
	// maxFile is as much as is read of one: a session has a few directories.
	maxFile = 1 << 20
	// maxSessions is how many are listed.
	maxSessions = 100_000
)

// Session is what was recorded of a session.
type Session struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Began is when the first snapshot was taken, and Ended when the second was; zero while that is
	// still to come.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	// Late says that the session's nono was killed, and the second snapshot taken some time after its
	// end: what others changed in between is in it.
	Late  bool   `json:"late,omitempty"`
	Roots []Root `json:"roots"`
	// Kept is that these are not dropped by themselves: not all could be put back.
	Kept bool `json:"kept,omitempty"`
}

// Root is one directory that was recorded.
type Root struct {
	Path string `json:"path"`
	beneath.Identity

	// Before and After are the two snapshots.
	Before store.ManifestID `json:"before"`
	After  store.ManifestID `json:"after,omitzero"`
	// Unreadable are the names of which nothing could be recorded, in the first snapshot and in the
	// second.
	Unreadable [2]int64 `json:"unreadable,omitzero"`
	// Gone says that the directory was not there any more at the end, and why.
	Gone string `json:"gone,omitempty"`
}

// Over reports whether the second snapshot was taken.
func (s *Session) Over() bool { return !s.Ended.IsZero() }

// Manifests are the snapshots of the session.
func (s *Session) Manifests() []store.ManifestID {
	var all []store.ManifestID
	for _, r := range s.Roots {
		for _, id := range []store.ManifestID{r.Before, r.After} {
			if !id.IsZero() {
				all = append(all, id)
			}
		}
	}
	return all
}

// Sessions are those of which something was recorded.
type Sessions struct{ dir string }

// Open opens the list in a directory, and makes that where it is missing.
func Open(dir string) (*Sessions, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the list of snapshots: %w", err)
	}
	return &Sessions{dir}, nil
}

// isID reports whether core could have called a session so. The name is that of a directory.
func isID(id string) bool {
	const most, plain = 64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return id != "" && len(id) <= most && strings.Trim(id[:1], plain) == "" &&
		strings.Trim(id, plain+"_-") == ""
}

// path is the directory of a session.
func (s *Sessions) path(id string) (string, error) {
	if !isID(id) {
		return "", fmt.Errorf("%q is no session", id)
	}
	return filepath.Join(s.dir, id), nil
}

// Put keeps what was recorded of a session, in the place of what was known of it.
func (s *Sessions) Put(of *Session) error {
	dir, err := s.path(of.ID)
	if err != nil {
		return err
	}
	with := *of
	with.Version = version
	text, err := bytejson.MarshalIndent(&with, "", "  ")
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keeping what was recorded: %w", err)
	}
	file := filepath.Join(dir, sessionFile)
	if err := replace(file, text); err != nil {
		return fmt.Errorf("keeping what was recorded: %w", err)
	}
	return nil
}

// replace writes a file beside another one and puts it in its place.
func replace(file string, text []byte) error {
	f, err := os.OpenFile(file+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

// Get is what was recorded of a session; fs.ErrNotExist if nothing was.
func (s *Sessions) Get(id string) (*Session, error) {
	dir, err := s.path(id)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, sessionFile)
	text, err := hostfile.Read(file, maxFile)
	if err != nil {
		return nil, err
	}
	var of Session
	if err := bytejson.Unmarshal(text, &of); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	switch {
	case of.Version > version:
		return nil, fmt.Errorf("%s was written by a newer nono (version %d)", file, of.Version)
	case of.Version < 1 || of.ID != id:
		return nil, fmt.Errorf("%s is not about session %s", file, id)
	}
	return &of, nil
}

// List is all of them, the newest first, and those that cannot be read.
func (s *Sessions) List() (all []*Session, unread []error, err error) {
	f, err := os.OpenFile(s.dir, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(maxSessions)
	if len(names) == maxSessions {
		return nil, nil, fmt.Errorf("there are snapshots of %d sessions and more", maxSessions)
	}
	if len(names) == 0 {
		return nil, nil, nil
	}
	for _, name := range names {
		of, err := s.Get(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was dropped just now, or is not written yet
		case err != nil:
			unread = append(unread, err)
		default:
			all = append(all, of)
		}
	}
	slices.SortFunc(all, func(a, b *Session) int { return b.Began.Compare(a.Began) })
	return all, unread, err
}

// Drop forgets a session. Of one that is not known there is nothing to forget.
func (s *Sessions) Drop(id string) error {
	dir, err := s.path(id)
	if err != nil {
		return err
	}
	// First what makes it one, so that it is there as a whole or not at all.
	err = os.Remove(filepath.Join(dir, sessionFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// Rollbacks are the directories of what was put back of a session, in order: each holds a journal
// for each recorded directory in which something was, by the number that it has among them.
func (s *Sessions) Rollbacks(id string) ([]string, error) {
	dir, err := s.path(id)
	if err != nil {
		return nil, err
	}
	return numbered(filepath.Join(dir, rollbackDir), 1)
}

// numbered are the directories in one that are called by numbers, from the first on.
func numbered(dir string, first int) ([]string, error) {
	var all []string
	for n := first; n < maxSessions; n++ {
		path := filepath.Join(dir, strconv.Itoa(n))
		_, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}

// Journals are the journals of all rollbacks of a session.
func (s *Sessions) Journals(id string) ([]string, error) {
	rollbacks, err := s.Rollbacks(id)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, dir := range rollbacks {
		journals, err := numbered(dir, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, journals...)
	}
	return all, nil
}

// JournalsOf are the journals of one rollback.
func JournalsOf(rollback string) ([]string, error) { return numbered(rollback, 0) }

// NewRollback makes directories for the next one, with so many journals.
func (s *Sessions) NewRollback(id string, journals int) ([]string, error) {
	before, err := s.Rollbacks(id)
	if err != nil {
		return nil, err
	}
	dir, err := s.path(id)
	if err != nil {
		return nil, err
	}
	var all []string
	for n := range journals {
		path := filepath.Join(dir, rollbackDir, strconv.Itoa(len(before)+1), strconv.Itoa(n))
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}
