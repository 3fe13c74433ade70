// Package dirs says where nono keeps its own files, by the XDG base directory specification.
//
// None of these is ever writable from inside a sandbox, but for the build caches that a run is lent
// (core/buildcache) and, in tier B, what an agent has in the place of its own directory
// (core/agentdir): core/plan proves it about every plan before it is applied.
package dirs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// Dirs are absolute paths. Only Home is sure to exist.
type Dirs struct {
	Home string // the user's home, links resolved
	// UserConfig is where other programs' settings are; it is not nono's own.
	UserConfig string
	Config     string // config.hcl, profiles/, trust/, plugins.lock.hcl, programs/
	State      string // sessions/, store/, agents/, programs/
	Data       string // plugins/
	Cache      string // build/, the caches of sandboxed tools
	Runtime    string // what a run needs while it lives

	// also are further paths that another start of nono may take for its own: the same directories
	// before links were resolved, for who could replace such a link would replace the directory; and
	// the usual places where a variable names another one, for the next start may come from a shell,
	// or a timer, that does not have the variable.
	also []string
}

// Find reads the environment through lookup, and asks the system for the home of a user whose
// environment has none. A variable of the specification that is not an
// absolute path is ignored, as the specification says.
func Find(lookup func(string) (string, bool), uid int) (Dirs, error) {
	home, err := findHome(lookup, uid)
	if err != nil {
		return Dirs{}, err
	}
	d := Dirs{Home: home}
	own := func(name string) string {
		dir := resolve(name)
		if dir != name {
			d.also = append(d.also, name)
		}
		return dir
	}
	parent := func(variable, fallback string) (dir string, named bool) {
		if dir, ok := lookup(variable); ok && filepath.IsAbs(dir) {
			return dir, true
		}
		return filepath.Join(home, fallback), false
	}
	base := func(variable, fallback string) string {
		usual := own(filepath.Join(home, fallback, "nono"))
		dir, named := parent(variable, fallback)
		if !named {
			return usual
		}
		d.also = append(d.also, usual)
		return own(filepath.Join(dir, "nono"))
	}
	d.UserConfig, _ = parent("XDG_CONFIG_HOME", ".config")
	d.Config = base("XDG_CONFIG_HOME", ".config")
	d.State = base("XDG_STATE_HOME", ".local/state")
	d.Data = base("XDG_DATA_HOME", ".local/share")
	d.Cache = base("XDG_CACHE_HOME", ".cache")
	// A runtime directory of a login manager is the user's alone already; below /tmp the name must not
	// be anyone else's to take, which OpenRuntime checks.
	d.Runtime = "/tmp/nono-" + strconv.Itoa(uid)
	if dir, ok := lookup("XDG_RUNTIME_DIR"); ok && filepath.IsAbs(dir) && isDirOf(dir, uid) {
		// Where /tmp is closed to the user, no start of his can use what is beneath it either.
		if _, err := os.Lstat(d.Runtime); !errors.Is(err, fs.ErrPermission) {
			d.also = append(d.also, d.Runtime)
		}
		d.Runtime = own(filepath.Join(dir, "nono"))
	}
	return d, nil
}

// findHome is the user's home with links resolved. What starts nono without HOME, as a service or a
// timer does, means the one that the system knows.
func findHome(lookup func(string) (string, bool), uid int) (string, error) {
	const (
		doing = "finding the home directory"
		try   = "set HOME to your home directory: `HOME=/home/you nono run ...`; " +
			"in a systemd unit: Environment=HOME=/home/you"
	)
	home, _ := lookup("HOME")
	if home == "" {
		account, err := user.LookupId(strconv.Itoa(uid))
		if err != nil {
			return "", diag.Errorf("%s: HOME is not set, and the system knows no user %d", doing, uid).
				Try("%s", try)
		}
		home = account.HomeDir
	}
	if !filepath.IsAbs(home) {
		return "", diag.Errorf("%s: HOME is %q, which is not an absolute path", doing, home).
			Try("%s", try)
	}
	resolved, err := hostfile.Resolve(home)
	if err != nil {
		return "", diag.Errorf("%s: %v", doing, err).Try("%s", try)
	}
	return resolved, nil
}

// Plugins is where third-party layers are installed.
func (d Dirs) Plugins() string { return filepath.Join(d.Data, "plugins") }

// Profiles is where the user's own profiles are.
func (d Dirs) Profiles() string { return filepath.Join(d.Config, "profiles") }

// Networks is where the user's own network profiles are.
func (d Dirs) Networks() string { return filepath.Join(d.Config, "networks") }

// Services is the directory of the user's own services that take a key.
func (d Dirs) Services() string { return d.Config + "/services" }

// All lists the directories that are nono's own, by each of their names, once each.
func (d Dirs) All() []string {
	all := append([]string{d.Config, d.State, d.Data, d.Cache, d.Runtime}, d.also...)
	slices.Sort(all)
	return slices.Compact(all)
}

// OpenRuntime makes the runtime directory if it is missing, opens it, and checks that it is the
// user's alone: another user could have made the name under /tmp first. What is done in it is to go
// through the root that is returned, for what is removed there by name must not be somewhere else
// by then. The caller closes it.
func (d Dirs) OpenRuntime(uid int) (*os.Root, error) {
	if err := os.Mkdir(d.Runtime, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the runtime directory: %w", err)
	}
	info, err := os.Lstat(d.Runtime)
	if err != nil {
		return nil, fmt.Errorf("checking the runtime directory: %w", err)
	}
	if err := d.checkRuntime(info, uid); err != nil {
		return nil, fmt.Errorf("checking the runtime directory: %w", err)
	}
	root, err := os.OpenRoot(d.Runtime)
	if err != nil {
		return nil, fmt.Errorf("opening the runtime directory: %w", err)
	}
	// Opening follows a link, so it must be the very directory that was checked.
	if opened, err := root.Stat("."); err != nil || !os.SameFile(opened, info) {
		replaced := fmt.Errorf("opening the runtime directory: %s was replaced meanwhile", d.Runtime)
		return nil, errors.Join(replaced, err, root.Close())
	}
	return root, nil
}

func (d Dirs) checkRuntime(info fs.FileInfo, uid int) error {
	own := info.IsDir() && ownfile.BelongsTo(info, uid)
	if mode := info.Mode().Perm(); own && mode&0o700 != 0o700 {
		return fmt.Errorf("%s is closed to yourself (mode %04o); run `chmod 700 %s`",
			d.Runtime, mode, d.Runtime)
	}
	return ownfile.CheckPrivate(d.Runtime, info, uid,
		"set XDG_RUNTIME_DIR to a directory of your own")
}

// resolve follows links as far as the path exists and keeps the rest as it is, so that a directory
// that is not there yet still has the path at which it would be made.
func resolve(path string) string {
	path = filepath.Clean(path)
	if len(path) > hostfile.MaxPath {
		return path // which nothing can be made at
	}
	if real, err := hostfile.Resolve(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// isDirOf reports whether a path is a directory of the user's. `sudo` and `su` can leave another
// user's runtime directory in the environment, in which that user could put anything in place of
// ours.
func isDirOf(path string, uid int) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && ownfile.BelongsTo(info, uid)
}
