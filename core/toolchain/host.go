package toolchain

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// host is the file system with absolute paths, and with links resolved by us: so that it is known through which of them a path leads.
type host struct{ files fs.ReadLinkFS }

// unrooted is a path as package fs wants it.
func unrooted(p string) string {
	if p = strings.TrimPrefix(path.Clean(p), "/"); p != "" {
		return p
	}
	return "."
}

// maxLinks is where the kernel gives up as well.
const maxLinks = 40

// follow resolves all links in an absolute path and lists those it went through. The path need not exist.
func (h host) follow(p string) (resolved string, links []string, err error) {
	at, rest := "/", strings.Split(p, "/")
	for len(rest) > 0 {
		head := rest[0]
		rest = rest[1:]
		switch head {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, head)
		info, err := h.files.Lstat(unrooted(next))
		if err != nil && !missing(err) {
			return "", nil, err
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := h.files.ReadLink(unrooted(next))
		if err != nil {
			return "", nil, err
		}
		if links = append(links, next); len(links) > maxLinks {
			return "", nil, &fs.PathError{Op: "follow", Path: p, Err: syscall.ELOOP}
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, links, nil
}

// stat says what is at a path, through links.
func (h host) stat(p string) (fs.FileInfo, error) {
	resolved, _, err := h.follow(p)
	if err != nil {
		return nil, err
	}
	info, err := h.files.Lstat(unrooted(resolved))
	if err != nil && missing(err) {
		return nil, &fs.PathError{Op: "stat", Path: p, Err: fs.ErrNotExist}
	}
	return info, err
}

// read gives the beginning of a regular file. Anything else is not opened: a pipe in a project would hold the start up for ever.
func (h host) read(p string, limit int64) ([]byte, error) {
	info, err := h.stat(p)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: p, Err: fs.ErrInvalid}
	}
	resolved, _, err := h.follow(p)
	if err != nil {
		return nil, err
	}
	f, err := h.files.Open(unrooted(resolved))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, limit))
}

// readable is read for a file without which things go on.
func (h host) readable(p string, limit int64) (content []byte, ok bool) {
	content, err := h.read(p, limit)
	return content, err == nil
}

// list names what lies in a directory; nothing if it cannot be read.
func (h host) list(dir string) []string {
	resolved, _, err := h.follow(dir)
	if err != nil {
		return nil
	}
	entries, err := fs.ReadDir(h.files, unrooted(resolved))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// missing reports whether nothing is there: also where a file stands in a directory's place.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// reason is what the system said, without the name of the call and the path.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
