package session

import (
	"os"
	"path/filepath"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
)

// copied are the files that were copied into the session.
type copied struct {
	copies   *copies.Set
	keeper   *copies.Keeper // brings them back if core cannot
	returned []copies.Outcome
}

// keepCopies looks at the files that were copied into the session, before the agent can change
// them, and starts the keeper that brings them back if core is killed.
func (r *run) keepCopies(dirs map[string]*os.File) error {
	var files []copies.File
	for _, m := range r.plan.Mounts {
		if c, ok := m.Mount.(fragment.Copy); ok {
			files = append(files, copies.File{
				Path: c.Path, Device: c.Device, Inode: c.Inode, Dir: dirs[c.Path],
			})
		}
	}
	if len(files) == 0 {
		return nil
	}
	ended, err := r.init.Process()
	if err != nil {
		return err
	}
	defer ended.Close()
	where := copies.Where{Session: r.dir.ID, Runtime: r.req.Dirs.Runtime}
	if r.copies, err = copies.Look(files, where); err != nil {
		return err
	}
	program := filepath.Join(r.bin, "nono-init")
	r.keeper, err = copies.Keep(program, r.req.Dirs.Home, r.copies, ended)
	return err
}

// bringBack writes what became of those files to the host. All inside is over.
func (r *run) bringBack() {
	r.returned = r.letDirectoriesGo()
	if r.keeper == nil {
		return
	}
	r.returned = append(r.returned, r.copies.Return()...)
	r.letCopiesGo()
}

// letCopiesGo ends the keeper. It may be called more than once.
func (r *run) letCopiesGo() {
	if r.keeper != nil {
		r.keeper.Release()
	}
	if r.copies != nil {
		r.copies.Close()
	}
	r.keeper, r.copies = nil, nil
}

// lostCopies is the error of files that were brought back nowhere.
func (r *run) lostCopies() error {
	var problems diag.Problems
	for _, o := range r.returned {
		if o.Failed() {
			says, _ := o.Text(r.req.Dirs.Home)
			problems = append(problems, diag.Errorf("%s", says))
		}
	}
	return problems.Err()
}
