package plan_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

const verifiedSum = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// verified is a run in which some files were verified. Each is protected, as the session does it.
func verified(host plantest.Tree, files ...string) plan.Input {
	in := plantest.Input(host)
	var rules []policy.PathRule
	for _, name := range files {
		rules = append(rules, policy.PathRule{
			Source: policy.Source{Origin: policy.OriginCommand, Flag: "verified"}, Access: policy.Protect,
			Path: name, Type: policy.Regular,
		})
	}
	in.Policy = in.Policy.With(rules, nil)
	for _, r := range in.Policy.Filesystem {
		if r.Access == policy.Protect && r.Source.Origin == policy.OriginCommand {
			in.Verified = append(in.Verified, plan.Verified{Path: r.Path, SHA256: verifiedSum, Rule: r.ID})
		}
	}
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
	return in
}

// A verified file is seen with its one content wherever it is seen, in a writable grant and in one
// for reading, and nowhere else.
func TestVerifiedFilesHaveOneContent(t *testing.T) {
	host := plantest.Machine()
	const inProject, readOnly, ungranted = "/home/ada/proj/CLAUDE.md", "/usr/lib/AGENTS.md", "/home/ada/data/GEMINI.md"
	for _, name := range []string{inProject, readOnly, ungranted} {
		host.Put(name, "file")
	}
	p := plantest.Make(t, verified(host, inProject, readOnly))
	for _, name := range []string{inProject, readOnly} {
		b, ok := plantest.MountAt(p, name).(fragment.Bind)
		if !ok || b.SHA256 != verifiedSum || b.Writable || b.Source() != name {
			t.Errorf("%s is %+v", name, plantest.MountAt(p, name))
		}
	}
	// That it was verified grants nothing: this layer shows whatever is protected.
	if got := plantest.Refused(t, verified(host, ungranted)); !strings.Contains(got, "layer binds shows "+ungranted) {
		t.Error(got)
	}
	for _, r := range p.Rules {
		if r.Path == inProject && !r.Required {
			t.Errorf("the run would go on without %q", r.Says)
		}
	}
}

// A file that came to be something else since it was verified ends the start.
func TestVerifiedFileIsAnother(t *testing.T) {
	const name = "/home/ada/proj/CLAUDE.md"
	for _, what := range []string{"dir", "-> /home/ada/proj/other", "device"} {
		host := plantest.Machine()
		host.Put("/home/ada/proj/other", "file")
		host.Put(name, "file")
		in := verified(host, name)
		host.Put(name, what)
		if got := plantest.Refused(t, in); !strings.Contains(got, "CLAUDE.md") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// To fix a file's content is core's alone: a layer could fix another one.
func TestNoLayerFixesAContent(t *testing.T) {
	host := plantest.Machine()
	host.Put("/home/ada/proj/CLAUDE.md", "file")
	in := plantest.Input(host)
	b := host.Bind("", "/home/ada/proj/CLAUDE.md", false)
	b.SHA256 = verifiedSum
	in.Layers = append(in.Layers, plantest.Custom("acme/x", b))
	if got := plantest.Refused(t, in); !strings.Contains(got, "only nono itself") {
		t.Error(got)
	}
}
