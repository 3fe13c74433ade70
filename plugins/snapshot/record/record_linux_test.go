package record_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/exclude"
	"github.com/nono-run/nono/plugins/snapshot/record"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// place is a tree to record, and a store beside it.
type place struct {
	t     *testing.T
	tree  string
	store *store.Store
	cache memory
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, tree: filepath.Join(dir, "tree"), cache: memory{known: map[beneath.Stat]kept{}}}
	p.dir("")
	s, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p.store = s
	return p
}

func (p *place) path(rel string) string { return filepath.Join(p.tree, rel) }

func (p *place) dir(rel string) {
	p.t.Helper()
	if err := os.MkdirAll(p.path(rel), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) file(rel, text string) {
	p.t.Helper()
	p.dir(filepath.Dir(rel))
	if err := os.WriteFile(p.path(rel), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// recorded is what a recording gave.
type recorded struct {
	record.Result
	manifest []byte
	dirs     map[string]tree.Directory
	entries  map[string]tree.Entry
}

// record records the tree, with what a test changes of the request.
func (p *place) record(change func(*record.Request)) recorded {
	p.t.Helper()
	r, err := p.try(p.t.Context(), change)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *place) try(ctx context.Context, change func(*record.Request)) (recorded, error) {
	pack, err := p.store.NewPack()
	if err != nil {
		return recorded{}, err
	}
	defer func() { _ = pack.Discard() }()
	var manifest bytes.Buffer
	q := record.Request{
		Root: p.tree, Store: p.store, Pack: pack, Cache: &p.cache, Manifest: &manifest,
	}
	if change != nil {
		change(&q)
	}
	r := recorded{dirs: map[string]tree.Directory{}, entries: map[string]tree.Entry{}}
	if r.Result, err = record.Record(ctx, q); err != nil {
		return recorded{}, err
	}
	if err := pack.Seal(false); err != nil {
		return recorded{}, err
	}
	r.manifest = manifest.Bytes()
	reader, err := tree.NewReader(&manifest)
	if err != nil {
		return recorded{}, err
	}
	for {
		d, err := reader.NextDirectory()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return recorded{}, err
		}
		r.dirs[d.Path] = *d
		for {
			e, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return recorded{}, err
			}
			r.entries[tree.Join(d.Path, e.Name)] = *e
		}
	}
}

// content is what the store has of a file.
func (p *place) content(d store.Digest) string {
	p.t.Helper()
	from, err := p.store.Open(d)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := io.ReadAll(from)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// has reports whether the store has a content.
func (p *place) has(text string) bool { return p.store.Has(sha256.Sum256([]byte(text))) }

// memory is a cache that forgets nothing.
type memory struct {
	mu    sync.Mutex
	known map[beneath.Stat]kept
}

type kept struct {
	content    store.Digest
	attributes bool
}

func (m *memory) Lookup(s beneath.Stat) (store.Digest, bool, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.known[s]
	return k.content, k.attributes, ok
}

func (m *memory) Add(s beneath.Stat, content store.Digest, attributes bool, _ time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[s] = kept{content, attributes}
}

func TestEverythingThatHasANameIsRecorded(t *testing.T) {
	p := newPlace(t)
	big := strings.Repeat("0123456789abcdef", 40<<10)
	files := map[string]string{
		"file": "text", "empty": "", "big": big, "dir/in it": "more", "\xff\n": "bytes",
		"dir/other": "text", ".hidden/x": "y",
	}
	for rel, text := range files {
		p.file(rel, text)
	}
	p.dir("nothing/in")
	when := time.Unix(1_000_000_000, 123_456_789)
	if err := errors.Join(
		os.Symlink("/etc/passwd", p.path("link")),
		os.Symlink("nowhere\xff", p.path("dir/dangling")),
		os.Link(p.path("file"), p.path("dir/same")),
		unix.Mkfifo(p.path("pipe"), 0o600),
		os.Chmod(p.path("file"), 0o4751), os.Chmod(p.path("dir"), 0o1700),
		os.Chtimes(p.path("file"), when, when), os.Chtimes(p.path("nothing"), when, when),
		unix.Lsetxattr(p.path("file"), "user.a", []byte("b"), 0),
		unix.Lsetxattr(p.path("dir"), "user.of-dir", []byte("d"), 0),
	); err != nil {
		t.Fatal(err)
	}
	files["dir/same"] = "text"
	r := p.record(nil)

	var paths []string
	err := filepath.WalkDir(p.tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == p.tree {
			return err
		}
		rel := strings.TrimPrefix(path, p.tree+"/")
		paths = append(paths, rel)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		e := r.entries[rel]
		want := e
		want.Name, want.Mode, want.UID, want.GID = d.Name(), st.Mode, st.Uid, st.Gid
		want.Links, want.Device, want.Inode = uint32(st.Nlink), st.Dev, st.Ino
		want.Size, want.MTime, want.CTime = st.Size, st.Mtim.Nano(), st.Ctim.Nano()
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("%q: %s", rel, diff)
		}
		_, isDir := r.dirs[rel]
		if isDir != d.IsDir() || isDir != (e.Type == tree.Dir) {
			t.Errorf("%q is a %v, and has a directory: %v", rel, e.Type, isDir)
		}
		text, isFile := files[rel]
		if isFile != (e.Type == tree.File) || isFile && p.content(e.Content) != text {
			t.Errorf("%q is a %v, of the content %s", rel, e.Type, e.Content)
		}
		return nil
	})
	if err != nil || len(paths) != len(r.entries) || int64(len(paths)) != r.Entries {
		t.Errorf("%v: %d paths; recorded %d: %+v", err, len(paths), len(r.entries), r.Result)
	}
	for rel, target := range map[string]string{"link": "/etc/passwd", "dir/dangling": "nowhere\xff"} {
		if e := r.entries[rel]; e.Type != tree.Link || e.Target != target {
			t.Errorf("%s: %+v", rel, e)
		}
	}
	if e := r.entries["pipe"]; e.Type != tree.Special {
		t.Errorf("the pipe: %+v", e)
	}
	for name, d := range map[string]tree.Digest{
		"user.a": r.entries["file"].Xattrs, "user.of-dir": r.dirs["dir"].Xattrs,
	} {
		got, err := tree.DecodeXattrs([]byte(p.content(d)))
		if err != nil || len(got) != 1 || got[0].Name != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if r.entries["dir/same"].Xattrs != r.entries["file"].Xattrs {
		t.Error("two names of a file have different attributes")
	}
	if int(r.Files) != len(files) || r.Unreadable != 0 || r.Denied != 0 || r.Excluded != 0 {
		t.Errorf("%+v", r.Result)
	}
}

func TestATreeThatDidNotChangeIsNotRead(t *testing.T) {
	p := newPlace(t)
	for i := range 50 {
		p.file(fmt.Sprintf("d%d/f%d", i%7, i), fmt.Sprint("text ", i))
	}
	first := p.record(nil)
	if first.Read != 50 {
		t.Errorf("the first time %d files were read", first.Read)
	}
	second := p.record(nil)
	if second.Read != 0 || !bytes.Equal(first.manifest, second.manifest) {
		t.Errorf("read %d; the same manifest: %v", second.Read,
			bytes.Equal(first.manifest, second.manifest))
	}
	p.file("d3/f3", "other")
	third := p.record(nil)
	if third.Read != 1 || p.content(third.entries["d3/f3"].Content) != "other" {
		t.Errorf("one was changed: read %d, %+v", third.Read, third.entries["d3/f3"])
	}
}

// Some of a job's files are in memory, and the others are not.
func TestFilesThatAreNotInMemory(t *testing.T) {
	p := newPlace(t)
	want := map[string]string{}
	for i := range 100 {
		name := fmt.Sprintf("dir%d/file%d", i/30, i)
		want[name] = strings.Repeat(fmt.Sprintf("content %d\n", i), 1+i*i*5)
		p.file(name, want[name])
		if i%3 == 0 {
			continue
		}
		f, err := os.Open(p.path(name))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
		if err != nil {
			t.Fatal(err)
		}
	}
	r := p.record(nil)
	for name, text := range want {
		if e := r.entries[name]; e.Type != tree.File || p.content(e.Content) != text {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if r.Read != int64(len(want)) {
		t.Errorf("%d files were read", r.Read)
	}
}

// The cache may know of what the store has lost.
func TestWhatTheStoreHasLostIsReadAgain(t *testing.T) {
	p := newPlace(t)
	p.file("a", "text")
	p.record(nil)
	other := newPlace(t)
	other.tree = p.tree
	for s, k := range p.cache.known {
		other.cache.known[s] = k
	}
	if r := other.record(nil); r.Read != 1 || !other.has("text") {
		t.Errorf("read %d", r.Read)
	}
}

func TestAttributesThatChange(t *testing.T) {
	p := newPlace(t)
	p.file("a", "text")
	set := func(name, value string) {
		if err := unix.Lsetxattr(p.path("a"), name, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	none := p.record(nil).entries["a"].Xattrs
	set("user.a", "1")
	one := p.record(nil).entries["a"].Xattrs
	set("user.a", "2")
	two := p.record(nil).entries["a"].Xattrs
	unchanged := p.record(nil)
	if none != (tree.Digest{}) || one == none || one == two {
		t.Errorf("%x, %x, %x", none, one, two)
	}
	if unchanged.entries["a"].Xattrs != two || unchanged.Read != 0 {
		t.Errorf("%+v, read %d", unchanged.entries["a"], unchanged.Read)
	}
}

// secret is what no pack may hold.
func secret() string { return rand.Text() }

func TestALinkToASecret(t *testing.T) {
	p := newPlace(t)
	key := secret()
	outside := filepath.Join(t.TempDir(), "id_rsa")
	if err := os.WriteFile(outside, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	p.dir("d")
	if err := errors.Join(
		os.Symlink(outside, p.path("link")), os.Symlink(filepath.Dir(outside), p.path("d/dir")),
	); err != nil {
		t.Fatal(err)
	}
	p.record(nil)
	if p.has(key) {
		t.Error("the secret is in the store")
	}
	p.file("copy", key)
	if p.record(nil); !p.has(key) {
		t.Error("this test would not see it there")
	}
}

func TestWhatIsDeniedIsNotRecorded(t *testing.T) {
	p := newPlace(t)
	key, inDir := secret(), secret()
	p.file(".env", key)
	p.file("keys/a/b", inDir)
	p.file("fine", "text")
	denied := func(rel string) bool { return rel == ".env" || rel == "keys" }
	r := p.record(func(q *record.Request) { q.Denied = denied })
	if p.has(key) || p.has(inDir) || bytes.Contains(r.manifest, []byte("keys")) ||
		bytes.Contains(r.manifest, []byte(".env")) || r.Denied != 2 || r.Entries != 1 {
		t.Errorf("it is recorded: %v", r.entries)
	}
	if p.record(nil); !p.has(key) || !p.has(inDir) {
		t.Error("this test would not see it")
	}
}

func TestWhatIsExcludedHasNoContent(t *testing.T) {
	p := newPlace(t)
	inModules, inGit := secret(), secret()
	p.file("a/node_modules/x/y.js", inModules)
	p.file("a/x.pyc", inModules)
	p.file(".git/node_modules/refs/x.pyc", inGit)
	p.file("src", "text")
	patterns, err := exclude.New([]string{"node_modules/", "*.pyc"})
	if err != nil {
		t.Fatal(err)
	}
	r := p.record(func(q *record.Request) { q.Exclude = patterns })
	for rel, want := range map[string]tree.Entry{
		"a/node_modules":               {Type: tree.Dir, Excluded: true},
		"a/node_modules/x":             {Type: tree.Dir, Excluded: true},
		"a/node_modules/x/y.js":        {Type: tree.File, Excluded: true},
		"a/x.pyc":                      {Type: tree.File, Excluded: true},
		"a":                            {Type: tree.Dir},
		".git/node_modules":            {Type: tree.Dir},
		".git/node_modules/refs/x.pyc": {Type: tree.File},
	} {
		if e := r.entries[rel]; e.Type != want.Type || e.Excluded != want.Excluded || e.CTime == 0 {
			t.Errorf("%s: %+v", rel, e)
		}
	}
	if r.Excluded != 2 || p.has(inModules) || !p.has(inGit) {
		t.Errorf("%+v", r.Result)
	}
	if p.record(nil); !p.has(inModules) {
		t.Error("this test would not see it in the store")
	}
}

func TestGitDirectories(t *testing.T) {
	p := newPlace(t)
	for _, rel := range []string{
		".git/HEAD", ".git/objects/x", ".git/modules/sub/HEAD", "vendor/lib/.git/config",
		"bare.git/HEAD", "bare.git/objects/x", "bare.git/refs/x", "none/HEAD", "none/objects/x",
		"file/HEAD", "file/objects/x", "file/refs", "HEAD", "objects/x", "refs/x",
		"project/HEAD", "project/objects/x", "project/refs/x", "project/.git/HEAD", "node_modules/dep/.git/HEAD",
	} {
		p.file(rel, "text")
	}
	p.file("worktree/.git", "gitdir: ../.git/worktrees/w")
	patterns, err := exclude.New([]string{"node_modules/"})
	if err != nil {
		t.Fatal(err)
	}
	r := p.record(func(q *record.Request) { q.Exclude = patterns })
	var git []string
	for path, d := range r.dirs {
		if d.Git {
			git = append(git, path)
		}
	}
	slices.Sort(git)
	if want := []string{".git", "bare.git", "project/.git", "vendor/lib/.git"}; !slices.Equal(git, want) {
		t.Errorf("%q, want %q", git, want)
	}
}

func TestOurOwnDirectories(t *testing.T) {
	p := newPlace(t)
	p.file("state/nono/store/x", "text")
	p.file("state/other", "text")
	var st unix.Stat_t
	if err := unix.Stat(p.path("state/nono"), &st); err != nil {
		t.Fatal(err)
	}
	ours := func(q *record.Request) {
		q.Own = []record.Identity{{Device: st.Dev, Inode: st.Ino}}
	}
	r := p.record(ours)
	if _, ok := r.entries["state/nono"]; ok || len(r.entries) != 2 {
		t.Errorf("%v", r.entries)
	}
	p.tree = p.path("state/nono")
	if _, err := p.try(t.Context(), ours); err == nil {
		t.Error("our own directory was recorded")
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	p := newPlace(t)
	p.file("leased", "text")
	p.file("fine", "text")
	// Whoever opens it for reading waits until its holder has let it go; nobody does that here.
	lease, err := unix.Open(p.path("leased"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(lease)
	if _, err := unix.FcntlInt(uintptr(lease), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // root reads what it likes
		p.file("closed/x", "text")
		p.file("mode", "text")
		if err := errors.Join(
			os.Chmod(p.path("mode"), 0o200), os.Chmod(p.path("closed"), 0o300),
		); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(p.path("closed"), 0o700) }()
	}
	r := p.record(nil)
	want := []record.Example{{Path: "leased", Why: unix.EAGAIN.Error()}}
	if os.Geteuid() != 0 {
		denied := unix.EACCES.Error()
		want = append(want, record.Example{Path: "mode", Why: denied},
			record.Example{Path: "closed", Why: denied})
		if d := r.dirs["closed"]; d.Why != denied {
			t.Errorf("closed: %+v", d)
		}
	}
	if diff := cmp.Diff(want, r.Examples); diff != "" || int(r.Unreadable) != len(want) {
		t.Errorf("%d: %s", r.Unreadable, diff)
	}
	if e := r.entries["leased"]; e.Type != tree.Unreadable || e.Size != 4 || e.Inode == 0 {
		t.Errorf("%+v", e)
	}
	if r.entries["fine"].Type != tree.File {
		t.Error("what can be read was not")
	}
}

func TestAFileThatKeepsChanging(t *testing.T) {
	p := newPlace(t)
	p.file("log", strings.Repeat("takes a while to read\n", 1<<20))
	log, err := os.OpenFile(p.path("log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := log.WriteString("x"); err != nil {
				stopped <- err
				return
			}
		}
	}()
	// Should the writer not have come to run while the file was read, it was not changing.
	var e tree.Entry
	for i := 0; i < 50 && e.Type != tree.Unreadable; i++ {
		e = p.record(nil).entries["log"]
		if e.Type == tree.File && int64(len(p.content(e.Content))) != e.Size {
			t.Errorf("recorded with a content of another size: %+v", e)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if e.Type != tree.Unreadable || !strings.Contains(e.Why, "changing") {
		t.Errorf("%+v", e)
	}
	if e := p.record(nil).entries["log"]; e.Type != tree.File {
		t.Errorf("when it no longer changes: %+v", e)
	}
}

func TestAMountIsListedAndNotEntered(t *testing.T) {
	p := newPlace(t)
	p.tree = "/"
	r := p.record(func(q *record.Request) {
		q.Denied = func(rel string) bool { return rel != "proc" && !strings.HasPrefix(rel, "proc/") }
	})
	if e := r.entries["proc"]; e.Type != tree.Unreadable || len(r.entries) != 1 {
		t.Errorf("%v", r.entries)
	}
}

// A directory with very many names is recorded in parts, and comes out as one.
func TestADirectoryWithVeryManyNames(t *testing.T) {
	p := newPlace(t)
	const many = 5000
	for i := range many {
		name := fmt.Sprintf("many/%05d", i)
		if i%100 == 0 {
			p.file(name+"/x", "text")
		} else {
			p.file(name, name)
		}
	}
	p.file("many2", "text")
	r := p.record(nil)
	if len(r.entries) != 2+many+many/100 || r.Read != 1+many {
		t.Errorf("%+v", r.Result)
	}
	if again := p.record(nil); !bytes.Equal(again.manifest, r.manifest) || again.Read != 0 {
		t.Errorf("the same tree gave another manifest: %+v", again.Result)
	}
}

// However the walkers share a tree of any shape, all of it is written, in the order that the reader
// insists on.
func TestTreesOfAnyShape(t *testing.T) {
	for seed := range uint64(4) {
		random := mathrand.New(mathrand.NewPCG(seed, 1))
		p := newPlace(t)
		dirs := []string{""}
		for i := range 300 {
			rel := filepath.Join(dirs[random.IntN(len(dirs))], fmt.Sprintf("%c%d", "a-.b"[i%4], i))
			if random.IntN(2) == 0 {
				p.dir(rel)
				dirs = append(dirs, rel)
			} else {
				p.file(rel, rel)
			}
		}
		r := p.record(nil)
		if len(r.entries) != 300 || len(r.dirs) != len(dirs) {
			t.Errorf("seed %d: %d entries, %d of %d directories", seed,
				len(r.entries), len(r.dirs), len(dirs))
		}
	}
}

// A path may be longer than the kernel takes at once, and than we take at all.
func TestADeepTree(t *testing.T) {
	p := newPlace(t)
	at, err := beneath.Open(p.tree)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 250)
	for range beneath.MaxPath/251 + 5 {
		if err := unix.Mkdirat(at.Fd(), name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := at.Dir(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = at.Close()
		at = next
	}
	_ = at.Close()
	r := p.record(nil)
	if len(r.dirs) < beneath.MaxPath/251 || r.Unreadable != 1 || !strings.Contains(r.Examples[0].Why, "long") {
		t.Errorf("%d directories; %d unreadable", len(r.dirs), r.Unreadable)
	}
}

func TestWhatIsGivenUp(t *testing.T) {
	p := newPlace(t)
	for i := range 500 {
		p.file(fmt.Sprintf("d%d/e%d/f", i%20, i), fmt.Sprint(i))
	}
	before := descriptors(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	_, err := p.try(ctx, func(q *record.Request) {
		q.Denied = func(rel string) bool {
			if strings.HasPrefix(rel, "d7/") {
				cancel(enough)
			}
			return false
		}
	})
	if !errors.Is(err, enough) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := p.try(t.Context(), func(q *record.Request) {
		if err := q.Pack.Discard(); err != nil {
			t.Error(err)
		}
	}); err == nil {
		t.Error("a pack that takes nothing made no error")
	}
	broken := errors.New("no space")
	if _, err := p.try(t.Context(), func(q *record.Request) {
		q.Manifest = writerFunc(func([]byte) (int, error) { return 0, broken })
	}); !errors.Is(err, broken) {
		t.Errorf("a manifest that cannot be written: %v", err)
	}
	if err := os.RemoveAll(p.tree); err != nil {
		t.Fatal(err)
	}
	if _, err := p.try(t.Context(), nil); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no root: %v", err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were left open", after-before)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
