package proof_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
)

// What Landlock's rules alone hold of a directory, on a host where nothing can be mounted, and what
// they hold together with mounts: each wall must give for something to be reached.
func TestBehindAWall(t *testing.T) {
	host := plantest.Machine()
	mounts := func(steps ...fragment.Mount) proof.Reach {
		list := make([]view.Mount, len(steps))
		for i, s := range steps {
			list[i] = view.Mount{Mount: s}
		}
		reach, err := proof.Play(list)
		if err != nil {
			t.Fatal(err)
		}
		return reach
	}
	rule := func(p string, rights ...fragment.Right) fragment.Landlock {
		return fragment.Landlock{Path: p, Rights: rights}
	}
	const read, write, list = fragment.RightRead, fragment.RightWrite, fragment.RightList
	whole := mounts(fragment.Tmpfs{Path: "/", Size: 1}, host.Bind("", "/home/ada", true))
	tests := []struct {
		name   string
		reach  proof.Reach
		rules  []fragment.Landlock
		hidden bool
		want   string // empty: it holds
	}{
		{"no rule at all", proof.Host{}, nil, true, ""},
		{"a rule beside it", proof.Host{}, []fragment.Landlock{rule("/home/ada/proj", read, write)}, true, ""},
		{"a rule for reading above it", proof.Host{}, []fragment.Landlock{rule("/home/ada", read)}, true, "can be read at /home/ada/.ssh"},
		{"the same, and it is only protected", proof.Host{}, []fragment.Landlock{rule("/home/ada", read)}, false, ""},
		{"a rule for listing is one for reading", proof.Host{}, []fragment.Landlock{rule("/", list)}, true, "can be read"},
		{"a rule for writing above it", proof.Host{}, []fragment.Landlock{rule("/home/ada", write)}, false, "/home/ada/.ssh, /home/ada/.ssh, protected, can be replaced"},
		{"a rule for writing it alone", proof.Host{}, []fragment.Landlock{rule("/home/ada/.ssh", write)}, false, "can be changed at /home/ada/.ssh"},
		{"a rule for reading beneath it", proof.Host{}, []fragment.Landlock{rule("/home/ada/.ssh/id", read)}, true, "can be read at /home/ada/.ssh"},
		{"mounts without rules in front", whole, []fragment.Landlock{rule("/usr", read)}, true, ""},
		{"mounts and a rule", whole, []fragment.Landlock{rule("/home", read, write)}, true, "can be replaced at /home/ada/.ssh"},
		{"mounts that show nothing, and a rule", mounts(fragment.Tmpfs{Path: "/", Size: 1}), []fragment.Landlock{rule("/", read, write)}, true, ""},
	}
	route, err := hostfile.Follow(host.Look, "/home/ada/.ssh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := proof.Hold(proof.Behind(tt.reach, proof.NewRights(tt.rules)), proof.Target{Route: route, Hidden: tt.hidden, What: "protected"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), "on the way to ", ""), tt.want) {
				t.Errorf("the proof says %v, wanted %q", err, tt.want)
			}
		})
	}
}
