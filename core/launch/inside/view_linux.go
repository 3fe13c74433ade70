package inside

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// view is the tree of mounts that the agent will see, while it is built.
type view struct {
	// yard is where it is built: see raiseYard.
	yard int
	// root is the root of the view.
	root int
	// stage is a tmpfs that holds what is bound into the view and must have no name of its own in it:
	// the content of file steps, and what masks show. It goes with the yard.
	stage int
	files int
	// made are the devices of the tmpfs that were mounted here. Mount points are made in these and in
	// nothing else: elsewhere they would be made on the host.
	made map[uint64]bool
	// parent is the directory in which something was put last, and source the directory of the host's
	// from which something was taken last. Mounts come in the order of their paths, so the next one is
	// often a neighbour.
	parent parent
	source directory
}

// directory is a directory that is kept open.
type directory struct {
	fd   int
	path string
}

// parent is a directory of the view.
type parent struct {
	directory

	ours bool // in a tmpfs that was mounted here
}

// mostVerified bounds what is copied of verified files, all together: what it takes stays in memory
// for as long as the session.
const mostVerified = 256 << 20

// Names in the stage.
const (
	stageVoid = "void" // a directory without rights
	stageNone = "none" // an empty file without rights
	stageNull = "null" // an empty file that can be read
)

// buildView mounts everything in the recipe's order, parents first.
func buildView(l *launcher) error {
	l.view.made = map[uint64]bool{}
	nowhere := directory{fd: -1}
	l.view.parent, l.view.source = parent{directory: nowhere}, nowhere
	defer func() {
		closeFD(l.view.parent.fd)
		closeFD(l.view.source.fd)
	}()
	if err := l.buildRoot(); err != nil {
		return at(l.recipe.Mounts[0].(fragment.Mount), err)
	}
	for _, s := range l.recipe.Mounts[1:] {
		m := s.(fragment.Mount) // recipe.Check has seen to it
		if err := l.mount(m); err != nil {
			return at(m, err)
		}
	}
	if _, ok := l.recipe.Mounts[0].(fragment.Tmpfs); ok {
		// Last, when every mount point has been made. A root of ours holds nothing that anyone should
		// write to; if it could be written, a name missing from it could be made up.
		return fail(
			"making the root read-only",
			setAttributes(l.view.root, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, 0),
		)
	}
	return nil
}

// at says which step an error belongs to.
func at(m fragment.Mount, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{doing: "mounting " + m.At(), err: err}
	}
	f.rule, f.step = m.Rule(), fragment.Kind(m)
	if f.path == "" {
		f.path = m.At()
	}
	return f
}

// buildRoot takes the root of the view into the yard.
func (l *launcher) buildRoot() error {
	var err error
	switch s := l.recipe.Mounts[0].(type) {
	case fragment.Tmpfs:
		l.view.root, err = l.newTmpfs(s)
	case fragment.Bind:
		l.view.root, _, err = l.cloneSource(s)
	default:
		err = errors.New("the root must be a tmpfs or a bind")
	}
	if err != nil {
		return err
	}
	return attachIn(l.view.root, l.view.yard, yardRoot)
}

// mount applies one step beneath the root.
func (l *launcher) mount(m fragment.Mount) error {
	switch s := m.(type) {
	case fragment.Bind:
		return l.bind(s)
	case fragment.Copy:
		return l.copy(s)
	case fragment.Tmpfs:
		return l.tmpfs(s)
	case fragment.Mask:
		return l.mask(s)
	case fragment.File:
		return l.file(s)
	case fragment.Link:
		return l.link(s.Path, s.Target)
	case fragment.Hold:
		return l.hold(s)
	case fragment.Pseudo:
		switch s.Type {
		case fragment.Procfs:
			return l.attachAt(l.proc, s.Path, unix.O_DIRECTORY)
		case fragment.Devpts:
			return l.devpts(s)
		}
	}
	return fmt.Errorf("nono-init does not know how to mount a %T", m)
}

func (l *launcher) bind(s fragment.Bind) error {
	if s.SHA256 != "" {
		return l.verified(s)
	}
	tree, directory, err := l.cloneSource(s)
	if err != nil {
		return err
	}
	return l.put(tree, s.Path, directory)
}

// verified shows a copy of a file of the host's, if that has the content that was verified. Of the
// file itself anybody outside could change what is read inside.
func (l *launcher) verified(s fragment.Bind) error {
	source, st, err := openPlanned(s.Source(), s.Device, s.Inode, reading)
	if err != nil {
		return err
	}
	defer closeFD(source)
	doing := "copying " + s.Source()
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fail(doing, errors.New("it is not a regular file"))
	}
	name := l.nextFile()
	sum := sha256.New()
	// Whose it is and which group may read it does not carry over: who runs nono could read it.
	mode := st.Mode&0o555 | 0o400
	if err := fill(l.view.stage, name, mode, source, st, sum); err != nil {
		return fail(doing, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.SHA256 && !omitted("verified") {
		return fail("showing "+s.Source()+" as it was verified", errors.New("it was changed since"))
	}
	set := uint64(readOnly)
	if !s.NoExec {
		set &^= unix.MOUNT_ATTR_NOEXEC
	}
	tree, err := clone(l.view.stage, name, set)
	if err != nil {
		return err
	}
	return l.put(tree, s.Path, false)
}

// nextFile is a name in the stage that is not taken.
func (l *launcher) nextFile() string {
	l.view.files++
	return "file-" + strconv.Itoa(l.view.files)
}

// hold mounts a link onto itself. A mount point cannot be renamed, removed or replaced, and a link
// that is one is followed as before.
func (l *launcher) hold(s fragment.Hold) error {
	tree, st, err := l.takePlanned(s.Source(), s.Device, s.Inode, 0)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		closeFD(tree)
		return fail("holding the link "+s.Source(), errors.New("it is no link"))
	}
	set := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_RDONLY)
	if err := seal(tree, set, 0); err != nil {
		closeFD(tree)
		return fail("holding the link "+s.Source(), err)
	}
	return l.putAt(tree, s.Path, unix.O_NOFOLLOW)
}

// cloneSource takes a copy of the host's mounts at a bind's source, and says whether that is a
// directory.
func (l *launcher) cloneSource(s fragment.Bind) (tree int, directory bool, err error) {
	tree, st, err := l.takePlanned(s.Source(), s.Device, s.Inode, unix.AT_RECURSIVE)
	if err != nil {
		return -1, false, err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFLNK {
		closeFD(tree)
		return -1, false, fail("binding "+s.Source(), errNewLink)
	}
	set := uint64(unix.MOUNT_ATTR_NOSUID)
	// A device is used through its driver, which no read-only mount keeps anybody from. But its file
	// belongs to the whole machine, and root could change its mode for everybody.
	device := kind == unix.S_IFCHR || kind == unix.S_IFBLK
	if !s.Writable || device {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if s.NoExec {
		set |= unix.MOUNT_ATTR_NOEXEC
	}
	if !s.Devices {
		set |= unix.MOUNT_ATTR_NODEV
	}
	if err := seal(tree, set, unix.AT_RECURSIVE); err != nil {
		closeFD(tree)
		return -1, false, fail("binding "+s.Source(), err)
	}
	return tree, kind == unix.S_IFDIR, nil
}

// takePlanned copies the host's mount at a path, with what is mounted beneath it if recursive is
// AT_RECURSIVE. It takes what openPlanned would open, and a link itself instead of refusing it.
func (l *launcher) takePlanned(
	from string, device, inode uint64, recursive uint,
) (tree int, st unix.Stat_t, err error) {
	doing := "opening " + from
	if err := l.openSource(path.Dir(from)); err != nil {
		return -1, st, fail(doing, err)
	}
	flags := unix.AT_NO_AUTOMOUNT | recursive
	if !omitted("source") {
		flags |= unix.AT_SYMLINK_NOFOLLOW // the last name; openSource has seen to the others
	}
	tree, err = copyMount(l.view.source.fd, path.Base(from), flags)
	if err != nil {
		return -1, st, fail(doing, err)
	}
	// What is mounted nowhere yet shows the same file as its source.
	if err = unix.Fstat(tree, &st); err == nil {
		err = asPlanned(st, device, inode)
	}
	if err != nil {
		closeFD(tree)
		return -1, st, fail(doing, err)
	}
	return tree, st, nil
}

// openSource makes a directory of the host's the one that is kept open.
func (l *launcher) openSource(dir string) error {
	if l.view.source.path == dir {
		return nil
	}
	fd, err := openStraight(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	closeFD(l.view.source.fd)
	l.view.source = directory{fd, dir}
	return nil
}

// openPlanned opens what is shown of the host, and looks at it. Another session, or anything else
// of the user's, may have put a link where the layer saw a directory: so no link is followed, and
// what is found must be the very thing that was planned with.
func openPlanned(
	from string, device, inode uint64, flags uint64,
) (fd int, st unix.Stat_t, err error) {
	if fd, err = openStraight(from, flags); err != nil {
		return -1, st, fail("opening "+from, err)
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = asPlanned(st, device, inode)
	}
	if err != nil {
		closeFD(fd)
		return -1, st, fail("opening "+from, err)
	}
	return fd, st, nil
}

// openStraight opens a path of the host's in which no link may stand.
func openStraight(name string, flags uint64) (int, error) {
	var resolve uint64 = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
	if omitted("source") {
		resolve = 0
	}
	fd, err := unix.Openat2(
		unix.AT_FDCWD, name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve},
	)
	if errors.Is(err, unix.ELOOP) {
		err = errNewLink
	}
	return fd, err
}

// asPlanned refuses what is not the very thing that was planned with.
func asPlanned(st unix.Stat_t, device, inode uint64) error {
	switch {
	case st.Dev == device && st.Ino == inode && inode != 0, omitted("source"):
		return nil
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return errNewLink
	}
	return errors.New("it is no longer what stood there when it was planned")
}

var errNewLink = fmt.Errorf(
	"there is a link in the path that was not there when it was planned: %w", unix.ELOOP,
)

func (l *launcher) tmpfs(s fragment.Tmpfs) error {
	mount, err := l.newTmpfs(s)
	if err != nil {
		return err
	}
	return l.put(mount, s.Path, true)
}

// newTmpfs makes a tmpfs that is mounted nowhere yet.
func (l *launcher) newTmpfs(s fragment.Tmpfs) (int, error) {
	mount, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV,
		option{"size", strconv.FormatUint(s.Size, 10)},
		// Empty files and links take memory that the size does not count: up to a KiB each.
		option{"nr_inodes", strconv.FormatUint(s.Size/8192+1024, 10)},
		option{"mode", strconv.FormatUint(uint64(unixMode(s.Mode)), 8)})
	if err != nil {
		return -1, fail("making a tmpfs", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(mount, &st); err != nil {
		return -1, fail("looking at a new tmpfs", err)
	}
	l.view.made[st.Dev] = true
	if s.Report {
		// The mount's own descriptor names a place and reads nothing.
		dir, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fail("opening a new tmpfs", err)
		}
		l.hand = append(
			l.hand, handed{dir, recipe.Descriptor{Kind: recipe.ReportDescriptor, Name: s.Path}},
		)
	}
	return mount, nil
}

func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// mask covers what is at a path with something that shows nothing. Every mask of a kind shows the
// same file, which cannot be changed through any of them.
func (l *launcher) mask(s fragment.Mask) error {
	shown := stageNone
	switch {
	case s.Directory:
		shown = stageVoid
	case s.Readable:
		shown = stageNull
	}
	tree, err := clone(l.view.stage, shown, readOnly)
	if err != nil {
		return err
	}
	return l.put(tree, s.Path, s.Directory)
}

// readOnly is for what nono-init shows of its own.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID |
	unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// file shows content that came with the recipe. It is bound rather than written in place, so that
// it is read-only where its directory is not.
func (l *launcher) file(s fragment.File) error {
	name := l.nextFile()
	fd, err := unix.Openat(
		l.view.stage, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, uint32(s.Mode.Perm()),
	)
	if err != nil {
		return fail("writing the file", err)
	}
	for rest := s.Content; len(rest) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, rest)
		rest = rest[max(n, 0):]
	}
	closeFD(fd) // before the clone: a mount that someone writes to cannot be made read-only
	if err != nil {
		return fail("writing the file", err)
	}
	tree, err := clone(l.view.stage, name, readOnly&^unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	// Over a link of the host's, too: a layer that brings its own /etc/resolv.conf means the name.
	// Every other step is about what was seen at its path, and a link that came to stand there is an
	// error.
	return l.putAt(tree, s.Path, unix.O_NOFOLLOW)
}

// link makes a symbolic link. The same link twice is one.
func (l *launcher) link(at, target string) error {
	parent, err := l.ownParent(at)
	if err != nil {
		return err
	}
	err = unix.Symlinkat(target, parent, path.Base(at))
	if errors.Is(err, unix.EEXIST) {
		there := make([]byte, len(target)+1)
		n, e := unix.Readlinkat(parent, path.Base(at), there)
		if e == nil && string(there[:n]) == target {
			return nil
		}
	}
	return fail("making the link "+at, err)
}

// maxTerminals bounds the terminals of a session. All instances share what the machine has, 4,096
// on most, of which the host keeps a quarter for itself.
const maxTerminals = "64"

// devpts mounts a fresh instance of pseudo-terminals, with the ptmx that goes with it. They have
// the group of whoever opens them: the host's group for terminals has no number inside.
func (l *launcher) devpts(s fragment.Pseudo) error {
	mount, err := newMount(
		"devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, option{"ptmxmode", "0666"},
		option{"mode", "0620"}, option{"max", maxTerminals},
	)
	if err != nil {
		return fail("making a devpts", err)
	}
	if err := l.put(mount, s.Path, true); err != nil {
		return err
	}
	return l.link(path.Join(path.Dir(s.Path), "ptmx"), path.Join(path.Base(s.Path), "ptmx"))
}

// put attaches a tree at a path of the view, and makes the mount point if it lies in a tmpfs of
// ours.
func (l *launcher) put(tree int, at string, directory bool) error {
	if directory {
		return l.putAt(tree, at, unix.O_DIRECTORY)
	}
	return l.putAt(tree, at, 0)
}

func (l *launcher) putAt(tree int, at string, flags uint64) error {
	err := l.attachAt(tree, at, flags)
	closeFD(tree)
	if policy.Within(l.view.parent.path, at) {
		l.view.parent.path = "" // what is open lies beneath what was mounted now
	}
	return err
}

func (l *launcher) attachAt(tree int, at string, flags uint64) error {
	made, err := l.makePlace(at, flags == unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	if made { // and so it is what it should be, and no link
		return attachIn(tree, l.view.parent.fd, path.Base(at))
	}
	target, err := l.openPlace(at, flags)
	if err != nil {
		return err
	}
	defer closeFD(target)
	return attach(tree, target)
}

// makePlace makes the directory above a path the one that is kept open, and makes a place in it for
// something to be put there. It reports false where something stands already, or where the
// directory is the host's.
func (l *launcher) makePlace(at string, directory bool) (made bool, err error) {
	if err := l.openParent(path.Dir(at)); err != nil {
		return false, err
	}
	if !l.view.parent.ours {
		return false, nil
	}
	if directory {
		err = unix.Mkdirat(l.view.parent.fd, path.Base(at), 0o755)
	} else {
		err = unix.Mknodat(l.view.parent.fd, path.Base(at), unix.S_IFREG|0o644, 0)
	}
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	return err == nil, fail("making the place for "+at, err)
}

// openPlace opens a place in the directory that is kept open. The flags are O_DIRECTORY for a
// directory, and O_NOFOLLOW where a link may stand.
func (l *launcher) openPlace(at string, flags uint64) (int, error) {
	fd, err := openBeneath(l.view.parent.fd, path.Base(at), flags)
	if errors.Is(err, unix.ENOENT) {
		return -1, l.notOurs(at)
	}
	if err != nil {
		return -1, fail("opening the place for "+at, err)
	}
	if flags != unix.O_DIRECTORY {
		// A directory cannot take a file's mount; said here, it has its line.
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
			closeFD(fd)
			return -1, fail("opening the place for "+at, errors.Join(err, unix.EISDIR))
		}
	}
	return fd, nil
}

// openParent makes a directory the one that is kept open. It makes it if need be.
func (l *launcher) openParent(dir string) error {
	if l.view.parent.path == dir {
		return nil
	}
	fd, err := l.openDirectory(dir)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		closeFD(fd)
		return fail("looking at "+dir, err)
	}
	closeFD(l.view.parent.fd)
	l.view.parent = parent{directory{fd, dir}, l.view.made[st.Dev]}
	return nil
}

func (l *launcher) openDirectory(dir string) (int, error) {
	if dir == "/" {
		fd, err := openBeneath(l.view.root, ".", unix.O_DIRECTORY)
		return fd, fail("opening the root of the view", err)
	}
	fd, err := openBeneath(l.view.root, dir[1:], unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		if _, err := l.makePlace(dir, true); err != nil { // with what is missing above it
			return -1, err
		}
		return l.openPlace(dir, unix.O_DIRECTORY)
	}
	return fd, fail("opening the place for "+dir, err)
}

// ownParent is the directory of a path, to make something in. It refuses one of the host's.
func (l *launcher) ownParent(at string) (int, error) {
	if err := l.openParent(path.Dir(at)); err != nil {
		return -1, err
	}
	if !l.view.parent.ours {
		return -1, l.notOurs(at)
	}
	return l.view.parent.fd, nil
}

func (l *launcher) notOurs(at string) error {
	return fail("making something in "+path.Dir(at),
		errors.New("that directory is the host's, and nothing is made on the host"))
}

// enterView makes the view the root of all threads, and lets go of the host's.
func enterView(l *launcher) error {
	if err := unix.Fchdir(l.view.root); err != nil {
		return fail("entering the view", err)
	}
	// Off the host's root, to where it goes with that: what lies on top would have to be taken away
	// first, and each taking away waits until every processor has let go of it.
	if err := attachIn(l.view.yard, unix.AT_FDCWD, "/proc"); err != nil {
		return fail("leaving the yard", err)
	}
	// With the same directory twice the old root ends up on top of the new one, where it can be taken
	// off without having needed a place inside.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fail("making the view the root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fail("leaving the host's root", err)
	}
	return fail("entering the view", unix.Chdir("/"))
}

// changeDirectory goes where the agent will start, while it can still be said what is wrong with
// it.
func changeDirectory(l *launcher) error {
	if err := unix.Chdir(l.recipe.Dir); err != nil {
		return &failure{
			path: l.recipe.Dir, doing: "entering the working directory " + l.recipe.Dir, err: err,
		}
	}
	return nil
}

// The kernel's calls for mounts, as they are used here.

// option is a mount option of a filesystem.
type option struct{ key, value string }

// newMount makes a filesystem that is mounted nowhere yet.
func newMount(kind string, attributes int, options ...option) (int, error) {
	config, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer closeFD(config)
	for _, o := range options {
		if err := unix.FsconfigSetString(config, o.key, o.value); err != nil {
			return -1, fmt.Errorf("option %s=%s: %w", o.key, o.value, err)
		}
	}
	if err := unix.FsconfigCreate(config); err != nil {
		return -1, err
	}
	return unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, attributes)
}

// clone copies the mount at a place, and sets attributes on the copy.
func clone(dir int, name string, set uint64) (int, error) {
	tree, err := copyMount(dir, name, unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	if err := seal(tree, set, 0); err != nil {
		closeFD(tree)
		return -1, err
	}
	return tree, nil
}

// copyMount copies the mount at a place, with what is mounted beneath it if the flags have
// AT_RECURSIVE. The kernel keeps by itself what the host's mounts have locked.
func copyMount(dir int, name string, flags uint) (int, error) {
	return unix.OpenTree(dir, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
}

// seal sets attributes on a copy, before it is mounted.
func seal(tree int, set uint64, recursive uint) error {
	attr := &unix.MountAttr{Attr_set: set}
	if !omitted("private") {
		// Private, not slave: what the host mounts beneath a bind during the session would come in with
		// the host's attributes, writable inside a read-only grant. The price: a medium that the host
		// unmounts stays busy until the session ends.
		attr.Propagation = unix.MS_PRIVATE
	}
	return setAttributes(tree, attr, recursive)
}

func setAttributes(mount int, attr *unix.MountAttr, recursive uint) error {
	return unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH|recursive, attr)
}

// attach mounts a tree at a place, both given by descriptor: no name is looked up again.
func attach(tree, target int) error {
	return unix.MoveMount(
		tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH,
	)
}

// attachIn mounts a tree at a name in a directory. A link of that name is not followed.
func attachIn(tree, dir int, name string) error {
	return unix.MoveMount(tree, "", dir, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// openBeneath opens a path under a directory and nowhere else: a link in it is an error, wherever
// it points.
func openBeneath(dir int, name string, flags uint64) (int, error) {
	return unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// closeFD closes a descriptor that nothing was written to, so that there is no error to tell.
func closeFD(fd int) { _ = unix.Close(fd) }
