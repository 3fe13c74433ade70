package hostfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(at("file"), []byte("0123456789"), 0o600), os.Symlink("file", at("link")),
		unix.Mkfifo(at("pipe"), 0o600), os.Symlink("pipe", at("to a pipe")), os.Symlink("/dev/zero", at("zero")),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "link"} {
		if got, err := Read(at(name), 4); err != nil || string(got) != "0123" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := Read(at("missing"), 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	for _, name := range []string{"pipe", "to a pipe", "zero", "."} {
		for how, open := range map[string]func(string) (*os.File, error){"found": openRegular, "looked at": openLooked} {
			ended := make(chan error, 1)
			go func() {
				_, err := open(at(name))
				ended <- err
			}()
			select {
			case err := <-ended:
				if !errors.Is(err, ErrNotRegular) {
					t.Errorf("%s, %s: %v", name, how, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s, %s: it is waited for", name, how)
			}
		}
	}
}

// TestOpenDirect holds it against Open, which goes through the links.
func TestOpenDirect(t *testing.T) {
	dir, err := Resolve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.Mkdir(at("sub"), 0o700), os.WriteFile(at("sub/file"), nil, 0o600), os.Symlink("sub", at("dir")),
		os.Symlink("file", at("sub/link")), unix.Mkfifo(at("pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"sub/file": nil, "sub/link": unix.ELOOP, "dir/file": unix.ELOOP, "pipe": ErrNotRegular, "sub": ErrNotRegular,
		"missing": fs.ErrNotExist, "sub/file/x": fs.ErrNotExist,
	} {
		for how, open := range map[string]func(string) (*os.File, error){"found": openDirect, "looked at": openLookedDirect} {
			f, err := open(at(name))
			if err == nil {
				_ = f.Close()
			}
			if !errors.Is(err, want) {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
		if f, err := Open(at(name)); errors.Is(want, unix.ELOOP) {
			if err != nil {
				t.Errorf("%s cannot be opened through its links: %v", name, err)
			}
			_ = f.Close()
		}
	}
}
