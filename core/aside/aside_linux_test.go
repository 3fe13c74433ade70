package aside

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// project is a tree with what is kept aside: a file and a directory.
func project(t *testing.T) (root string, wants []Want) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"git/config": "settings", "git/hooks/pre-commit": "hook", "git/hooks/sub/deep": "deep", "main": "main",
	} {
		write(t, filepath.Join(root, name), content)
	}
	must(t, os.Symlink("pre-commit", filepath.Join(root, "git/hooks/link")))
	must(t, os.Chmod(filepath.Join(root, "git/hooks/pre-commit"), 0o755))
	return root, []Want{{Path: root + "/git/config"}, {Path: root + "/git/hooks"}}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))
	must(t, os.WriteFile(name, []byte(content), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keep(t *testing.T, wants []Want) *Kept {
	t.Helper()
	k, err := Keep(filepath.Join(t.TempDir(), "aside"), wants)
	must(t, err)
	return k
}

// ended is what was kept, as a later command finds it.
func ended(t *testing.T, k *Kept) *Kept {
	t.Helper()
	_, err := k.End()
	must(t, err)
	again, err := Open(k.dir)
	must(t, err)
	if !again.Ended() {
		t.Error("nobody knows that it ended")
	}
	return again
}

// texts are the changes in words, beneath a root.
func texts(k *Kept, root string) []string {
	var all []string
	for _, c := range k.Changes() {
		all = append(all, strings.TrimPrefix(c.Path, root+"/")+" ("+c.How()+")")
	}
	return all
}

func results(outcomes []Outcome, root string) []string {
	var all []string
	for _, o := range outcomes {
		line := strings.TrimPrefix(o.Path, root+"/") + " " + string(o.Result)
		if o.Why != "" {
			line += ": " + o.Why
		}
		all = append(all, line)
	}
	return all
}

// treeOf is all that stands beneath a root, as text.
func treeOf(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := strings.TrimPrefix(p, root) + " " + info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += " " + string(content)
		case info.Mode()&os.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			line += " -> " + target
		}
		all = append(all, line)
		return nil
	}))
	return all
}

func TestNothingChanged(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	write(t, root+"/main", "another") // what nobody kept
	k = ended(t, k)
	if len(k.Changes()) > 0 || len(k.Restore()) > 0 || len(k.Beyond()) > 0 {
		t.Errorf("changes %v, beyond %v", k.Changes(), k.Beyond())
	}
}

// Whatever an agent does to what was kept, it is told, and all of it is put back.
func TestRestore(t *testing.T) {
	root, wants := project(t)
	before := treeOf(t, root)
	k := keep(t, wants)

	hooks := root + "/git/hooks"
	write(t, root+"/git/config", "evil set") // as long as before
	must(t, os.RemoveAll(hooks+"/sub"))
	must(t, os.Chmod(hooks+"/pre-commit", 0o600))
	write(t, hooks+"/new/er/post-checkout", "evil")
	must(t, os.Remove(hooks+"/link"))
	must(t, os.Mkdir(hooks+"/link", 0o700))
	write(t, hooks+"/link/in", "evil")
	must(t, os.Chmod(hooks, 0o500))
	t.Cleanup(func() { _ = os.Chmod(hooks, 0o700) })

	k = ended(t, k)
	want := []string{
		"git/config (changed)", "git/hooks (its mode)", "git/hooks/link (a directory, and was a link)", "git/hooks/link/in (new)",
		"git/hooks/new (new)", "git/hooks/new/er (new)", "git/hooks/new/er/post-checkout (new)", "git/hooks/pre-commit (its mode)",
		"git/hooks/sub (gone)", "git/hooks/sub/deep (gone)",
	}
	if d := cmp.Diff(want, texts(k, root)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	changed := treeOf(t, root)
	tried := results(k.TryRestore(), root)
	if d := cmp.Diff(changed, treeOf(t, root)); d != "" {
		t.Errorf("trying changed something:\n%s", d)
	}
	done := results(k.Restore(), root)
	if d := cmp.Diff(tried, done); d != "" {
		t.Errorf("it was said (-) and done (+):\n%s", d)
	}
	if d := cmp.Diff(before, treeOf(t, root)); d != "" {
		t.Errorf("after restoring (-before +after):\n%s\n%s", d, strings.Join(done, "\n"))
	}
	for _, o := range k.Restore() {
		if o.Result != Already {
			t.Errorf("the second time: %+v", o)
		}
	}
}

// What was changed after the session is somebody else's work, and stays.
func TestLaterChangesStay(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	write(t, root+"/git/config", "by the agent")
	write(t, root+"/git/hooks/made", "by the agent")
	write(t, root+"/git/hooks/dir/made", "by the agent")
	k = ended(t, k)
	write(t, root+"/git/config", "by the user ")
	write(t, root+"/git/hooks/made", "by the user ")
	write(t, root+"/git/hooks/dir/user", "by the user ")
	want := []string{
		"git/hooks/made left: it was changed after the session", "git/hooks/dir/made removed",
		"git/hooks/dir left: something else lies in it", "git/config left: it was changed after the session",
	}
	if d := cmp.Diff(want, results(k.Restore(), root)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, name := range []string{"config", "hooks/made", "hooks/dir/user"} {
		if got, _ := os.ReadFile(root + "/git/" + name); string(got) != "by the user " {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// A link that the agent planted is never followed: not where a file was, not where a directory was,
// and not by the look at the end.
func TestLinksAreNotFollowed(t *testing.T) {
	root, wants := project(t)
	outside := t.TempDir()
	write(t, outside+"/victim", "the user's")
	write(t, outside+"/hooks/pre-commit", "the user's")
	k := keep(t, wants)
	must(t, os.Remove(root+"/git/config"))
	must(t, os.Symlink(outside+"/victim", root+"/git/config"))
	must(t, os.RemoveAll(root+"/git/hooks"))
	must(t, os.Symlink(outside+"/hooks", root+"/git/hooks"))
	k = ended(t, k)
	k.Restore()
	for _, name := range []string{"victim", "hooks/pre-commit"} {
		if got, _ := os.ReadFile(outside + "/" + name); string(got) != "the user's" {
			t.Errorf("%s is %q: a link was followed", name, got)
		}
	}
	// The control: the links were replaced, so the paths are what they were.
	if got, err := os.ReadFile(root + "/git/hooks/sub/deep"); err != nil || string(got) != "deep" {
		t.Errorf("what was there did not come back: %q, %v", got, err)
	}

	// A directory above, of which nothing was kept.
	k = ended(t, func() *Kept {
		k := keep(t, wants)
		must(t, os.Rename(root+"/git", root+"/git.away"))
		must(t, os.Symlink(outside, root+"/git"))
		return k
	}())
	for _, o := range k.Restore() {
		if o.Result != Left {
			t.Errorf("%+v: through a link", o)
		}
	}
	if got, _ := os.ReadDir(outside); len(got) != 2 {
		t.Errorf("something was made outside: %v", got)
	}
}

// Who changes a file between the last look and the exchange gets it back.
func TestExchangeIsLookedAtAfterwards(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	dir, err := openDir(unix.AT_FDCWD, root+"/git")
	must(t, err)
	was := k.stored.Entries[0].State
	for _, c := range []Change{
		{Was: was, Is: State{Kind: File, Mode: 0o600, Size: 9, SHA256: digest([]byte("the agent"))}},
		{Was: State{Kind: Missing}, Is: State{Kind: File, Mode: 0o600, Size: 9, SHA256: digest([]byte("the agent"))}},
	} {
		write(t, root+"/git/config", "the user's, as of now")
		if err := k.put(dir, "config", c); !errors.Is(err, errLater) {
			t.Errorf("%v, want that it was changed", err)
		}
		if got, _ := os.ReadFile(root + "/git/config"); string(got) != "the user's, as of now" {
			t.Errorf("the file is %q", got)
		}
	}
	names, _ := os.ReadDir(root + "/git")
	if len(names) != 2 {
		t.Errorf("something was left behind: %v", names)
	}
	// The control: what the session left is taken.
	write(t, root+"/git/config", "the agent")
	c := Change{Was: was, Is: State{Kind: File, Mode: 0o600, Size: 9, SHA256: digest([]byte("the agent"))}}
	if err := k.put(dir, "config", c); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(root + "/git/config"); string(got) != "settings" {
		t.Errorf("the file is %q", got)
	}
}

// What was read before is kept as it was read, whatever stands there by now.
func TestGivenContent(t *testing.T) {
	root, _ := project(t)
	k := keep(t, []Want{{Path: root + "/main", Content: []byte("as it was loaded")}})
	k = ended(t, k)
	if d := cmp.Diff([]string{"main (changed)"}, texts(k, root)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	k.Restore()
	if got, _ := os.ReadFile(root + "/main"); string(got) != "as it was loaded" {
		t.Errorf("the file is %q", got)
	}
}

// What is too much is not kept, and that is known; a change of it is noticed.
func TestBounds(t *testing.T) {
	root, wants := project(t)
	big := root + "/git/hooks/big"
	must(t, os.WriteFile(big, nil, 0o600))
	must(t, os.Truncate(big, mostFile+1))
	many := root + "/git/hooks/many"
	must(t, os.Mkdir(many, 0o700))
	for i := range MostEntries {
		must(t, os.WriteFile(filepath.Join(many, fmt.Sprint(i)), nil, 0o600))
	}
	k := keep(t, wants)
	if d := cmp.Diff([]string{big, many}, k.Beyond()); d != "" {
		t.Errorf("beyond (-want +got):\n%s", d)
	}
	must(t, os.Truncate(big, mostFile+2))
	write(t, root+"/git/config", strings.Repeat("x", mostFile)) // larger than it was: not read again
	k = ended(t, k)
	if d := cmp.Diff([]string{"git/config (changed)", "git/hooks/big (changed)"}, texts(k, root)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	got := results(k.Restore(), root)
	if !slices.Contains(got, "git/hooks/big left: it was too much to be kept") || !slices.Contains(got, "git/config restored") {
		t.Errorf("%v", got)
	}
}

// A pipe or a file without an end in the place of what was kept holds nobody up.
func TestPipesAreNotWaitedFor(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	must(t, os.Remove(root+"/git/config"))
	must(t, unix.Mkfifo(root+"/git/config", 0o600))
	k = ended(t, k)
	if d := cmp.Diff([]string{"git/config (a pipe, socket or device, and was a file)"}, texts(k, root)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	k.Restore()
	if got, _ := os.ReadFile(root + "/git/config"); string(got) != "settings" {
		t.Errorf("the file is %q", got)
	}
}

// A copy that somebody has changed is not put back.
func TestDamagedCopy(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	write(t, root+"/git/config", "by the agent")
	k = ended(t, k)
	write(t, filepath.Join(k.dir, digest([]byte("settings"))), "settingz")
	want := []string{"git/config left: the copy is damaged"}
	if d := cmp.Diff(want, results(k.Restore(), root)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Who fills a directory does not hide what was changed in it: what was known is looked at by its
// name, and the directory is told as one that nobody looked through. The rest can be put back.
func TestAFullDirectoryHidesNothing(t *testing.T) {
	root, wants := project(t)
	k := keep(t, wants)
	hooks := root + "/git/hooks"
	write(t, hooks+"/pre-commit", "evil")
	must(t, os.Remove(hooks+"/link"))
	for i := range MostEntries {
		must(t, os.WriteFile(filepath.Join(hooks, fmt.Sprint(i)), nil, 0o600))
	}
	k = ended(t, k)
	want := []string{
		"git/hooks (so full that not all of it was looked at)", "git/hooks/link (gone)", "git/hooks/pre-commit (changed)",
	}
	if d := cmp.Diff(want, texts(k, root)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	want = []string{
		"git/hooks left: more lies in it than was looked at", "git/hooks/link restored", "git/hooks/pre-commit restored",
	}
	if d := cmp.Diff(want, results(k.TryRestore(), root)); d != "" {
		t.Errorf("tried (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, results(k.Restore(), root)); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	if got, _ := os.ReadFile(hooks + "/pre-commit"); string(got) != "hook" {
		t.Errorf("the hook is %q", got)
	}
}

// What is written down can be read again, however long the agent's names are and however deep they
// lie.
func TestLongNames(t *testing.T) {
	for name, fill := range map[string]func(*testing.T, int){
		"deep": func(t *testing.T, dir int) {
			name := strings.Repeat("d", unix.NAME_MAX)
			for range 2 * mostDeep {
				must(t, unix.Mkdirat(dir, name, 0o700))
				inner, err := unix.Openat(dir, name, unix.O_PATH|unix.O_CLOEXEC, 0)
				must(t, err)
				defer func() { _ = unix.Close(inner) }()
				dir = inner
			}
		},
		"wide": func(t *testing.T, dir int) {
			for i := range MostEntries / 4 {
				must(t, unix.Symlinkat(strings.Repeat("\x01", unix.PathMax-1), dir, fmt.Sprintf("%0200d", i)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, wants := project(t)
			k := keep(t, wants)
			write(t, root+"/git/config", "evil")
			dir, err := unix.Open(root+"/git/hooks", unix.O_PATH|unix.O_CLOEXEC, 0)
			must(t, err)
			defer func() { _ = unix.Close(dir) }()
			fill(t, dir)
			k = ended(t, k)
			info, err := os.Stat(filepath.Join(k.dir, index))
			must(t, err)
			if got := texts(k, root); !slices.Contains(got, "git/config (changed)") || info.Size() > mostIndex/2 {
				t.Errorf("of %d changes in %d bytes none is of git/config", len(got), info.Size())
			}
			if got := results(k.TryRestore(), root); !slices.Contains(got, "git/config restored") {
				t.Errorf("it would not be restored, of %d", len(got))
			}
		})
	}
}
