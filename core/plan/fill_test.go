package plan_test

import (
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// The identity is for a private home. Where the user's own file is shown, or denied, or the home is the host's, it stays away.
func TestGitIdentityInTheView(t *testing.T) {
	tests := []struct {
		name  string
		input func() plan.Input
		want  bool
	}{
		{"a private home", func() plan.Input { return plantest.Input(plantest.Machine()) }, true},
		{"the whole home granted", func() plan.Input { return plantest.Grant(plantest.Machine(), policy.Allow, "/home/ada") }, false},
		{"the file granted", func() plan.Input {
			host := plantest.Machine()
			host.Put("/home/ada/.gitconfig", "file")
			return plantest.Grant(host, policy.Read, "/home/ada/.gitconfig")
		}, false},
		{"the file denied", func() plan.Input {
			host := plantest.Machine()
			host.Put("/home/ada/.gitconfig", "file")
			return plantest.Grant(host, policy.Deny, "/home/ada/.gitconfig")
		}, false},
		{"the filesystem layer off", func() plan.Input {
			in := plantest.Input(plantest.Machine())
			in.Layers, in.Policy.Disabled = nil, []policy.Disabled{{Kind: policy.KindFilesystem, Source: plantest.At(1)}}
			return in
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.input()
			in.GitIdentity = []byte("[user]\n\tname = \"Ada\"\n")
			f, ok := plantest.MountAt(plantest.Make(t, in), "/home/ada/.gitconfig").(fragment.File)
			if ok != tt.want || ok && string(f.Content) != string(in.GitIdentity) {
				t.Errorf("there is %v", plantest.MountAt(plantest.Make(t, in), "/home/ada/.gitconfig"))
			}
		})
	}
}

// The current directory is there even where no layer made it, and never in the way of what is mounted beneath it.
func TestCurrentDirectory(t *testing.T) {
	for dir, want := range map[string]bool{"/srv/data": true, "/home/ada/other": true, "/home/ada/proj": false, "/home": false, "/tmp": false} {
		in := plantest.Input(plantest.Machine())
		in.Command.Dir = dir
		p := plantest.Make(t, in)
		s, made := plantest.MountAt(p, dir).(fragment.Tmpfs)
		if made = made && s.For == base.RuleDirectory; made != want {
			t.Errorf("%s: there is %v", dir, plantest.MountAt(p, dir))
		}
	}
}
