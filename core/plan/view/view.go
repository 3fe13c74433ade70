// Package view is what an agent sees of the file system: a list of mounts, parents first. The
// deepest mount at or above a path decides what is there.
//
//	v := view.New(mounts)
//	m := v.Cover("/home/ada/proj/main.go") // the mount that decides what is seen there
//
// Every question costs as much as the path is deep, however many mounts there are.
package view

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// Mount is a mount step and the layer that sent it.
type Mount struct {
	fragment.Mount
	Layer string
}

// View is what the agent sees: one mount a path, sorted by [ComparePaths].
type View struct {
	mounts []Mount
	at     map[string]int
}

// New makes a view of mounts that are sorted, one a path.
func New(mounts []Mount) View {
	v := View{mounts: mounts, at: make(map[string]int, len(mounts))}
	for i, m := range mounts {
		v.at[m.At()] = i
	}
	return v
}

// Mounts are the mounts, parents first. They are not the caller's to change.
func (v View) Mounts() []Mount { return v.mounts }

// At is the mount at exactly this path.
func (v View) At(p string) (Mount, bool) {
	i, ok := v.at[p]
	if !ok {
		return Mount{}, false
	}
	return v.mounts[i], true
}

// Cover is the mount that decides what is at p: the deepest one at p or above. It is the zero Mount
// if there is none, not even a root.
func (v View) Cover(p string) Mount {
	for ; ; p = path.Dir(p) {
		if i, ok := v.at[p]; ok {
			return v.mounts[i]
		}
		if p == "/" || p == "." {
			return Mount{}
		}
	}
}

// from is where the mounts at p and beneath it begin, if there are any.
func (v View) from(p string) int {
	return sort.Search(len(v.mounts), func(i int) bool {
		return ComparePaths(v.mounts[i].At(), p) >= 0
	})
}

// AnyBeneath reports whether something is mounted at p or beneath it.
func (v View) AnyBeneath(p string) bool {
	i := v.from(p)
	return i < len(v.mounts) && policy.Within(v.mounts[i].At(), p)
}

// OfHost reports whether a mount shows something of the host's, and whether that may be written.
func OfHost(m fragment.Mount) (shown, writable bool) {
	switch s := m.(type) {
	case fragment.Bind:
		return true, s.Writable
	case fragment.Copy:
		return true, true
	case fragment.Link, fragment.Tmpfs, fragment.Mask, fragment.File, fragment.Hold,
		fragment.Pseudo:
	}
	return false, false
}

// HostBeneath reports whether a file or directory of the host is shown at p or beneath it.
func (v View) HostBeneath(p string) bool {
	i := v.from(p)
	for ; i < len(v.mounts) && policy.Within(v.mounts[i].At(), p); i++ {
		if shown, _ := OfHost(v.mounts[i].Mount); shown {
			return true
		}
	}
	return false
}

// With is the view with one mount more, at a path that has none.
func (v View) With(m Mount) View {
	return New(slices.Insert(slices.Clone(v.mounts), v.from(m.At()), m))
}

// Collapse leaves out binds that show what their parent shows already, with the same rights. One
// that carries another mount stays: it may be what keeps a directory above a protected path from
// being renamed.
func (v View) Collapse() View {
	var kept []Mount // deepest first
	for _, m := range slices.Backward(v.mounts) {
		// Sorted by components, what lies beneath a path comes right after it.
		carries := len(kept) > 0 && policy.Within(kept[len(kept)-1].At(), m.At())
		if carries || !v.redundant(m) {
			kept = append(kept, m)
		}
	}
	slices.Reverse(kept)
	return New(kept)
}

func (v View) redundant(m Mount) bool {
	b, ok := m.Mount.(fragment.Bind)
	if !ok || b.Path == "/" {
		return false
	}
	over, ok := v.Cover(path.Dir(b.Path)).Mount.(fragment.Bind)
	return ok && over.Writable == b.Writable && over.NoExec == b.NoExec && over.Devices == b.Devices &&
		Moved(b.Path, over.Path, over.Source()) == b.Source()
}

// Moved is what p, which lies in from, is called when from is called to.
func Moved(p, from, to string) string {
	return path.Join(to, strings.TrimPrefix(p, from))
}

// ComparePaths orders paths by their components, so that a directory comes before all that lies in
// it and right before it: the separator sorts before every other character.
func ComparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			switch {
			case x == '/':
				return -1
			case y == '/':
				return 1
			}
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
