//go:build linux

package statcache

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
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
	known  *known // nil where there is nothing

	mu    sync.Mutex
	added added
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
func (c *Cache) Close() error {
	errs := []error{c.each(func(d *device) error {
		d.known.close()
		d.added.clear()
		return nil
	})}
	return errors.Join(append(errs, c.root.Close())...)
}

// each calls a function with each device of which something was asked or added.
func (c *Cache) each(do func(*device) error) error {
	var errs []error
	c.devices.Range(func(_, value any) bool {
		if d, ok := value.(*device); ok {
			errs = append(errs, do(d))
		}
		return true
	})
	return errors.Join(errs...)
}

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
	d.added.add(c.root, &s, attributes, content)
}

// device is a device, with what its file knows. Where that cannot be read, it knows nothing.
func (c *Cache) device(number uint64) *device {
	got, ok := c.devices.Load(number)
	if !ok {
		got, _ = c.devices.LoadOrStore(number, &device{number: number})
	}
	d, _ := got.(*device)
	d.load.Do(func() { d.known = c.read(number) })
	return d
}

func fileName(device uint64) string { return strconv.FormatUint(device, 16) }

// read opens the file of a device; nil where there is none, or it is damaged.
func (c *Cache) read(number uint64) *known {
	f, err := c.root.OpenFile(fileName(number), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil
	}
	k, err := openKnown(f, number)
	if err != nil {
		f.Close()
		return nil
	}
	k.info = info
	return k
}

// Save writes what was added. Each device's file is replaced as a whole, and stays as it is where
// nothing was.
func (c *Cache) Save() error { return c.each(c.save) }

func (c *Cache) save(d *device) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.added.none() {
		return nil
	}
	defer d.added.clear()
	// Another process may have saved what it knows since.
	if now, err := c.root.Lstat(fileName(d.number)); err == nil &&
		(d.known == nil || !os.SameFile(now, d.known.info)) {
		d.known.close()
		d.known = c.read(d.number)
	}
	newer, err := d.added.inOrder()
	if err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	return c.write(d.number, merged(append([]*stream{d.known.all()}, newer...)), d.known)
}

// write replaces the file of a device by one of these records, unless they are what it has. Where
// another process does so at this moment, it is left to that one: what is lost is read again.
func (c *Cache) write(number uint64, all iter.Seq2[[]byte, error], now *known) error {
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
	same := false
	if err = f.Truncate(0); err == nil {
		if same, err = writeRecords(f, number, all, now); err == nil && !same {
			err = c.root.Rename(name+beingWritten, name)
		}
	}
	if err != nil {
		err = fmt.Errorf("writing the cache: %w", err)
	}
	if err != nil || same {
		return errors.Join(err, c.root.Remove(name+beingWritten))
	}
	return nil
}

// writeRecords writes a file, and reports whether it has nothing but what another has. Its header
// is the last that is written: so nobody believes the half of it.
func writeRecords(
	f *os.File, number uint64, all iter.Seq2[[]byte, error], now *known,
) (same bool, err error) {
	if _, err := f.Seek(headerSize, io.SeekStart); err != nil {
		return false, err
	}
	w := bufio.NewWriterSize(f, 1<<18)
	records, sum := int64(0), uint32(0)
	for r, err := range all {
		if err != nil {
			return false, err
		}
		if records == mostRecords {
			break
		}
		records++
		sum = crc32.Update(sum, castagnoli, r)
		if _, err := w.Write(r); err != nil {
			return false, err
		}
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	_, err = f.WriteAt(header(number, records, sum), 0)
	return now != nil && now.records == records && now.sum == sum, err
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
		n, err := c.dropFrom(number, has)
		if dropped += n; err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

func (c *Cache) dropFrom(number uint64, has func(store.Digest) bool) (int, error) {
	known := c.read(number)
	if known == nil { // nobody would believe it
		if err := c.root.Remove(fileName(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		return 0, nil
	}
	defer known.close()
	dropped := 0
	kept := func(yield func([]byte, error) bool) {
		for r, err := range merged([]*stream{known.all()}) {
			if err == nil && !has(records(r).digest(0)) {
				dropped++
			} else if !yield(r, err) {
				return
			}
		}
	}
	for _, err := range kept {
		if err != nil {
			return 0, err
		}
	}
	if dropped == 0 {
		return 0, nil
	}
	dropped = 0
	err := c.write(number, kept, known)
	return dropped, err
}
