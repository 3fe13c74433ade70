package gitdir_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/plugins/snapshot/gitdir"
)

func TestWhatAFileIsFor(t *testing.T) {
	hash := strings.Repeat("0123456789", 4)
	for path, want := range map[string]gitdir.File{
		"HEAD":                             {gitdir.Head, "", "HEAD"},
		"index":                            {gitdir.Index, "", "index"},
		"index.lock":                       {gitdir.Lock, "", "index.lock"},
		"config":                           {gitdir.Other, "", "config"},
		"hooks/pre-commit":                 {gitdir.Other, "", "hooks/pre-commit"},
		"packed-refs":                      {gitdir.PackedRefs, "", "packed-refs"},
		"refs/heads/objects/x":             {gitdir.Ref, "", "refs/heads/objects/x"},
		"refs/heads/main.lock":             {gitdir.Lock, "", "refs/heads/main.lock"},
		"logs/refs/heads/main":             {gitdir.Log, "", "logs/refs/heads/main"},
		"objects/01/" + hash[2:]:           {gitdir.Object, "", "objects/01/" + hash[2:]},
		"objects/01/" + hash:               {gitdir.Other, "", "objects/01/" + hash},
		"objects/zz/" + hash[2:]:           {gitdir.Other, "", "objects/zz/" + hash[2:]},
		"objects/pack/pack-" + hash + ".x": {gitdir.Other, "", "objects/pack/pack-" + hash + ".x"},
		"objects/pack/pack-" + hash + ".idx": {
			gitdir.Object, "", "objects/pack/pack-" + hash + ".idx",
		},
		"objects/pack/tmp_pack_1":        {gitdir.Other, "", "objects/pack/tmp_pack_1"},
		"objects/info/alternates":        {gitdir.Other, "", "objects/info/alternates"},
		"modules/sub/HEAD":               {gitdir.Head, "modules/sub/", "HEAD"},
		"modules/a/b/refs/heads/main":    {gitdir.Ref, "modules/a/b/", "refs/heads/main"},
		"modules/a/modules/b/index":      {gitdir.Index, "modules/a/modules/b/", "index"},
		"modules/sub/objects/01/" + hash: {gitdir.Other, "modules/sub/", "objects/01/" + hash},
		"worktrees/w/HEAD":               {gitdir.Head, "worktrees/w/", "HEAD"},
		"modules/a/worktrees/w/index":    {gitdir.Index, "modules/a/worktrees/w/", "index"},
		"modules/nothing":                {gitdir.Other, "", "modules/nothing"},
		"worktrees/nothing":              {gitdir.Other, "", "worktrees/nothing"},
	} {
		if got := gitdir.Of(path); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

// repository is a git repository that a test works in, with the user's own settings out of reach.
type repository struct {
	t   *testing.T
	dir string
	env []string
}

func newRepository(t *testing.T, options ...string) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is missing")
	}
	r := &repository{t: t, dir: t.TempDir()}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@example.com",
	}
	r.git(append([]string{"init", "-q", "-b", "main"}, options...)...)
	r.commit("one")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) commit(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, text), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "about "+text)
}

func (r *repository) state() *gitdir.State {
	r.t.Helper()
	s := gitdir.NewState()
	r.each(func(path string, content []byte) {
		if gitdir.Matters(path) {
			s.Add(path, content)
		}
	})
	return s
}

func (r *repository) each(do func(path string, content []byte)) {
	r.t.Helper()
	git := filepath.Join(r.dir, ".git")
	err := filepath.WalkDir(git, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(git, path)
		do(rel, content)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestWhatWasDoneSince(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(r *repository)
		want []string
	}{
		"nothing": {func(*repository) {}, nil},
		"what only writes the index again": {func(r *repository) {
			name := filepath.Join(r.dir, "one")
			if err := os.WriteFile(name+"2", []byte("one"), 0o600); err != nil {
				r.t.Fatal(err)
			}
			if err := os.Rename(name+"2", name); err != nil {
				r.t.Fatal(err)
			}
			r.git("update-index", "--refresh")
		}, nil},
		"what only stores refs and objects in another way": {func(r *repository) {
			r.git("gc", "-q")
		}, nil},
		"a commit": {func(r *repository) { r.commit("two") }, []string{
			"main has one more commit: about two", "index: other changes are staged",
		}},
		"commits": {func(r *repository) {
			r.commit("two")
			r.git("commit", "-q", "--amend", "-m", "again")
		}, []string{
			"main has 2 more commits, the last: again", "index: other changes are staged",
		}},
		"another branch": {func(r *repository) { r.git("checkout", "-q", "-b", "new") }, []string{
			"new was made, at HASH", "HEAD was at main and is at new",
		}},
		"a branch that is gone": {
			func(r *repository) { r.git("branch", "-q", "-D", "old") },
			[]string{"old was deleted"},
		},
		"a detached HEAD": {
			func(r *repository) { r.git("checkout", "-q", "--detach") },
			[]string{"HEAD was at main and is at HASH"},
		},
		"something staged": {func(r *repository) {
			if err := os.WriteFile(filepath.Join(r.dir, "one"), nil, 0o600); err != nil {
				r.t.Fatal(err)
			}
			r.git("add", "one")
		}, []string{"index: other changes are staged"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []string{"2", "4"} {
				r := newRepository(t)
				r.git("branch", "old")
				r.git("update-index", "--index-version", version)
				head := r.git("rev-parse", "HEAD")
				left := r.state()
				if left.Ref("HEAD") != head || left.Ref("refs/heads/main") != head {
					t.Errorf("HEAD is %q, want %q", left.Ref("HEAD"), head)
				}
				test.do(r)
				var got []string
				for _, c := range gitdir.Compare(left, r.state()) {
					says := c.Explain(func(s string) string { return s })
					got = append(got, strings.ReplaceAll(says, head[:10], "HASH"))
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("index of version %s: %q, want %q", version, got, test.want)
				}
			}
		})
	}
}

func TestOnlySoundObjectsAreKept(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		r := newRepository(t, "--object-format="+format)
		r.commit("two")
		for _, packed := range []bool{false, true} {
			if packed {
				r.git("gc", "-q")
			}
			count := 0
			r.each(func(path string, content []byte) {
				if gitdir.Of(path).Kind != gitdir.Object {
					return
				}
				count++
				ok, err := gitdir.Sound(t.Context(), path, bytes.NewReader(content), gitdir.NewRoom(50<<20))
				if !ok || err != nil {
					t.Errorf("%s of git's: %t, %v", path, ok, err)
				}
				broken := bytes.Clone(content)
				broken[len(broken)-3] ^= 1
				for what, rubbish := range map[string][]byte{
					"changed": broken, "cut off": content[:len(content)-4], "empty": nil,
					"text": []byte("rubbish"),
				} {
					ok, err := gitdir.Sound(t.Context(), path, bytes.NewReader(rubbish), gitdir.NewRoom(50<<20))
					if ok || err != nil {
						t.Errorf("%s, %s: %t, %v", path, what, ok, err)
					}
				}
			})
			if count < 2 {
				t.Errorf("%d objects in a repository with commits", count)
			}
		}
	}
}

// loose is an object's file, and its path.
func loose(t *testing.T, content []byte) (path string, file []byte) {
	t.Helper()
	object := append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...)
	name := fmt.Sprintf("%x", sha1.Sum(object))
	var to bytes.Buffer
	w := zlib.NewWriter(&to)
	if _, err := w.Write(object); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return "objects/" + name[:2] + "/" + name[2:], to.Bytes()
}

// Files of zeros cost no more than there is room for all of them, and what is like any other file
// is looked at even when nothing is left of that. Who has had enough can end it.
func TestObjectsThatHoldMoreThanTheirFiles(t *testing.T) {
	const zeros = 10 << 20
	path, file := loose(t, make([]byte, zeros))
	room := gitdir.NewRoom(50 << 20)
	looked := 0
	for {
		ok, err := gitdir.Sound(t.Context(), path, bytes.NewReader(file), room)
		if errors.Is(err, gitdir.ErrNoRoom) {
			break
		}
		if looked++; !ok || err != nil || looked > 10 {
			t.Fatalf("the %dth: %t, %v", looked, ok, err)
		}
	}
	if looked < 4 {
		t.Errorf("%d files were looked at", looked)
	}
	harmless, file := loose(t, bytes.Repeat([]byte("a line of text\n"), 20))
	if ok, err := gitdir.Sound(t.Context(), harmless, bytes.NewReader(file), room); !ok || err != nil {
		t.Errorf("a small one: %t, %v", ok, err)
	}
	long := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(long)
	harmless, file = loose(t, long)
	if ok, err := gitdir.Sound(t.Context(), harmless, bytes.NewReader(file), room); !ok || err != nil {
		t.Errorf("a long one: %t, %v", ok, err)
	}
	other, _ := loose(t, []byte("another"))
	if ok, err := gitdir.Sound(t.Context(), other, bytes.NewReader(file), room); ok || err != nil {
		t.Errorf("a long one with another's name: %t, %v", ok, err)
	}
	ended := errors.New("ended")
	ctx, end := context.WithCancelCause(t.Context())
	end(ended)
	pack := "objects/pack/pack-" + strings.Repeat("0", 40) + ".pack"
	for _, path := range []string{harmless, pack} {
		_, err := gitdir.Sound(ctx, path, bytes.NewReader(file), gitdir.NewRoom(50<<20))
		if !errors.Is(err, ended) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What an agent wrote into an index must not bring down who reads it.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x01"))
	f.Add([]byte("DIRC\x00\x00\x00\x04\xff\xff\xff\xff" + strings.Repeat("\x80", 100)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		s := gitdir.NewState()
		s.Add("index", data)
	})
}
