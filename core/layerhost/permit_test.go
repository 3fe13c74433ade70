package layerhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
)

// anything permits every program: what most tests are about is what a layer does once it runs.
func anything(*Binary, string) error { return nil }

var errNotIt = errors.New("it is another program")

// only permits programs with this content.
func only(content string) Permit {
	return func(_ *Binary, digest string) error {
		if digest != digestOfText(content) {
			return errNotIt
		}
		return nil
	}
}

func digestOfText(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// marking is a program that leaves a mark when anything of it runs, and is no layer.
func marking(mark string) string { return fmt.Sprintf("#!/bin/sh\n: > %s\n", mark) }

// TestSwappedProgramIsNotRun puts another program in the place of one that was permitted, in each
// way that there is. Nothing of it runs, neither as a layer nor for a command. The control: where
// all is permitted, it does.
func TestSwappedProgramIsNotRun(t *testing.T) {
	const good = "#!/bin/true\n"
	for name, swap := range map[string]func(t *testing.T, path, evil string){
		"written over": func(t *testing.T, path, evil string) { program(t, path, evil) },
		"renamed over": func(t *testing.T, path, evil string) {
			program(t, path+".new", evil)
			ok(t, os.Rename(path+".new", path))
		},
		"a link to another": func(t *testing.T, path, evil string) {
			program(t, path+".evil", evil)
			ok(t, os.Remove(path))
			ok(t, os.Symlink(path+".evil", path))
		},
		"the directory renamed": func(t *testing.T, path, evil string) {
			dir := filepath.Dir(path)
			ok(t, os.Rename(dir, dir+".old"))
			program(t, path, evil)
		},
	} {
		for _, permit := range []struct {
			is    Permit
			named string
			runs  bool
		}{
			{only(good), "locked", false},
			{nil, "nobody permits it", false},
			{anything, "control", true},
		} {
			t.Run(name+"/"+permit.named, func(t *testing.T) {
				dir := t.TempDir()
				path, mark := filepath.Join(dir, "vendor", "layer"), filepath.Join(dir, "mark")
				program(t, path, good)
				first, err := FindAt("test/foreign", path, Places{Permit: permit.is})
				ok(t, err)
				defer func() { _ = first.Close() }()
				if err := first.Permitted(); permit.is != nil && err != nil {
					t.Fatalf("before: %v", err)
				}
				swap(t, path, marking(mark))
				b, err := FindAt("test/foreign", path, Places{Permit: permit.is})
				ok(t, err)
				defer func() { _ = b.Close() }()

				_, asLayer := Start(t.Context(), foreign(t, b))
				ran := exists(mark)
				_ = os.Remove(mark)
				c := &Command{Binary: b, Request: &sdk.SubcommandRequest{Path: "x", Dir: dir}}
				_, asCommand := c.Run(t.Context())
				if ran != permit.runs || exists(mark) != permit.runs {
					t.Errorf("as a layer it ran: %t, for a command: %t", ran, exists(mark))
				}
				if permit.is != nil && !permit.runs &&
					(!errors.Is(asLayer, errNotIt) || !errors.Is(asCommand, errNotIt)) {
					t.Errorf("as a layer: %v; for a command: %v", asLayer, asCommand)
				}
			})
		}
	}
}

// TestTheCopyIsWhatIsChecked: an evil program lies there when it is copied, and the permitted one
// again when it is checked and executed. The digest of the file would be right, and that of the copy
// is not.
func TestTheCopyIsWhatIsChecked(t *testing.T) {
	dir := t.TempDir()
	path, mark := filepath.Join(dir, "layer"), filepath.Join(dir, "mark")
	const good = "#!/bin/true\n"
	for _, permit := range []struct {
		is   Permit
		runs bool
	}{{only(good), false}, {anything, true}} {
		program(t, path, marking(mark))
		b, err := FindAt("test/foreign", path, Places{Permit: permit.is})
		ok(t, err)
		program(t, path, good)
		if there, err := os.ReadFile(path); err != nil || string(there) != good {
			t.Fatalf("the file is not what was permitted: %q, %v", there, err)
		}
		if _, err := Start(t.Context(), foreign(t, b)); err == nil {
			t.Error("a program that is no layer has started")
		}
		if exists(mark) != permit.runs {
			t.Errorf("it ran: %t, and should have: %t", exists(mark), permit.runs)
		}
		_ = b.Close()
	}
}

// TestPermittedProgramBehindALink: a link is as good a name as any, where what it leads to is the
// program that was permitted.
func TestPermittedProgramBehindALink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "layer")
	program(t, path, "#!/bin/true\n")
	ok(t, os.Symlink("layer", filepath.Join(dir, "link")))
	b, err := FindAt("test/foreign", filepath.Join(dir, "link"), Places{Permit: only("#!/bin/true\n")})
	ok(t, err)
	defer func() { _ = b.Close() }()
	if err := b.Permitted(); err != nil || b.Asked != filepath.Join(dir, "link") || b.Path != path {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestKeptCopyThatMayNotBeRun: a kept copy that the host refuses to execute is run from sealed
// memory, each time, if it is what was permitted.
func TestKeptCopyThatMayNotBeRun(t *testing.T) {
	exe, err := os.Executable()
	ok(t, err)
	dir := t.TempDir()
	path, mark := filepath.Join(dir, "layer"), filepath.Join(dir, "mark")
	locked := fmt.Sprintf("#!/bin/sh\nNONO_TEST_MODE=script exec %s\n", exe)
	program(t, path, locked)
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		sealed  bool
		says    string
	}{
		"control":         {content: locked, mode: 0o500},
		"refused":         {content: locked, mode: 0o400, sealed: true},
		"another program": {content: marking(mark), mode: 0o400, says: "it is not what was kept"},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "kept")
			ok(t, os.WriteFile(at, []byte(c.content), c.mode))
			kept := func(string, string) (*os.File, string) {
				f, err := os.Open(at)
				ok(t, err)
				return f, digestOfText(locked)
			}
			b, err := FindAt("test/script", path, Places{Permit: only(locked), Kept: kept})
			ok(t, err)
			defer func() { _ = b.Close() }()
			if c.says != "" {
				_, err := Start(t.Context(), foreign(t, b))
				if err == nil || !strings.Contains(err.Error(), c.says) || exists(mark) {
					t.Errorf("it ran: %t, %v", exists(mark), err)
				}
				return
			}
			for range 2 {
				_, err := planned(t, begin(t, foreign(t, b)), &recorder{})
				ok(t, err)
			}
			if made, _ := b.NewCopy(); made != nil || b.kept == c.sealed {
				t.Errorf("it is to be kept anew: %t; it is in memory: %t", made != nil, !b.kept)
			}
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
