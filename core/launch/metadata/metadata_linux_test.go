package metadata_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/metadata"
	"github.com/nono-run/nono/test/held"
)

func TestMain(m *testing.M) {
	os.Exit(held.Main(m, held.Acts{":calls": calls, ":race": race, ":measure": measure}))
}

// calls makes the system calls that its input names, one a line, and prints what each returns. The
// words of a line are the name and the arguments: a number, text in quotes, or numbers of 64 bits
// in brackets, both of which are pointed to.
func calls([]string) error {
	runtime.LockOSThread()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		var args [6]uintptr
		var keep []any
		for n, word := range words[1:] {
			switch word[0] {
			case '"':
				text := append([]byte(strings.Trim(word, `"`)), 0)
				args[n] = uintptr(unsafe.Pointer(&text[0]))
				keep = append(keep, text)
			case '[':
				var raw []byte
				for number := range strings.SplitSeq(strings.Trim(word, "[]"), ",") {
					raw = binary.NativeEndian.AppendUint64(raw, uint64(integer(number)))
				}
				args[n] = uintptr(unsafe.Pointer(&raw[0]))
				keep = append(keep, raw)
			default:
				args[n] = uintptr(integer(word))
			}
		}
		number, ok := filter.Number(filter.Native, words[0])
		if !ok {
			fmt.Println("no such call")
			continue
		}
		r, _, errno := unix.Syscall6(uintptr(number), args[0], args[1], args[2], args[3], args[4], args[5])
		runtime.KeepAlive(keep)
		if errno != 0 {
			fmt.Println(unix.ErrnoName(errno))
		} else {
			fmt.Println(int(r))
		}
	}
	return lines.Err()
}

func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// tree is a directory that is granted, one that is not, and links between them.
func tree(t testing.TB) (root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"in/sub", "in/empty", "out/sub", "in2"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, file := range []string{"in/file", "in/sub/file", "out/file", "out/sub/file", "in2/file", "single"} {
		must(t, os.WriteFile(filepath.Join(root, file), nil, 0o644))
	}
	for link, to := range map[string]string{
		"in/inward": "sub/file", "in/outward": "../out/file", "in/outdir": "../out", "in/dangling": "nothing",
		"out/back": "../in/file", "in/loop": "loop", "in/self": "/proc/self/cwd/file",
	} {
		must(t, os.Symlink(to, filepath.Join(root, link)))
	}
	return root
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// granted are the grants in a tree.
func granted(root string) []string {
	return []string{filepath.Join(root, "in"), filepath.Join(root, "single")}
}

// state is all that these calls could change, of each file in a tree.
func state(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		attributes := make([]byte, 1000)
		n, err := unix.Llistxattr(path, attributes)
		if errors.Is(err, unix.EOPNOTSUPP) {
			n, err = 0, nil
		}
		name := strings.TrimPrefix(path, root)
		all[name] = fmt.Sprintf("%o %d:%d %d %q", st.Mode, st.Uid, st.Gid, st.Mtim.Nano(), attributes[:n])
		return err
	}))
	return all
}

// lines are calls that a process makes in the granted directory, from whose parent the others are
// reached. ROOT is that parent, ME and MINE the user and the group. The numbers are -100 for
// AT_FDCWD, 0x100 for AT_SYMLINK_NOFOLLOW, 0x1000 for AT_EMPTY_PATH.
var lines = []struct {
	call string
	// outside: it is refused, since what it names is not granted.
	outside bool
	// differs is what it says if that is not what the kernel says.
	differs string
}{
	{call: `chmod "file" 0o600`},
	{call: `chmod "file" 0o177600`}, // more bits than there are
	{call: `chmod "./sub/../file" 0o640`},
	{call: `chmod "ROOT/in/file" 0o600`},
	{call: `chmod "//ROOT//in/./file" 0o610`},
	{call: `chmod "inward" 0o600`},
	{call: `chmod "." 0o700`},
	{call: `chmod "" 0o700`},
	{call: `chmod 0 0o700`},
	{call: `chmod 8 0o700`},
	{call: `chmod "nothing" 0o700`},
	{call: `chmod "dangling" 0o700`},
	{call: `chmod "loop" 0o700`},
	{call: `chmod "file/" 0o700`},
	{call: `chmod "file/more" 0o700`},
	{call: `chmod "sub/" 0o711`},
	{call: `chmod "LONG" 0o700`},
	{call: `chmod "TOOLONG" 0o700`},
	{call: `chmod "ROOT/single" 0o600`},
	{call: `chmod "ROOT/out/back" 0o600`},
	{call: `fchmodat -100 "file" 0o604`},
	{call: `fchmodat 5 "file" 0o604`},
	{call: `fchmodat 5 "ROOT/in/sub/file" 0o604`}, // the descriptor is not looked at
	{call: `fchmodat2 -100 "inward" 0o604 0x100`}, // a link has no mode
	{call: `fchmodat2 -100 "file" 0o604 0x100`},
	{call: `fchmodat2 -100 "file" 0o604 0x40`},
	{call: `chown "file" ME MINE`},
	{call: `chown "file" -1 -1`},
	{call: `chown "inward" ME -1`},
	{call: `chown "file" 12345 -1`},
	{call: `lchown "outward" ME MINE`}, // the link itself lies inside
	{call: `lchown "dangling" ME MINE`},
	{call: `fchownat -100 "outdir" ME MINE 0x100`},
	{call: `fchownat -100 "" ME MINE 0x1000`},
	{call: `fchownat -100 "file" ME MINE 0x1`},
	{call: `utime "file" [1000,2000]`},
	{call: `utime "file" 8`},
	{call: `utimes "file" [1000,5,2000,6]`},
	{call: `utimes "file" [1000,5,2000,1000000]`},
	{call: `utimes "file" [1000,-1,2000,0]`},
	{call: `utimes "file" [1000,1073741823,2000,0]`}, // as nanoseconds it would be UTIME_NOW
	{call: `futimesat -100 "file" [1000,5,2000,6]`},
	{call: `utimensat -100 "file" [1000,5,2000,6] 0`},
	{call: `utimensat -100 "dangling" [1000,5,2000,6] 0x100`},
	{call: `utimensat -100 "outward" [1000,5,2000,6] 0x100`},
	{call: `utimensat -100 "file" [1000,1073741822,3000,7] 0`}, // UTIME_OMIT
	{call: `utimensat -100 "file" [1000,1000000000,3000,7] 0`},
	{call: `utimensat -100 "file" [1000,5,2000,6] 0x2`},
	{call: `utimensat -100 0 [1000,5,2000,6] 0`},
	{call: `utimensat -100 "" [1000,5,2000,6] 0x1000`},
	{call: `utimensat 99 0 [1000,5,2000,6] 0`},
	{call: `setxattr "file" "user.a" "value" 5 0`},
	{call: `setxattr "file" "user.a" "value" 5 1`}, // XATTR_CREATE, and it is there
	{call: `setxattr "file" "user.b" "value" 5 2`}, // XATTR_REPLACE, and it is not
	{call: `setxattr "file" "user.b" "value" 5 4`},
	{call: `setxattr "file" "user.b" 0 0 0`},
	{call: `setxattr "file" "user.b" 8 5 0`},
	{call: `setxattr "file" "user.b" "value" 65537 0`},
	{call: `setxattr "file" "" "value" 5 0`},
	{call: `setxattr "file" "LONG" "value" 5 0`},
	{call: `setxattr "file" "none.b" "value" 5 0`},
	{call: `setxattr "file" "trusted.b" "value" 5 0`},
	{call: `setxattr "file" "security.capability" "value" 5 0`},
	{call: `lsetxattr "dangling" "user.a" "value" 5 0`},
	{call: `lsetxattr "file" "user.c" "value" 5 0`},
	{call: `removexattr "file" "user.c"`},
	{call: `removexattr "file" "user.c"`},
	{call: `lremovexattr "dangling" "user.c"`},
	{call: `open "file" 0`}, // it is 3
	{call: `fchmod 3 0o644`},
	{call: `fchown 3 ME MINE`},
	{call: `utimensat 3 0 [1000,5,2000,6] 0`},
	{call: `utimensat 3 0 [1000,5,2000,6] 0x100`},
	{call: `utimensat 3 "" [1000,5,2000,6] 0x1000`},
	{call: `futimesat 3 0 [1000,5,2000,6]`},
	{call: `fsetxattr 3 "user.d" "value" 5 0`},
	{call: `fremovexattr 3 "user.d"`},
	{call: `fchmodat 3 "file" 0o604`}, // it is no directory
	{call: `fchmodat2 3 "" 0o606 0x1000`},
	{call: `fchmodat2 3 "" 0o606 0`},
	{call: `fchownat 3 "" ME MINE 0x1000`},
	{call: `chmod "/proc/self/fd/3" 0o601`},
	{call: `chmod "/proc/self/fd/99" 0o601`, differs: "EBADF"},
	{call: `fchmod 99 0o644`},
	{call: `fchmod -1 0o644`},
	{call: `fchmod -100 0o644`}, // AT_FDCWD is no descriptor
	{call: `unlink "empty/gone"`},
	{call: `close 3`},
	{call: `open "file" 0x200000`}, // it is 3, O_PATH
	{call: `fchmod 3 0o644`, differs: "0"},
	{call: `fchmodat2 3 "" 0o606 0x1000`},
	{call: `utimensat 3 "" [1000,5,2000,6] 0x1000`},
	{call: `fchownat 3 "" ME MINE 0x1000`},
	{call: `close 3`},
	{call: `memfd_create "m" 0`},
	{call: `fchmod 3 0o600`},
	{call: `close 3`},
	{call: `open "sub" 0x10000`}, // O_DIRECTORY
	{call: `fchmodat 3 "file" 0o600`},
	{call: `fchmodat 3 "../file" 0o611`},
	{call: `fchmodat 3 "" 0o611`},
	{call: `chdir "sub"`},
	{call: `chmod "file" 0o666`},
	{call: `chmod "../file" 0o666`},
	{call: `close 3`},
	{call: `chdir ".."`},

	{call: `chmod "outward" 0o600`, outside: true},
	{call: `chmod "outdir/file" 0o600`, outside: true},
	{call: `chmod "../out/file" 0o600`, outside: true},
	{call: `chmod "../in2/file" 0o600`, outside: true}, // in is the beginning of its name
	{call: `chmod "ROOT/out/file" 0o600`, outside: true},
	{call: `chmod "ROOT/out" 0o700`, outside: true},
	{call: `chmod "ROOT" 0o700`, outside: true},
	{call: `chmod ".." 0o711`, outside: true},
	{call: `fchmodat -100 "outward" 0o604`, outside: true},
	{call: `fchmodat2 -100 "../out/file" 0o606 0x100`, outside: true},
	{call: `chown "outward" ME MINE`, outside: true},
	{call: `lchown "../out/back" ME MINE`, outside: true},
	{call: `fchownat -100 "../out/back" ME MINE 0x100`, outside: true},
	{call: `utime "outward" [1000,2000]`, outside: true},
	{call: `utimes "outward" [1000,5,2000,6]`, outside: true},
	{call: `futimesat -100 "outward" [1000,5,2000,7]`, outside: true},
	{call: `utimensat -100 "outward" [1000,5,2000,8] 0`, outside: true},
	{call: `utimensat -100 "../out/back" [1000,5,2000,8] 0x100`, outside: true},
	{call: `utimensat -100 "outward" 0 0`, outside: true},
	{call: `setxattr "outward" "user.a" "value" 5 0`, outside: true},
	{call: `lsetxattr "../out/file" "user.b" "value" 5 0`, outside: true},
	{call: `chdir "../out"`},
	{call: `chmod "file" 0o666`, outside: true},
	{call: `chmod "." 0o711`, outside: true},
	{call: `fchownat -100 "" ME MINE 0x1000`, outside: true},
	{call: `utimensat -100 "" [1000,5,2000,6] 0x1000`, outside: true},
	{call: `chdir "../in"`},
	{call: `open "../out/file" 0`},
	{call: `fchmod 3 0o601`, outside: true}, // who may read may open
	{call: `fchown 3 ME MINE`, outside: true},
	{call: `fsetxattr 3 "user.d" "value" 5 0`, outside: true},
	{call: `utimensat 3 0 [1000,5,2000,9] 0`, outside: true},
	{call: `futimesat 3 0 [1000,5,2000,6]`, outside: true},
	{call: `fchmodat2 3 "" 0o606 0x1000`, outside: true},
	{call: `fchownat 3 "" ME MINE 0x1000`, outside: true},
	{call: `chmod "/proc/self/fd/3" 0o607`, outside: true},
	{call: `close 3`},
	{call: `open "../out" 0x200000`}, // O_PATH
	{call: `fchmodat 3 "file" 0o600`, outside: true},
	{call: `fchmodat 3 "sub/file" 0o600`, outside: true},
	{call: `fchmodat2 3 "" 0o711 0x1000`, outside: true},
	{call: `chmod "/proc/self/fd/3" 0o700`, outside: true},
	{call: `chmod "/proc/self/fd/3/file" 0o600`, differs: "ELOOP"},
	{call: `chmod "self" 0o666`, differs: "ELOOP"},
	{call: `chmod "/proc/self/cwd/file" 0o666`, differs: "ELOOP"},
	{call: `chmod "/proc/thread-self/root/ROOT/out/file" 0o600`, differs: "ELOOP"},
}

// TestCalls: what the agent may write is changed as by the kernel, with the same errors, and
// nothing else is. The control is the same process without a filter: there every call of the list
// has its effect.
func TestCalls(t *testing.T) {
	long, tooLong := strings.Repeat("x", 256), strings.Repeat("./", 2100)
	run := func(t *testing.T, root string, answered bool) []string {
		handlers := metadata.Handlers(granted(root))
		if !answered {
			handlers = nil
		}
		child := held.Start(t, handlers, filepath.Join(root, "in"), ":calls")
		var said []string
		words := strings.NewReplacer("ROOT", root, "MINE", strconv.Itoa(os.Getgid()), "ME",
			strconv.Itoa(os.Getuid()), "TOOLONG", tooLong, "LONG", long)
		for _, l := range lines {
			child.Say(words.Replace(l.call))
			said = append(said, child.Line())
		}
		child.Ends()
		return said
	}
	free, answered := tree(t), tree(t)
	before := state(t, answered)
	control, said := run(t, free, false), run(t, answered, true)
	for n, l := range lines {
		want := control[n]
		switch {
		case want == "no such call":
		case l.outside:
			if want != "0" && want != "EOPNOTSUPP" {
				t.Errorf("%s: without a filter it is %s, so its refusal shows nothing", l.call, want)
			}
			want = "EPERM"
		case l.differs != "":
			want = l.differs
			if control[n] == want {
				t.Errorf("%s: it does not differ", l.call)
			}
		}
		if said[n] != want {
			t.Errorf("%s: %s, and not %s", l.call, said[n], want)
		}
	}
	after, expected := state(t, answered), state(t, free)
	for name, was := range before {
		is := after[name]
		inside := name == "/single" || name == "/in" || strings.HasPrefix(name, "/in/")
		switch {
		case !inside && is != was:
			t.Errorf("%s was changed from %s to %s", name, was, is)
		case inside && !similar(is, expected[name]):
			t.Errorf("%s is %s, and without a filter it is %s", name, is, expected[name])
		case name == "/out/file" && is == expected[name]:
			t.Errorf("%s is the same without a filter", name)
		}
	}
}

// similar compares two states but for times that nobody set.
func similar(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	for n := range x {
		recent := func(s string) bool { return n == 2 && len(s) == len(strconv.FormatInt(time.Now().UnixNano(), 10)) }
		if x[n] != y[n] && !(recent(x[n]) && recent(y[n])) {
			return false
		}
	}
	return len(x) == len(y)
}

// TestRaces: while other threads change what a path means, no file outside is ever changed. The
// control is the same without a filter: the race is lost at once.
func TestRaces(t *testing.T) {
	for _, what := range []string{"directory", "text"} {
		t.Run(what, func(t *testing.T) {
			for _, answered := range []bool{false, true} {
				root := tree(t)
				handlers := metadata.Handlers(granted(root))
				if !answered {
					handlers = nil
				}
				child := held.Start(t, handlers, filepath.Join(root, "in"), ":race", what)
				said := child.Line()
				t.Log(said)
				child.Ends()
				if lost := said == "lost"; lost == answered {
					t.Errorf("answered: %v, and the process says: %s", answered, said)
				}
			}
		})
	}
}

// race changes the mode of a file while another thread changes what its path means: a directory on
// the way becomes a link that leads out and a directory again, or the text becomes another. It goes
// on until a file outside was changed, or it was often let and often refused.
func race(args []string) error {
	const dir, link = "swapped", "other"
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink("../out", link)); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		return err
	}
	path := []byte(dir + "/file\x00")
	var stop atomic.Bool
	done := make(chan error)
	go func() {
		var err error
		for out := true; !stop.Load() && err == nil; out = !out {
			switch {
			case args[0] == "directory":
				err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			case out:
				copy(path, "outdir/")
			default:
				copy(path, dir)
			}
		}
		done <- err
	}()
	const here = ^uintptr(99) // AT_FDCWD
	var made, refused int
	said := ""
	for end := time.Now().Add(10 * time.Second); said == "" && time.Now().Before(end); {
		_, _, errno := unix.Syscall(unix.SYS_FCHMODAT, here, uintptr(unsafe.Pointer(&path[0])), 0o600)
		switch errno {
		case 0:
			made++
		case unix.EPERM:
			refused++
		case unix.ENOENT: // half of the one text, and half of the other
		default:
			return errno
		}
		var st unix.Stat_t
		if err := unix.Lstat("../out/file", &st); err != nil {
			return err
		}
		switch {
		case st.Mode&0o777 == 0o600:
			said = "lost"
		case made >= 1000 && refused >= 100:
			said = fmt.Sprint(made, " made, ", refused, " refused")
		}
	}
	stop.Store(true)
	fmt.Println(said)
	return <-done
}

// TestUndumpable: a process that has closed itself to others gets nothing done.
func TestUndumpable(t *testing.T) {
	root := tree(t)
	child := held.Start(t, metadata.Handlers(granted(root)), filepath.Join(root, "in"), ":calls")
	child.Say(`open "file" 0`)
	child.Wants("3")
	child.Say(`prctl 4 0`) // PR_SET_DUMPABLE
	child.Wants("0")
	for _, call := range []string{`chmod "file" 0o600`, `fchmod 3 0o600`, `chown "file" -1 -1`} {
		child.Say(call)
		if said := child.Line(); said != "EPERM" && said != "EACCES" {
			t.Errorf("%s: %s", call, said)
		}
	}
	child.Ends()
}

// TestOwnDirectory: a relative path begins where the calling thread is, which may be elsewhere than
// the others are.
func TestOwnDirectory(t *testing.T) {
	root := tree(t)
	child := held.Start(t, metadata.Handlers(granted(root)), filepath.Join(root, "out"), ":calls")
	child.Say("unshare 0x200") // CLONE_FS
	child.Wants("0")
	child.Say(`chdir "../in/sub"`)
	child.Wants("0")
	child.Say(`fchmodat -100 "file" 0o600`)
	child.Wants("0")
	child.Ends()
	if is := state(t, root)["/in/sub/file"]; !strings.HasPrefix(is, "100600") {
		t.Error(is)
	}
}

// TestNames: the calls that are held have a handler each, but for two that are not there.
func TestNames(t *testing.T) {
	handlers := metadata.Handlers(nil)
	var without []string
	for _, name := range metadata.Calls() {
		if handlers[name] == nil {
			without = append(without, name)
		}
		delete(handlers, name)
	}
	if len(handlers) > 0 {
		t.Errorf("nobody is asked about %v", slices.Sorted(maps.Keys(handlers)))
	}
	if want := []string{"setxattrat", "removexattrat"}; !slices.Equal(without, want) {
		t.Errorf("no handler: %v", without)
	}
}
