package layerhost

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealedCopy is a file in memory that holds a program, executable, and that nobody can write to.
func sealedCopy(name string, program *os.File) (*os.File, error) {
	// The kernel wants to be told that the file is for execution, from the version that knows the
	// flag.
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
	n, err := io.Copy(w, io.LimitReader(program, maxBinary+1)) // which the kernel does by itself
	if err == nil && n > maxBinary {
		err = fmt.Errorf("it grew beyond %d bytes while it was read", maxBinary)
	}
	if err != nil {
		return nil, err
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK
	if err := addSeals(w, seals); err != nil {
		return nil, fmt.Errorf("sealing it: %w", err)
	}
	// Opened anew, for reading: as long as a descriptor for writing is open, sealed or not, exec
	// answers ETXTBSY.
	return reopen(w)
}

// addSeals waits for the kernel to let go of pages that it holds for a moment itself, as on a busy
// machine: it waits a tenth of a second by itself each time, and then says EBUSY.
func addSeals(f *os.File, seals int) error {
	const tries = 20
	var err error
	for range tries {
		if _, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return err
}

// reopen opens the same file anew, for reading and from its start.
func reopen(f *os.File) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}
