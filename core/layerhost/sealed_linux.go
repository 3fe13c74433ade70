package layerhost

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealedCopy is a file in memory that holds what r gives, executable, and that nobody can write to.
func sealedCopy(name string, r io.Reader) (*os.File, error) {
	// The kernel wants to be told that the file is for execution, from the version that knows the flag.
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	w := os.NewFile(uintptr(fd), name)
	defer func() { _ = w.Close() }()
	n, err := io.Copy(w, r)
	if err == nil && n > maxBinary {
		err = fmt.Errorf("it grew beyond %d bytes while it was read", maxBinary)
	}
	if err != nil {
		return nil, err
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK
	if _, err := unix.FcntlInt(w.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("sealing it: %w", err)
	}
	// Opened anew, for reading: as long as a descriptor for writing is open, sealed or not, exec answers ETXTBSY.
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()))
}
