package plan

import (
	"slices"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// target is one path of nono's own, with every name on the way to it.
type target struct {
	hostfile.Route
	// hidden targets cannot even be read from inside.
	hidden bool
	what   string
}

// targets follows every path of nono's own, parents first.
func (o Own) targets(look hostfile.Look) ([]target, error) {
	look = hostfile.Once(look)
	var ts []target
	for _, group := range []struct {
		paths  []string
		hidden bool
		what   string
	}{
		{o.Directories, true, "nono's own directory"},
		{o.Programs, false, "where nono's own programs lie"},
		{o.Documents, false, "a policy file of this run"},
	} {
		for _, p := range group.paths {
			r, err := hostfile.Follow(look, p)
			if err != nil {
				return nil, err
			}
			ts = append(ts, target{r, group.hidden, group.what})
		}
	}
	slices.SortFunc(ts, func(a, b target) int { return comparePaths(a.Path, b.Path) })
	return ts, nil
}

// shownBy is the host's path that a bind shows at its own path, in the words of this target's route: a bind whose source is the
// same directory under another name (the host's own bind mounts) shows the target as well.
func (t target) shownBy(b fragment.Bind) string {
	for _, h := range t.Hops {
		if h.Entry.Type == policy.Directory && h.Entry.Device == b.Device && h.Entry.Inode == b.Inode {
			return h.Path
		}
	}
	return b.Source()
}

// protect adds to the view what keeps nono's own files from being changed, or replaced, from inside, and returns the
// directories that must be made first. [Plan.Prove] checks the outcome.
func (m *maker) protect(v view) (view, []string) {
	ts, err := m.in.Own.targets(m.in.Look)
	if err != nil {
		m.problem(diag.Errorf("finding nono's own files: %s", err), policy.Source{})
		return v, nil
	}
	var missing []string
	for _, t := range ts {
		m.refuseGrantsOf(t)
		m.warnOfLinks(t, v)
		// One at a time, parents first: once a directory is read-only, what lies in it needs nothing more.
		steps, dirs := m.shield(t, v)
		if len(steps) > 0 {
			v = m.merge(append(slices.Clone(v.mounts), steps...))
		}
		missing = append(missing, dirs...)
	}
	slices.SortFunc(missing, comparePaths)
	return v, slices.Compact(missing)
}

// refuseGrantsOf reports a grant of the user's that names what can never be granted: it would be overridden without a word.
func (m *maker) refuseGrantsOf(t target) {
	for _, r := range m.in.Policy.Filesystem {
		inside := t.hidden && policy.Within(r.Path, t.Path)
		written := !t.hidden && r.Access.Writable() && r.Path == t.Path
		if r.Access.Grants() && r.Source.Asked() && !m.disabled(policy.KindFilesystem) && (inside || written) {
			m.problem(diag.Errorf("cannot grant %q: %s is %s", m.rules[r.ID].Says, t.Path, t.what).
				Try("what decides about the next run must be out of the agent's reach; grant another directory"), r.Source)
		}
	}
}

// warnOfLinks says that a file has another name, by which it could be changed if that name lies in a grant.
func (m *maker) warnOfLinks(t target, v view) {
	if t.Entry.Type != policy.Regular || t.Entry.Links < 2 {
		return
	}
	near := slices.ContainsFunc(v.mounts, func(s mount) bool {
		b, ok := s.Mount.(fragment.Bind)
		return ok && b.Writable && b.Device == t.Entry.Device // a hard link never leaves its file system
	})
	if near {
		m.notice(policy.Source{}, "copy the file, so that it has one name", "%s, %s, has %d names; one that lies in a grant could be changed by the agent",
			t.Path, t.what, t.Entry.Links)
	}
}

// sight is one place inside at which a bind shows a name on the way to a target.
type sight struct {
	at   string
	bind fragment.Bind
	hop  hostfile.Hop
	last bool
}

// sights is every place at which something of the target can be seen, and whether one of them would let the agent make what is
// missing.
func (m *maker) sights(t target, v view) (all []sight, making bool) {
	for _, s := range v.mounts {
		b, ok := s.Mount.(fragment.Bind)
		if !ok {
			continue
		}
		root := t.shownBy(b)
		if t.hidden && root != t.Path && policy.Within(root, t.Path) {
			m.problem(diag.Errorf("%s cannot be shown inside: it lies in %s", b.Source(), t.what), m.sourceOf(b.For))
			continue
		}
		for _, h := range t.Hops {
			if !policy.Within(h.Path, root) {
				continue
			}
			at := below(h.Path, root, b.Path)
			if v.cover(at).At() != b.Path {
				continue // something else stands there
			}
			all = append(all, sight{at, b, h, h.Path == t.Path})
			making = making || b.Writable && h.Entry.Type == policy.Missing
		}
	}
	return all, making
}

// shield returns the steps that one target needs, for every bind that shows it or a name on the way to it, and the directories
// that must be made.
func (m *maker) shield(t target, v view) (steps []mount, missing []string) {
	sights, making := m.sights(t, v)
	for _, s := range sights {
		absent := s.hop.Entry.Type == policy.Missing
		var step fragment.Mount
		switch {
		case s.last && t.hidden && absent && !making:
			// Not there, and nobody inside can make it.
		case s.last && t.hidden:
			step = fragment.Mask{For: ruleSelf, Path: s.at, Directory: absent || s.hop.Entry.Type == policy.Directory}
		case !s.bind.Writable:
		case absent && !t.hidden:
			if s.last {
				m.problem(diag.Errorf("%s, %s, is gone", t.Path, t.what), policy.Source{})
			}
		case s.last:
			step = s.again(false)
		case s.at == s.bind.Path:
			// A mount point cannot be renamed or removed from inside.
		case s.hop.Entry.Target != "":
			m.refuseLink(t, s.hop, s.bind)
		default:
			// Else the agent renames the directory and makes another of that name, in which the path leads where the agent likes.
			step = s.again(true)
		}
		if step == nil {
			continue
		}
		steps = append(steps, mount{step, Core})
		if absent {
			missing = append(missing, s.hop.Path)
		}
	}
	return steps, missing
}

// again binds what is shown there a second time, onto itself.
func (s sight) again(writable bool) fragment.Bind {
	from := s.hop.Path
	if from == s.at {
		from = ""
	}
	return fragment.Bind{
		For: ruleSelf, Path: s.at, From: from, Writable: writable, NoExec: s.bind.NoExec, Devices: s.bind.Devices,
		Device: s.hop.Entry.Device, Inode: s.hop.Entry.Inode,
	}
}

// refuseLink reports a symbolic link on the way to a target that the agent could replace. Nothing can be mounted over a link,
// so there is no way to hold it.
func (m *maker) refuseLink(t target, h hostfile.Hop, b fragment.Bind) {
	if h.Fixed {
		return
	}
	m.problem(diag.Errorf("the agent could replace the link %s, which leads to %s, %s", h.Path, t.Path, t.what).
		Try("narrow the grant so that the link lies outside, or put a directory or file in the link's place"), m.sourceOf(b.For))
}
