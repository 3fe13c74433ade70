package layerhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// program writes an executable file.
func program(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestLocate(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(dir, "a", "nono")
	program(t, beside, "")
	program(t, filepath.Join(dir, "a", "nono-init"), "")
	prefix := filepath.Join(dir, "b", "bin", "nono")
	program(t, prefix, "")
	program(t, filepath.Join(dir, "b", "libexec", "nono", "nono-init"), "")
	alone := filepath.Join(dir, "c", "nono")
	program(t, alone, "")

	for exe, want := range map[string]string{
		beside: filepath.Join(dir, "a"),
		prefix: filepath.Join(dir, "b", "libexec", "nono"),
	} {
		if got, err := locate(exe); err != nil || got != want {
			t.Errorf("locate(%s) = %s, %v", exe, got, err)
		}
	}
	// Neither the current directory nor $PATH counts.
	t.Chdir(filepath.Join(dir, "a"))
	t.Setenv("PATH", filepath.Join(dir, "a"))
	if got, err := locate(alone); err == nil {
		t.Errorf("locate(%s) = %s", alone, got)
	}
}

func TestLocateDistrusts(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a directory that everybody can write to": func(dir string) error { return os.Chmod(dir, 0o777) },
		"a program that everybody can write to":   func(dir string) error { return os.Chmod(filepath.Join(dir, "nono-init"), 0o777) },
		"no program":                              func(dir string) error { return os.Chmod(filepath.Join(dir, "nono-init"), 0o644) },
		"a link":                                  func(dir string) error { return relink(filepath.Join(dir, "nono-init")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			program(t, filepath.Join(dir, "nono"), "")
			program(t, filepath.Join(dir, "nono-init"), "")
			if _, err := locate(filepath.Join(dir, "nono")); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			if got, err := locate(filepath.Join(dir, "nono")); err == nil {
				t.Errorf("it was taken: %s", got)
			}
		})
	}
}

func relink(path string) error {
	if err := os.Rename(path, path+".real"); err != nil {
		return err
	}
	return os.Symlink(path+".real", path)
}

func TestDistrust(t *testing.T) {
	mine, root, theirs := uint32(1000), uint32(0), uint32(1001)
	for _, c := range []struct {
		of      ids
		mode    fs.FileMode
		trusted bool
	}{
		{ids{mine, mine}, 0o755, true},
		{ids{root, root}, 0o755, true},
		{ids{theirs, mine}, 0o755, false},
		{ids{mine, mine}, 0o775, true}, // umask 002 with a group of one's own
		{ids{mine, theirs}, 0o775, false},
		{ids{root, theirs}, 0o755, true},
		{ids{mine, mine}, 0o757, false},
		{ids{root, root}, fs.ModeSticky | 0o777, false},
	} {
		if reason := distrust(c.of, c.mode, []uint32{root, mine}, mine); (reason == "") != c.trusted {
			t.Errorf("%+v %s: %q", c.of, c.mode, reason)
		}
	}
}

func digest(t *testing.T, b *Binary) string {
	t.Helper()
	d, err := b.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFind(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := Places{Builtin: filepath.Join(dir, "bin"), Plugins: filepath.Join(dir, "plugins"), Permit: anything}
	program(t, filepath.Join(in.Builtin, "nono-layer-landlock"), "built in")
	program(t, filepath.Join(in.Plugins, "acme/egress/nono-layer-egress"), "#!/bin/sh\n")
	// A built-in's name is never looked up among the plugins, nor a vendor's among the built-in ones.
	program(t, filepath.Join(in.Plugins, "evil/nono-layer-evil"), "")
	program(t, filepath.Join(in.Builtin, "acme/nono-layer-acme"), "")

	b, err := Find("landlock", in)
	if err != nil || !b.Builtin || b.Path != filepath.Join(in.Builtin, "nono-layer-landlock") || digest(t, b) != "" {
		t.Errorf("landlock: %+v, %v", b, err)
	}
	b, err = Find("acme/egress", in)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("#!/bin/sh\n"))
	if b.Builtin || !b.Script || digest(t, b) != hex.EncodeToString(sum[:]) {
		t.Errorf("acme/egress: %+v", b)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"evil", "acme/acme", "absent", "acme/absent", "../plugins/acme/egress", "acme/../evil", "a/b/c", "", "/", "Acme/x", "a b"} {
		if b, err := Find(name, in); err == nil {
			t.Errorf("%q was found: %s", name, b.Path)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path string }{
		{"acme/egress", pipe}, // nobody ever writes to it
		{"landlock", filepath.Join(in.Plugins, "acme/egress/nono-layer-egress")}, // a built-in's name
		{"acme/egress", "plugins/acme/egress/nono-layer-egress"},                 // from the current directory
		{"acme/egress", in.Plugins},                                              // a directory
	} {
		if b, err := FindAt(c.name, c.path, Places{Permit: anything}); err == nil {
			t.Errorf("%s at %s was found: %s", c.name, c.path, b.Path)
		}
	}
}

// TestSealedCopyIsRun has a foreign layer overwritten between the check and the exec, in place, so
// that a descriptor of the checked file would see it too. What was checked is what runs.
func TestSealedCopyIsRun(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	honest, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "nono-layer-foreign")
	program(t, path, string(honest))
	b, err := FindAt("test/foreign", path, Places{Permit: anything})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(f, "#!/bin/sh\nexit 1\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l := begin(t, foreign(t, b))
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Error(err)
	}

	// The control: what is there now would not have started.
	overwritten, err := FindAt("test/foreign", path, Places{Permit: anything})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = overwritten.Close() }()
	if digest(t, overwritten) == digest(t, b) {
		t.Error("the digest does not tell the two apart")
	}
	if _, err := Start(t.Context(), foreign(t, overwritten)); err == nil {
		t.Error("the overwritten file started as well, so this test sees nothing")
	}
}

func TestSealedCopyCannotBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layer")
	program(t, path, "#!/bin/true\n")
	b, err := FindAt("test/foreign", path, Places{Permit: anything})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", b.copied.Fd()), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("x")
		_ = f.Close()
	}
	if err == nil {
		t.Error("the sealed copy was written to")
	}
}

func TestScriptLayer(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "nono-layer-script")
	program(t, path, fmt.Sprintf("#!/bin/sh\nNONO_TEST_MODE=script exec %s\n", exe))
	b, err := FindAt("test/script", path, Places{Permit: anything})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if !b.Script {
		t.Error("it is not known for a script")
	}
	s := foreign(t, b)
	l := begin(t, s)
	if _, err := planned(t, l, &recorder{}); err != nil {
		t.Error(err)
	}
}

// TestForeignBuild: only a built-in layer must be from core's own build.
func TestForeignBuild(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := FindAt("test/foreign", exe, Places{Permit: anything})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	s := foreign(t, b)
	s.Build = "core's own"
	if _, err := begin(t, s).Describe(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNotTrustedAsALayer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layer")
	program(t, path, "#!/bin/true\n")
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := FindAt("test/foreign", path, Places{Permit: anything}); err == nil || !strings.Contains(err.Error(), "everybody can write to it") {
		t.Errorf("got %v", err)
	}
}

func foreign(t *testing.T, b *Binary) Spec {
	t.Helper()
	return Spec{Kind: policy.KindCustom, Name: b.Name, Binary: b, Dir: runDir(t), Deadlines: short(), Build: sdk.Build}
}
