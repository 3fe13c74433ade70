package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// This file is the memory of what layers said of themselves, a file for each. It is a cache: if
// anything is wrong with a file, the layer is asked again and the file replaced.

// stamp is what a layer's program was when it described itself: a file that was changed or
// replaced differs in one of these.
type stamp struct {
	Path               string
	Device, Inode      uint64
	Size, MTime, CTime int64
	Build              string // nono's own
}

func stampOf(path string) (stamp, error) {
	path, err := hostfile.Resolve(path)
	if err != nil {
		return stamp{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	device := uint64(st.Dev) //nolint:unconvert // the width differs between systems
	return stamp{
		Path: path, Device: device, Inode: st.Ino, Size: st.Size,
		MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Build: sdk.Build,
	}, nil
}

// rememberedVersion is that of the files. One of another version is as good as none.
const rememberedVersion = 1

// remembered is what the cache holds of a layer.
type remembered struct {
	Version int
	Program stamp
	Said    []byte // its answer, not yet checked
}

// maxRemembered bounds what is read back.
const maxRemembered = 4 << 20

// recall is what a layer said of itself when its program was this one.
func recall(file, name string, program stamp) (sdk.Description, error) {
	content, err := readOwn(file)
	if err != nil {
		return sdk.Description{}, err
	}
	var r remembered
	if err := json.Unmarshal(content, &r); err != nil {
		return sdk.Description{}, err
	}
	if r.Version != rememberedVersion {
		return sdk.Description{}, fmt.Errorf("it has version %d", r.Version)
	}
	if r.Program != program {
		return sdk.Description{}, errors.New("its program is another one since")
	}
	d, err := host.Recall(r.Said)
	if err == nil && d.Name != name {
		return sdk.Description{}, fmt.Errorf("it is about layer %s", d.Name)
	}
	return d, err
}

// readOwn reads a file that nobody but the user can have put there.
func readOwn(file string) ([]byte, error) {
	if err := checkDir(filepath.Dir(file)); err != nil {
		return nil, err
	}
	there, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	f, err := hostfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	opened, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !os.SameFile(there, opened):
		return nil, fmt.Errorf("%s is a link, or was replaced meanwhile", file)
	}
	if err := ownfile.CheckWriters(file, opened, os.Geteuid()); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxRemembered))
}

func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	return ownfile.CheckWriters(dir, info, os.Geteuid())
}

// remember replaces the file. A directory of another user's is left alone.
func remember(file string, r remembered) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = checkDir(dir)
	var fault *ownfile.Fault
	if errors.As(err, &fault) && !fault.Foreign {
		err = os.Chmod(dir, 0o700) //nolint:gosec // a directory of one's own is entered
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return ownfile.Replace(root, filepath.Base(file), content)
}
