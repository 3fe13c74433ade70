package hostfile

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func openRegular(name string) (*os.File, error) {
	// A magic link in /proc leads wherever the process that is asked has a descriptor.
	return openFound(name, unix.RESOLVE_NO_MAGICLINKS, openLooked)
}

func openDirect(name string) (*os.File, error) {
	return openFound(name, unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_SYMLINKS, openLookedDirect)
}

// openFound finds the file without opening it, and opens what it found if that is regular: no
// other can come to stand there in between.
func openFound(
	name string, resolve uint64, openLooked func(string) (*os.File, error),
) (*os.File, error) {
	found, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve,
	})
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return nil, unix.ENOENT // as everywhere here: beneath a file there is nothing
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMFILE):
		// No such call, or no descriptor left. What is not there is found without either, and who needs
		// them says so better than a file that happened to be looked for first.
		return openLooked(name)
	case err != nil:
		return nil, err
	}
	defer func() { _ = unix.Close(found) }()
	var st unix.Stat_t
	if err := unix.Fstat(found, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, ErrNotRegular
	}
	// Without waiting: who holds a lease on the file would be asked to give it up first.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(found),
		unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
