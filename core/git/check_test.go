package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
)

// checked is what Check finds in the directory proj of a disk whose root is the user's home, in
// short.
func checked(t *testing.T, root string) []string {
	t.Helper()
	findings, unseen := git.New(hostfile.Host, root, root+"/.config").Check(root + "/proj")
	if unseen != "" {
		t.Errorf("unseen: %s", unseen)
	}
	var all []string
	for _, f := range findings {
		if !f.Harmless {
			text := f.Path + ": " + f.Says
			if f.Runs != "" {
				text += ": " + f.Runs
			}
			all = append(all, strings.ReplaceAll(text, root+"/", "~/"))
		}
	}
	return all
}

func TestCheck(t *testing.T) {
	const config, own = "proj/.git/config", ".gitconfig"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", nil, nil},
		{"a URL that is a command", map[string]string{config: "[url \"ext::touch x \"]\n\tinsteadOf = https://x/\n"}, []string{"~/proj/.git/config: url.ext::touch x .insteadof is run: touch x "}},
		{"any URL a command", map[string]string{config: "[url \"ext::\"]\n\tpushInsteadOf = x:\n"}, []string{"~/proj/.git/config: url.ext::.pushinsteadof is run: x:"}},
		{"a submodule's", map[string]string{config: "[submodule \"a\"]\n\turl = ext::touch x\n"}, []string{"~/proj/.git/config: submodule.a.url is run: touch x"}},
		{"an honest URL", map[string]string{config: "[url \"https://y/\"]\n\tinsteadOf = https://x/\n"}, nil},
		{"commands in URLs allowed", map[string]string{config: "[protocol \"ext\"]\n\tallow = always\n"}, []string{"~/proj/.git/config: protocol.ext.allow lets a URL name a command: ext::COMMAND"}},
		{"all protocols allowed", map[string]string{config: "[protocol]\n\tallow = user\n"}, []string{"~/proj/.git/config: protocol.allow lets a URL name a command: ext::COMMAND"}},
		{"another protocol allowed", map[string]string{config: "[protocol \"file\"]\n\tallow = always\n"}, nil},
		{"commands in URLs refused", map[string]string{config: "[protocol \"ext\"]\n\tallow = Never\n"}, nil},

		{"a filter of the user's own in the project", map[string]string{own: "[filter \"x\"]\n\tclean = ./tools/clean --fast %f\n", "proj/tools/clean": ""}, []string{"~/proj/tools/clean: filter.x.clean of your own settings is run with it: ./tools/clean --fast %f"}},
		{"a script for an interpreter of the user's own", map[string]string{own: "[diff \"x\"]\n\ttextconv = \"python3 'show.py'\"\n", "proj/show.py": ""}, []string{"~/proj/show.py: diff.x.textconv of your own settings is run with it: python3 'show.py'"}},
		{"the same by its whole path", map[string]string{own: "[diff \"x\"]\n\ttextconv = ~/proj/show\n", "proj/show": ""}, []string{"~/proj/show: diff.x.textconv of your own settings is run with it: ~/proj/show"}},
		{"one that lies elsewhere", map[string]string{own: "[diff \"x\"]\n\ttextconv = ~/bin/show\n", "bin/show": "", "proj/bin/show": ""}, nil},
		{"one that is not there", map[string]string{own: "[filter \"x\"]\n\tclean = ./tools/clean\n"}, nil},
		{"one in PATH, and a file of a word's name", map[string]string{own: "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n", "proj/clean": "", "proj/git-lfs": ""}, nil},
		{"settings of the user's own in the project", map[string]string{own: "[include]\n\tpath = ~/proj/shared\n", "proj/shared": "[core]\n\tpager = x\n"}, []string{"~/proj/shared: core.pager is run: x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"proj/.git/refs/": ""}
			gitDir(files, "proj/.git")
			for name, content := range tt.files {
				files[name] = content
			}
			if diff := cmp.Diff(tt.want, checked(t, disk(t, files))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCheckSeesHooksBehindALink: git follows it, and so does the check.
func TestCheckSeesHooksBehindALink(t *testing.T) {
	files := map[string]string{"proj/.git/refs/": "", "proj/githooks/pre-commit": "#!/bin/sh\n"}
	gitDir(files, "proj/.git")
	root := disk(t, files)
	if err := os.Chmod(root+"/proj/githooks/pre-commit", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../githooks", root+"/proj/.git/hooks"); err != nil {
		t.Fatal(err)
	}
	want := []string{"~/proj/.git/hooks/pre-commit: a hook: ~/proj/.git/hooks/pre-commit"}
	if diff := cmp.Diff(want, checked(t, root)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestGitRunsWhatIsTold: git itself runs the command of a URL that settings make one, which is what
// the check is there for.
func TestGitRunsWhatIsTold(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	root := disk(t, map[string]string{"proj/": ""})
	run := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = filepath.Join(root, "proj")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root}
		_ = cmd.Run() // a command that is no transport fails, once it has run
	}
	sprung := filepath.Join(root, "sprung")
	run("init", "-q")
	run("config", "url.ext::touch "+sprung+" .insteadOf", "https://x/")
	run("ls-remote", "https://x/y")
	if _, err := os.Stat(sprung); err == nil {
		t.Error("git runs it without being allowed to: the check says too little of protocol.allow")
	}
	run("config", "protocol.ext.allow", "always")
	run("ls-remote", "https://x/y")
	if _, err := os.Stat(sprung); err != nil {
		t.Error("git does not run it")
	}
	if got := checked(t, root); len(got) != 2 {
		t.Errorf("the check says %q", got)
	}
}
