package pluginlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk/ownfile"
)

func own(t *testing.T) dirs.Dirs {
	t.Helper()
	home := t.TempDir()
	d, err := dirs.Find(func(name string) (string, bool) { return home, name == "HOME" }, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func digestOf(c string) string { return strings.Repeat(c, 64) }

func put(t *testing.T, d dirs.Dirs, programs ...Program) {
	t.Helper()
	err := Change(d, func(l *Lock) error {
		for _, p := range programs {
			l.Put(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func file(d dirs.Dirs) string { return filepath.Join(d.Config, fileName) }

func write(t *testing.T, d dirs.Dirs, content string) {
	t.Helper()
	if err := os.MkdirAll(d.Config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file(d), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestChange: what was put is read again, whatever the path is, and the file is the user's alone.
func TestChange(t *testing.T) {
	d := own(t)
	if l, err := Read(d); err != nil || len(l.Programs) != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	want := []Program{
		{Name: "acme/motd", Path: "/opt/a \"b\" \\ ${x} $${y} %{z} $ % {\n\x01\u0301é", SHA256: digestOf("a")},
		{Name: "acme/script", Path: "/x", SHA256: digestOf("0"), Script: true},
		{Name: "zeta/z", Path: "", SHA256: digestOf("9")},
	}
	put(t, d, want[2], want[0], Program{Name: "acme/script", SHA256: digestOf("1")}, want[1])
	l, err := Read(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.Programs, cmpopts.IgnoreFields(Program{}, "Line")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	content, err := os.ReadFile(file(d))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	for _, p := range l.Programs {
		if !strings.HasPrefix(lines[p.Line-1], "plugin \""+p.Name+"\"") {
			t.Errorf("%s is in line %d: %q", p.Name, p.Line, lines[p.Line-1])
		}
	}
	if info, err := os.Stat(file(d)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	err = Change(d, func(l *Lock) error { l.Remove("acme/motd"); l.Remove("not/there"); return nil })
	if l, readErr := Read(d); err != nil || readErr != nil || len(l.Programs) != 2 {
		t.Errorf("%+v, %v, %v", l, err, readErr)
	}
	left, err := os.ReadDir(d.Config)
	if err != nil || len(left) != 1 {
		t.Errorf("beside the lock: %v, %v", left, err)
	}
}

// TestChangeThatFails leaves the file as it was.
func TestChangeThatFails(t *testing.T) {
	d := own(t)
	put(t, d, Program{Name: "acme/motd", SHA256: digestOf("a")})
	before, err := os.ReadFile(file(d))
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("no")
	for name, change := range map[string]func(l *Lock) error{
		"refused":    func(l *Lock) error { l.Remove("acme/motd"); return why },
		"not UTF-8":  func(l *Lock) error { l.Put(Program{Name: "acme/x", Path: "\xff"}); return nil },
		"both names": func(l *Lock) error { l.Programs = nil; return why },
	} {
		if err := Change(d, change); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after, err := os.ReadFile(file(d)); err != nil || string(after) != string(before) {
			t.Errorf("%s: %q, %v", name, after, err)
		}
	}
}

// TestChangesAtOneTime: none of them is lost.
func TestChangesAtOneTime(t *testing.T) {
	d := own(t)
	const many = 8
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			put(t, d, Program{Name: fmt.Sprintf("acme/p%d", i), SHA256: digestOf("a")})
		})
	}
	all.Wait()
	if l, err := Read(d); err != nil || len(l.Programs) != many {
		t.Errorf("%d, %v", len(l.Programs), err)
	}
}

// TestChangeBehindAnother: a change that comes to no end, as in a process that was stopped, is not
// waited for.
func TestChangeBehindAnother(t *testing.T) {
	d := own(t)
	put(t, d, Program{Name: "acme/motd", SHA256: digestOf("a")})
	other, err := os.Open(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		err := Change(d, func(*Lock) error { t.Error("it was changed"); return nil })
		if !errors.Is(err, ownfile.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPermit(t *testing.T) {
	d := own(t)
	put(t, d, Program{Name: "acme/motd", SHA256: digestOf("a")})
	installed := filepath.Join(d.Plugins(), "acme/motd/nono-layer-motd")
	for _, tt := range []struct {
		name   string
		binary layerhost.Binary
		digest string
		want   []string // of the refusal; none: it is permitted
	}{
		{"as locked", layerhost.Binary{Name: "acme/motd", Asked: "/opt/x", Path: "/opt/x"}, digestOf("a"), nil},
		{
			"another program",
			layerhost.Binary{Name: "acme/motd", Asked: installed, Path: installed},
			digestOf("b"),
			[]string{
				"layer acme/motd is not run", "~/.local/share/nono/plugins/acme/motd/nono-layer-motd is not the program that you locked",
				digestOf("a"), digestOf("b"), "~/.config/nono/plugins.lock.hcl:6", "\nnono plugin lock acme/motd\n",
			},
		},
		{
			"not locked",
			layerhost.Binary{Name: "acme/other", Asked: "/opt/a b", Path: "/opt/real"},
			digestOf("a"),
			[]string{"layer acme/other is not run", "/opt/real is not in your lock", digestOf("a"), "nono plugin lock acme/other '/opt/a b'"},
		},
	} {
		l, err := Read(d)
		if err != nil {
			t.Fatal(err)
		}
		gate, _ := Gate(d)
		for how, permit := range map[string]layerhost.Permit{"the lock": l.Permit, "the gate": gate} {
			err := permit(&tt.binary, tt.digest)
			if (err == nil) != (tt.want == nil) {
				t.Errorf("%s, %s: %v", tt.name, how, err)
			}
			var p diag.Problem
			if errors.As(err, &p); tt.want != nil {
				for _, part := range tt.want {
					if !strings.Contains(p.Summary+"\n"+p.Detail+"\n", part) {
						t.Errorf("%s: it does not say %q:\n%s", tt.name, part, p)
					}
				}
			}
		}
	}
}

// TestLockThatIsNotBelieved: where the list is not what nono wrote there, nothing is permitted, and
// nothing replaces it. The control is the first line: that file is read.
func TestLockThatIsNotBelieved(t *testing.T) {
	entry := func(name, sha string) string {
		return fmt.Sprintf("plugin %q {\n  path = \"/x\"\n  sha256 = %q\n}\n", name, sha)
	}
	good := "version = 1\n" + entry("acme/motd", digestOf("a"))
	for _, tt := range []struct {
		name    string
		content string
		spoil   func(d dirs.Dirs) error
		want    string
	}{
		{name: "the control", content: good},
		{name: "newer", content: "version = 2\npins = []\n" + entry("acme/motd", digestOf("a")), want: "plugins.lock.hcl has version 2, and this nono knows version 1"},
		{name: "version 0", content: "version = 0\n", want: "has version 0"},
		{name: "no version", content: entry("acme/motd", digestOf("a")), want: "it does not say version = 1"},
		{name: "empty", content: "", want: "it does not say version = 1"},
		{name: "cut off", content: good[:len(good)-3], want: "plugins.lock.hcl:"},
		{name: "an unknown attribute", content: "version = 1\nany = true\n", want: "any"},
		{name: "no digest", content: "version = 1\nplugin \"acme/motd\" {}\n", want: "has no sha256 of 64 small hexadecimal digits"},
		{name: "a short digest", content: "version = 1\n" + entry("acme/motd", "aa"), want: "has no sha256"},
		{name: "a digest in capitals", content: "version = 1\n" + entry("acme/motd", digestOf("A")), want: "has no sha256"},
		{name: "nono's own name", content: "version = 1\n" + entry("landlock", digestOf("a")), want: `"landlock" cannot be the name of a plugin`},
		{name: "one name twice", content: good + entry("acme/motd", digestOf("b")), want: "is written twice"},
		{name: "too large", content: good + strings.Repeat("#", maxFile), want: "it is larger than 1 MiB"},
		{name: "others can write", content: good, spoil: func(d dirs.Dirs) error { return os.Chmod(file(d), 0o606) }, want: "others can write to ~/.config/nono/plugins.lock.hcl"},
		{name: "others can write in its directory", content: good, spoil: func(d dirs.Dirs) error { return os.Chmod(d.Config, 0o777) }, want: "others can write to ~/.config/nono"},
		{name: "a link", content: good, spoil: func(d dirs.Dirs) error {
			return errors.Join(os.Rename(file(d), d.Home+"/real"), os.Symlink(d.Home+"/real", file(d)))
		}, want: "it is a link"},
		{name: "a directory", content: good, spoil: func(d dirs.Dirs) error {
			return errors.Join(os.Remove(file(d)), os.Mkdir(file(d), 0o700))
		}, want: "it is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := own(t)
			write(t, d, tt.content)
			if tt.spoil != nil {
				if err := tt.spoil(d); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadFile(file(d))
			permit, _ := Gate(d)
			permitted := permit(&layerhost.Binary{Name: "acme/motd"}, digestOf("a"))
			changed := Change(d, func(*Lock) error { return nil })
			for what, err := range map[string]error{"permit": permitted, "change": changed} {
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("%s: %v", what, err)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%s: %v, and should say %q", what, err, tt.want)
				}
			}
			if after, _ := os.ReadFile(file(d)); tt.want != "" && string(after) != string(before) {
				t.Errorf("it was replaced:\n%s", after)
			}
		})
	}
}
