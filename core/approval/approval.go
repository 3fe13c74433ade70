// Package approval remembers what the user has approved of policy files: for each file, by its
// absolute path, the set of things that it may ask for. A later version of the file that asks for
// no more need not be asked about again; a file at another path is another file.
//
//	memory := approval.Memory{Dir: "/home/ada/.local/state/nono/approved"}
//	err := memory.Remember("/home/ada/proj/agent.hcl", wants)
//	wants, err = memory.Approved("/home/ada/proj/agent.hcl")
//
// Each file of policy has a file here, which is written whole and synced before it takes its place.
// The directory is one of nono's own, and so it can be neither written nor read from inside a
// sandbox. Where somebody else could write in it, or to one of its files, nothing counts as
// approved. What a want means is core/config's.
package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// version is that of the files. A nono that finds a newer one does not know what it says.
const version = 1

// maxSize bounds what is read: a policy has some thousands of rules, each with a path.
const maxSize = 64 << 20

// maxListed is how many approvals are listed.
const maxListed = 100_000

// Memory is where approvals are kept.
type Memory struct {
	// Dir is the directory. It is made when something is remembered.
	Dir string
}

// Approval is what was approved of one file.
type Approval struct {
	// File is the absolute path, without links.
	File  string
	When  time.Time
	Wants []string
}

// record is an approval as it is stored.
type record struct {
	Version int       `json:"version"`
	File    string    `json:"file"`
	When    time.Time `json:"when"`
	Wants   []string  `json:"wants"`
}

// Approved are the things that were approved of a file, in order; none if nothing ever was.
func (m Memory) Approved(file string) ([]string, error) {
	root, err := m.open()
	var a Approval
	if err == nil {
		defer func() { _ = root.Close() }()
		a, err = m.read(root, filepath.Base(m.path(file)))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if a.File != file {
		return nil, fmt.Errorf("%s is about %q", m.path(file), a.File)
	}
	return a.Wants, nil
}

// Remember keeps what was approved of a file, in the place of what was approved before. When it
// returns, it survives a crash of the machine.
func (m Memory) Remember(file string, wants []string) error {
	wants = slices.Compact(slices.Sorted(slices.Values(wants)))
	content, err := bytejson.MarshalIndent(record{ // a path need not be text
		Version: version, File: file, When: time.Now().UTC(), Wants: wants,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("remembering an approval: %w", err)
	}
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return fmt.Errorf("remembering an approval: %w", err)
	}
	if err := m.write(filepath.Base(m.path(file)), append(content, '\n')); err != nil {
		return fmt.Errorf("remembering an approval: %w", err)
	}
	return nil
}

// Forget takes back what was approved of a file, and reports whether there was anything.
func (m Memory) Forget(file string) (bool, error) {
	root, err := os.OpenRoot(m.Dir)
	if err == nil {
		defer func() { _ = root.Close() }()
		if err = root.Remove(filepath.Base(m.path(file))); err == nil {
			return true, ownfile.Sync(root)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, fmt.Errorf("forgetting an approval: %w", err)
}

// List is every approval there is, in the order of the paths.
func (m Memory) List() ([]Approval, error) {
	root, err := m.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := hostfile.List(m.Dir, maxListed)
	if err != nil {
		return nil, fmt.Errorf("listing the approvals: %w", err)
	}
	var all []Approval
	for _, e := range entries {
		if filepath.Ext(e.Name()) != extension {
			continue // one that was being written when the machine went down
		}
		a, err := m.read(root, e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Approval) int { return strings.Compare(a.File, b.File) })
	return all, nil
}

const extension = ".json"

// path is where the approval of a file is. A path of any length and any bytes has a name there.
func (m Memory) path(file string) string {
	sum := sha256.Sum256([]byte(file))
	return filepath.Join(m.Dir, hex.EncodeToString(sum[:])+extension)
}

// open opens the directory, and refuses one in which somebody else could approve.
func (m Memory) open() (*os.Root, error) {
	root, err := os.OpenRoot(m.Dir)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil {
		err = check(m.Dir, info)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// check refuses what another user could have written.
func check(path string, info fs.FileInfo) error {
	var fault *ownfile.Fault
	switch err := ownfile.CheckWriters(path, info, os.Geteuid()); {
	case !errors.As(err, &fault):
		return err
	case fault.Foreign:
		return diag.Errorf("%v, who could approve in your place", err).
			Try("set XDG_STATE_HOME to a directory of your own")
	}
	return diag.Errorf("%v, and could approve in your place", fault).
		Try("remove it, and approve again what you still want")
}

// content is what is in a file of the user's own.
func (m Memory) content(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil {
		err = check(filepath.Join(m.Dir, name), info)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, damaged(filepath.Join(m.Dir, name))
	}
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

func (m Memory) read(root *os.Root, name string) (Approval, error) {
	content, err := m.content(root, name)
	if err != nil {
		return Approval{}, err
	}
	path := filepath.Join(m.Dir, name)
	var is struct {
		Version int `json:"version"`
	}
	err = json.Unmarshal(content, &is)
	switch {
	case err == nil && is.Version > version:
		return Approval{}, diag.Errorf("the approval %s was written by a newer nono (version %d of it, "+
			"and this one knows %d)", path, is.Version, version).
			Try("use that nono, or remove the file and approve again")
	case err != nil || len(content) > maxSize || is.Version != version:
		return Approval{}, damaged(path)
	}
	var r record
	if err := bytejson.Unmarshal(content, &r); err != nil {
		return Approval{}, damaged(path)
	}
	return Approval{File: r.File, When: r.When, Wants: r.Wants}, nil
}

func damaged(path string) error {
	return diag.Errorf("the approval %s cannot be read: it is damaged", path).
		Try("remove it and approve again")
}

// write puts a file into its place in one step, when it is on the disk.
func (m Memory) write(name string, content []byte) error {
	root, err := m.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return ownfile.ReplaceSynced(root, name, content)
}
