package project_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config/project"
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
	p := project.New(git.New(hostfile.Host, root+"/home", root+"/home/.config"), root+"/home")
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
