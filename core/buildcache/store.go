package buildcache

import (
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Open makes what is missing of the store. Until the file that it returns is closed, nobody prunes
// it.
func (s Store) Open() (*os.File, error) {
	dirs := append(slices.Clone(s.Above), s.Dir)
	for _, c := range s.Caches {
		dirs = append(dirs, c.Dir)
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return nil, fmt.Errorf("making the directory of a build cache: %w", err)
		}
	}
	f, err := os.OpenFile(s.Dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the build caches: %w", err)
	}
	if err := lock(f, unix.LOCK_SH); err != nil {
		return nil, fmt.Errorf("locking the build caches: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(s.Dir, now, now); err != nil {
		return nil, fmt.Errorf("marking the build caches as used: %w", err)
	}
	return f, nil
}

// lock locks a directory without waiting, or closes it.
func lock(f *os.File, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err != nil {
		_ = f.Close()
	}
	return err
}
