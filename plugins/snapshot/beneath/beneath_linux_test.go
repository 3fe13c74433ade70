package beneath_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
)

// place makes a tree with a file, beside a secret that lies outside of it.
func place(t *testing.T) (root *beneath.Dir, tree, secret string) {
	t.Helper()
	dir := t.TempDir()
	tree, secret = filepath.Join(dir, "tree"), filepath.Join(dir, "outside", "key")
	for _, d := range []string{filepath.Join(tree, "sub"), filepath.Dir(secret)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(tree, "sub", "key"), "harmless")
	write(t, secret, "secret")
	root, err := beneath.Open(tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, tree, secret
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read opens a file by a path beneath, directory by directory as it is always done.
func read(root *beneath.Dir, rel string) (string, error) {
	dir, err := root.Dir(strings.TrimPrefix(filepath.Dir(rel), "."))
	if err != nil {
		return "", err
	}
	defer func() { _ = dir.Close() }()
	file, _, err := dir.File(filepath.Base(rel))
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(file)
	return string(text), err
}

func TestAFileBeneathIsRead(t *testing.T) {
	root, _, _ := place(t)
	if text, err := read(root, "sub/key"); err != nil || text != "harmless" {
		t.Errorf("%q, %v", text, err)
	}
}

// Each of these leads to the secret for a program that hands the kernel a path.
// What is not in memory is not waited for, and then read as it is.
func TestAFileThatIsNotInMemory(t *testing.T) {
	root, tree, _ := place(t)
	text := strings.Repeat("on the disk ", 20_000)
	write(t, filepath.Join(tree, "cold"), text)
	f, err := os.Open(filepath.Join(tree, "cold"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	// A tmpfs keeps it; elsewhere it is gone from memory.
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	file, s, err := root.File("cold")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := make([]byte, s.Size)
	n, waited := 0, false
	for n < len(got) {
		more, err := file.ReadCached(got[n:])
		if errors.Is(err, beneath.ErrNotCached) {
			waited = true
			file.Prefetch(s.Size)
			more, err = file.Read(got[n:])
		}
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	if string(got) != text {
		t.Error("it was read as something else")
	}
	if n, err := file.ReadCached(got); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type == unix.EXT4_SUPER_MAGIC && !waited {
		t.Error("it was in memory")
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	for name, plant := range map[string]func(tree, secret string) error{
		"a file that is a link": func(tree, secret string) error {
			return errors.Join(os.Mkdir(tree+"/a", 0o700), os.Symlink(secret, tree+"/a/key"))
		},
		"a relative one": func(tree, _ string) error {
			return errors.Join(
				os.Mkdir(tree+"/a", 0o700), os.Symlink("../../outside/key", tree+"/a/key"))
		},
		"a directory that is a link": func(tree, secret string) error {
			return os.Symlink(filepath.Dir(secret), tree+"/a")
		},
		"a link through /proc": func(tree, secret string) error {
			dir, err := unix.Open(filepath.Dir(secret), unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			return os.Symlink(filepath.Join("/proc/self/fd", strconv.Itoa(dir)), tree+"/a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, tree, secret := place(t)
			if err := plant(tree, secret); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(tree, "a", "key")
			if text, err := os.ReadFile(path); err != nil || string(text) != "secret" {
				t.Fatalf("the attack does not work: %q, %v", text, err)
			}
			if text, err := read(root, "a/key"); err == nil {
				t.Errorf("%q was read", text)
			}
		})
	}
}

// A directory is exchanged with a link to one outside, again and again, while it is read.
func TestADirectoryThatIsSwappedForALink(t *testing.T) {
	root, tree, secret := place(t)
	if err := os.Symlink(filepath.Dir(secret), tree+"/link"); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			err := unix.Renameat2(root.Fd(), "sub", root.Fd(), "link", unix.RENAME_EXCHANGE)
			if err != nil {
				stopped <- err
				return
			}
		}
	}()
	var fooled, held int
	for i := 0; i < 100_000 && (fooled < 20 || held < 20); i++ {
		if text, _ := os.ReadFile(tree + "/sub/key"); string(text) == "secret" {
			fooled++
		}
		text, err := read(root, "sub/key")
		if text == "secret" {
			t.Fatal("the secret was read")
		}
		if err == nil {
			held++
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if fooled == 0 || held == 0 {
		t.Errorf("read the secret %d times by its path, the file %d times", fooled, held)
	}
}

func TestNothingIsReachedByAName(t *testing.T) {
	root, tree, secret := place(t)
	if err := os.Symlink(secret, tree+"/link"); err != nil {
		t.Fatal(err)
	}
	sub, err := root.Dir("sub")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for _, name := range []string{
		"", ".", "..", "../sub/key", "../../outside/key", secret, "x/../key", "/", "key/",
	} {
		if s, err := sub.Stat(name); err == nil {
			t.Errorf("looked at %q: %+v", name, s)
		}
		if _, _, err := sub.File(name); err == nil {
			t.Errorf("opened %q", name)
		}
		if _, err := sub.Readlink(name); err == nil {
			t.Errorf("read the link %q", name)
		}
	}
	for _, rel := range []string{"..", "../outside", "/", filepath.Dir(secret), "sub/../.."} {
		if dir, err := root.Dir(rel); err == nil {
			t.Errorf("opened %q", rel)
			_ = dir.Close()
		}
	}
	if target, err := root.Readlink("link"); err != nil || target != secret {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestARootThatIsALink(t *testing.T) {
	_, tree, _ := place(t)
	if err := os.Symlink(tree, tree+"2"); err != nil {
		t.Fatal(err)
	}
	if dir, err := beneath.Open(tree + "2"); err == nil {
		_ = dir.Close()
		t.Error("it was opened")
	}
}

func TestAMountIsNotEntered(t *testing.T) {
	root, err := beneath.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if s, err := root.Stat("proc"); err != nil || !s.Mount {
		t.Errorf("/proc: %+v, %v", s, err)
	}
	if dir, err := root.Dir("proc"); !errors.Is(err, unix.EXDEV) {
		t.Errorf("/proc: %v, %v", dir, err)
	}
	if s, err := root.Stat("usr"); err != nil || s.Type() != unix.S_IFDIR {
		t.Errorf("/usr: %+v, %v", s, err)
	}
}

// Who opens a pipe waits for its other end, unless told not to.
func TestAPipeHangsNobody(t *testing.T) {
	root, tree, _ := place(t)
	if err := unix.Mkfifo(tree+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() {
		fd, err := unix.Open(tree+"/pipe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd)
		waited <- err
	}()
	if _, _, err := root.File("pipe"); !errors.Is(err, beneath.ErrNotRegular) {
		t.Errorf("the pipe: %v", err)
	}
	select {
	case err := <-waited:
		t.Errorf("opening a pipe did not wait: %v", err)
	default:
	}
	end, err := unix.Open(tree+"/pipe", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	_ = unix.Close(end)
	if _, _, err := root.File("sub"); !errors.Is(err, beneath.ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
}

func TestNamesOfAnyBytesInOrder(t *testing.T) {
	root, tree, _ := place(t)
	want := []string{
		"\x01", " ", "-rf", ".x", "A\nB", "a", "a-b", "sub", "\x7f", "\xc3\xa4", "\xff\xfe",
		strings.Repeat("n", 255),
	}
	for _, name := range want {
		if name != "sub" {
			write(t, tree+"/"+name, name)
		}
	}
	slices.Sort(want)
	names, err := root.List()
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range want {
		if name == "sub" {
			continue
		}
		if text, err := read(root, name); err != nil || text != name {
			t.Errorf("%q: %q, %v", name, text, err)
		}
	}
}

func TestAPathThatTheKernelTakesInParts(t *testing.T) {
	root, _, _ := place(t)
	const depth = 80
	part := strings.Repeat("d", 100)
	at := root
	for range depth {
		if err := unix.Mkdirat(at.Fd(), part, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := at.Dir(part)
		if err != nil {
			t.Fatal(err)
		}
		if at != root {
			_ = at.Close()
		}
		at = next
	}
	defer func() { _ = at.Close() }()
	rel := strings.TrimSuffix(strings.Repeat(part+"/", depth), "/")
	if err := unix.Mkdirat(root.Fd(), rel, 0o700); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Fatalf("the kernel takes a path of %d bytes: %v", len(rel), err)
	}
	dir, err := root.Dir(rel)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	got, err := dir.Self()
	want, werr := at.Self()
	if err != nil || werr != nil || got.Inode != want.Inode {
		t.Errorf("%+v, %v; want %+v, %v", got, err, want, werr)
	}
	if dir, err := root.Dir(strings.Repeat("x", beneath.MaxPath+1)); err == nil {
		_ = dir.Close()
		t.Error("a path without an end was opened")
	}
}

func TestStatTellsWhatTheKernelSays(t *testing.T) {
	root, tree, _ := place(t)
	path := tree + "/sub/key"
	if err := errors.Join(os.Link(path, tree+"/other"), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	var want unix.Stat_t
	if err := unix.Lstat(path, &want); err != nil {
		t.Fatal(err)
	}
	got, err := root.Stat("other")
	if err != nil {
		t.Fatal(err)
	}
	if got != (beneath.Stat{
		Mode: unix.S_IFREG | 0o640, UID: want.Uid, GID: want.Gid, Links: 2,
		Device: want.Dev, Inode: want.Ino, Size: int64(len("harmless")),
		MTime: want.Mtim.Nano(), CTime: want.Ctim.Nano(),
	}) {
		t.Errorf("%+v", got)
	}
}

func TestXattrs(t *testing.T) {
	root, tree, _ := place(t)
	for path, values := range map[string][]string{
		tree + "/sub/key": {"user.b", "user.a"}, tree: {"user.dir"},
	} {
		for _, name := range values {
			err := unix.Lsetxattr(path, name, []byte("of "+name), 0)
			if errors.Is(err, unix.ENOTSUP) {
				t.Skipf("the file system of %s has no attributes of users", tree)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	dir, err := root.Dir("sub")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	file, _, err := dir.File("key")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	same := func(a, b beneath.Xattr) bool {
		return a.Name == b.Name && string(a.Value) == string(b.Value)
	}
	for _, test := range []struct {
		of   string
		read func() ([]beneath.Xattr, error)
		want []beneath.Xattr
	}{
		{"a file", file.Xattrs, []beneath.Xattr{
			{Name: "user.a", Value: []byte("of user.a")},
			{Name: "user.b", Value: []byte("of user.b")},
		}},
		{"a directory", root.Xattrs, []beneath.Xattr{
			{Name: "user.dir", Value: []byte("of user.dir")},
		}},
		{"one that has none", dir.Xattrs, nil},
	} {
		if got, err := test.read(); err != nil || !slices.EqualFunc(got, test.want, same) {
			t.Errorf("%s: %q, %v", test.of, got, err)
		}
	}
}
