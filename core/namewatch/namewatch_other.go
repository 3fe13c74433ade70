//go:build !linux

package namewatch

import "errors"

// Watch watches nothing on this system.
type Watch struct{}

// Begin fails where there is something to watch.
func Begin(names []Name) (*Watch, error) {
	if len(names) == 0 {
		return nil, nil
	}
	return nil, errors.New("noticing renamed files: it exists on Linux only")
}

// Done is never closed.
func (*Watch) Done() <-chan struct{} { return nil }

// Changed reports nothing.
func (*Watch) Changed() (path string, changed bool) { return "", false }

// Close does nothing.
func (*Watch) Close() {}
