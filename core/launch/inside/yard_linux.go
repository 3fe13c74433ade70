package inside

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Names in the yard.
const (
	yardRoot  = "root"
	yardStage = "stage"
	yardProc  = "proc"
)

// raiseYard mounts what the view is built in: a tmpfs over the host's root. Whoever has a root
// looks every path up beneath it and never meets what is mounted on it, so the yard hides nothing
// that a bind could want, and is reached by its descriptor alone. It is there because the kernel
// copies and covers only what is mounted somewhere, and because pivot_root wants the view's root to
// be. It goes with the host's root.
func raiseYard(l *launcher) error {
	unix.Umask(0) // modes are meant as they are written; the agent gets the user's own
	const doing = "mounting what the view is built in"
	yard, err := newMount("tmpfs", hidden, option{"mode", "0700"}, option{"size", "65536"})
	if err != nil {
		return fail(doing, err)
	}
	l.view.yard = yard
	// A bind of the host's root is a copy with all that is mounted there, and would have the yard in
	// it.
	if err := setAttributes(yard, &unix.MountAttr{Propagation: unix.MS_UNBINDABLE}, 0); err != nil {
		return fail(doing, err)
	}
	if err := attachIn(yard, unix.AT_FDCWD, "/"); err != nil {
		return fail(doing, err)
	}
	for _, name := range []string{yardRoot, yardStage, yardProc} {
		if err := unix.Mkdirat(yard, name, 0o700); err != nil {
			return fail(doing, err)
		}
	}
	if err := attachIn(l.proc, yard, yardProc); err != nil {
		return fail(doing, err)
	}
	return l.openStage()
}

// hidden are the attributes of what is mounted for nobody to see.
const hidden = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// openStage mounts the stage, and makes what masks show.
func (l *launcher) openStage() error {
	var err error
	l.view.stage, err = newMount("tmpfs", hidden,
		option{"mode", "0700"}, option{"size", strconv.Itoa(recipe.MaxRecipe + mostVerified)})
	if err != nil {
		return fail("mounting the stage", err)
	}
	if err := attachIn(l.view.stage, l.view.yard, yardStage); err != nil {
		return fail("mounting the stage", err)
	}
	if err := unix.Mkdirat(l.view.stage, stageVoid, 0); err != nil {
		return fail("making what a masked directory shows", err)
	}
	for name, mode := range map[string]uint32{stageNone: 0, stageNull: 0o444} {
		if err := unix.Mknodat(l.view.stage, name, unix.S_IFREG|mode, 0); err != nil {
			return fail("making what a masked file shows", err)
		}
	}
	return nil
}
