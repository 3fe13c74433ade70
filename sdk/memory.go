package sdk

import "strings"

// ExposedError says what [HideMemory] could not hide.
type ExposedError struct{ Missing []string }

// Error implements error.
func (e *ExposedError) Error() string { return strings.Join(e.Missing, "; ") }

// HideMemory is for a layer that holds secrets: it keeps the process's memory from the user's other
// processes, out of a core file and, where the system allows that much, out of swap. All of it is
// tried; what could not be had is an [*ExposedError], which a layer may report as a warning.
func HideMemory() error {
	if missing := hideMemory(); len(missing) > 0 {
		return &ExposedError{missing}
	}
	return nil
}
