package project_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config/project"
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

func TestPlaces(t *testing.T) {
	files := map[string]string{
		"home/.claude/": "", "proj/sub/": "",
		"tree/.git": "gitdir: ../main/.git/worktrees/tree\n",
	}
	gitDir(files, "proj/.git")
	gitDir(files, "main/.git")
	files["main/.git/worktrees/tree/HEAD"] = "ref: refs/heads/x\n"
	files["main/.git/worktrees/tree/commondir"] = "../..\n"
	root := disk(t, files)
	p := project.New(hostfile.Host, root+"/home")
	for _, tt := range []struct {
		grant string
		isDir bool
		name  string
		want  []string
	}{
		{"proj", true, ".git/hooks", []string{"proj/.git/hooks"}},
		{"proj", true, ".mcp.json", []string{"proj/.mcp.json"}},
		{"proj", false, ".git/hooks", nil},
		{"proj/sub", true, ".git/hooks", nil}, // it is no project
		{"tree", true, ".git/hooks", []string{"main/.git/worktrees/tree/hooks", "main/.git/hooks"}},
		// A grant that is itself a part of a project, by its name or by where it lies.
		{"proj/.git", true, ".git/hooks", []string{"proj/.git/hooks", "proj/.git/hooks"}},
		{
			"proj/.git/config", false, ".git/config",
			[]string{"proj/.git/config", "proj/.git/config"},
		},
		{
			"home/.claude", true, ".claude/settings.json",
			[]string{"home/.claude/.claude/settings.json"},
		},
		{
			"proj/.claude", true, ".claude/settings.json",
			[]string{"proj/.claude/settings.json", "proj/.claude/.claude/settings.json"},
		},
	} {
		var got []string
		for _, place := range p.Places(filepath.Join(root, tt.grant), tt.isDir, tt.name) {
			rel, err := filepath.Rel(root, place)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rel)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", tt.name, tt.grant, diff)
		}
	}
}

func TestLeadsBack(t *testing.T) {
	files := map[string]string{"main/.git/modules/sub/": "", "main/sub/": ""}
	gitDir(files, "main/.git/worktrees/tree")
	root := disk(t, files)
	tree := root + "/main/.git/worktrees/tree"
	p := project.New(hostfile.Host, root)
	if p.LeadsBack(tree, root+"/tree") {
		t.Error("a git directory that names no project leads back")
	}
	for content, want := range map[string]bool{
		root + "/tree/.git\n":   true,
		"../../../../tree/.git": true, root + "/other/.git": false,
	} {
		if err := os.WriteFile(tree+"/gitdir", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.LeadsBack(tree, root+"/tree"); got != want {
			t.Errorf("%q leads back: %v", content, got)
		}
	}
	if !p.LeadsBack(root+"/main/.git/modules/sub", root+"/main/sub") {
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
		dirs := project.New(hostfile.Host, root).GitDirs(root + "/tree")
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
