//go:build linux

package main

import (
	"os"
	"path/filepath"
)

// place is where the proxies have their files. It is not under /tmp, which nono replaces.
type place struct{ root, work, home string }

func newPlace() (place, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return place{}, err
	}
	var p place
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return place{}, err
	}
	if p.root, err = os.MkdirTemp(cache, "nono-bench-network-"); err != nil {
		return place{}, err
	}
	p.work, p.home = filepath.Join(p.root, "work"), filepath.Join(p.root, "home")
	for _, dir := range []string{p.work, p.home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return place{}, err
		}
	}
	return p, nil
}

// environ is the environment of somebody with an empty home.
func (p place) environ() []string {
	return []string{"HOME=" + p.home, "PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
}

// write writes a file into the place and returns its path.
func (p place) write(name, text string) (string, error) {
	path := filepath.Join(p.work, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
