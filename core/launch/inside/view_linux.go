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
	// root is the root of the view.
	root int
	// stage is a tmpfs that holds what is bound into the view and must have no name of its own in it:
	// the content of file steps, and what masks show. It goes with the old root.
	stage int
	files int
	// made are the devices of the tmpfs that were mounted here. Mount points are made in these and in
	// nothing else: elsewhere they would be made on the host.
	made map[uint64]bool
	// parent is the directory in which something was put last.
	parent parent
}

// parent is a directory of the view that is kept open: mounts come in the order of their paths, so
// the next one is often its neighbour.
type parent struct {
	fd   int
	path string
	ours bool // in a tmpfs that was mounted here
}

// mostVerified bounds what is copied of verified files, all together: what it takes stays in memory
// for as long as the session.
const mostVerified = 256 << 20

// Names in the stage. The view's root is mounted there as well, because pivot_root wants it
// attached somewhere.
const (
	stageRoot = "root"
	stageVoid = "void" // a directory without rights
	stageNone = "none" // an empty file without rights
	stageNull = "null" // an empty file that can be read
)

// buildView mounts everything in the recipe's order, parents first.
func buildView(l *launcher) error {
	unix.Umask(0) // modes are meant as they are written; the agent gets the user's own
	l.view.made = map[uint64]bool{}
	l.view.parent = parent{fd: -1}
	defer func() { closeFD(l.view.parent.fd) }()

	// A root that is bound is taken before the stage is mounted, or it would contain itself.
	tree, err := l.rootTree(l.recipe.Mounts[0])
	if err != nil {
		return at(l.recipe.Mounts[0].(fragment.Mount), err)
	}
	if err := l.openStage(); err != nil {
		return err
	}
	target, err := openBeneath(l.view.stage, stageRoot, 0)
	if err != nil {
		return fail("opening the stage's root", err)
	}
	err = attach(tree, target)
	closeFD(target)
	if err != nil {
		return at(l.recipe.Mounts[0].(fragment.Mount), err)
	}
	l.view.root = tree
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

func (l *launcher) rootTree(s fragment.Step) (int, error) {
	switch s := s.(type) {
	case fragment.Tmpfs:
		return l.newTmpfs(s)
	case fragment.Bind:
		tree, _, err := cloneSource(s)
		return tree, err
	default:
		return -1, errors.New("the root must be a tmpfs or a bind")
	}
}

// openStage mounts the stage. It goes over /proc because there it hides nothing that a bind could
// want: over /tmp it would hide every project under /tmp.
func (l *launcher) openStage() error {
	const plain = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	stage, err := newMount("tmpfs", plain,
		option{"mode", "0700"}, option{"size", strconv.Itoa(recipe.MaxRecipe + mostVerified)})
	if err != nil {
		return fail("mounting the stage", err)
	}
	l.view.stage = stage
	err = unix.MoveMount(stage, "", unix.AT_FDCWD, "/proc", unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		return fail("mounting the stage over /proc", err)
	}
	if err := unix.Mkdirat(stage, stageRoot, 0o700); err != nil {
		return fail("making the stage's root", err)
	}
	if err := unix.Mkdirat(stage, stageVoid, 0); err != nil {
		return fail("making what a masked directory shows", err)
	}
	for name, mode := range map[string]uint32{stageNone: 0, stageNull: 0o444} {
		if err := unix.Mknodat(stage, name, unix.S_IFREG|mode, 0); err != nil {
			return fail("making what a masked file shows", err)
		}
	}
	return nil
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
			return l.mountProcAt(s)
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
	tree, directory, err := cloneSource(s)
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
	tree, err := clone(l.view.stage, name, set, 0)
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
	source, st, err := openPlanned(s.Source(), s.Device, s.Inode, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer closeFD(source)
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return fail("holding the link "+s.Source(), errors.New("it is no link"))
	}
	set := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_RDONLY)
	tree, err := clone(source, "", set, 0)
	if err != nil {
		return fail("holding the link "+s.Source(), err)
	}
	return l.putAt(tree, s.Path, unix.O_NOFOLLOW)
}

// cloneSource takes a copy of the host's mounts at a bind's source, and says whether that is a
// directory.
func cloneSource(s fragment.Bind) (tree int, directory bool, err error) {
	source, st, err := openPlanned(s.Source(), s.Device, s.Inode, unix.O_PATH)
	if err != nil {
		return -1, false, err
	}
	defer closeFD(source)
	kind := st.Mode & unix.S_IFMT
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
	tree, err = clone(source, "", set, unix.AT_RECURSIVE)
	if err != nil {
		return -1, false, fail("binding "+s.Source(), err)
	}
	return tree, kind == unix.S_IFDIR, nil
}

// openPlanned opens what is shown of the host, and looks at it. Another session, or anything else
// of the user's, may have put a link where the layer saw a directory: so no link is followed, and
// what is found must be the very thing that was planned with.
func openPlanned(
	from string, device, inode uint64, flags uint64,
) (fd int, st unix.Stat_t, err error) {
	var resolve uint64 = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
	if omitted("source") {
		resolve = 0
	}
	fd, err = unix.Openat2(
		unix.AT_FDCWD, from, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve},
	)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			err = fmt.Errorf("there is a link in the path that was not there when it was planned: %w", err)
		}
		return -1, st, fail("opening "+from, err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		closeFD(fd)
		return -1, st, fail("looking at "+from, err)
	}
	same := st.Dev == device && st.Ino == inode && inode != 0
	if !same && !omitted("source") {
		closeFD(fd)
		return -1, st, fail(
			"opening "+from, errors.New("it is no longer what stood there when it was planned"),
		)
	}
	return fd, st, nil
}

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
	tree, err := clone(l.view.stage, shown, readOnly, 0)
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
	tree, err := clone(l.view.stage, name, readOnly&^unix.MOUNT_ATTR_NOEXEC, 0)
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
	target, err := l.point(at, flags)
	if err != nil {
		return err
	}
	err = attach(tree, target)
	closeFD(target)
	closeFD(tree)
	if policy.Within(l.view.parent.path, at) {
		l.view.parent.path = "" // what is open lies beneath what was mounted now
	}
	return err
}

// point opens a place of the view for something to be put there, and makes it if need be. The flags
// are O_DIRECTORY for a directory, and O_NOFOLLOW where a link may stand.
func (l *launcher) point(at string, flags uint64) (int, error) {
	if err := l.openParent(path.Dir(at)); err != nil {
		return -1, err
	}
	directory := flags == unix.O_DIRECTORY
	if l.view.parent.ours {
		if err := l.makePoint(at, directory); err != nil {
			return -1, err
		}
	}
	fd, err := openBeneath(l.view.parent.fd, path.Base(at), flags)
	if errors.Is(err, unix.ENOENT) {
		return -1, l.notOurs(at)
	}
	if err != nil {
		return -1, fail("opening the place for "+at, err)
	}
	if !directory {
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
	l.view.parent = parent{fd, dir, l.view.made[st.Dev]}
	return nil
}

func (l *launcher) openDirectory(dir string) (int, error) {
	if dir == "/" {
		fd, err := openBeneath(l.view.root, ".", unix.O_DIRECTORY)
		return fd, fail("opening the root of the view", err)
	}
	fd, err := openBeneath(l.view.root, dir[1:], unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		return l.point(dir, unix.O_DIRECTORY) // which makes what is missing above it, too
	}
	return fd, fail("opening the place for "+dir, err)
}

// makePoint makes a place in the directory that is kept open, unless something stands there.
func (l *launcher) makePoint(at string, directory bool) error {
	var err error
	if directory {
		err = unix.Mkdirat(l.view.parent.fd, path.Base(at), 0o755)
	} else {
		err = unix.Mknodat(l.view.parent.fd, path.Base(at), unix.S_IFREG|0o644, 0)
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return fail("making the place for "+at, err)
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

// clone copies the mount at a place, with what is mounted beneath it if recursive is AT_RECURSIVE,
// and sets attributes on the copy. The kernel keeps by itself what the host's mounts have locked.
func clone(dir int, name string, set uint64, recursive uint) (int, error) {
	tree, err := unix.OpenTree(
		dir, name, unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|recursive,
	)
	if err != nil {
		return -1, err
	}
	attr := &unix.MountAttr{Attr_set: set}
	if !omitted("private") {
		// Private, not slave: what the host mounts beneath a bind during the session would come in with
		// the host's attributes, writable inside a read-only grant. The price: a medium that the host
		// unmounts stays busy until the session ends.
		attr.Propagation = unix.MS_PRIVATE
	}
	if err := setAttributes(tree, attr, recursive); err != nil {
		closeFD(tree)
		return -1, err
	}
	return tree, nil
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
