package git_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/core/git/index"
	"github.com/nono-run/nono/core/git/settings"
	"github.com/nono-run/nono/sdk/hostfile"
)

// run runs git as its user does.
func run(tb testing.TB, dir string, args ...string) {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("there is no git")
	}
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=u", "GIT_AUTHOR_EMAIL=u@example.com",
		"GIT_COMMITTER_NAME=u", "GIT_COMMITTER_EMAIL=u@example.com", "GIT_ALLOW_PROTOCOL=file",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// repository makes one with a commit.
func repository(tb testing.TB, dir string) {
	tb.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	run(tb, dir, "init", "-q", "-b", "main")
	run(tb, dir, "commit", "-q", "--allow-empty", "-m", "one")
}

// What git itself makes is found: submodules in submodules, worktrees, what the index leads to at
// any depth, and what lies in the project three levels deep.
func TestRepositories(t *testing.T) {
	root := disk(t, nil)
	at := func(name string) string { return filepath.Join(root, name) }
	repository(t, at("inner"))
	repository(t, at("outer"))
	run(t, at("outer"), "submodule", "--quiet", "add", at("inner"), "deps/inner")
	run(t, at("outer"), "commit", "-qm", "two")
	repository(t, at("proj"))
	run(t, at("proj"), "submodule", "--quiet", "add", at("outer"), "lib")
	run(t, at("proj"), "submodule", "--quiet", "update", "--init", "--recursive")
	run(t, at("proj"), "commit", "-qm", "two")
	run(t, at("proj"), "worktree", "add", "-q", at("tree"))
	for _, nested := range []string{"a/b/c", "a/b/c/d", "x/y/z/deep/in/the/index"} {
		repository(t, at("proj/"+nested))
	}
	run(t, at("proj"), "-c", "advice.addEmbeddedRepo=false", "add", "x/y/z/deep/in/the/index")
	run(t, at("proj"), "init", "-q", "--bare", "bare")

	find := func(dir string) []string {
		f := git.New(hostfile.Host, root, root+"/.config")
		var got []string
		for _, r := range f.Repositories(at(dir), git.Around).Repositories {
			if r.IndexErr != nil {
				t.Errorf("%s: %v", r.Dir(), r.IndexErr)
			}
			got = append(got, strings.ReplaceAll(r.Root+": "+strings.Join(r.Dirs, " "), root+"/", ""))
		}
		slices.Sort(got)
		return got
	}
	want := []string{
		"proj/a/b/c: proj/a/b/c/.git",
		"proj/bare: proj/bare",
		"proj/lib/deps/inner: proj/.git/modules/lib/modules/deps/inner",
		"proj/lib: proj/.git/modules/lib",
		"proj/x/y/z/deep/in/the/index: proj/x/y/z/deep/in/the/index/.git",
		"proj: proj/.git",
		"tree: proj/.git/worktrees/tree proj/.git",
	}
	if diff := cmp.Diff(want, find("proj")); diff != "" {
		t.Errorf("from the project (-want +got):\n%s", diff)
	}
	if got := find("tree"); !slices.Contains(got, "tree: proj/.git/worktrees/tree proj/.git") {
		t.Errorf("from the worktree: %q", got)
	}
}

// Git takes a directory for one of its own by its HEAD, its objects and its refs. What we make of
// it is what git does.
func TestAccepted(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"as it was":          func(string) error { return nil },
		"without HEAD":       func(dir string) error { return os.Remove(dir + "/HEAD") },
		"without objects":    func(dir string) error { return os.Rename(dir+"/objects", dir+"/o") },
		"without refs":       func(dir string) error { return os.Rename(dir+"/refs", dir+"/r") },
		"another branch":     func(dir string) error { return write(dir+"/HEAD", "ref: refs/heads/x\n") },
		"no space":           func(dir string) error { return write(dir+"/HEAD", "ref:refs/heads/x") },
		"a commit":           func(dir string) error { return write(dir+"/HEAD", strings.Repeat("1a", 20)+"\n") },
		"a short commit":     func(dir string) error { return write(dir+"/HEAD", "1a1a\n") },
		"outside of refs":    func(dir string) error { return write(dir+"/HEAD", "ref: heads/main\n") },
		"nonsense":           func(dir string) error { return write(dir+"/HEAD", "x\n") },
		"a link to a ref":    func(dir string) error { return link("refs/heads/main", dir+"/HEAD") },
		"a link elsewhere":   func(dir string) error { return link("/nowhere", dir+"/HEAD") },
		"shared elsewhere":   func(dir string) error { return write(dir+"/commondir", "../elsewhere\n") },
		"shared with itself": func(dir string) error { return write(dir+"/commondir", ".\n") },
	} {
		t.Run(name, func(t *testing.T) {
			root := disk(t, nil)
			repository(t, root+"/proj")
			if err := spoil(root + "/proj/.git"); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("git", "rev-parse", "--git-dir")
			cmd.Dir = root + "/proj"
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "GIT_CEILING_DIRECTORIES=" + root}
			gits := cmd.Run() == nil
			if got := git.New(hostfile.Host, root, root).Accepted(root + "/proj/.git"); got != gits {
				t.Errorf("accepted: %v, and git says %v", got, gits)
			}
		})
	}
}

func write(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

func link(to, name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.Symlink(to, name)
}

// The settings of a repository are those of the user, its own, and what they include; a circle of
// them ends.
func TestSettings(t *testing.T) {
	files := map[string]string{
		"home/.gitconfig":       "[include]\n path = ~/more\n[core]\n hooksPath = %(prefix)/hooks\n",
		"home/more":             "[core]\n hooksPath = hooks\n[include]\n path = more\n",
		"proj/.git/config":      "[extensions]\n objectFormat = SHA256\n[includeIf \"onbranch:x\"]\n path = ../x\n",
		"proj/x":                "[core]\n hooksPath = /abs\n",
		"proj/.git/worktrees/":  "",
		"home/.config/git/more": "",
	}
	gitDir(files, "proj/.git")
	root := disk(t, files)
	f := git.New(hostfile.Host, root+"/home", root+"/home/.config")
	s := f.Settings(git.Repository{Root: root + "/proj", Dirs: f.Dirs(root + "/proj")})
	var read []string
	for _, file := range s.Files {
		if len(file.Settings) > 0 {
			read = append(read, strings.TrimPrefix(file.Path, root+"/"))
		}
	}
	if diff := cmp.Diff([]string{"home/.gitconfig", "home/more", "proj/.git/config", "proj/.git/../x"}, read); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{root + "/proj/hooks", "/abs"}, s.HooksPaths); diff != "" || !s.SHA256 {
		t.Errorf("hooks (-want +got), SHA-256 %v:\n%s", s.SHA256, diff)
	}
}

// What an agent left costs the next run little, and what is not looked at for that is said.
func TestBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, root string) map[string]string
		more bool
	}{
		"an index that leads to long names, with nothing at them": {func(t *testing.T, root string) map[string]string {
			deep := strings.Repeat("d/", 400)
			if err := os.MkdirAll(root+"/proj/"+deep, 0o755); err != nil {
				t.Fatal(err)
			}
			return map[string]string{"proj/.git/index": indexOf(4000, deep)}
		}, true},
		"settings of two bytes each": {func(_ *testing.T, _ string) map[string]string {
			return map[string]string{"proj/.git/config": "[x]\n" + strings.Repeat("a\n", 500_000)}
		}, true},
		"settings in many files": {func(_ *testing.T, _ string) map[string]string {
			files := map[string]string{}
			for i := range 64 {
				dir := fmt.Sprintf("proj/r%02d/.git", i)
				gitDir(files, dir)
				files[dir+"/config"] = "[x]\n" + strings.Repeat("a\n", settings.MaxSettings)
			}
			return files
		}, true},
		"settings behind a long comment": {func(_ *testing.T, _ string) map[string]string {
			return map[string]string{"proj/.git/config": "#" + strings.Repeat("x", settings.MaxSize) + "\n[core]\nhooksPath = x\n"}
		}, true},
		"as people have them": {func(_ *testing.T, _ string) map[string]string {
			return map[string]string{
				"proj/.git/index":  indexOf(1000, "third_party/vendor/"),
				"proj/.git/config": "[x]\n" + strings.Repeat("a = some value or other\n", 5000),
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			gitDir(files, "proj/.git")
			root := disk(t, files)
			for name, content := range tt.make(t, root) {
				at := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(name, "/") {
					continue
				}
				if err := write(at, content); err != nil {
					t.Fatal(err)
				}
			}
			found := git.New(hostfile.Once(hostfile.Host), root, root).Repositories(root+"/proj", git.Around)
			if found.More != tt.more || found.Repositories[0].IndexErr != nil {
				t.Errorf("it says that there is more: %v; the index: %v", found.More, found.Repositories[0].IndexErr)
			}
		})
	}
}

// indexOf is an index of the second version, with repositories in a directory.
func indexOf(n int, dir string) string {
	const fixed = 40 + index.SHA1 + 2
	b := binary.BigEndian.AppendUint32([]byte("DIRC\x00\x00\x00\x02"), uint32(n))
	for i := range n {
		name := fmt.Sprintf("%s%06d", dir, i)
		entry := make([]byte, (fixed+len(name)+8)&^7)
		binary.BigEndian.PutUint32(entry[24:], 0o160000)
		binary.BigEndian.PutUint16(entry[fixed-2:], uint16(min(len(name), 0xfff)))
		copy(entry[fixed:], name)
		b = append(b, entry...)
	}
	return string(append(b, make([]byte, index.SHA1)...))
}

// However many directories there are, what was not looked at is said; those in which tools install
// come last, so that they do not hide the others.
func TestUnseen(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("proj/node_modules/m%02d/x/", i)] = ""
	}
	for i := range 5 {
		files[fmt.Sprintf("proj/z%d/", i)] = ""
	}
	gitDir(files, "proj/z3/deep/.git")
	root := disk(t, files)
	find := func(directories int, last ...string) git.Found {
		s := git.Search{Depth: 16, Directories: directories, Last: last}
		return git.New(hostfile.Host, root, root).Repositories(root+"/proj", s)
	}
	if f := find(1000); f.Unseen != "" || f.UnseenLast != "" || len(f.Repositories) != 1 {
		t.Errorf("all of it: %+v", f)
	}
	if f := find(4); f.Unseen == "" {
		t.Errorf("a part: %+v", f)
	}
	if f := find(20, "node_modules"); f.Unseen != "" || f.UnseenLast == "" || len(f.Repositories) != 1 {
		t.Errorf("without what tools installed: %+v", f)
	}
}

// As many directories are looked into as may be, none more and none less, and what was left is said.
func TestAsManyDirectoriesAsMayBe(t *testing.T) {
	files := map[string]string{}
	gitDir(files, "elsewhere")
	for _, top := range []string{"a", "b", "node_modules", "c/node_modules", "c/d/e"} {
		for i := range 4 {
			for _, dir := range []string{"x", "y/z"} {
				files[fmt.Sprintf("proj/%s/%d/%s/", top, i, dir)] = ""
			}
		}
	}
	root := disk(t, files)
	var dirs []string
	err := filepath.WalkDir(root+"/proj", func(path string, _ os.DirEntry, err error) error {
		dirs = append(dirs, path)
		return err
	})
	all, installed := len(dirs), 0
	for _, dir := range dirs[1:] {
		err = errors.Join(err, write(dir+"/.git", "gitdir: "+root+"/elsewhere\n"))
		if strings.Contains(dir, "node_modules") {
			installed++
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= all+1; n++ {
		s := git.Search{Depth: 16, Directories: n, Last: []string{"node_modules"}}
		f := git.New(hostfile.Once(hostfile.Host), root, root).Repositories(root+"/proj", s)
		unseen, unseenLast := n < all-installed, n >= all-installed && n < all
		if len(f.Repositories) != min(n, all)-1 || (f.Unseen != "") != unseen || (f.UnseenLast != "") != unseenLast {
			t.Errorf("of %d directories, %d of them installed, %d: %d repositories, unseen %q, %q",
				all, installed, n, len(f.Repositories), f.Unseen, f.UnseenLast)
		}
	}
}

// Whatever makes a repository of a directory is found, also where no other directory lies in it and
// where nobody may list it: by a directory, a file or a link, and a bare one by links alone.
func TestRepositoriesInEveryShape(t *testing.T) {
	files := map[string]string{
		"proj/file/.git":     "gitdir: ../../elsewhere\n",
		"proj/nowhere/.git":  "gitdir: ../../missing\n",
		"proj/bare/file":     "",
		"proj/head/HEAD":     "ref: refs/heads/main\n",
		"proj/deep/a/b/c/":   "",
		"proj/link/d/":       "",
		"proj/unlisted/one/": "",
		"proj/.GIT/":         "",
	}
	gitDir(files, "elsewhere")
	gitDir(files, "proj/dir/.git")
	gitDir(files, "proj/with/.git")
	gitDir(files, "proj/unlisted/.git")
	gitDir(files, "proj/open")
	files["proj/with/others/"] = ""
	root := disk(t, files)
	for name, to := range map[string]string{
		"proj/link/.git": "../../elsewhere", "proj/deep/a/b/c/.git": root + "/elsewhere", "proj/bare/HEAD": "refs/heads/main",
		"proj/bare/objects": "../../elsewhere/objects", "proj/gone/.git": "missing", "proj/gone/HEAD": "missing",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root+"/proj/unlisted", 0o300); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(root+"/proj/unlisted", 0o700) })
	var got []string
	for _, r := range git.New(hostfile.Host, root, root).Repositories(root+"/proj", git.After).Repositories {
		got = append(got, strings.TrimPrefix(r.Root, root+"/proj/"))
	}
	slices.Sort(got)
	want := []string{"bare", "deep/a/b/c", "dir", "file", "link", "open", "unlisted", "with"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// What an agent has made a bare repository of hides no other one in it, and what git keeps in a true
// one is not taken for bare ones.
func TestRepositoriesInABareOne(t *testing.T) {
	files := map[string]string{
		"proj/fake/modules/file/.git":              "gitdir: ../../../../elsewhere\n",
		"proj/true.git/worktrees/tree/HEAD":        "ref: refs/heads/tree\n",
		"proj/true.git/worktrees/tree/commondir":   "../..\n",
		"proj/true.git/objects/00/object":          "",
		"proj/true.git/objects/pack/a.pack":        "",
		"proj/fake/worktrees/both/HEAD":            "ref: refs/heads/both\n",
		"proj/fake/worktrees/both/commondir":       "../..\n",
		"proj/fake/worktrees/both/.git":            "gitdir: ../../../../elsewhere\n",
		"proj/true.git/worktrees/tree/logs/":       "",
		"proj/true.git/refs/heads/":                "",
		"proj/fake/deep/er/.git/objects/info/more": "",
	}
	for _, dir := range []string{
		"elsewhere", "proj/true.git", "proj/fake", "proj/fake/sub/.git", "proj/fake/objects/ab/.git", "proj/fake/deep/er/.git",
	} {
		gitDir(files, dir)
	}
	root := disk(t, files)
	if err := write(root+"/proj/true.git/worktrees/tree/gitdir", root+"/tree/.git\n"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range git.New(hostfile.Host, root, root).Repositories(root+"/proj", git.After).Repositories {
		kind := ""
		if r.Bare {
			kind = " (bare)"
		}
		got = append(got, strings.TrimPrefix(r.Root, root+"/")+kind)
	}
	slices.Sort(got)
	want := []string{
		"", "proj/fake (bare)", "proj/fake/deep/er", "proj/fake/modules/file", "proj/fake/objects/ab", "proj/fake/sub",
		"proj/fake/worktrees/both", "proj/true.git (bare)", "tree",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// BenchmarkRepositories is what it costs to look around in a project of ten thousand files.
func BenchmarkRepositories(b *testing.B) {
	root := disk(b, nil)
	for i := range 10_000 {
		name := filepath.Join(root, "proj", "d"+string(rune('a'+i%20)), "e"+string(rune('a'+i/20%20)), "f"+string(rune('a'+i/400)))
		if i%10 == 0 {
			if err := os.MkdirAll(name, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := write(filepath.Dir(name)+"/"+string(rune('A'+i%26))+filepath.Base(name)+".txt", ""); err != nil {
			b.Fatal(err)
		}
	}
	repository(b, root+"/proj")
	run(b, root+"/proj", "add", ".")
	for b.Loop() {
		f := git.New(hostfile.Once(hostfile.Host), root, root)
		if n := len(f.Repositories(root+"/proj", git.Around).Repositories); n != 1 {
			b.Fatal(n)
		}
	}
}

// Root enters the directories of others outside and not inside, so no rule is made for what lies
// there: nono could not carry it out. What the agent could enter is looked into.
func TestRepositoriesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root sees into the directories of others")
	}
	root := disk(t, nil)
	for dir, mode := range map[string]os.FileMode{"open": 0o755, "group": 0o750, "closed": 0o700} {
		repository(t, filepath.Join(root, dir, "repo"))
		if err := os.Chown(filepath.Join(root, dir), 4711, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	for _, r := range git.New(hostfile.Host, root, root).Repositories(root, git.Around).Repositories {
		found = append(found, strings.TrimPrefix(r.Root, root))
	}
	slices.Sort(found)
	if diff := cmp.Diff([]string{"/group/repo", "/open/repo"}, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
