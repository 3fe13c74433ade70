package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/sdk"
)

// taken is how much is taken at most.
const taken = 5

// journal is the file that says what is, or is about to be, taken: a name on each line. It is the
// session's own.
func journal(run sdk.Run) string { return filepath.Join(run.Dir, "journal") }

// take takes what has this number, unless that is enough.
func take(run sdk.Run, n int) error {
	if n > taken {
		return nil
	}
	name := fmt.Sprintf("taken-%s-%d", run.SessionID, n)
	f, err := os.OpenFile(journal(run), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(name + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(run.StateDir, name), nil, 0o600)
}

// release releases all that the journal says, and then forgets it.
func release(run sdk.Run) error {
	text, err := os.ReadFile(journal(run))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever taken, or all was released before
	}
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(text)) {
		err := os.Remove(filepath.Join(run.StateDir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(journal(run))
}
