package store

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/sdk/hostfile"
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

// PlanHash is the hash of the file with the session's plan.
func (e Entry) PlanHash() (events.Hash, error) {
	text, err := hostfile.Read(filepath.Join(e.Path, PlanFile), maxFile)
	return sha256.Sum256(text), err
}

// Plan reads the session's plan into a value of the form that was stored.
func (e Entry) Plan(plan any) error {
	return read(filepath.Join(e.Path, PlanFile), &storedPlan{Plan: plan})
}
