//go:build linux

package restore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk/bytejson"
)

// Report is what became of a journal.
type Report struct {
	// Done counts the paths that are as they shall be.
	Done int `json:"done"`
	// Conflicts are paths at which something else stood than when the plan was made. They were left.
	Conflicts []Note `json:"conflicts,omitempty"`
	// Kept are directories that were to go, and hold something that nobody recorded.
	Kept []Note `json:"kept,omitempty"`
	// Failed is what could not be done, as a whole or in part.
	Failed []Note `json:"failed,omitempty"`
	// Aside is a directory, beneath the root, with what came to a path in the very moment in which
	// that was changed, and could not be put back; "" if there is none.
	Aside string `json:"aside,omitempty"`
}

// Whole reports whether all that was planned was done.
func (r *Report) Whole() bool {
	return len(r.Conflicts) == 0 && len(r.Failed) == 0 && r.Aside == ""
}

// applier does what a journal says.
type applier struct {
	*Journal
	live    *live
	staging *beneath.Dir
	report  Report
	meter   meter
	failed  map[*Operation]bool // nothing more is done for it
	kept    map[*Operation]bool // a directory that was to go is there still
}

func (j *Journal) newApplier(l *live) *applier {
	return &applier{
		Journal: j, live: l, failed: map[*Operation]bool{}, kept: map[*Operation]bool{},
		report: Report{Conflicts: slices.Clone(j.Conflicts)},
	}
}

// Apply does what the journal says, from wherever an earlier Apply was interrupted. An error leaves
// it to be applied again; what could not be done for a path is in the report.
func (j *Journal) Apply(ctx context.Context) (_ *Report, err error) {
	if done, err := j.Done(); done != nil || err != nil {
		return done, err
	}
	l, err := openLive(j.Root, j.store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	a := j.newApplier(l)
	a.weigh()
	if len(j.Operations) == 0 {
		return &a.report, a.done()
	}
	defer func() {
		if a.staging != nil {
			_ = a.staging.Close()
		}
	}()
	if err := a.makeReady(ctx); err != nil {
		if staged, _ := a.wasStaged(); !staged && !errors.Is(err, errStopped) {
			err = errors.Join(err, a.removeStaging()) // it may be what filled the disk
		}
		return nil, err
	}
	if err := a.act(ctx); err != nil {
		return nil, err
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	return &a.report, nil
}

// weigh finds out how much there is to do: what is written is made ready, and then put in its
// place.
func (a *applier) weigh() {
	a.meter.tell = a.Progress
	for _, o := range a.Operations {
		a.meter.total += perOperation
		if o.puts() {
			a.meter.total += weightOf(o.Want)
		}
	}
}

// before is called before each change on a disk.
func (a *applier) before(what string) error {
	if a.step == nil {
		return nil
	}
	return a.step(what)
}

// errStopped is what a test's step gives: nothing may be done after it.
var errStopped = errors.New("stopped here")

// fail notes what could not be done for a path. It is an error itself where all has to end.
func (a *applier) fail(o *Operation, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStopped), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EROFS):
		return doing("giving back", o.Path, err) // and the rest would fail alike
	}
	a.failed[o] = true
	a.report.Failed = append(a.report.Failed, Note{Path: o.Path, Why: err.Error()})
	return nil
}

func (a *applier) conflict(o *Operation, why string) {
	a.failed[o] = true
	a.report.Conflicts = append(a.report.Conflicts, Note{Path: o.Path, Why: why})
}

// makeReady has all new contents in the staging directory, and on the disk.
func (a *applier) makeReady(ctx context.Context) error {
	staged, err := a.wasStaged()
	if err != nil {
		return err
	}
	if _, err := a.live.changeable(""); err != nil {
		return err
	}
	if !staged {
		// Nothing was changed yet. What is half done is done again.
		if err := a.removeStaging(); err != nil {
			return err
		}
	}
	if err := a.openStaging(); err != nil {
		return err
	}
	if staged {
		for _, o := range a.Operations {
			if o.puts() {
				a.meter.done += weightOf(o.Want)
			}
		}
		return a.settle(ctx)
	}
	if err := a.stage(ctx); err != nil {
		return err
	}
	if err := a.before("syncfs"); err != nil {
		return err
	}
	if err := syncfs(a.live.root); err != nil {
		return err
	}
	text, err := bytejson.Marshal(a.report)
	if err != nil {
		return err
	}
	if err := a.before("staged"); err != nil {
		return err
	}
	return durableBytes(a.Journal.dir, stagedFile, text)
}

// wasStaged reports whether all was made ready by an earlier run, and takes over what that one
// could not do.
func (a *applier) wasStaged() (bool, error) {
	report, err := readReport(filepath.Join(a.Journal.dir, stagedFile))
	if report == nil || err != nil {
		return false, err
	}
	a.report = *report
	return true, nil
}

func syncfs(d *beneath.Dir) error {
	if err := unix.Syncfs(d.Fd()); err != nil {
		return fmt.Errorf("syncing the file system: %w", err)
	}
	return nil
}

func (a *applier) openStaging() error {
	if err := a.before("mkdir staging"); err != nil {
		return err
	}
	err := unix.Mkdirat(a.live.root.Fd(), a.Staging, 0o700)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return doing("making", a.Staging, err)
	}
	a.staging, err = a.live.root.Dir(a.Staging)
	return err
}

// act puts everything in its place.
func (a *applier) act(ctx context.Context) error {
	each := func(ops []*Operation, do func(*Operation) error) error {
		for _, o := range ops {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if a.failed[o] {
				continue
			}
			if err := a.fail(o, do(o)); err != nil {
				return err
			}
			a.meter.add(perOperation)
		}
		return nil
	}
	choose := func(which func(*Operation) bool) []*Operation {
		var some []*Operation
		for _, o := range a.Operations {
			if which(o) {
				some = append(some, o)
			}
		}
		return some
	}
	// What goes, the deepest first: a directory is empty by then, unless it holds what nobody
	// recorded.
	gone := choose((*Operation).removes)
	slices.Reverse(gone)
	if err := each(gone, a.remove); err != nil {
		return err
	}
	made := choose(func(o *Operation) bool { return isDir(o.Want) && !isDir(o.Now) })
	if err := each(made, a.mkdir); err != nil {
		return err
	}
	files := choose(func(o *Operation) bool {
		return o.Want != nil && !isDir(o.Want) && !a.kept[o]
	})
	slices.SortStableFunc(files, inOrder)
	if err := each(files, a.put); err != nil {
		return err
	}
	// Each of these steps moves the times of the directory, and needs it to be writable.
	dirs := choose(func(o *Operation) bool {
		return o.Path != "" && (isDir(o.Now) || isDir(o.Want))
	})
	slices.Reverse(dirs)
	return each(dirs, a.finishDirectory)
}

// end cleans up, and says that all is done.
func (a *applier) end() error {
	if err := a.before("syncfs"); err != nil {
		return err
	}
	if err := syncfs(a.live.root); err != nil {
		return err
	}
	if err := a.clear(); err != nil {
		return err
	}
	for _, o := range a.Operations {
		if o.Path == "" {
			if err := a.fail(o, a.finishDirectory(o)); err != nil {
				return err
			}
		}
	}
	a.meter.add(a.meter.total)
	a.report.Done = len(a.Operations) - len(a.failed) - len(a.kept)
	return a.done()
}

// done writes the report down, and with it that nothing is left to do.
func (a *applier) done() error {
	text, err := bytejson.Marshal(a.report)
	if err != nil {
		return err
	}
	if err := a.before("done"); err != nil {
		return err
	}
	return durableBytes(a.Journal.dir, doneFile, text)
}

// slot is the name in the staging directory that is an operation's: what shall be at the path
// before the exchange, and what was there after it.
func (a *applier) slot(o *Operation) string {
	i, _ := slices.BinarySearchFunc(a.Operations, o, byPath)
	return strconv.Itoa(i)
}

// taken is the name in the staging directory of what an operation took away.
func (a *applier) taken(o *Operation) string { return a.slot(o) + ".old" }

// remove takes away what is at the path.
func (a *applier) remove(o *Operation) error {
	dir, name := split(o.Path)
	d, err := a.live.changeable(dir)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := a.live.lookIn(d, name)
	switch {
	case err != nil:
		return err
	case at == nil, o.Want != nil && like(at, o.Want):
		return nil // as after a first run
	case !same(at, o.Now):
		a.conflict(o, "something else came to stand there")
		return nil
	case isDir(o.Now):
		return a.rmdir(o)
	}
	if err := a.before("take away"); err != nil {
		return err
	}
	taken := a.taken(o)
	err = unix.Renameat2(d.Fd(), name, a.staging.Fd(), taken, unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case unable(err), errors.Is(err, unix.EXDEV):
		return unix.Unlinkat(d.Fd(), name, 0)
	case err != nil:
		return doing("taking away", o.Path, err)
	}
	return a.check(o, d, name, taken)
}

// unable reports whether a file system does not have a way to rename.
func unable(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}

// check looks at what was taken away, and puts it back if it is not what was planned: it came there
// between the look and the call.
func (a *applier) check(o *Operation, d *beneath.Dir, name, taken string) error {
	old, err := a.live.lookIn(a.staging, taken)
	switch {
	case err != nil:
		return err
	case same(old, o.Now):
		if err := a.before("remove what was taken"); err != nil {
			return err
		}
		return unix.Unlinkat(a.staging.Fd(), taken, 0)
	}
	a.conflict(o, "something else came to stand there in this moment")
	if err := a.before("put back"); err != nil {
		return err
	}
	at, err := a.live.lookIn(d, name)
	if err != nil {
		return err
	}
	how := uint(unix.RENAME_NOREPLACE)
	if at != nil && o.Want != nil && like(at, o.Want) {
		how = unix.RENAME_EXCHANGE
	}
	err = unix.Renameat2(a.staging.Fd(), taken, d.Fd(), name, how)
	if err != nil {
		a.report.Aside = a.Staging
	}
	return nil
}

func (a *applier) rmdir(o *Operation) error {
	dir, name := split(o.Path)
	d, err := a.live.dir(dir)
	if err != nil {
		return err
	}
	if err := a.before("rmdir"); err != nil {
		return err
	}
	err = unix.Unlinkat(d.Fd(), name, unix.AT_REMOVEDIR)
	switch {
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		a.report.Kept = append(a.report.Kept, Note{
			Path: o.Path, Why: "it holds something that was not recorded, or that was left",
		})
		a.kept[o] = true
		return nil
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return doing("removing", o.Path, err)
	}
	return nil
}

// placeOf is the directory that something is put into, and its name there. The directory is nil
// where it cannot be had; that it is not there is a conflict, and no error.
func (a *applier) placeOf(o *Operation) (d *beneath.Dir, name string, err error) {
	dir, name := split(o.Path)
	d, err = a.live.changeable(dir)
	switch {
	case absent(err):
		a.conflict(o, "the directory that it belongs in is not there")
		return nil, name, nil
	case err != nil:
		return nil, name, err
	}
	return d, name, nil
}

func (a *applier) mkdir(o *Operation) error {
	d, name, err := a.placeOf(o)
	if d == nil {
		return err
	}
	if err := a.before("mkdir"); err != nil {
		return err
	}
	err = unix.Mkdirat(d.Fd(), name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		at, err := a.live.lookIn(d, name)
		if err == nil && !isDir(at) {
			a.conflict(o, "something else came to stand there")
		}
		return err
	}
	if err != nil {
		return doing("making", o.Path, err)
	}
	return nil
}

// put puts a file, a link or whatever is no directory in its place.
func (a *applier) put(o *Operation) error {
	d, name, err := a.placeOf(o)
	if d == nil {
		return err
	}
	at, err := a.live.lookIn(d, name)
	if err != nil {
		return err
	}
	if o.InPlace {
		return a.inPlace(o, d, name, at)
	}
	slot := a.slot(o)
	switch {
	case at != nil && same(at, o.Now):
	case at == nil && (o.Now == nil || o.removes()):
	case at != nil && like(at, o.Want):
		return nil // as after a first run
	case at == nil:
		a.conflict(o, "it was removed in the meantime")
		return nil
	default:
		a.conflict(o, "something else came to stand there")
		return nil
	}
	ready, err := a.live.lookIn(a.staging, slot)
	if err != nil {
		return err
	}
	if ready == nil {
		return errors.New("it could not be made ready")
	}
	if err := a.before("rename"); err != nil {
		return err
	}
	how := uint(unix.RENAME_NOREPLACE)
	if at != nil {
		how = unix.RENAME_EXCHANGE
	}
	err = unix.Renameat2(a.staging.Fd(), slot, d.Fd(), name, how)
	if unable(err) {
		return unix.Renameat(a.staging.Fd(), slot, d.Fd(), name)
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		a.conflict(o, "something else came to stand there in this moment")
		return nil
	case errors.Is(err, unix.ENOENT) && at != nil:
		a.conflict(o, "it was removed in this moment")
		return nil
	case err != nil:
		return doing("giving back", o.Path, err)
	case at == nil:
		return nil
	}
	return a.check(o, d, name, slot)
}

// inPlace changes what is beside the content of a file that stays.
func (a *applier) inPlace(o *Operation, d *beneath.Dir, name string, at *tree.Entry) error {
	if at == nil || at.Type != tree.File || at.Inode != o.Now.Inode || at.Size != o.Now.Size ||
		at.MTime != o.Now.MTime && at.MTime != o.Want.MTime {
		a.conflict(o, "something else came to stand there")
		return nil
	}
	f, err := handle(d, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Ino != o.Now.Inode || st.Mode&unix.S_IFMT != unix.S_IFREG {
		a.conflict(o, "something else came to stand there in this moment")
		return nil
	}
	return a.dress(o, byHandle(f), o.Now)
}

// finishDirectory gives a directory its mode and, last of all, its times.
func (a *applier) finishDirectory(o *Operation) error {
	want := o.Want
	if !isDir(want) {
		want = o.Now // it was to go, and is there still
	}
	if o.Path == "" {
		a.live.forget()
		return a.dressDirectory(o, want, fmt.Sprintf("/proc/self/fd/%d", a.live.root.Fd()))
	}
	dir, name := split(o.Path)
	d, err := a.live.dir(dir)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := a.live.lookIn(d, name)
	if err != nil {
		return err
	}
	if !isDir(at) || isDir(o.Now) && at.Inode != o.Now.Inode && !isDir(o.Want) {
		return nil // it is gone, or another one
	}
	f, err := handle(d, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Ino != at.Inode || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		a.conflict(o, "something else came to stand there in this moment")
		return nil
	}
	return a.dressDirectory(o, want, byHandle(f))
}

func (a *applier) dressDirectory(o *Operation, want *tree.Entry, path string) error {
	was := o.Now
	if !isDir(was) {
		was = nil
	}
	present := *o
	present.Want = want
	return a.dress(&present, path, was)
}
