package hostfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/policy"
)

// openLooked looks first, and opens what is a regular file once it is open too: another may have
// come to stand there in between.
func openLooked(name string) (*os.File, error) { return openRoute(name, MaxLinks) }

// openLookedDirect is openLooked for a path without links. A directory that gives way to a link
// between the two looks is followed; only the kernel itself can see to it that none is.
func openLookedDirect(name string) (*os.File, error) { return openRoute(name, 0) }

func openRoute(name string, links int) (*os.File, error) {
	route, err := Follow(Host, name)
	switch {
	case err != nil:
		return nil, err
	case len(route.Links()) > links:
		return nil, unix.ELOOP
	case route.Entry.Type == policy.Missing:
		return nil, unix.ENOENT
	case route.Entry.Type != policy.Regular:
		return nil, ErrNotRegular
	}
	const flags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_NOCTTY
	f, err := os.OpenFile(route.Path, flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
