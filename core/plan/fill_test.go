package plan_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// The identity is for a private home. Where the user's own file is shown, or denied, or the home is
// the host's, it stays away.
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

// The filesystem layer was told of the current directory. One that leaves it out is found before
// the agent is.
func TestCurrentDirectory(t *testing.T) {
	for dir, want := range map[string]bool{"/srv/data": false, "/home/ada/other": false, "/home/ada/proj": true, "/home": true, "/tmp": true} {
		in := plantest.Input(plantest.Machine())
		in.Command.Dir = dir
		_, err := plan.Make(in)
		if missing := err != nil && strings.Contains(err.Error(), "layer binds: the current directory "+dir); missing == want {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// What a session may know of itself stands where it cannot be changed, whatever is granted; and it
// is there only where there is something to know.
func TestSessionFile(t *testing.T) {
	host := plantest.Machine()
	in := plantest.Input(host)
	in.Policy.Filesystem = append(in.Policy.Filesystem, plantest.Rule("filesystem.allow.1", plantest.At(7), policy.Allow, "/dev"))
	in.Layers = []plan.Share{plantest.Binds(host, in.Policy)}
	if m := plantest.MountAt(plantest.Make(t, in), base.SessionFile); m != nil {
		t.Errorf("without anything to know: %v", m)
	}
	in.Known = []byte("{}")
	f, ok := plantest.MountAt(plantest.Make(t, in), base.SessionFile).(fragment.File)
	if !ok || string(f.Content) != "{}" || f.Mode != 0o444 {
		t.Errorf("%+v", f)
	}
}
