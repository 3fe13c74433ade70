package toolchain

import (
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// host is all that is asked of the machine, so that a test can hand in one that no disk holds.
type host struct {
	look hostfile.Look
	// content is the beginning of a regular file, through links.
	content func(name string, limit int64) ([]byte, error)
	// names are what lies in a directory that is no link.
	names func(dir string) ([]string, error)
}

// thisHost is the machine that nono runs on. What it looks at, it looks at once.
func thisHost() *host {
	return &host{look: hostfile.Once(hostfile.Host), content: hostfile.Read, names: names}
}

// mostNames bounds what is read of a directory: an agent may have filled it.
const mostNames = 100_000

// names are what lies in a directory, in order.
func names(dir string) ([]string, error) {
	entries, err := hostfile.List(dir, mostNames)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// follow resolves all links in an absolute path and lists those it went through. The path need not
// exist.
func (h *host) follow(p string) (resolved string, links []string, err error) {
	route, err := hostfile.FollowLinks(h.look, p)
	if err != nil {
		return "", nil, err
	}
	for _, link := range route.Links() {
		links = append(links, link.Path)
	}
	return route.Path, links, nil
}

// stat says what is at a path, through links.
func (h *host) stat(p string) (hostfile.Entry, error) {
	route, err := hostfile.FollowLinks(h.look, p)
	if err == nil && route.Entry.Type == policy.Missing {
		err = &fs.PathError{Op: "stat", Path: p, Err: unix.ENOENT}
	}
	return route.Entry, err
}

func (h *host) isDirectory(p string) bool {
	e, err := h.stat(p)
	return err == nil && e.Type == policy.Directory
}

// readable gives the beginning of a file without which things go on.
func (h *host) readable(p string, limit int64) (content []byte, ok bool) {
	content, err := h.content(p, limit)
	return content, err == nil
}

// list names what lies in a directory; nothing if it cannot be read.
func (h *host) list(dir string) []string {
	resolved, _, err := h.follow(dir)
	if err != nil {
		return nil
	}
	found, err := h.names(resolved)
	if err != nil {
		return nil
	}
	return found
}

// reason is what the system said, without the name of the call and the path.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
