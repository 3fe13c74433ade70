package copies

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Set is the files of a session, as they were before its agent started.
type Set struct {
	where Where
	files []file
}

type file struct {
	path   string
	inside int    // the directory of the session
	host   int    // the directory on the host
	digest digest // of the content at the start
	most   int64  // what is larger is not brought back; 0 for what its file system can hold
}

// digest is that of a content; the zero that of none: there was no file.
type digest [sha256.Size]byte

// Look looks at the copies and at the files that they are of. It takes over their directories. The
// directories of the host are opened now: whatever their paths mean in the end, what is brought
// back comes to where it was taken from.
func Look(files []File, where Where) (*Set, error) {
	s := &Set{where: where}
	for _, f := range files {
		inside, err := unix.FcntlInt(f.Dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			err = s.add(f, inside)
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("looking at %s: %w", f.Path, err)
		}
	}
	for _, f := range files {
		_ = f.Dir.Close()
	}
	return s, nil
}

func (s *Set) add(f File, inside int) error {
	s.files = append(s.files, file{path: f.Path, inside: inside, host: -1})
	to := &s.files[len(s.files)-1]
	var err error
	to.host, err = unix.Openat2(unix.AT_FDCWD, filepath.Dir(f.Path), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return err
	}
	var st unix.Stat_t
	err = unix.Fstatat(to.host, to.name(), &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err != nil:
		return err
	case st.Dev != f.Device || st.Ino != f.Inode:
		return errors.New("it is no longer what was copied")
	}
	copied, err := open(to.inside, to.name())
	if err != nil {
		return err
	}
	defer copied.Close()
	to.digest, err = to.digestOf(copied)
	return err
}

// Close gives up the directories.
func (s *Set) Close() {
	for _, f := range s.files {
		_ = unix.Close(f.inside)
		if f.host >= 0 {
			_ = unix.Close(f.host)
		}
	}
	s.files = nil
}

// Return brings all files back. Nothing inside may run any more.
func (s *Set) Return() []Outcome {
	outcomes := make([]Outcome, len(s.files))
	for i, f := range s.files {
		outcomes[i] = s.bringBack(f)
		outcomes[i].Path = f.path
	}
	return outcomes
}

func (s *Set) bringBack(f file) Outcome {
	copied, err := f.openInside()
	if err != nil {
		return Outcome{Result: Left, Why: "inside " + why(err)}
	}
	defer copied.Close()
	now, err := f.digestOf(copied)
	if err != nil {
		return Outcome{Result: Left, Why: "inside " + why(err)}
	}
	if now == f.digest || f.hostHas(now) {
		return Outcome{Result: Unchanged}
	}
	err = s.replace(f, copied)
	if err == nil {
		return Outcome{Result: Returned}
	}
	at, keepErr := s.keep(f, copied)
	if keepErr != nil {
		return Outcome{Result: Lost, Why: why(errors.Join(err, keepErr))}
	}
	return Outcome{Result: Kept, At: at, Why: why(err)}
}

// hostHas reports whether the host's file has this content already.
func (f file) hostHas(content digest) bool {
	host, err := open(f.host, f.name())
	if err != nil {
		return false
	}
	defer host.Close()
	now, err := f.digestOf(host)
	return err == nil && now == content
}

// errChanged is why a file of the host's stays as it is.
var errChanged = errors.New("it was changed outside meanwhile")

// replace puts the content in the place of the host's file in one step, if that is still what was
// copied. What two sessions bring back at the same time comes one after the other.
func (s *Set) replace(f file, copied *os.File) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	name := ".nono-" + strings.ToLower(rand.Text())
	if err := f.write(f.host, name, copied); err != nil {
		return err
	}
	if f.digest == (digest{}) {
		err = unix.Renameat2(f.host, name, f.host, f.name(), unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			err = errChanged
		}
	} else if err = f.likeHosts(name); err == nil {
		// The last look was right before: what has been changed up to now stays.
		err = unix.Renameat(f.host, name, f.host, f.name())
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(f.host, name, 0))
	}
	f.sync()
	return nil
}

// likeHosts gives a new file what the host's file has besides its content, if that is still what
// was copied.
func (f file) likeHosts(name string) error {
	old, err := open(f.host, f.name())
	if err != nil {
		return errChanged
	}
	defer old.Close()
	if now, err := f.digestOf(old); err != nil || now != f.digest {
		return errChanged
	}
	fresh, err := open(f.host, name)
	if err != nil {
		return err
	}
	defer fresh.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(old.Fd()), &st); err != nil {
		return err
	}
	attributes(int(old.Fd()), int(fresh.Fd()))
	// A group that the user is not in cannot be given, and the mode must not open the file to another.
	mode := st.Mode & 0o777
	if unix.Fchown(int(fresh.Fd()), -1, int(st.Gid)) != nil {
		mode &^= 0o070
	}
	return unix.Fchmod(int(fresh.Fd()), mode)
}

// attributes copies the extended attributes that may be copied.
func attributes(from, to int) {
	names := make([]byte, 16<<10)
	n, err := unix.Flistxattr(from, names)
	if err != nil {
		return
	}
	value := make([]byte, 64<<10)
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if n, err := unix.Fgetxattr(from, name, value); err == nil {
			_ = unix.Fsetxattr(to, name, value[:n], 0)
		}
	}
}

// keep writes the content beside the host's file or, where nothing can be written there, into
// nono's own directory.
func (s *Set) keep(f file, copied *os.File) (at string, err error) {
	name := s.where.besides(f.path)
	err = f.write(f.host, name, copied)
	if err == nil {
		return filepath.Join(filepath.Dir(f.path), name), nil
	}
	own, openErr := os.OpenFile(s.where.Runtime, unix.O_DIRECTORY, 0)
	if openErr != nil {
		return "", errors.Join(err, openErr)
	}
	defer own.Close()
	if ownErr := f.write(int(own.Fd()), name, copied); ownErr != nil {
		return "", errors.Join(err, ownErr)
	}
	return filepath.Join(s.where.Runtime, name), nil
}

// lock waits for other sessions of this user that bring something back.
func (s *Set) lock() (unlock func(), err error) {
	const flags = os.O_RDWR | os.O_CREATE | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(filepath.Join(s.where.Runtime, "copies.lock"), flags, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func (f file) name() string { return filepath.Base(f.path) }

// sync makes the renaming last. The file itself is synced when it is written.
func (f file) sync() {
	dir, err := unix.Openat(f.host, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Fsync(dir)
		_ = unix.Close(dir)
	}
}

// open opens a regular file in a directory. Anything else is an error, and is neither followed nor
// waited for.
func open(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS |
			unix.RESOLVE_NO_XDEV,
	})
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, errGone
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return nil, errOther
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errOther
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var (
	errGone  = errors.New("it was removed")
	errOther = errors.New("something else than a regular file stands in its place")
	errLarge = errors.New("it is larger than the directory that it is in can hold")
	errMost  = fmt.Errorf("it is larger than %d MiB", MostKept>>20)
)

// bounded refuses a file that is larger than a bound, or says to be larger than its file system:
// the holes of such a file would become bytes.
func bounded(f *os.File, most int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if most > 0 && info.Size() > most {
		return errMost
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return err
	}
	if uint64(info.Size()) > fs.Blocks*uint64(fs.Bsize) {
		return errLarge
	}
	return nil
}

// openInside opens the session's copy. Where there is a bound somebody inside may still be writing
// to it, and could make it grow for as long as it is read: what it has now is copied.
func (f file) openInside() (*os.File, error) {
	copied, err := open(f.inside, f.name())
	if err != nil {
		return nil, err
	}
	if err := bounded(copied, f.most); err != nil {
		return nil, errors.Join(err, copied.Close())
	}
	if f.most == 0 {
		return copied, nil
	}
	defer copied.Close()
	fd, err := unix.MemfdCreate(f.name(), unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(f.name(), unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	still := os.NewFile(uintptr(fd), f.name())
	if err := f.copy(still, copied); err != nil {
		return nil, errors.Join(err, still.Close())
	}
	return still, nil
}

// copy copies a content from its beginning, and fails where that is more than the bound.
func (f file) copy(to io.Writer, from *os.File) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if f.most == 0 {
		_, err := io.Copy(to, from)
		return err
	}
	n, err := io.Copy(to, io.LimitReader(from, f.most+1))
	if err == nil && n > f.most {
		err = errMost
	}
	return err
}

func (f file) digestOf(content *os.File) (digest, error) {
	h := sha256.New()
	if err := f.copy(h, content); err != nil {
		return digest{}, err
	}
	return digest(h.Sum(nil)), nil
}

// write makes a new file with a content, and makes it last. Where that fails, there is none.
func (f file) write(dir int, name string, content *os.File) error {
	return f.put(dir, name, content, (*os.File).Sync)
}

// put makes a new file with a content, with something to do to it at the end.
func (f file) put(dir int, name string, content *os.File, last func(*os.File) error) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, 0o600)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), name)
	err = f.copy(to, content)
	if err == nil {
		err = last(to)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, unix.Unlinkat(dir, name, 0))
	}
	return nil
}

// why is an error without what was being done, for a sentence that says that.
func why(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}
