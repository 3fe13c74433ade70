package hostfile

import (
	"errors"
	"io"
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
		// With and without the look before: the name may have been something else then.
		for how, read := range map[string]func(string, int64) ([]byte, error){"Read": Read, "opened at once": readAtOnce} {
			ended := make(chan error, 1)
			go func() {
				_, err := read(at(name), 4)
				ended <- err
			}()
			select {
			case err := <-ended:
				// ELOOP is how the kernel refuses a link that was put there after the look.
				if !errors.Is(err, ErrNotRegular) && !errors.Is(err, unix.ELOOP) {
					t.Errorf("%s, %s: %v", name, how, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s, %s: it is waited for", name, how)
			}
		}
	}
}

// readAtOnce opens the name without a look at it before, as if it had been swapped in between.
func readAtOnce(name string, limit int64) ([]byte, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
