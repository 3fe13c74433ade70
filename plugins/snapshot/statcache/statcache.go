//go:build linux

package statcache

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/sdk/hostfile"
)

const (
	// youngest is how long before its reading a file must have been changed last to be kept.
	youngest = time.Minute
	// margin is how long the kernel may take to write a page back once that is due.
	margin = 30 * time.Second

	beingWritten = ".tmp"
)

// Cache is an open cache. Lookup and Add may be called from several goroutines.
type Cache struct {
	root    *os.Root
	young   time.Duration
	devices sync.Map // a number to its *device
}

// device is what is known of the files of a device.
type device struct {
	number uint64
	load   sync.Once
	known  records
	file   fs.FileInfo // that it was read from; nil where there is none

	mu    sync.Mutex
	added records // not in order
}

// Open opens the cache in a directory, and makes that where it is missing.
func Open(dir string) (*Cache, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	return &Cache{root: root, young: youngAge()}, nil
}

// youngAge is how long the kernel may leave a page unwritten, and a mapping unnoticed.
func youngAge() time.Duration {
	text, err := hostfile.Read("/proc/sys/vm/dirty_expire_centisecs", 64)
	if err != nil {
		return youngest
	}
	expire, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return youngest
	}
	return max(youngest, time.Duration(expire)*10*time.Millisecond+margin)
}

// Close lets the cache go, and saves nothing.
func (c *Cache) Close() error { return c.root.Close() }

// Lookup is the content that a file with these stamps had, and whether it has attributes.
func (c *Cache) Lookup(s beneath.Stat) (content store.Digest, attributes, ok bool) {
	return c.device(s.Device).known.find(&s)
}

// Add keeps what a file had that was read from a time on, unless it was changed so shortly before
// that it might have been changed again, unseen.
func (c *Cache) Add(s beneath.Stat, content store.Digest, attributes bool, read time.Time) {
	before := read.Add(-c.young).UnixNano()
	if s.MTime > before || s.CTime > before || s.Size < 0 {
		return
	}
	d := c.device(s.Device)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.added = appendRecord(d.added, &s, attributes, content)
}

// device is a device, with what its file knows. Where that cannot be read, it knows nothing.
func (c *Cache) device(number uint64) *device {
	got, ok := c.devices.Load(number)
	if !ok {
		got, _ = c.devices.LoadOrStore(number, &device{number: number})
	}
	d, _ := got.(*device)
	d.load.Do(func() { d.known, d.file = c.read(number) })
	return d
}

func fileName(device uint64) string { return strconv.FormatUint(device, 16) }

// read reads the file of a device.
func (c *Cache) read(number uint64) (records, fs.FileInfo) {
	f, err := c.root.OpenFile(fileName(number), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	known, err := parse(f, number)
	if err != nil {
		return nil, nil
	}
	return known, info
}

// Save writes what was added. Each device's file is replaced as a whole, and stays as it is where
// nothing was.
func (c *Cache) Save() error {
	var errs []error
	c.devices.Range(func(_, value any) bool {
		if d, ok := value.(*device); ok {
			errs = append(errs, c.save(d))
		}
		return true
	})
	return errors.Join(errs...)
}

func (c *Cache) save(d *device) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.added) == 0 {
		return nil
	}
	// Another process may have saved what it knows since.
	if now, err := c.root.Lstat(fileName(d.number)); err == nil &&
		(d.file == nil || !os.SameFile(now, d.file)) {
		d.known, d.file = c.read(d.number)
	}
	all := merge(d.known, inOrder(d.added))
	d.added = nil
	if bytes.Equal(all, d.known) {
		return nil
	}
	return c.write(d.number, all)
}

// inOrder sorts records by inode; of several of one file the last is kept.
func inOrder(added records) records {
	order := make([]int, added.len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(added.inode(a), added.inode(b))
	})
	sorted := make(records, 0, len(added))
	for i, at := range order {
		if i+1 < len(order) && added.inode(order[i+1]) == added.inode(at) {
			continue
		}
		sorted = append(sorted, added.at(at)...)
	}
	return sorted
}

// write replaces the file of a device. Where another process does so at this moment, it is left to
// that one: what is lost is read again.
func (c *Cache) write(number uint64, all records) error {
	all = all[:min(len(all), mostRecords*recordSize)]
	name := fileName(number)
	f, err := c.root.OpenFile(name+beingWritten, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return fmt.Errorf("writing the cache: %w", err)
	}
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	if there, err := c.root.Lstat(name + beingWritten); err != nil || !os.SameFile(mine, there) {
		return nil // another process has just finished
	}
	if err = f.Truncate(0); err == nil {
		if _, err = f.Write(header(number, all)); err == nil {
			if _, err = f.Write(all); err == nil {
				err = c.root.Rename(name+beingWritten, name)
			}
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the cache: %w", err), c.root.Remove(name+beingWritten))
	}
	return nil
}

// Drop forgets all files whose content is not there any more, and returns how many those are. It is
// called while nobody adds to the store.
func (c *Cache) Drop(has func(store.Digest) bool) (int, error) {
	dir, err := c.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	dropped := 0
	for _, name := range names {
		number, err := strconv.ParseUint(name, 16, 64)
		if err != nil || fileName(number) != name {
			continue
		}
		known, file := c.read(number)
		if file == nil { // nobody would believe it
			if err := c.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return dropped, err
			}
			continue
		}
		kept := make(records, 0, len(known))
		for i := range known.len() {
			if has(known.digest(i)) {
				kept = append(kept, known.at(i)...)
			}
		}
		if len(kept) == len(known) {
			continue
		}
		if err := c.write(number, kept); err != nil {
			return dropped, err
		}
		dropped += known.len() - kept.len()
	}
	return dropped, nil
}
