// Package remembered is the memory of what layers said, so that a layer whose answer cannot differ
// is not started for it.
//
//	memory := remembered.In(dirs)
//	program, err := remembered.ProgramAt(binary.Path)
//	description, err := memory.Description("landlock", program)
//	answer, err := memory.Answer(remembered.Place{Layer: "landlock", Situation: s}, program)
//	share, err := answer.To(request)
//
// There are two things to remember. A description is what a layer is, and holds for as long as its
// program is the same file. An answer is the share of a plan that a layer gave to one request; one
// that says of itself that Plan follows from its request alone (sdk.Description.Pure) would give
// the same again, to the same request.
//
// # What is believed
//
// A file of the memory is read only if nobody but the user can have put it there, and what is in it
// is believed no more than a layer is: it is decoded by the same code, merged, held against the
// policy and proved as an answer that came this moment. So a file that was altered is at worst a
// layer that misbehaves. It has a checksum, against accidents. If anything is wrong with a file,
// the layer is asked and the file replaced: it is a cache.
package remembered

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
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// Memory is where it is kept.
type Memory struct{ dir string }

// In is the memory among these directories.
func In(d dirs.Dirs) Memory { return Memory{filepath.Join(d.State, "remembered")} }

// Program is what a layer's program was: a file that was changed or replaced differs in one of
// these.
type Program struct {
	Path               string
	Device, Inode      uint64
	Size, MTime, CTime int64
	// Digest is that of a program which is copied before it is run.
	Digest string
	Build  string // nono's own
}

// ProgramAt looks at a program.
func ProgramAt(path string) (Program, error) {
	path, err := hostfile.Resolve(path)
	if err != nil {
		return Program{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Program{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	device := uint64(st.Dev) //nolint:unconvert // the width differs between systems
	return Program{
		Path: path, Device: device, Inode: st.Ino, Size: st.Size,
		MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Build: sdk.Build,
	}, nil
}

// Description is what a layer said of itself when its program was this one.
func (m Memory) Description(layer string, p Program) (sdk.Description, error) {
	e, err := read(m.description(layer), p)
	if err != nil {
		return sdk.Description{}, err
	}
	return e.description(layer)
}

// Describe remembers it.
func (m Memory) Describe(layer string, p Program, said []byte) error {
	return write(m.description(layer), entry{Program: p, Described: said})
}

func (m Memory) description(layer string) string {
	return filepath.Join(m.dir, "layers", fileOf(layer)+".json")
}

func fileOf(layer string) string { return strings.ReplaceAll(layer, "/", ".") }

// Digest is one of SHA-256.
type Digest = [sha256.Size]byte

// Place is where an answer is kept: one for each layer and each situation, which is a digest of
// what is known of a run before anything of it was worked out.
type Place struct {
	Layer     string
	Situation Digest
}

// Has reports whether there is an answer at a place, which may be the one.
func (m Memory) Has(at Place) bool {
	_, err := os.Lstat(m.answer(at))
	return err == nil
}

// Answer is what a layer said once: of itself, and to one request.
type Answer struct {
	Description sdk.Description
	entry       entry
}

// Answer is what the layer said at this place when its program was this one.
func (m Memory) Answer(at Place, p Program) (*Answer, error) {
	e, err := read(m.answer(at), p)
	if err != nil {
		return nil, err
	}
	d, err := e.description(at.Layer)
	if err != nil {
		return nil, err
	}
	return &Answer{d, e}, nil
}

// To is the layer's share, if it is asked the very same, checked as one that it gives now. The
// request's digest is that of [host.Same].
func (a *Answer) To(request Digest) (*sdk.PlanResponse, error) {
	if string(a.entry.Request) != string(request[:]) {
		return nil, errors.New("it was asked something else")
	}
	return host.RecallPlan(a.Description, a.entry.Planned)
}

// Keep remembers an answer, in the place of the one that is there.
func (m Memory) Keep(at Place, p Program, request Digest, described, planned []byte) error {
	e := entry{Program: p, Request: request[:], Described: described, Planned: planned}
	if err := write(m.answer(at), e); err != nil {
		return err
	}
	return m.prune()
}

// answers is the directory of those, and maxAnswers how many are kept: the newest ones.
const (
	answers    = "answers"
	maxAnswers = 64
)

func (m Memory) answer(at Place) string {
	name := fileOf(at.Layer) + "-" + hex.EncodeToString(at.Situation[:16]) + ".json"
	return filepath.Join(m.dir, answers, name)
}

// prune removes the oldest answers beyond the bound.
func (m Memory) prune() error {
	dir := filepath.Join(m.dir, answers)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for len(files) > maxAnswers {
		oldest, at := 0, int64(0)
		for i, f := range files {
			info, err := f.Info()
			if err != nil {
				oldest = i // somebody else has removed it
				break
			}
			if t := info.ModTime().UnixNano(); i == 0 || t < at {
				oldest, at = i, t
			}
		}
		err := os.Remove(filepath.Join(dir, files[oldest].Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		files = append(files[:oldest], files[oldest+1:]...)
	}
	return nil
}

// version is that of the files. One of another version is as good as none.
const version = 2

// entry is what a file holds.
type entry struct {
	Version int
	Program Program
	Request []byte `json:",omitempty"`
	// Described and Planned are the layer's answers, not yet checked, and Sum is a digest of both.
	Described []byte
	Planned   []byte `json:",omitempty"`
	Sum       []byte
}

func (e *entry) sum() []byte {
	one, other := sha256.Sum256(e.Described), sha256.Sum256(e.Planned)
	both := sha256.Sum256(append(one[:], other[:]...))
	return both[:]
}

func (e *entry) description(layer string) (sdk.Description, error) {
	d, err := host.Recall(e.Described)
	if err == nil && d.Name != layer {
		return sdk.Description{}, fmt.Errorf("it is about layer %s", d.Name)
	}
	return d, err
}

// maxFile bounds what is read back.
const maxFile = 16 << 20

// read is what a layer said when its program was this one.
func read(file string, p Program) (entry, error) {
	content, err := readOwn(file)
	if err != nil {
		return entry{}, err
	}
	var e entry
	if err := json.Unmarshal(content, &e); err != nil {
		return entry{}, err
	}
	switch {
	case e.Version != version:
		return entry{}, fmt.Errorf("it has version %d", e.Version)
	case e.Program != p:
		return entry{}, errors.New("its program is another one since")
	case string(e.Sum) != string(e.sum()):
		return entry{}, errors.New("it was damaged")
	}
	return e, nil
}

// readOwn reads a file that nobody but the user can have put there.
func readOwn(file string) ([]byte, error) {
	if err := checkDir(filepath.Dir(file)); err != nil {
		return nil, err
	}
	there, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	f, err := hostfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	opened, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !os.SameFile(there, opened):
		return nil, fmt.Errorf("%s is a link, or was replaced meanwhile", file)
	}
	if err := ownfile.CheckWriters(file, opened, os.Geteuid()); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	return ownfile.CheckWriters(dir, info, os.Geteuid())
}

// write replaces the file. A directory of another user's is left alone.
func write(file string, e entry) error {
	e.Version, e.Sum = version, e.sum()
	content, err := json.Marshal(e)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = checkDir(dir)
	var fault *ownfile.Fault
	if errors.As(err, &fault) && !fault.Foreign {
		err = os.Chmod(dir, 0o700) //nolint:gosec // a directory of one's own is entered
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return ownfile.Replace(root, filepath.Base(file), content)
}
