package hostfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A link into /proc could lead to whatever the process that reads has open.
func TestReadThroughADescriptor(t *testing.T) {
	secret, err := os.CreateTemp(t.TempDir(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/proc/self/fd/"+strconv.Itoa(int(secret.Fd())), link); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(link); err != nil {
		t.Fatalf("the link leads nowhere, and so the test shows nothing: %v", err)
	}
	if _, err := Read(link, 4); !errors.Is(err, unix.ELOOP) {
		t.Errorf("it was read: %v", err)
	}
}
