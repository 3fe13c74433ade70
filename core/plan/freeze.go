package plan

import (
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// freeze shows each verified file, wherever the view has it, with the content that was verified and
// no other. That it cannot be replaced inside its protection holds; this is about all others who
// may write it while the agent runs, and about the time since it was verified.
func (m *maker) freeze(v view.View) view.View {
	if len(m.in.Verified) == 0 {
		return v
	}
	mounts := proof.Over(v)
	frozen := map[string]view.Mount{}
	for _, f := range m.in.Verified {
		way, err := hostfile.Follow(m.in.Look, f.Path)
		if err != nil || way.Path != f.Path || way.Entry.Type != policy.Regular {
			m.problem(diag.Errorf("%s was verified, and is another file now", f.Path).
				Try("start again when nobody changes it"), m.sourceOf(f.Rule))
			continue
		}
		for _, s := range mounts.Sights(way, way.Hops[len(way.Hops)-1]) {
			show := fragment.Bind{
				For: f.Rule, Path: s.Inside, NoExec: s.Bind.NoExec, Device: way.Entry.Device,
				Inode: way.Entry.Inode, SHA256: f.SHA256,
			}
			if s.Inside != f.Path {
				show.From = f.Path
			}
			// It stays the mount of the layer that shows the file: whether it may is another question.
			frozen[s.Inside] = view.Mount{Mount: show, Layer: v.Cover(s.Inside).Layer}
		}
	}
	all := make([]view.Mount, 0, len(v.Mounts())+len(frozen))
	for _, old := range v.Mounts() {
		if _, ok := frozen[old.At()]; !ok {
			all = append(all, old)
		}
	}
	for _, f := range frozen {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b view.Mount) int { return view.ComparePaths(a.At(), b.At()) })
	return view.New(all)
}
