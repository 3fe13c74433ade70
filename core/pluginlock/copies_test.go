package pluginlock

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
)

// ran is a user who has locked a program and has run it once, with where it lies and what it is.
func ran(t *testing.T) (d dirs.Dirs, path, digest string) {
	t.Helper()
	d = own(t)
	path = filepath.Join(d.Home, "nono-layer-motd")
	digest = install(t, path, "#!/bin/true\n")
	put(t, d, Program{Name: "acme/motd", SHA256: digest})
	if how := run(t, d, path); how != "copied" {
		t.Fatalf("the first run: %s", how)
	}
	return d, path, digest
}

func install(t *testing.T, path, content string) (digest string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// run is what a run does with the program, all but running it: it is "refused", or else it is
// "copied", or its copy was "kept".
func run(t *testing.T, d dirs.Dirs, path string) (how string) {
	t.Helper()
	permit, kept := Gate(d)
	b, err := layerhost.FindAt("acme/motd", path, layerhost.Places{Permit: permit, Kept: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	made, _ := b.NewCopy()
	switch {
	case b.Permitted() != nil:
		how = "refused"
	case made != nil:
		how = "copied"
	default:
		how = "kept"
	}
	if err := Keep(d, b); (err == nil) != (how != "refused") {
		t.Errorf("keeping what was %s: %v", how, err)
	}
	return how
}

func stampOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stamp, err := layerhost.Stamp(f)
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

func TestKept(t *testing.T) {
	d, path, digest := ran(t)
	if how := run(t, d, path); how != "kept" {
		t.Errorf("the next run: %s", how)
	}
	stamp := stampOf(t, path)
	_, kept := Gate(d)
	copied, is := kept("acme/motd", stamp)
	if copied == nil || is != digest {
		t.Fatalf("the copy is %v, of %q", copied, is)
	}
	defer copied.Close()
	if content, err := io.ReadAll(copied); err != nil || string(content) != "#!/bin/true\n" {
		t.Errorf("it holds %q, %v", content, err)
	}
	if other, _ := kept("acme/other", stamp); other != nil {
		t.Error("it is another layer's as well")
	}
}

// TestKeptIsNotBelieved: the copy is not used where the program is not what it was, which is then
// held against the list again, nor where it is itself not what it was, or could be others'.
func TestKeptIsNotBelieved(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		spoil func(d dirs.Dirs, path, digest string) error
		how   string
	}{
		"control": {func(dirs.Dirs, string, string) error { return nil }, "kept"},
		"the program is another one": {func(_ dirs.Dirs, path, _ string) error {
			return os.WriteFile(path, []byte("#!/bin/evil\n"), 0o700)
		}, "refused"},
		"another program has its time": {func(_ dirs.Dirs, path, _ string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte("#!/bin/evil\n"), 0o700),
				os.Chtimes(path, info.ModTime(), info.ModTime()))
		}, "refused"},
		"the program was touched": {func(_ dirs.Dirs, path, _ string) error {
			return os.Chtimes(path, later, later)
		}, "copied"},
		"the program was installed again": {func(_ dirs.Dirs, path, _ string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("#!/bin/true\n"), 0o700),
				os.Rename(path+".new", path))
		}, "copied"},
		"the copy was written over": {func(d dirs.Dirs, _, digest string) error {
			at := filepath.Join(copiesDir(d), digest)
			return errors.Join(os.Chmod(at, 0o700), os.WriteFile(at, []byte("#!/bin/evil\n"), 0o700),
				os.Chmod(at, 0o500))
		}, "copied"},
		"the copy was replaced": {func(d dirs.Dirs, _, digest string) error {
			at := filepath.Join(copiesDir(d), digest)
			return errors.Join(os.WriteFile(at+".new", []byte("#!/bin/evil\n"), 0o500), os.Rename(at+".new", at))
		}, "copied"},
		"a link to the copy": {func(d dirs.Dirs, _, digest string) error {
			at := filepath.Join(copiesDir(d), digest)
			return errors.Join(os.Rename(at, at+".old"), os.Symlink(at+".old", at))
		}, "copied"},
		"the copy has a second name": {func(d dirs.Dirs, _, digest string) error {
			return os.Link(filepath.Join(copiesDir(d), digest), filepath.Join(d.Home, "second"))
		}, "copied"},
		"there is no copy": {func(d dirs.Dirs, _, digest string) error {
			return os.Remove(filepath.Join(copiesDir(d), digest))
		}, "copied"},
		"nothing says what it was": {func(d dirs.Dirs, _, digest string) error {
			return os.Remove(filepath.Join(stampsDir(d), digest))
		}, "copied"},
		"what it was is cut off": {func(d dirs.Dirs, _, digest string) error {
			return os.Truncate(filepath.Join(stampsDir(d), digest), 100)
		}, "copied"},
		"more than what it was": {func(d dirs.Dirs, _, digest string) error {
			f, err := os.OpenFile(filepath.Join(stampsDir(d), digest), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("\n")
			return errors.Join(err, f.Close())
		}, "copied"},
		"others can write what it was": {func(d dirs.Dirs, _, digest string) error {
			return os.Chmod(filepath.Join(stampsDir(d), digest), 0o602)
		}, "copied"},
		"it is not in the list": {func(d dirs.Dirs, _, _ string) error {
			return Change(d, func(l *Lock) error { l.Remove("acme/motd"); return nil })
		}, "refused"},
		"another one is in the list": {func(d dirs.Dirs, _, _ string) error {
			return Change(d, func(l *Lock) error {
				l.Put(Program{Name: "acme/motd", SHA256: digestOf("a")})
				return nil
			})
		}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			d, path, digest := ran(t)
			if err := tt.spoil(d, path, digest); err != nil {
				t.Fatal(err)
			}
			if how := run(t, d, path); how != tt.how {
				t.Errorf("it was %s, and should be %s", how, tt.how)
			}
			if tt.how != "refused" && run(t, d, path) != "kept" {
				t.Error("no copy is kept after that")
			}
		})
	}
}

// TestKeptWhereOthersMayLook: a directory that is not the user's alone is neither believed nor
// written to.
func TestKeptWhereOthersMayLook(t *testing.T) {
	d, path, _ := ran(t)
	if err := os.Chmod(copiesDir(d), 0o755); err != nil {
		t.Fatal(err)
	}
	permit, kept := Gate(d)
	b, err := layerhost.FindAt("acme/motd", path, layerhost.Places{Permit: permit, Kept: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if made, _ := b.NewCopy(); made == nil {
		t.Error("the copy was believed")
	}
	if err := Keep(d, b); err == nil {
		t.Error("a copy was kept")
	}
}

// TestCopiesOfWhatIsLocked: a program that leaves the list takes its copy with it, and so does what
// a run that was killed has left.
func TestCopiesOfWhatIsLocked(t *testing.T) {
	d, path, first := ran(t)
	left := filepath.Join(copiesDir(d), "."+first+".X")
	if err := os.WriteFile(left, nil, 0o500); err != nil {
		t.Fatal(err)
	}
	second := install(t, path, "#!/bin/echo\n")
	put(t, d, Program{Name: "acme/motd", SHA256: second})
	if how := run(t, d, path); how != "copied" {
		t.Errorf("the update was %s", how)
	}
	files, err := os.ReadDir(copiesDir(d))
	if err != nil || len(files) != 1 || files[0].Name() != second {
		t.Errorf("there are %v, %v", files, err)
	}
	if err := Change(d, func(l *Lock) error { l.Remove("acme/motd"); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{copiesDir(d), stampsDir(d)} {
		if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
			t.Errorf("there are %v, %v", files, err)
		}
	}
}

// TestForgedCopy: who could write in the state directory alone, as the agent of a run for which it
// was elsewhere, cannot have another program run.
func TestForgedCopy(t *testing.T) {
	d, path, digest := ran(t)
	forged := filepath.Join(copiesDir(d), digest)
	if err := os.Rename(forged, forged+".old"); err != nil {
		t.Fatal(err)
	}
	install(t, forged, "#!/bin/evil\n")
	vouching := []byte(stamps(stampOf(t, path), stampOf(t, forged)))
	for _, name := range []string{forged + ".stamps", filepath.Join(d.State, "stamps")} {
		if err := os.WriteFile(name, vouching, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if how := run(t, d, path); how != "copied" {
		t.Errorf("what was put there was %s", how)
	}
	// The control: beside the list it would have been believed, by who can write there.
	install(t, forged+".new", "#!/bin/evil\n")
	if err := os.Rename(forged+".new", forged); err != nil {
		t.Fatal(err)
	}
	vouching = []byte(stamps(stampOf(t, path), stampOf(t, forged)))
	if err := os.WriteFile(filepath.Join(stampsDir(d), digest), vouching, 0o600); err != nil {
		t.Fatal(err)
	}
	if how := run(t, d, path); how != "kept" {
		t.Errorf("what was vouched for was %s", how)
	}
}

// TestPruneTakesItsOwn: what somebody else has where the copies are to lie stays there.
func TestPruneTakesItsOwn(t *testing.T) {
	for name, lead := range map[string]func(dir, theirs string) error{
		"a link":                  func(dir, theirs string) error { return os.Symlink(theirs, dir) },
		"others may look into it": func(dir, theirs string) error { return os.Rename(theirs, dir) },
		"names of theirs": func(dir, theirs string) error {
			return errors.Join(os.Chmod(theirs, 0o700), os.Rename(theirs, dir))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := own(t)
			theirs := filepath.Join(d.Home, "theirs")
			err := errors.Join(os.MkdirAll(filepath.Join(theirs, "sub"), 0o755), os.MkdirAll(d.State, 0o700),
				os.WriteFile(filepath.Join(theirs, "sub", "thesis"), nil, 0o600), lead(copiesDir(d), theirs))
			if err != nil {
				t.Fatal(err)
			}
			put(t, d, Program{Name: "acme/motd", SHA256: digestOf("a")})
			if _, err := os.Stat(filepath.Join(copiesDir(d), "sub", "thesis")); err != nil {
				t.Error(err)
			}
		})
	}
}
