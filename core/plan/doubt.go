package plan

import (
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// doubtGrants holds the layers to what the policy grants. The filesystem layer shows that and no more; another one may need something of
// its own inside, and then it is said.
func (m *maker) doubtGrants(v view.View) {
	for _, s := range v.Mounts() {
		b, ok := s.Mount.(fragment.Bind)
		if !ok || s.Layer == Core {
			continue
		}
		var what string
		switch may := func(op policy.Op) bool { return m.decide.Path(b.Source(), op).Allowed }; {
		case !may(policy.OpRead) && b.Writable:
			what = "to be read and written"
		case !may(policy.OpRead):
			what = "to be read"
		case b.Writable && !may(policy.OpWrite):
			what = "to be written"
		default:
			continue
		}
		if fs, ok := m.layer(policy.KindFilesystem); ok && s.Layer == fs.Name {
			m.flaw(s.Layer, b.For, "it shows %s %s, which no rule grants", b.Source(), what)
			continue
		}
		m.notice(m.sourceOf(b.For), "", "layer %s shows %s inside, %s, which no rule grants", s.Layer, b.Source(), what)
	}
}

// doubt holds the layers to what they say. A denial or a protection that is told to be enforced must not be undone by the view: by a layer
// that forgot it, by another one that shows the same files at a second place, or by a directory above that the agent could rename. It is
// the proof of nono's own files, [Plan.Prove], asked about the user's.
//
// Where Landlock gives nothing at the place that a bind shows, the layer has held the rule that way.
func (m *maker) doubt(p *Plan) {
	played, err := proof.Play(p.Mounts)
	if err != nil {
		return // Prove says so
	}
	var reach proof.Reach = played
	if len(p.Landlock) > 0 {
		reach = proof.Behind(played, proof.NewRights(p.Landlock))
	}
	look := hostfile.Once(m.in.Look)
	for _, r := range p.Rules {
		restricts := r.Access == policy.Deny || r.Access == policy.Protect
		if !restricts || r.Held != sdk.Enforced || r.Type == policy.Missing {
			continue
		}
		way, err := hostfile.Follow(look, r.Path)
		if err != nil || way.Path != r.Path {
			continue // it changed meanwhile; nono-init refuses to mount what is not what was planned with
		}
		t := proof.Target{Route: way, Hidden: r.Access == policy.Deny, What: "denied"}
		if !t.Hidden {
			t.What = "protected"
		}
		if err := proof.Hold(reach, t); err != nil {
			m.problem(diag.Errorf("layer %s says that %q is enforced, and it is not: %s", r.Layer, r.Says, err).
				Try("narrow the grant that shows it there; if there is none, it is a flaw of a layer"), r.Source)
		}
	}
}
