package index_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/git/index"
)

// repository is one that git itself makes.
type repository struct {
	tb  testing.TB
	dir string
}

func newRepository(tb testing.TB, args ...string) repository {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("there is no git")
	}
	r := repository{tb, tb.TempDir()}
	r.git(append([]string{"init", "-q"}, args...)...)
	return r
}

func (r repository) git(args ...string) string { return r.gitReading("", args...) }

func (r repository) gitReading(stdin string, args ...string) string {
	r.tb.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(stdin)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@example.com",
		"GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@example.com",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.tb.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// enter puts entries into the index without files for them: "MODE NAME" each.
func (r repository) enter(hash int, entries ...string) {
	r.tb.Helper()
	var b strings.Builder
	for _, e := range entries {
		mode, name, _ := strings.Cut(e, " ")
		fmt.Fprintf(&b, "%s %s\t%s\n", mode, strings.Repeat("1", 2*hash), name)
	}
	r.gitReading(b.String(), "update-index", "--index-info")
}

// read is what the package makes of the repository's index.
func (r repository) read(hash int) (*index.Index, error) {
	r.tb.Helper()
	x, err := load(filepath.Join(r.dir, ".git/index"), hash)
	if err != nil || x.Shared == "" {
		return x, err
	}
	content, err := os.ReadFile(filepath.Join(r.dir, ".git/sharedindex."+x.Shared))
	if err != nil {
		return nil, err
	}
	return x, x.ReadShared(bytes.NewReader(content), int64(len(content)), hash)
}

func load(file string, hash int) (*index.Index, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &index.Index{}, nil
	}
	if err != nil {
		return nil, err
	}
	return index.Read(bytes.NewReader(content), int64(len(content)), hash)
}

// links is what git says.
func (r repository) links() []string {
	var links []string
	for line := range strings.Lines(r.git("ls-files", "-s", "--full-name")) {
		about, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(about, "160000 ") {
			links = append(links, name)
		}
	}
	return links
}

func many(n int) []string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf("100644 d%02d/file%05d", i%50, i)
	}
	return entries
}

// Whatever git writes is read as git reads it.
func TestLinks(t *testing.T) {
	long := "160000 " + strings.Repeat("long/", 900) + "x" // its length does not fit into the flags
	few := []string{"100644 a", "160000 lib", "120000 link", "160000 vendor/lib", "100755 z"}
	for _, tt := range []struct {
		name string
		hash int
		make func(t *testing.T) repository
	}{
		{"none", index.SHA1, func(t *testing.T) repository { return newRepository(t) }},
		{"version 2", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.enter(index.SHA1, few...)
			return r
		}},
		{"version 3", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.enter(index.SHA1, few...)
			r.git("update-index", "--skip-worktree", "a", "lib")
			return r
		}},
		{"version 4", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.git("update-index", "--index-version", "4")
			r.enter(index.SHA1, append(many(300), few...)...)
			return r
		}},
		{"a long name", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.enter(index.SHA1, append([]string{long}, few...)...)
			return r
		}},
		{"a long name, version 4", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.git("update-index", "--index-version", "4")
			r.enter(index.SHA1, append([]string{long, long + "y"}, few...)...)
			return r
		}},
		{"SHA-256", index.SHA256, func(t *testing.T) repository {
			r := newRepository(t, "--object-format=sha256")
			r.enter(index.SHA256, few...)
			return r
		}},
		{"large, with blocks", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.git("config", "index.threads", "4")
			r.enter(index.SHA1, append(many(45_000), few...)...)
			return r
		}},
		{"large, with blocks, version 4", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.git("config", "index.threads", "4")
			r.git("update-index", "--index-version", "4")
			r.enter(index.SHA1, append(many(45_000), few...)...)
			return r
		}},
		{"split", index.SHA1, func(t *testing.T) repository {
			r := newRepository(t)
			r.git("config", "splitIndex.maxPercentChange", "100")
			r.enter(index.SHA1, append(many(300), few...)...)
			r.git("update-index", "--split-index")
			// One that is replaced, one that is new, and an entry that is gone.
			r.enter(index.SHA1, "160000 d07/file00007", "160000 new", "0 z")
			return r
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.make(t)
			x, err := r.read(tt.hash)
			if err != nil {
				t.Fatal(err)
			}
			want := r.links()
			slices.Sort(x.Links)
			slices.Sort(want)
			if !slices.Equal(x.Links, slices.Compact(want)) {
				t.Errorf("got %d: %.300q, and git has %d: %.300q", len(x.Links), x.Links, len(want), want)
			}
			if x.Shared == "" && tt.name == "split" {
				t.Error("the control failed: it is not split")
			}
		})
	}
}

// entry is one entry of a file made by hand.
func entry(mode uint32, name string) []byte {
	const fixed = 40 + index.SHA1 + 2
	b := make([]byte, (fixed+len(name)+8)&^7)
	binary.BigEndian.PutUint32(b[24:], mode)
	binary.BigEndian.PutUint16(b[fixed-2:], uint16(len(name)))
	copy(b[fixed:], name)
	return b
}

func file(count uint32, parts ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("DIRC\x00\x00\x00\x02"), count)
	for _, p := range parts {
		b = append(b, p...)
	}
	return append(b, make([]byte, index.SHA1)...) // a checksum, which git does not look at
}

func extension(name string, content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte(name), uint32(len(content))), content...)
}

// ends says where the entries end, and blocks where they begin.
func ends(at int) []byte {
	return extension("EOIE", append(binary.BigEndian.AppendUint32(nil, uint32(at)), make([]byte, index.SHA1)...))
}

func blocks(rows ...uint32) []byte {
	b := []byte{0, 0, 0, 1}
	for _, n := range rows {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return extension("IEOT", b)
}

// What git would read in another way than a reader from the front is an error.
func TestHostile(t *testing.T) {
	const plain, link = 0o100644, 0o160000
	a, lib := entry(plain, "a"), entry(link, "lib")
	second := uint32(12 + len(a))
	after := int(second) + len(lib)
	for name, tt := range map[string]struct {
		content []byte
		want    string // of the error; empty: it is read, with one link
	}{
		"as git writes it":            {file(2, a, lib), ""},
		"with blocks":                 {file(2, a, lib, blocks(12, 1, second, 1), ends(after)), ""},
		"unknown extensions":          {file(2, a, lib, extension("TREE", []byte("x"))), ""},
		"blocks that lie elsewhere":   {file(2, a, lib, blocks(12, 1, second+8, 1), ends(after)), "two ways"},
		"blocks that leave one out":   {file(2, a, lib, blocks(12, 1), ends(after)), "two ways"},
		"blocks with more":            {file(2, a, lib, blocks(12, 3), ends(after)), "two ways"},
		"an end that is elsewhere":    {file(2, a, lib, ends(int(second))), "two ways"},
		"an end behind the file":      {file(2, a, lib, ends(1<<20)), "two ways"},
		"a zero within the name":      {file(1, entry(link, "li\x00b")), "its name is none"},
		"fewer entries than it says":  {file(3, a, lib), "too early"},
		"billions of entries":         {file(1<<32-1, a, lib), "too early"},
		"an extension without an end": {file(2, a, lib, []byte("TREE\xff\xff\xff\xff")), "too early"},
		"another version":             {append([]byte("DIRC\x00\x00\x00\x05"), file(2, a, lib)[8:]...), "no index"},
		"something else":              {bytes.Repeat([]byte("x"), 100), "no index"},
		"nothing":                     {nil, "too early"},
		"replacements of nothing":     {file(2, entry(plain, ""), lib), "does not say where"},
		"shared with two":             {file(1, lib, shared(), shared()), "two ways"},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := index.Read(bytes.NewReader(tt.content), int64(len(tt.content)), index.SHA1)
			switch {
			case tt.want != "":
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			case err != nil || !slices.Equal(x.Links, []string{"lib"}):
				t.Errorf("%+v, %v", x, err)
			}
		})
	}
	if _, err := index.Read(bytes.NewReader(nil), index.MaxSize+1, index.SHA1); err == nil {
		t.Error("a file of any size is read")
	}
	over := make([][]byte, index.MaxLinks+1)
	for i := range over {
		over[i] = entry(link, fmt.Sprintf("l%04d", i))
	}
	content := file(uint32(len(over)), over...)
	if _, err := index.Read(bytes.NewReader(content), int64(len(content)), index.SHA1); err == nil {
		t.Error("any number of repositories is taken")
	}
}

// shared is a link extension of the simplest form.
func shared() []byte { return extension("link", bytes.Repeat([]byte{1}, index.SHA1)) }

// FuzzIndex: whatever the file holds, it is read to the end or refused, and the links are names.
func FuzzIndex(f *testing.F) {
	const link = 0o160000
	for _, content := range [][]byte{
		file(1, entry(link, "lib")), file(2, entry(link, ""), entry(link, "x"), shared()),
		append([]byte("DIRC\x00\x00\x00\x04\x00\x00\x00\x01"), make([]byte, 100)...),
		file(1, entry(link, "lib"), blocks(12, 1), ends(12+len(entry(link, "lib")))),
	} {
		f.Add(content, content)
	}
	f.Fuzz(func(t *testing.T, content, base []byte) {
		x, err := index.Read(bytes.NewReader(content), int64(len(content)), index.SHA1)
		if err != nil {
			return
		}
		_ = x.ReadShared(bytes.NewReader(base), int64(len(base)), index.SHA1)
		for _, l := range x.Links {
			if l == "" || strings.ContainsRune(l, 0) {
				t.Fatalf("%q", x.Links)
			}
		}
	})
}

// BenchmarkRead is what a project of ten thousand files costs.
func BenchmarkRead(b *testing.B) {
	for _, version := range []string{"2", "4"} {
		b.Run("version "+version, func(b *testing.B) {
			r := newRepository(b)
			r.git("update-index", "--index-version", version)
			r.enter(index.SHA1, append(many(10_000), "160000 lib")...)
			content, err := os.ReadFile(filepath.Join(r.dir, ".git/index"))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := index.Read(bytes.NewReader(content), int64(len(content)), index.SHA1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
