package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/ownfile"
)

// OpenEvents opens the session's log, to be read and appended to, and makes it if it is missing.
func (s *Session) OpenEvents() (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	f, err := s.dir.OpenFile(EventsFile, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the session's log: %w", err)
	}
	return f, nil
}

// OpenEvents opens the session's log to be read.
func (e Entry) OpenEvents() (*os.File, error) {
	return hostfile.Open(filepath.Join(e.Path, EventsFile))
}

// LayerDir is the directory of a layer's own. It need not exist.
func (e Entry) LayerDir(layer string) string { return filepath.Join(e.Path, layerPath(layer)) }

// asideDir is the directory in that of a session with what core keeps aside.
const asideDir = "aside"

// AsideDir is the directory with what core keeps aside. It need not exist.
func (s *Session) AsideDir() string { return filepath.Join(s.Path(), asideDir) }

// AsideDir is the directory with what core kept aside. It need not exist.
func (e Entry) AsideDir() string { return filepath.Join(e.Path, asideDir) }

// PlanHash is the hash of the file with the session's plan.
func (e Entry) PlanHash() (events.Hash, error) {
	text, err := hostfile.Read(filepath.Join(e.Path, PlanFile), maxFile)
	return sha256.Sum256(text), err
}

// Plan reads the session's plan into a value of the form that was stored.
func (e Entry) Plan(plan any) error {
	return read(filepath.Join(e.Path, PlanFile), &storedPlan{Plan: plan})
}

// KeepSignature stores the signature of the log of a session that is finished.
func (s Store) KeepSignature(id string, bundle []byte) error {
	return s.keepBeside(id, SignatureFile, bundle)
}

// KeepUnsigned stores why the log of a session that is finished is not signed.
func (s Store) KeepUnsigned(id, why string) error {
	return s.keepBeside(id, UnsignedFile, []byte(why+"\n"))
}

func (s Store) keepBeside(id, name string, text []byte) error {
	base, err := s.open(s.finished())
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }()
	return ownfile.Replace(base, filepath.Join(id, name), text)
}

// Signature is the signature of the session's log, at most a byte longer than one can be; nil where
// there is none.
func (e Entry) Signature() ([]byte, error) {
	text, err := hostfile.Read(filepath.Join(e.Path, SignatureFile), loghead.MaxBundle+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Unsigned is why the session's log is not signed, as far as that was stored.
func (e Entry) Unsigned() string {
	const most = 1 << 10
	text, err := hostfile.Read(filepath.Join(e.Path, UnsignedFile), most)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
