package layerhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/wire"
)

const (
	initProgram = "nono-init"
	layerPrefix = "nono-layer-"
)

// Locate finds the one directory from which nono-init and every built-in layer are run: that of the
// running executable, links resolved, or ../libexec/nono from there. The current directory and
// $PATH have no say.
func Locate() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = hostfile.Resolve(exe)
	}
	if err != nil {
		return "", diag.Errorf("finding nono's own directory: %v", err)
	}
	return locate(exe)
}

func locate(exe string) (string, error) {
	beside := filepath.Dir(exe)
	for _, dir := range []string{beside, filepath.Join(beside, "..", "libexec", "nono")} {
		program := filepath.Join(dir, initProgram)
		if _, err := os.Lstat(program); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		// The first directory that has a nono-init is the one: falling through to the other would
		// hide what is wrong with it.
		if err := trusted(dir, program); err != nil {
			return "", err
		}
		return dir, nil
	}
	return "", diag.Errorf("cannot find %s beside %s, nor in ../libexec/nono from there",
		initProgram, exe).
		Try("install all of nono's programs into one directory: CGO_ENABLED=0 go install ./cmd/...")
}

// Places are where layers are looked for.
type Places struct {
	// Builtin is what Locate found.
	Builtin string
	// Plugins is $XDG_DATA_HOME/nono/plugins.
	Plugins string
	// Permit decides about foreign programs, and Kept knows copies of them; nil knows none.
	Permit Permit
	Kept   Kept
}

// PathOf is where a layer's program lies, if it is there at all.
func PathOf(name string, in Places) (string, error) {
	if err := wire.LayerName(name); err != nil {
		return "", diag.Errorf("%v", err)
	}
	if !strings.Contains(name, "/") {
		return filepath.Join(in.Builtin, layerPrefix+name), nil
	}
	return filepath.Join(in.Plugins, filepath.FromSlash(name), layerPrefix+filepath.Base(name)), nil
}

// Find finds a layer by its name: a built-in one beside nono-init, "vendor/name" among the user's
// plugins. The caller closes the binary.
func Find(name string, in Places) (*Binary, error) {
	path, err := PathOf(name, in)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(name, "/") {
		return findBuiltin(name, in.Builtin, path)
	}
	b, err := findForeign(name, path, in)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf("there is no layer %s: %s does not exist", name, path).
			Try("put the layer's program there, or name it in a block: plugin %q { path = \"/...\" }", name)
	}
	return b, err
}

// FindAt takes a layer from a path that a plugin block gives, in place of where it would be looked
// for.
func FindAt(name, path string, in Places) (*Binary, error) {
	if err := wire.LayerName(name); err != nil {
		return nil, diag.Errorf("%v", err)
	}
	if !strings.Contains(name, "/") {
		return nil, diag.Errorf("%s is a built-in layer's name, and has no path", name)
	}
	if !filepath.IsAbs(path) {
		return nil, diag.Errorf("the path of layer %s is not absolute: %s", name, path)
	}
	b, err := findForeign(name, path, in)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf("there is no layer %s: %s does not exist", name, path)
	}
	return b, err
}

// Open takes a program for a layer whose name nobody knows yet, because the user has typed its path
// to have it run.
func Open(path string) (*Binary, error) {
	typed := func(*Binary, string) error { return nil }
	name := strings.TrimPrefix(filepath.Base(path), layerPrefix)
	b, err := findForeign(name, path, Places{Permit: typed})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf("%s does not exist", path)
	}
	if err == nil {
		b.Nameless = true
	}
	return b, err
}

func findBuiltin(name, dir, path string) (*Binary, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf("there is no layer %s: %s does not exist", name, path).
			Try("built-in layers are installed with nono, into one directory; " +
				"all others are called VENDOR/NAME")
	}
	if err := trusted(dir, path); err != nil {
		return nil, err
	}
	return &Binary{Name: name, Path: path, Builtin: true}, nil
}

// trusted checks that a program that is about to be run with the user's rights, and its directory,
// could only be changed by who could change nono itself.
func trusted(dir, program string) error {
	dirInfo, err := os.Stat(dir)
	if err != nil {
		return diag.Errorf("looking at %s: %v", dir, err)
	}
	info, err := os.Lstat(program)
	if err != nil {
		return diag.Errorf("looking at %s: %v", program, err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return diag.Errorf("%s is not a program", program)
	}
	for _, f := range []struct {
		path string
		info fs.FileInfo
	}{{dir, dirInfo}, {program, info}} {
		if reason := distrust(owner(f.info), f.info.Mode(), owners(), id(os.Getegid())); reason != "" {
			return diag.Errorf("%s is not to be trusted: %s", f.path, reason).
				Try("nono runs its own programs only from where nobody else can write")
		}
	}
	return nil
}

// owners are those whose files may be run: root, the user, and who owns the running nono, whose
// code runs already.
func owners() []uint32 {
	list := []uint32{0, id(os.Geteuid())}
	if exe, err := os.Executable(); err == nil {
		if info, err := os.Stat(exe); err == nil {
			list = append(list, owner(info).uid)
		}
	}
	return list
}

// id is a user's or group's number as files have it.
func id(n int) uint32 { return uint32(n) }

type ids struct{ uid, gid uint32 }

func owner(info fs.FileInfo) ids {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ids{^uint32(0), ^uint32(0)}
	}
	return ids{st.Uid, st.Gid}
}

// distrust is the decision: the reason why a file of that owner and mode is not to be trusted, or
// nothing. A group may write if it is the user's own, as umask 002 makes it.
func distrust(of ids, mode fs.FileMode, owners []uint32, group uint32) string {
	known := false
	for _, uid := range owners {
		known = known || uid == of.uid
	}
	switch {
	case !known:
		return fmt.Sprintf("it belongs to user %d, "+
			"who is neither root, nor you, nor the owner of nono", of.uid)
	case mode&0o002 != 0:
		return "everybody can write to it"
	case mode&0o020 != 0 && of.gid != group:
		return fmt.Sprintf("group %d can write to it, and that is not your own group", of.gid)
	}
	return ""
}
