// Package dirs says where nono keeps its own files, by the XDG base directory specification.
//
// None of these is ever writable from inside a sandbox: core/plan proves it about every plan before it is applied.
package dirs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Dirs are absolute paths. Only Home is sure to exist.
type Dirs struct {
	Home    string // the user's home, links resolved
	Config  string // config.hcl, profiles/, trust/, plugins.lock.hcl
	State   string // sessions/, store/
	Data    string // plugins/
	Cache   string // build caches of sandboxed tools
	Runtime string // what a run needs while it lives

	// named are the same directories before links were resolved, where that makes a difference. Who could replace such a link would
	// replace the directory.
	named []string
}

// Find reads the environment through lookup. A variable of the specification that is not an absolute path is ignored, as
// the specification says.
func Find(lookup func(string) (string, bool), uid int) (Dirs, error) {
	home, ok := lookup("HOME")
	if !ok || !filepath.IsAbs(home) {
		return Dirs{}, fmt.Errorf("finding the home directory: HOME is %q, which is not an absolute path", home)
	}
	home, err := filepath.EvalSymlinks(home)
	if err != nil {
		return Dirs{}, fmt.Errorf("finding the home directory: %w", err)
	}
	d := Dirs{Home: home}
	own := func(parent string) string {
		name := filepath.Join(parent, "nono")
		dir := resolve(name)
		if dir != name {
			d.named = append(d.named, name)
		}
		return dir
	}
	base := func(variable, fallback string) string {
		if dir, ok := lookup(variable); ok && filepath.IsAbs(dir) {
			return own(dir)
		}
		return own(filepath.Join(home, fallback))
	}
	d.Config = base("XDG_CONFIG_HOME", ".config")
	d.State = base("XDG_STATE_HOME", ".local/state")
	d.Data = base("XDG_DATA_HOME", ".local/share")
	d.Cache = base("XDG_CACHE_HOME", ".cache")
	// A runtime directory of a login manager is the user's alone already; below /tmp the name must not be anyone else's to take, which
	// MakeRuntime checks.
	if dir, ok := lookup("XDG_RUNTIME_DIR"); ok && filepath.IsAbs(dir) && isDir(dir) {
		d.Runtime = own(dir)
	} else {
		d.Runtime = "/tmp/nono-" + strconv.Itoa(uid)
	}
	return d, nil
}

// Plugins is where third-party layers are installed.
func (d Dirs) Plugins() string { return filepath.Join(d.Data, "plugins") }

// All lists the directories that are nono's own, by each of their names.
func (d Dirs) All() []string {
	return append([]string{d.Config, d.State, d.Data, d.Cache, d.Runtime}, d.named...)
}

// MakeRuntime makes the runtime directory if it is missing and checks that it is the user's alone: another user could have made the
// name under /tmp first.
func (d Dirs) MakeRuntime(uid int) error {
	if err := os.Mkdir(d.Runtime, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the runtime directory: %w", err)
	}
	info, err := os.Lstat(d.Runtime)
	if err != nil {
		return fmt.Errorf("checking the runtime directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("checking the runtime directory: %s is not a directory", d.Runtime)
	case !ok || int(stat.Uid) != uid:
		return fmt.Errorf("checking the runtime directory: %s belongs to another user; set XDG_RUNTIME_DIR to a directory of your own", d.Runtime)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("checking the runtime directory: %s is open to others (mode %04o); run `chmod 700 %s`",
			d.Runtime, info.Mode().Perm(), d.Runtime)
	}
	return nil
}

// resolve follows links as far as the path exists and keeps the rest as it is, so that a directory that is not there yet still has
// the path at which it would be made.
func resolve(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
