package store

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nono-run/nono/sdk/hostfile"
)

// OpenEvents opens the session's log, to be read and appended to, and makes it if it is missing.
func (s *Session) OpenEvents() (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	f, err := s.base.OpenFile(filepath.Join(s.record.ID, EventsFile), flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the session's log: %w", err)
	}
	return f, nil
}

// OpenEvents opens the session's log to be read.
func (e Entry) OpenEvents() (*os.File, error) {
	return hostfile.Open(filepath.Join(e.Path, EventsFile))
}
