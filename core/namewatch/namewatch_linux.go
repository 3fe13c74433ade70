package namewatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// moves is what makes a name in a directory mean another file.
const moves = unix.IN_MOVE | unix.IN_CREATE | unix.IN_DELETE

// writes is what makes another content of a file. Who opened it for writing is noticed when he
// closes it, whatever he did meanwhile.
const writes = unix.IN_MODIFY | unix.IN_CLOSE_WRITE

// Watch is under way until it is closed. A nil Watch watches nothing.
type Watch struct {
	queue *os.File
	conn  syscall.RawConn
	done  chan struct{}

	// entries are the names in each directory, by the kernel's number for it, and what is watched for
	// the sake of each.
	entries map[int32]map[string]entry
	// contents are the paths of the files of which the content is watched, by the same number.
	contents map[int32]content

	mu      sync.Mutex
	changed bool
	path    string // the first that changed
}

// content is what a file is known by, to find it changed where a report was lost.
type content struct {
	path     string
	modified unix.Timespec
	changed  unix.Timespec
}

type entry struct {
	at            string // where it is
	path          string // what is watched
	device, inode uint64
}

// Begin watches from now on. Names of which none is in a directory are no watch.
func Begin(names []Name) (*Watch, error) {
	if len(names) == 0 {
		return nil, nil
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("asking to be told of renamed files: %w", err)
	}
	w := &Watch{
		queue: os.NewFile(uintptr(fd), "inotify"), done: make(chan struct{}),
		entries: map[int32]map[string]entry{}, contents: map[int32]content{},
	}
	if err := w.add(fd, names); err != nil {
		return nil, errors.Join(err, w.queue.Close())
	}
	if w.conn, err = w.queue.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.queue.Close())
	}
	go func() { _ = w.conn.Read(w.take) }() // it fails when the watch is closed
	return w, nil
}

// add watches the directories from the outermost on: one that is replaced while this goes on is
// then noticed in the one above it. What many names have in common is asked for once.
func (w *Watch) add(fd int, names []Name) error {
	watched := map[string]map[string]entry{}
	for _, n := range names {
		rest, err := filepath.Rel(n.Beneath, n.Path)
		if err != nil || rest == "." || strings.HasPrefix(rest, "..") {
			return fmt.Errorf("watching %s: it is not beneath %s", n.Path, n.Beneath)
		}
		dir := n.Beneath
		for name := range strings.SplitSeq(rest, "/") {
			here := watched[dir]
			if here == nil {
				if here, err = w.directory(fd, dir); err != nil {
					return err
				}
				watched[dir] = here
			}
			dir = filepath.Join(dir, name)
			if _, ok := here[name]; ok {
				continue
			}
			e := entry{at: dir, path: n.Path}
			if e.device, e.inode, err = identity(dir); err != nil {
				return fmt.Errorf("looking at %s: %w", dir, err)
			}
			here[name] = e
		}
		if n.Content {
			if err := w.addContent(fd, n.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// addContent has the kernel tell of what is written to a file, by whichever of its names.
func (w *Watch) addContent(fd int, path string) error {
	id, err := unix.InotifyAddWatch(fd, path, writes|unix.IN_DONT_FOLLOW)
	var st unix.Stat_t
	if err == nil {
		err = unix.Lstat(path, &st)
	}
	if err != nil {
		return fmt.Errorf("asking to be told of what is written to %s: %w", path, err)
	}
	w.contents[int32(id)] = content{path, st.Mtim, st.Ctim}
	return nil
}

// directory has the kernel tell of a directory; it returns the names in it that are watched.
func (w *Watch) directory(fd int, dir string) (map[string]entry, error) {
	id, err := unix.InotifyAddWatch(fd, dir, moves|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	if err != nil {
		return nil, fmt.Errorf("asking to be told of what is renamed in %s: %w", dir, err)
	}
	here := w.entries[int32(id)]
	if here == nil {
		here = map[string]entry{}
		w.entries[int32(id)] = here
	}
	return here, nil
}

// Done is closed when a name has another file.
func (w *Watch) Done() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.done
}

// Changed is the first watched path for which that is so, with all that happened before the call.
func (w *Watch) Changed() (path string, changed bool) {
	if w == nil {
		return "", false
	}
	if err := w.conn.Control(func(fd uintptr) { w.take(fd) }); err != nil {
		return "", true // nobody knows what happened since
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.path, w.changed
}

// Close ends it.
func (w *Watch) Close() {
	if w != nil {
		_ = w.queue.Close()
	}
}

// take takes what the kernel has to tell, and reports whether a name has changed.
func (w *Watch) take(fd uintptr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	var buf [16 << 10]byte
	for !w.changed {
		n, err := unix.Read(int(fd), buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			w.note("")
		default:
			w.read(buf[:n])
		}
	}
	return true
}

// read reads a number of the kernel's reports.
func (w *Watch) read(reports []byte) {
	for len(reports) >= unix.SizeofInotifyEvent && !w.changed {
		id := int32(binary.NativeEndian.Uint32(reports))
		mask := binary.NativeEndian.Uint32(reports[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(reports[12:]))
		name, _, _ := bytes.Cut(reports[unix.SizeofInotifyEvent:end], []byte{0})
		reports = reports[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.compare()
			continue
		}
		if c, ok := w.contents[id]; ok && mask&writes != 0 {
			w.note(c.path)
		}
		here := w.entries[id]
		if e, ok := here[string(name)]; ok && mask&moves != 0 {
			w.note(e.path)
		}
		if mask&unix.IN_UNMOUNT != 0 {
			for _, e := range here {
				w.note(e.path)
			}
		}
	}
}

// compare looks at each name, where more happened than the kernel could remember. What was replaced
// and put back in that time is not noticed.
func (w *Watch) compare() {
	for _, here := range w.entries {
		for _, e := range here {
			device, inode, err := identity(e.at)
			if err != nil || device != e.device || inode != e.inode {
				w.note(e.path)
			}
		}
	}
	for _, c := range w.contents {
		var st unix.Stat_t
		if unix.Lstat(c.path, &st) != nil || st.Mtim != c.modified || st.Ctim != c.changed {
			w.note(c.path)
		}
	}
}

func (w *Watch) note(path string) {
	if !w.changed {
		w.changed, w.path = true, path
		close(w.done)
	}
}

func identity(path string) (device, inode uint64, err error) {
	var s unix.Stat_t
	err = unix.Lstat(path, &s)
	return s.Dev, s.Ino, err
}
