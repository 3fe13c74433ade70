package copies

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Argument {
		os.Exit(Main())
	}
	os.Exit(m.Run())
}

// world is a session with one copied file: a directory that stands for the session's own, and the
// host's.
type world struct {
	t                     *testing.T
	inside, host, runtime string
	name                  string
}

func newWorld(t *testing.T, name string) world {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := world{t, base + "/inside", base + "/host", base + "/runtime", name}
	for _, dir := range []string{w.inside, w.host, w.runtime} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write(w.inside, "old\n")
	w.write(w.host, "old\n")
	return w
}

// write replaces the file in a directory as an editor does.
func (w world) write(dir, content string) {
	w.t.Helper()
	temp := filepath.Join(dir, ".editor")
	if err := os.WriteFile(temp, []byte(content), 0o640); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(dir, w.name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) file(session string) (*Set, error) {
	w.t.Helper()
	dir, err := os.Open(w.inside)
	if err != nil {
		w.t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(w.host, w.name), &st); err != nil {
		w.t.Fatal(err)
	}
	return Look([]File{{Path: filepath.Join(w.host, w.name), Device: st.Dev, Inode: st.Ino, Dir: dir}},
		Where{Session: session, Runtime: w.runtime})
}

func (w world) look(session string) *Set {
	w.t.Helper()
	s, err := w.file(session)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReturn(t *testing.T) {
	const secret = "a secret of the host's\n"
	for _, c := range []struct {
		name    string
		inside  func(w world, at string) // what the agent does
		outside func(w world, at string) // what happens on the host meanwhile
		want    Result
		host    string // the host's content in the end; empty: no such file
		kept    string // the content of what is kept
		why     string
		user    bool // it needs a user who is not root
	}{
		{name: "nothing is done", want: Unchanged, host: "old\n"},
		{name: "saved by rename", inside: func(w world, _ string) { w.write(w.inside, "new\n") }, want: Returned, host: "new\n"},
		{
			name:   "written in place",
			inside: func(w world, at string) { do(w.t, os.WriteFile(at, []byte("new\n"), 0o600)) },
			want:   Returned, host: "new\n",
		},
		{name: "emptied", inside: func(w world, at string) { do(w.t, os.Truncate(at, 0)) }, want: Returned, host: "empty"},
		{
			name:   "changed outside only",
			inside: nil, outside: func(w world, _ string) { w.write(w.host, "theirs\n") },
			want: Unchanged, host: "theirs\n",
		},
		{
			name:    "changed on both sides",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { w.write(w.host, "theirs\n") },
			want:    Kept, host: "theirs\n", kept: "new\n", why: "changed outside",
		},
		{
			name:    "changed on both sides alike",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { w.write(w.host, "new\n") },
			want:    Unchanged, host: "new\n",
		},
		{
			name:    "replaced by the same outside",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { w.write(w.host, "old\n") },
			want:    Returned, host: "new\n",
		},
		{
			name:    "removed outside",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, at string) { do(w.t, os.Remove(at)) },
			want:    Kept, kept: "new\n", why: "changed outside",
		},
		{
			name:   "a link outside",
			inside: func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, at string) {
				do(w.t, os.WriteFile(w.host+"/elsewhere", []byte("old\n"), 0o600), os.Remove(at), os.Symlink("elsewhere", at))
			},
			want: Kept, host: "old\n", kept: "new\n", why: "changed outside",
		},
		{name: "removed inside", inside: func(w world, at string) { do(w.t, os.Remove(at)) }, want: Left, host: "old\n", why: "inside it was removed"},
		{
			name: "a link that the agent planted",
			inside: func(w world, at string) {
				do(w.t, os.WriteFile(w.host+"/secret", []byte(secret), 0o600), os.Remove(at), os.Symlink(w.host+"/secret", at))
				if read(w.t, at) != secret { // the control: who follows it reads the secret
					w.t.Error("the link leads nowhere, and so the test shows nothing")
				}
			},
			want: Left, host: "old\n", why: "something else than a regular file",
		},
		{
			name:   "a pipe, which nobody waits for",
			inside: func(w world, at string) { do(w.t, os.Remove(at), unix.Mkfifo(at, 0o600)) },
			want:   Left, host: "old\n", why: "something else",
		},
		{
			name:   "a directory",
			inside: func(w world, at string) { do(w.t, os.Remove(at), os.Mkdir(at, 0o700)) },
			want:   Left, host: "old\n", why: "something else",
		},
		{
			name: "a file that cannot be read", user: true,
			inside: func(w world, at string) { w.write(w.inside, "new\n"); do(w.t, os.Chmod(at, 0)) },
			want:   Left, host: "old\n", why: "permission denied",
		},
		{
			name: "a directory that cannot be written", user: true,
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { do(w.t, os.Chmod(w.host, 0o500)) },
			want:    Kept, host: "old\n", kept: "new\n", why: "permission denied",
		},
		{
			name: "nowhere to write", user: true,
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, _ string) { do(w.t, os.Chmod(w.host, 0o500), os.Chmod(w.runtime, 0o500)) },
			want:    Lost, host: "old\n", why: "permission denied",
		},
		{
			name:    "the name of what is kept is taken",
			inside:  func(w world, _ string) { w.write(w.inside, "new\n") },
			outside: func(w world, at string) { w.write(w.host, "theirs\n"); do(w.t, os.Symlink("x", at+".nono-s1")) },
			want:    Kept, host: "theirs\n", kept: "new\n", why: "changed outside",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.user && os.Getuid() == 0 {
				t.Skip("root may write anywhere")
			}
			w := newWorld(t, "settings\xff.json")
			s := w.look("s1")
			at, host := filepath.Join(w.inside, w.name), filepath.Join(w.host, w.name)
			if c.inside != nil {
				c.inside(w, at)
			}
			if c.outside != nil {
				c.outside(w, host)
			}
			t.Cleanup(func() { _ = os.Chmod(w.host, 0o700); _ = os.Chmod(w.runtime, 0o700) })
			o := s.Return()[0]
			if o.Result != c.want || !strings.Contains(o.Why, c.why) {
				t.Errorf("%+v, want %v and %q", o, c.want, c.why)
			}
			content, err := os.ReadFile(host)
			switch {
			case c.host == "empty" && len(content) == 0:
			case (c.host == "") != (err != nil) || string(content) != c.host:
				t.Errorf("the host has %q, %v; want %q", content, err, c.host)
			}
			if c.kept != "" && read(t, o.At) != c.kept {
				t.Errorf("kept is %q, want %q", read(t, o.At), c.kept)
			}
			if says, _ := o.Text(w.host); (says == "") != (c.want == Unchanged || c.want == Returned) || o.Failed() != (c.want == Lost) {
				t.Errorf("said is %q", says)
			}
			for _, dir := range []string{w.host, w.runtime} {
				names, err := os.ReadDir(dir)
				do(t, err)
				for _, n := range names {
					if strings.HasPrefix(n.Name(), ".nono-") {
						t.Errorf("%s was left in %s", n.Name(), dir)
					}
				}
			}
		})
	}
}

// Of the host's file everything stays but the content, whatever the agent made of the copy's.
func TestAttributesStay(t *testing.T) {
	w := newWorld(t, "f")
	host := filepath.Join(w.host, "f")
	do(t, os.Chmod(host, 0o604))
	hasAttributes := unix.Setxattr(host, "user.note", []byte("kept"), 0) == nil
	s := w.look("s1")
	w.write(w.inside, "new\n")
	do(t, os.Chmod(filepath.Join(w.inside, "f"), 0o777|os.ModeSetuid))
	if o := s.Return()[0]; o.Result != Returned {
		t.Fatalf("%+v", o)
	}
	info, err := os.Stat(host)
	do(t, err)
	if info.Mode() != 0o604 {
		t.Errorf("the mode is %v", info.Mode())
	}
	value := make([]byte, 16)
	if n, err := unix.Getxattr(host, "user.note", value); hasAttributes && (err != nil || string(value[:n]) != "kept") {
		t.Errorf("the attribute is %q, %v", value[:max(n, 0)], err)
	}
}

// What is brought back comes to the directory that it was taken from, wherever that is by then.
func TestDirectoryThatMoved(t *testing.T) {
	w := newWorld(t, "f")
	s := w.look("s1")
	w.write(w.inside, "new\n")
	do(t, os.Rename(w.host, w.host+"-moved"), os.MkdirAll(w.host+"-trap", 0o700), os.Symlink("host-trap", w.host))
	do(t, os.WriteFile(w.host+"-trap/f", []byte("old\n"), 0o600))
	if o := s.Return()[0]; o.Result != Returned {
		t.Fatalf("%+v", o)
	}
	if trap, moved := read(t, w.host+"-trap/f"), read(t, w.host+"-moved/f"); trap != "old\n" || moved != "new\n" {
		t.Errorf("behind the link %q, in the directory that moved %q", trap, moved)
	}
}

// Of two sessions that change one file, the second one's is kept.
func TestTwoSessions(t *testing.T) {
	w := newWorld(t, "f")
	one, two := w.look("s1"), w.look("s2")
	w.write(w.inside, "new\n")
	results := make(chan Outcome, 2)
	for _, s := range []*Set{one, two} {
		go func() { results <- s.Return()[0] }()
	}
	first := []Result{(<-results).Result, (<-results).Result}
	slices.Sort(first)
	// Both made the same of it: whoever is second finds that, or the change of the first.
	if first[0] == Lost || first[1] == Lost || first[1] == Left || read(t, filepath.Join(w.host, "f")) != "new\n" {
		t.Errorf("results %v", first)
	}
	w = newWorld(t, "f")
	one, two = w.look("s1"), w.look("s2")
	w.write(w.inside, "one's\n")
	if o := one.Return()[0]; o.Result != Returned {
		t.Errorf("%+v", o)
	}
	w.write(w.inside, "two's\n")
	if o := two.Return()[0]; o.Result != Kept || read(t, o.At) != "two's\n" || read(t, filepath.Join(w.host, "f")) != "one's\n" {
		t.Errorf("%+v", o)
	}
}

// A file that was replaced between the plan and the look is not what was copied.
func TestLookRefuses(t *testing.T) {
	w := newWorld(t, "f")
	dir, err := os.Open(w.inside)
	do(t, err)
	_, err = Look([]File{{Path: filepath.Join(w.host, "f"), Device: 1, Inode: 1, Dir: dir}}, Where{Session: "s", Runtime: w.runtime})
	if err == nil || !strings.Contains(err.Error(), "no longer what was copied") {
		t.Errorf("got %v", err)
	}
	do(t, os.Rename(w.host, w.host+"-real"), os.Symlink("host-real", w.host))
	if _, err := w.file("s"); err == nil {
		t.Error("a directory behind a link is taken for the one that was planned with")
	}
}

// keep starts a keeper for a session that ends with the process that is returned.
func (w world) keep(s *Set) (*Keeper, *exec.Cmd, *os.File) {
	w.t.Helper()
	session := exec.Command("cat")
	stdin, err := session.StdinPipe()
	do(w.t, err, session.Start())
	w.t.Cleanup(func() { _ = stdin.Close() })
	fd, err := unix.PidfdOpen(session.Process.Pid, 0)
	do(w.t, err)
	ended := os.NewFile(uintptr(fd), "session")
	w.t.Cleanup(func() { _ = ended.Close() })
	k, err := Keep(os.Args[0], w.host, s, ended)
	do(w.t, err)
	return k, session, ended
}

func TestKeeperOfACoreThatIsKilled(t *testing.T) {
	w := newWorld(t, "f")
	s := w.look("s1")
	k, session, _ := w.keep(s)
	w.write(w.inside, "new\n")
	do(t, unix.Close(k.socket)) // as the kernel does when core is killed

	// While something inside lives, it may still change the file.
	gone := make(chan error, 1)
	go func() { _, err := k.process.Wait(); gone <- err }()
	select {
	case err := <-gone:
		t.Fatalf("it did not wait for the end of the session: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if got := read(t, filepath.Join(w.host, "f")); got != "old\n" {
		t.Fatalf("it brought %q back before the end of the session", got)
	}
	w.write(w.inside, "newest\n")
	do(t, session.Process.Kill())
	_ = session.Wait()
	select {
	case err := <-gone:
		do(t, err)
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if got := read(t, filepath.Join(w.host, "f")); got != "newest\n" {
		t.Errorf("the host has %q", got)
	}
}

func TestKeeperThatIsReleased(t *testing.T) {
	w := newWorld(t, "f")
	k, session, _ := w.keep(w.look("s1"))
	w.write(w.inside, "new\n")
	do(t, session.Process.Kill())
	_ = session.Wait()
	k.Release()
	if got := read(t, filepath.Join(w.host, "f")); got != "old\n" {
		t.Errorf("what core has brought back already it brought back again: %q", got)
	}
}

func TestKeeperByHand(t *testing.T) {
	cmd := exec.Command(os.Args[0], Argument)
	stderr, err := cmd.StderrPipe()
	do(t, err, cmd.Start())
	said, err := io.ReadAll(stderr)
	do(t, err)
	if err := cmd.Wait(); err == nil || !strings.Contains(string(said), "started by nono") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestNameOfWhatIsKept(t *testing.T) {
	w := Where{Session: "abcdefghij"}
	if got := w.besides("/home/ada/.claude.json"); got != ".claude.json.nono-abcdefghij" {
		t.Error(got)
	}
	if got := w.besides("/home/ada/" + strings.Repeat("x", 255)); len(got) != 255 || !strings.HasSuffix(got, ".nono-abcdefghij") {
		t.Error(got)
	}
}
