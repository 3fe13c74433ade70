package git

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/git/settings"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Finding is one thing that makes git run something, or go elsewhere than it seems.
type Finding struct {
	// Path is the file or the directory at fault, Line where in it, or 0.
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
	// Says is what git does about it.
	Says string `json:"says"`
	// Runs is the command or the file that git runs; empty where it runs none by this itself.
	Runs string `json:"runs,omitempty"`
	// Harmless says that it is as it should be: a submodule, a worktree, a repository in another.
	Harmless bool `json:"harmless,omitempty"`
}

// Check lists what git, used in a directory, would run or enter there, beyond the user's own
// settings, and says from where on it did not look; what tools installed is looked into as far as
// there is room for it. Of the user's own settings it lists those that have git run what lies in
// the directory. Nothing is run.
func (f *Finder) Check(root string) (findings []Finding, unseen string) {
	found := f.Repositories(root, After)
	told := map[string]bool{} // files, which several repositories may have in common
	var all []Finding
	for _, r := range found.Repositories {
		all = append(all, f.checkPlace(root, r)...)
		for _, file := range f.Settings(r).Files {
			switch {
			case !file.User || policy.Within(file.Path, root):
				if !told[file.Path] {
					told[file.Path] = true
					all = append(all, checkFile(file)...)
				}
			default:
				all = append(all, f.ownCommands(file, root, r)...)
			}
		}
		for _, dir := range f.Names(r, "hooks") {
			if !told[dir] {
				told[dir] = true
				all = append(all, hooks(dir)...)
			}
		}
		if todo := r.Dir() + "/rebase-merge/git-rebase-todo"; f.there(todo) {
			all = append(all, Finding{Path: todo, Says: "git rebase --continue carries this out, " +
				"and it can hold commands"})
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), a.Line-b.Line)
	})
	if found.Unseen == "" && found.More {
		found.Unseen = root
	}
	return all, found.Unseen
}

// checkPlace says what a repository is by where it lies.
func (f *Finder) checkPlace(root string, r Repository) []Finding {
	var all []Finding
	add := func(says string, args ...any) {
		all = append(all, Finding{Path: r.Where(), Says: fmt.Sprintf(says, args...)})
	}
	switch accepted := f.Accepted(r.Dir()); {
	case !accepted && f.Head(r.Dir()) == "":
		add("git does not take %s for a repository: its HEAD is none. It looks for another one, "+
			"here and above", r.Dir())
	case !accepted:
		add("git does not take %s for a repository: its objects or refs are gone. "+
			"It looks for another one, here and above", r.Dir())
	case r.Bare:
		add("a bare repository: git takes the directory itself for one, here and beneath")
	case r.Where() != root:
		add("a repository, which git enters")
		all[0].Harmless = true
	}
	if r.IndexErr != nil {
		add("its index cannot be read: %s. Git may find repositories in it", r.IndexErr)
	}
	return all
}

// ownCommands lists the commands of the user's own settings that name a file beneath root: a filter
// that is ./tools/clean is whatever lies there in the repository.
func (f *Finder) ownCommands(file File, root string, r Repository) []Finding {
	var all []Finding
	for _, s := range file.Settings {
		command, ok := s.Command()
		if !ok {
			continue
		}
		for _, word := range settings.Words(command) {
			at, ok := f.path(word, r.Where())
			if !ok || !strings.ContainsAny(word, "/.") {
				continue
			}
			to, err := hostfile.Follow(f.look, at)
			if err == nil && to.Entry.Type == policy.Regular && policy.Within(to.Path, root) {
				all = append(all, Finding{
					Path: to.Path, Says: fmt.Sprintf("%s of your own settings is run with it", s.Name()),
					Runs: command,
				})
			}
		}
	}
	return all
}

// checkFile lists the settings of a file that git runs.
func checkFile(file File) []Finding {
	var all []Finding
	for _, s := range file.Settings {
		if command, ok := s.Command(); ok {
			all = append(all, Finding{
				Path: file.Path, Line: s.Line, Says: s.Name() + " is run", Runs: command,
			})
		}
		if s.LetsURLsRun() {
			all = append(all, Finding{
				Path: file.Path, Line: s.Line, Says: s.Name() + " lets a URL name a command: ext::COMMAND",
			})
		}
		if at, ok := elsewhere(s); ok {
			all = append(all, Finding{Path: file.Path, Line: s.Line, Says: at})
		}
	}
	if file.Err != nil {
		all = append(all, Finding{Path: file.Path, Says: "it cannot be read: " + file.Err.Error()})
	}
	return all
}

// elsewhere says of a setting that names another place where that is.
func elsewhere(s settings.Setting) (string, bool) {
	if hooks, ok := s.HooksPath(); ok {
		return "hooks are in " + hooks, true
	}
	if file, ok := s.Include(); ok {
		return "more settings are in " + file, true
	}
	return "", false
}

// hooks lists the programs in a directory of hooks.
func hooks(dir string) []Finding {
	var all []Finding
	programs, more := Hooks(dir)
	if more {
		all = append(all, Finding{Path: dir, Says: "it holds more than is looked at"})
	}
	for _, at := range programs {
		all = append(all, Finding{Path: at, Says: "a hook", Runs: at})
	}
	return all
}

// Hooks are the programs in a directory of hooks, which may be a link, but for the samples that git
// puts there. It reports whether the directory holds more than is looked at.
func Hooks(dir string) (programs []string, more bool) {
	at, err := hostfile.Resolve(dir)
	if err != nil {
		return nil, false
	}
	entries, more := List(at)
	for _, e := range entries {
		at := dir + "/" + e.Name()
		info, err := os.Stat(at)
		if err == nil && info.Mode().IsRegular() && !strings.HasSuffix(at, ".sample") &&
			unix.Access(at, unix.X_OK) == nil {
			programs = append(programs, at)
		}
	}
	return programs, more
}
