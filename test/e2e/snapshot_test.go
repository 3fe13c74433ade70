//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// standing is a tree as a person would look at it: what stands at each path, but for those in some
// directories.
func standing(t *testing.T, root string, but ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || slices.Contains(but, name) {
			return filepath.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		says := fmt.Sprintf("%o %d", st.Mode, st.Nlink)
		switch {
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			says += fmt.Sprintf(" %d.%09d %q", st.Mtim.Sec, st.Mtim.Nsec, content)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			says += " -> " + target
		}
		all[name] = says
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameTree tells what is not as it was.
func sameTree(t *testing.T, before, now map[string]string) {
	t.Helper()
	for name, was := range before {
		if now[name] != was {
			t.Errorf("%s was %s\nand is %s", name, was, now[name])
		}
	}
	for name, is := range now {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new: %s", name, is)
		}
	}
}

// keyBytes are what a key looks like: nothing compresses them, so they are found wherever they are.
const keyBytes = "c2VjcmV0-x7Qk2mPz9vR4tLw8sNb3cYh6JdUfGa5E"

// hostile is what an agent does that wants to break the undo.
const hostile = `set -e
rm -r src/deleted src/one.txt
mv src/two.txt src/renamed.txt
chmod 000 src/three.txt
: > src/four.txt
ln -sf ~/.ssh/id_rsa src/five.txt
mv src/dir aside && ln -s aside src/dir
rm src/six.txt && mkdir src/six.txt && echo x > src/six.txt/inner
rm -r src/seven && echo file > src/seven
mkfifo src/pipe
touch -d 2001-01-01 src/eight.txt
echo evil > node_modules/lib/index.js
mkdir .git/objects/zz && echo rubbish > .git/objects/zz/rubbish
echo 'ref: refs/heads/nowhere' > .git/HEAD
for f in $(find .git/objects -type f | head -2); do chmod u+w $f; echo broken > $f; done
printf 'name\033[2J' > "$(printf 'esc\033]0;x.txt')"
`

// TestSnapshotOfAHostileAgent: the words of the first example, a git repository with packages in it,
// and an agent that wants to break the undo: afterwards the tree is as it was, but for what was not
// recorded and for what the user made since, and the user's key is nowhere in the store.
func TestSnapshotOfAHostileAgent(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.ssh/id_rsa", keyBytes)
	for _, name := range []string{"one", "two", "three", "four", "five", "six", "eight"} {
		u.write("src/"+name+".txt", strings.Repeat(name+"\n", 10))
	}
	for _, name := range []string{"src/deleted/a", "src/dir/b", "src/seven/c", "node_modules/lib/index.js"} {
		u.write(name, name)
	}
	u.mkdir("src/empty")
	if err := os.Link(u.path("src/one.txt"), u.path("src/linked.txt")); err != nil {
		t.Fatal(err)
	}
	u.write(".gitignore", "node_modules\n")
	u.repository()
	u.write("agent.sh", hostile)
	before := standing(t, u.Project, "node_modules")

	r := u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "agent.sh")
	u.succeeds(r)
	u.says(r, "nono: rw ~/proj; network closed; home private; snapshot of ~/proj; tier A")
	if !strings.Contains(r.Stderr, "cannot be undone: nono session diff") {
		t.Errorf("no summary\n%s", r)
	}
	u.write("mine.txt", "made by the user since")

	diff := u.succeeds(u.nono("session", "diff"))
	head, _, _ := strings.Cut(diff.Stdout, "\n")
	if _, counts, _ := strings.Cut(head, ": "); !strings.Contains(counts, " renamed, ") ||
		!strings.Contains(r.Stderr, "nono: "+counts+": nono session diff") {
		t.Errorf("the difference counts %q, which is not what the end of the run says\n%s", counts, r)
	}
	for _, line := range []string{
		"rename from src/two.txt\nrename to src/renamed.txt\n",
		"deleted file mode 100644\n--- a/src/one.txt\n+++ /dev/null\n",
		"old mode 100644\nnew mode 100000\n",
		"# cannot be undone: its contents are not recorded (excluded)\n",
		`b/esc\x1b]0;x.txt`,
	} {
		if !strings.Contains(diff.Stdout, line) {
			t.Errorf("%q is not in the difference", line)
		}
	}
	names := diff.Stdout[:0]
	for line := range strings.Lines(diff.Stdout) {
		if strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "#") {
			names += line
		}
	}
	if strings.Contains(names, "\x1b") {
		t.Errorf("a name of the agent's reaches the terminal\n%q", names)
	}

	undo := u.nono("session", "rollback", "--yes")
	// The pipe is put into no place of another file, and what was excluded stays.
	u.succeeds(undo)
	if u.read("mine.txt") != "made by the user since" || u.read("node_modules/lib/index.js") != "evil\n" {
		t.Error("what was not recorded was touched")
	}
	if err := os.Remove(u.path("mine.txt")); err != nil {
		t.Fatal(err)
	}
	now := standing(t, u.Project, "node_modules")
	// Objects are never deleted: what the agent put among them stays, until git tidies up.
	for _, name := range []string{".git/objects/zz", ".git/objects/zz/rubbish"} {
		delete(now, name)
	}
	for _, m := range []map[string]string{before, now} {
		maps.DeleteFunc(m, func(name, _ string) bool { return name == ".git/objects" || name == "." })
	}
	sameTree(t, before, now)
	u.host("git", "fsck", "--strict")
	if out := u.host("git", "status", "--porcelain"); out != "?? agent.sh\n" {
		t.Errorf("git says\n%s", out)
	}
	if found := u.mentioningIn([]string{keyBytes}, u.path("~/.local/state/nono")); len(found) > 0 {
		t.Errorf("the key is in %v", found)
	}
	if u.read("~/.ssh/id_rsa") != keyBytes {
		t.Error("the key was written to")
	}

	// And the state before that is back as well.
	if r := u.nono("session", "rollback", "--undo", "--yes"); r.Code != 1 ||
		!strings.Contains(r.Stderr, "src/pipe: it was a pipe, which is not made again") {
		t.Errorf("got %s", r)
	}
	if u.exists("src/one.txt") || !u.exists("src/renamed.txt") || u.read("src/seven") != "file\n" {
		t.Error("the undo was not undone")
	}
	u.succeeds(u.nono("undo", "--yes"))
	if !u.exists("src/one.txt") {
		t.Error("and not undone again")
	}
	u.succeeds(u.nono("session", "verify"))

	id := u.stored("sessions")[0].ID
	if r := u.succeeds(u.nono("session", "rm", id)); !strings.Contains(r.Stderr, "nono: that frees ") {
		t.Errorf("nothing is freed\n%s", r)
	}
	u.refused(u.nono("session", "diff"), "no finished session has a snapshot of ~/proj")
}

// diffJSON is what session diff --json prints.
type diffJSON struct {
	Session string
	Late    bool
	Changes []struct{ Path, Kind, Permanent string }
}

// A part is put back by its path; what the user changed since is left and named, unless it is forced.
func TestRollbackOfAPart(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a/one", "one")
	u.write("a/two", "two")
	u.write("b/three", "three")
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "-c",
		"echo agent > a/one; echo agent > a/two; echo agent > b/three; echo agent > b/four"))
	u.write("a/two", "the user's own")
	var diff diffJSON
	if err := json.Unmarshal([]byte(u.succeeds(u.nono("session", "diff", "--json", "a")).Stdout), &diff); err != nil {
		t.Fatal(err)
	}
	if len(diff.Changes) != 2 || diff.Changes[0].Path != "a/one" || diff.Changes[0].Kind != "changed" {
		t.Errorf("got %+v", diff)
	}
	r := u.nono("session", "rollback", "--yes", "a")
	if r.Code != 1 || !strings.Contains(r.Stderr, "changed since, and left (--force overwrites it): a/two") {
		t.Errorf("got %s", r)
	}
	for name, want := range map[string]string{
		"a/one": "one", "a/two": "the user's own", "b/three": "agent\n", "b/four": "agent\n",
	} {
		if got := u.read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r := u.nono("session", "rollback"); r.Code != 1 || !strings.Contains(r.Stderr, "--yes does it without") ||
		u.read("b/three") != "agent\n" {
		t.Errorf("nobody was asked\n%s", r)
	}
	if r := u.succeeds(u.nono("session", "rollback", "--dry-run", "b")); r.Stdout != "put back b/three\nremove   b/four\n" &&
		r.Stdout != "remove   b/four\nput back b/three\n" {
		t.Errorf("got %s", r)
	}
	u.succeeds(u.nono("session", "rollback", "--yes", "--force"))
	if u.read("a/two") != "two" || u.exists("b/four") {
		t.Error("it was not forced")
	}
	if r := u.nono("session", "diff", "/etc"); r.Code != 1 || !strings.Contains(r.Stderr, "in none of the directories that were recorded") {
		t.Errorf("got %s", r)
	}
}

// While a session runs on the tree nobody can say what the last one is: both commands refuse, and
// name it. One that was named is shown, and put back only when the other is over.
func TestSnapshotWhileAnotherRuns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a", "a")
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "-c", "echo b > a"))
	id := u.stored("sessions")[0].ID
	g := u.guard("run", "--allow-cwd", "--snapshot", "--name", "other", "--", "sh", "-c", "echo up; "+ran+"; read x")
	g.wait(&g.out, "up")
	for _, command := range []string{"diff", "rollback"} {
		u.refused(u.nono("session", command), "other", "runs, and may be changing ~/proj", "nono session "+command+" "+id)
	}
	u.succeeds(u.nono("session", "diff", id))
	if r := u.nono("session", "rollback", id, "--yes"); r.Code != 1 || !strings.Contains(r.Stderr, "nono stop") || u.read("a") != "b\n" {
		t.Errorf("got %s", r)
	}
	u.succeeds(u.nono("stop", "other"))
	g.over()
	u.succeeds(u.nono("session", "rollback", id, "--yes"))
	if u.read("a") != "a" {
		t.Error("it was not put back")
	}
}

// A session whose second snapshot could not be taken says so, and how it is taken: what its commands
// would show is not known before. Its nono was not killed.
func TestSnapshotWhoseEndFailed(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a", "a")
	g := u.guard("run", "--allow-cwd", "--snapshot", "--name", "it", "--", "sh", "-c",
		"echo b > a; echo up; "+ran+"; read x")
	g.wait(&g.out, "up")
	packs := u.path("~/.local/state/nono/layers/snapshot/store/packs")
	if err := os.Rename(packs, packs+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u.nono("stop", "it")
	g.over()
	const why = "is not finished: its second snapshot could not be taken"
	u.refused(u.nono("session", "diff"), why)
	u.refused(u.nono("session", "rollback", "it"), why)
	if err := errors.Join(os.Remove(packs), os.Rename(packs+".away", packs)); err != nil {
		t.Fatal(err)
	}
	u.succeeds(u.nono("run", "--", "true"))
	u.succeeds(u.nono("session", "rollback", "it", "--yes"))
	if u.read("a") != "a" {
		t.Error("it was not put back")
	}
}

// A session whose nono was killed has its second snapshot from the next start, and that is told.
func TestSnapshotOfAKilledSession(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a", "a")
	g := u.guard("run", "--allow-cwd", "--snapshot", "--", "sh", "-c", "echo b > a; echo up; "+ran+"; read x")
	g.wait(&g.out, "up")
	u.kill(g)
	u.refused(u.nono("session", "diff"), "has lost its nono and is not finished")
	u.succeeds(u.nono("run", "--", "true"))
	r := u.succeeds(u.nono("session", "diff"))
	if !strings.Contains(r.Stdout, "# its nono was killed") || !strings.Contains(r.Stdout, "-a\n") {
		t.Errorf("got %s", r)
	}
	u.succeeds(u.nono("session", "rollback", "--yes"))
	if u.read("a") != "a" {
		t.Error("it was not put back")
	}
}

// What is denied is not recorded, and a snapshot that cannot be taken refuses the run.
func TestSnapshotRefuses(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("secret", keyBytes)
	u.succeeds(u.nono("run", "--allow-cwd", "--deny", "secret", "--snapshot", "--", "true"))
	if found := u.mentioningIn([]string{keyBytes}, u.path("~/.local/state/nono")); len(found) > 0 {
		t.Errorf("what is denied is in %v", found)
	}
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--", "true"))
	if found := u.mentioningIn([]string{keyBytes}, u.path("~/.local/state/nono")); len(found) == 0 {
		t.Error("without the denial it is not found either") // the control
	}
	store := u.path("~/.local/state/nono/layers/snapshot/store")
	if _, err := os.Stat(store); err != nil {
		matches, _ := filepath.Glob(u.path("~/.local/state/nono/*/snapshot/store"))
		t.Fatalf("the store is elsewhere: %v, %v", matches, err)
	}
	if err := os.Chmod(store, 0o755); err != nil {
		t.Fatal(err)
	}
	u.refused(u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "-c", "touch ran"), "others must not see what is in it")
	if u.exists("ran") {
		t.Error("the agent ran without a snapshot")
	}
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--disable", "snapshot", "--", "true"))
}

// At a terminal the user chooses from a list, and differences in a file.
func TestRollbackChooses(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	lines := make([]string, 40)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d\n", i)
	}
	u.write("text", strings.Join(lines, ""))
	u.write("other", "x")
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "-c",
		"sed -i -e 's/^line 2$/AGENT 2/' -e 's/^line 35$/AGENT 35/' text; mv other elsewhere"))
	y := newTTY(t)
	cmd := u.command("session", "rollback", "--choose")
	y.start(cmd)
	y.expect("Which to put back?")
	y.enter("1 2h\n")
	y.expect("+AGENT 2")
	y.expect("Take this back? 1 of 2")
	y.enter("y\n")
	y.expect("Take this back? 2 of 2")
	y.enter("n\n")
	y.expect("put back elsewhere -> other")
	y.expect("Put back 2 paths?")
	y.enter("y\n")
	y.expect("as before")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if u.read("other") != "x" || u.exists("elsewhere") {
		t.Error("what was renamed is not back")
	}
	if got := u.read("text"); !strings.Contains(got, "line 2\n") || !strings.Contains(got, "AGENT 35\n") {
		t.Errorf("got %q", got)
	}
}

// A diff is one that git and patch take.
func TestDiffApplies(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a", "one\ntwo\nthree\n")
	u.write("b", "gone\n")
	u.succeeds(u.nono("run", "--allow-cwd", "--snapshot", "--", "sh", "-c", "sed -i s/two/2/ a; rm b; echo new > c"))
	patch := u.succeeds(u.nono("session", "diff")).Stdout
	cmd := exec.Command("git", "apply", "-R", "-")
	cmd.Dir, cmd.Stdin = u.Project, strings.NewReader(patch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, patch)
	}
	if u.read("a") != "one\ntwo\nthree\n" || u.read("b") != "gone\n" || u.exists("c") {
		t.Error("the diff is another one")
	}
}
