package git_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
)

// disk is a directory with files; a name that ends in / is an empty directory.
func disk(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

// gitDir are the files of a git directory.
func gitDir(files map[string]string, dir string) {
	files[dir+"/HEAD"] = "ref: refs/heads/main\n"
	files[dir+"/objects/"] = ""
}

func TestLeadsBack(t *testing.T) {
	files := map[string]string{"main/.git/modules/sub/": "", "main/sub/": ""}
	gitDir(files, "main/.git/worktrees/tree")
	root := disk(t, files)
	tree := root + "/main/.git/worktrees/tree"
	f := git.New(hostfile.Host, root, root)
	if f.LeadsBack(tree, root+"/tree") {
		t.Error("a git directory that names no project leads back")
	}
	for content, want := range map[string]bool{
		root + "/tree/.git\n":   true,
		"../../../../tree/.git": true, root + "/other/.git": false,
	} {
		if err := os.WriteFile(tree+"/gitdir", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := f.LeadsBack(tree, root+"/tree"); got != want {
			t.Errorf("%q leads back: %v", content, got)
		}
	}
	if !f.LeadsBack(root+"/main/.git/modules/sub", root+"/main/sub") {
		t.Error("a submodule's does not lead back")
	}
}

// FuzzGitFile: whatever stands in a .git file, and in the commondir of the directory that it names,
// what is found are clean paths of directories that look like git's.
func FuzzGitFile(f *testing.F) {
	for _, content := range []string{
		"gitdir: ../main/.git\n", "gitdir: /",
		"gitdir: ../main/.git/../.git", "x", "gitdir: \x00", "gitdir: .",
	} {
		f.Add(content, "..")
	}
	files := map[string]string{"tree/": ""}
	gitDir(files, "main/.git")
	root := disk(f, files)
	f.Fuzz(func(t *testing.T, dotGit, commonDir string) {
		for name, content := range map[string]string{
			"tree/.git":           dotGit,
			"main/.git/commondir": commonDir,
		} {
			if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		dirs := git.New(hostfile.Host, root, root).Dirs(root + "/tree")
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err != nil || !info.IsDir() || filepath.Clean(dir) != dir {
				t.Fatalf("%q, from %q: %v", dir, dotGit, err)
			}
		}
		if len(dirs) > 2 || len(dirs) == 2 && slices.Equal(dirs[:1], dirs[1:]) {
			t.Fatalf("%q", dirs)
		}
	})
}
