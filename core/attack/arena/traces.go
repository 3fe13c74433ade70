//go:build linux

package arena

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Changed reports whether a file differs from what it is now.
func (a *Arena) Changed(name string) func() bool {
	before := a.look(name)
	return func() bool { return a.look(name) != before }
}

// seen is the content of a file, and its mode, times and attributes.
type seen struct{ content, state string }

func (a *Arena) look(name string) seen {
	p := a.Path(name)
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return seen{state: err.Error()}
	}
	b, _ := os.ReadFile(p)
	x := make([]byte, 100)
	n, _ := unix.Llistxattr(p, x)
	return seen{string(b), fmt.Sprint(st.Mode, st.Uid, st.Mtim, string(x[:max(n, 0)]))}
}

// Appears reports whether a file is there that is not there now.
func (a *Arena) Appears(name string) func() bool {
	if a.Exists(name) {
		a.Note(fmt.Errorf("%s is there already", name))
	}
	return func() bool { return a.Exists(name) }
}
