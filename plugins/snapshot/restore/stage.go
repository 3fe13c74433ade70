//go:build linux

package restore

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
)

// maxXattrs is how much of a file's attributes the store gives back.
const maxXattrs = 64 << 20

// stage makes everything ready that is put somewhere.
func (a *applier) stage(ctx context.Context) error {
	names := map[file]string{} // files that get several names, and the first of them
	for _, o := range a.Operations {
		if !o.puts() {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := a.fail(o, a.stageOne(o, names)); err != nil {
			return err
		}
		a.meter.add(perOperation)
	}
	return nil
}

func (a *applier) stageOne(o *Operation, names map[file]string) error {
	slot := a.slot(o)
	if o.Want.Type == tree.Link {
		return a.stageLink(o, slot)
	}
	if o.Want.Type != tree.File {
		return errors.New("it is of a type that is not made again")
	}
	if o.Want.Links > 1 {
		done, err := a.stageName(o, slot, names)
		if done || err != nil {
			return err
		}
	}
	if err := a.stageFile(o, slot); err != nil {
		return err
	}
	if o.Want.Links > 1 {
		names[fileOf(o.Want)] = slot
	}
	return nil
}

// stageName makes another name of a file that is there: of one that is not touched, or of one that
// was made ready.
func (a *applier) stageName(o *Operation, slot string, names map[file]string) (bool, error) {
	from, name := a.staging, names[fileOf(o.Want)]
	if o.WantPeer != "" {
		dir, base := split(o.WantPeer)
		d, err := a.live.dir(dir)
		if err != nil {
			return false, nil //nolint:nilerr // it is gone: the file is made anew
		}
		at, err := a.live.lookIn(d, base)
		if err != nil || !isFile(at) || at.Size != o.Want.Size || at.MTime != o.Want.MTime {
			return false, nil //nolint:nilerr // the same
		}
		from, name = d, base
	}
	if name == "" {
		return false, nil
	}
	if err := a.before("link"); err != nil {
		return false, err
	}
	err := unix.Linkat(from.Fd(), name, a.staging.Fd(), slot, 0)
	return err == nil, nil
}

func (a *applier) stageLink(o *Operation, slot string) error {
	if err := a.before("symlink"); err != nil {
		return err
	}
	if err := unix.Symlinkat(o.Want.Target, a.staging.Fd(), slot); err != nil {
		return doing("making the link", o.Path, err)
	}
	if o.Want.UID != uint32(os.Geteuid()) || o.Want.GID != uint32(os.Getegid()) {
		err := unix.Fchownat(a.staging.Fd(), slot, int(o.Want.UID), int(o.Want.GID),
			unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			a.part(o, "its owner", err)
		}
	}
	if err := a.before("times"); err != nil {
		return err
	}
	return unix.UtimesNanoAt(a.staging.Fd(), slot, times(o.Want), unix.AT_SYMLINK_NOFOLLOW)
}

func (a *applier) stageFile(o *Operation, slot string) error {
	content, err := a.store.Open(o.Want.Content)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	if err := a.before("create"); err != nil {
		return err
	}
	const how = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(a.staging.Fd(), slot, how, 0o600)
	if err != nil {
		return doing("making ready", o.Path, err)
	}
	f := os.NewFile(uintptr(fd), slot)
	err = a.fill(f, content)
	if err == nil {
		err = a.dress(o, byHandle(f), nil)
	}
	if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, errStopped) {
		_ = unix.Unlinkat(a.staging.Fd(), slot, 0)
	}
	return err
}

func (a *applier) fill(f *os.File, content io.Reader) error {
	if err := a.before("write"); err != nil {
		return err
	}
	w := &sparse{f: f}
	if _, err := io.Copy(w, &metered{content, &a.meter}); err != nil {
		return err
	}
	return w.end()
}

// metered counts what is read as done.
type metered struct {
	from  io.Reader
	meter *meter
}

// Read implements io.Reader.
func (m *metered) Read(b []byte) (int, error) {
	n, err := m.from.Read(b)
	m.meter.add(int64(n))
	return n, err
}

// part notes that something beside the content could not be given back.
func (a *applier) part(o *Operation, what string, err error) {
	a.report.Failed = append(a.report.Failed, Note{
		Path: o.Path, Why: what + " could not be given back: " + err.Error(),
	})
}

func times(e *tree.Entry) []unix.Timespec {
	return []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(e.MTime)}
}

// dress gives what a path leads to its owner, attributes, mode and times, in this order: a new
// owner takes away from the mode, attributes want to be allowed to write, and all of it moves the
// times. was is what it had, nil for what was made here.
func (a *applier) dress(o *Operation, path string, was *tree.Entry) error {
	want, mode := o.Want, o.Want.Mode&0o7777
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return doing("looking at", o.Path, err)
	}
	if st.Uid != want.UID || st.Gid != want.GID {
		if err := a.before("chown"); err != nil {
			return err
		}
		if err := chown(path, want); err != nil {
			a.part(o, "its owner", err)
			// Whoever is another user's by its mode must not become so of this one's.
			mode &^= unix.S_ISUID | unix.S_ISGID
		}
	}
	if was == nil || was.Xattrs != want.Xattrs {
		if err := a.attributes(o, path); err != nil {
			return err
		}
	}
	if err := a.before("chmod"); err != nil {
		return err
	}
	if err := unix.Chmod(path, mode); err != nil {
		a.part(o, "its mode", err)
	}
	if err := a.before("times"); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times(want), 0); err != nil {
		a.part(o, "its times", err)
	}
	return nil
}

// chown gives the group back at least, where the user may not give the owner.
func chown(path string, want *tree.Entry) error {
	err := unix.Chown(path, int(want.UID), int(want.GID))
	if err != nil && os.Geteuid() == int(want.UID) {
		err = unix.Chown(path, -1, int(want.GID))
	}
	return err
}

// ofTheSystem are attributes that the system gives.
var ofTheSystem = []string{"security.evm", "security.ima", "security.selinux"}

// attributes gives a file or a directory the attributes that it shall have, and no others: a new
// file may have got some from its directory.
func (a *applier) attributes(o *Operation, path string) error {
	var want []beneath.Xattr
	if o.Want.Xattrs != (tree.Digest{}) {
		content, err := a.store.Open(o.Want.Xattrs)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(content, maxXattrs))
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
		if want, err = tree.DecodeXattrs(data); err != nil {
			return err
		}
	}
	has, err := listAttributes(path)
	if err != nil {
		a.part(o, "its attributes", err)
		return nil
	}
	if len(want) == 0 && len(has) == 0 {
		return nil
	}
	if err := a.before("attributes"); err != nil {
		return err
	}
	if err := unix.Chmod(path, o.Want.Mode&0o777|0o700); err != nil {
		a.part(o, "its attributes", err)
		return nil
	}
	for _, name := range has {
		if slices.Contains(ofTheSystem, name) ||
			slices.ContainsFunc(want, func(x beneath.Xattr) bool { return x.Name == name }) {
			continue
		}
		if err := unix.Removexattr(path, name); err != nil {
			a.part(o, "the attribute "+strconv.Quote(name), err)
		}
	}
	for _, x := range want {
		if err := unix.Setxattr(path, x.Name, x.Value, 0); err != nil {
			a.part(o, "the attribute "+strconv.Quote(x.Name), err)
		}
	}
	return nil
}

func listAttributes(path string) ([]string, error) {
	size, err := unix.Listxattr(path, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]byte, 64<<10) // the kernel's limit
	if size, err = unix.Listxattr(path, list); err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(list[:size]), func(r rune) bool { return r == 0 }), nil
}

// settle looks at what an interrupted run left in the staging directory. What it took away and had
// no time to look at is looked at now.
func (a *applier) settle(ctx context.Context) error {
	for _, o := range a.Operations {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for _, name := range []string{a.slot(o), a.taken(o)} {
			at, err := a.live.lookIn(a.staging, name)
			if err != nil {
				return err
			}
			if at == nil || o.puts() && name == a.slot(o) && !same(at, o.Now) && like(at, o.Want) {
				continue // nothing, or what is to be put there
			}
			if err := a.fail(o, a.settleOne(o, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applier) settleOne(o *Operation, name string) error {
	dir, base := split(o.Path)
	d, err := a.live.changeable(dir)
	if absent(err) {
		a.report.Aside = a.Staging
		return nil
	}
	if err != nil {
		return err
	}
	return a.check(o, d, base, name)
}

// clear removes the staging directory, unless it holds what is nobody's here.
func (a *applier) clear() error {
	names, err := a.staging.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if a.report.Aside != "" && strings.HasSuffix(name, ".old") {
			continue
		}
		i, err := strconv.Atoi(strings.TrimSuffix(name, ".old"))
		if err != nil || i < 0 || i >= len(a.Operations) {
			a.report.Aside = a.Staging
			continue
		}
		at, err := a.live.lookIn(a.staging, name)
		if err != nil {
			return err
		}
		o := a.Operations[i]
		if at != nil && !same(at, o.Now) && !like(at, o.Want) {
			a.report.Aside = a.Staging
			continue
		}
		if err := a.before("clear"); err != nil {
			return err
		}
		if err := unix.Unlinkat(a.staging.Fd(), name, 0); err != nil {
			return err
		}
	}
	if a.report.Aside != "" {
		return nil
	}
	if err := a.before("rmdir staging"); err != nil {
		return err
	}
	return unix.Unlinkat(a.live.root.Fd(), a.Staging, unix.AT_REMOVEDIR)
}

// removeStaging removes what an interrupted run had made ready before anything was changed.
func (a *applier) removeStaging() error {
	d, err := a.live.root.Dir(a.Staging)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	names, err := d.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.before("clear"); err != nil {
			return err
		}
		if err := unix.Unlinkat(d.Fd(), name, 0); err != nil {
			return doing("clearing", a.Staging+"/"+name, err)
		}
	}
	if err := a.before("rmdir staging"); err != nil {
		return err
	}
	return unix.Unlinkat(a.live.root.Fd(), a.Staging, unix.AT_REMOVEDIR)
}
