package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/plantest"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// What a layer asks for beyond the policy is an error that names the layer, and the line that would
// grant it; what is the session's own is free. It makes no difference which kind of layer it is.
func TestNoLayerWidensThePolicy(t *testing.T) {
	host := plantest.Machine()
	host.Put("/dev/kvm", "device")
	host.Put("/home/ada/out", "dir")
	elsewhere := func(b fragment.Bind, at string) fragment.Bind {
		b.Path, b.From = at, b.Path
		return b
	}
	with := func(b fragment.Bind, change func(*fragment.Bind)) fragment.Bind {
		change(&b)
		return b
	}
	device := func(b *fragment.Bind) { b.Devices = true }
	noExec := func(b *fragment.Bind) { b.NoExec = true }
	land := func(p string, rights ...fragment.Right) fragment.Landlock {
		return fragment.Landlock{Path: p, Rights: rights}
	}
	empty := fragment.Tmpfs{Path: "/srv/own", Size: 4096, Mode: 0o700}
	tests := []struct {
		name  string
		steps []fragment.Step
		want  []string // of the refusal; none if the plan is made
	}{
		{"a directory that no rule grants", []fragment.Step{host.Bind("", "/home/ada/data", false)}, []string{
			"shows /home/ada/data inside, to be read: no rule grants it", "write `read = [\"~/data\"]` into the filesystem block, or give --read ~/data",
		}},
		{"to be written, at another place", []fragment.Step{with(elsewhere(host.Bind("", "/home/ada/data", true), "/mnt/data"), noExec)}, []string{
			"shows /home/ada/data inside at /mnt/data, to be read and written: no rule grants it", "write `write = [\"~/data\"]`",
		}},
		{"a directory that is granted to be read, writable", []fragment.Step{host.Bind("", "/usr/lib", true)}, []string{
			"shows /usr/lib inside, to be written: granted for reading only, by default.hcl:9:1",
		}},
		{"a directory that is granted without execution, with it", []fragment.Step{elsewhere(host.Bind("", "/home/ada/out", true), "/mnt/out")}, []string{
			"shows /home/ada/out inside at /mnt/out, to be executed: granted for reading and writing, not for execution, by agent.hcl:7:3",
		}},
		{"what is denied by default", []fragment.Step{elsewhere(host.Bind("", "/home/ada/.ssh", false), "/mnt/ssh")}, []string{
			"shows /home/ada/.ssh inside at /mnt/ssh, to be read: denied by default, by default.hcl:9:1", "no layer gives",
		}},
		{"what the user denies", []fragment.Step{elsewhere(host.Bind("", "/home/ada/proj/.git", true), "/mnt/git")}, []string{
			"shows /home/ada/proj/.git inside at /mnt/git, to be read and written: denied, by agent.hcl:6:3", "only without the line agent.hcl:6:3",
		}},
		{"devices of a directory that is granted", []fragment.Step{with(elsewhere(host.Bind("", "/home/ada/proj", true), "/mnt/proj"), device)}, []string{
			"shows /home/ada/proj inside at /mnt/proj, to be opened as a device: no rule names a device there",
		}},
		{"a device that is not granted", []fragment.Step{with(host.Bind("", "/dev/tty", true), device), with(elsewhere(host.Bind("", "/dev/zero", true), "/mnt/zero"), device)}, []string{
			"shows /dev/zero inside at /mnt/zero, to be read and written: no rule grants it",
		}},
		{"Landlock for everything", []fragment.Step{land("/", fragment.RightRead, fragment.RightWrite)}, []string{
			"asks Landlock to let / and all beneath it be read and written: no rule grants it",
		}},
		{"Landlock to write what is granted to be read", []fragment.Step{land("/usr/lib", fragment.RightRead, fragment.RightWrite)}, []string{
			"asks Landlock to let /usr/lib and all beneath it be written: granted for reading only, by default.hcl:9:1",
		}},
		{"Landlock for devices in an empty directory", []fragment.Step{empty, land("/srv/own", fragment.RightDevice)}, []string{
			"asks Landlock to let /srv/own and all beneath it be opened as a device: no rule",
		}},
		{"a file over one that the user granted", []fragment.Step{fragment.File{Path: "/etc/hosts", Mode: 0o444}}, []string{
			"puts a file of its own over /etc/hosts, which agent.hcl:8:3 grants", "the host's own file",
		}},
		{"a file in a directory that the user granted", []fragment.Step{fragment.File{Path: "/home/ada/proj/new", Mode: 0o444}}, []string{
			"puts a file of its own over /home/ada/proj/new, which agent.hcl:4:3 grants",
		}},
		{"another file of the host's over one that the user granted", []fragment.Step{
			elsewhere(host.Bind("", "/usr/lib", false), "/home/ada/proj"),
		}, []string{"puts the host's /usr/lib over /home/ada/proj, which agent.hcl:4:3 grants"}},
		{"another one in a directory that the user granted", []fragment.Step{
			elsewhere(host.Bind("", "/home/ada/proj/.git/hooks", false), "/home/ada/proj/new"),
		}, []string{"puts the host's /home/ada/proj/.git/hooks over /home/ada/proj/new, which agent.hcl:4:3 grants"}},

		{"another one where only a default grants something", []fragment.Step{
			elsewhere(host.Bind("", "/home/ada/proj/agent.hcl", false), "/usr/lib/x"),
		}, nil},
		{"what is granted", []fragment.Step{host.Bind("", "/usr/lib", false)}, nil},
		{"what is granted, at another place", []fragment.Step{elsewhere(host.Bind("", "/home/ada/proj/agent.hcl", false), "/mnt/x")}, nil},
		{"a granted device", []fragment.Step{with(elsewhere(host.Bind("", "/dev/kvm", true), "/mnt/kvm"), device)}, nil},
		{"a file in place of what a default grants", []fragment.Step{fragment.File{Path: "/usr/lib/x", Mode: 0o444}}, nil},
		{"an empty directory, a link, a file, a mask", []fragment.Step{
			empty,
			fragment.Link{Path: "/srv/link", Target: "own"},
			fragment.File{Path: "/etc/resolv.conf", Mode: 0o444},
			fragment.Mask{Path: "/home/ada/proj/agent.hcl"},
			fragment.Mask{Path: "/usr/lib", Directory: true},
		}, nil},
		{"Landlock for what the session has of its own", []fragment.Step{
			empty, land("/", fragment.RightList), land("/srv/own", fragment.RightRead, fragment.RightWrite, fragment.RightExecute),
			land("/dev/null", fragment.RightRead, fragment.RightDevice),
		}, nil},
		{"Landlock for what is granted, where another layer's file is seen", []fragment.Step{
			fragment.File{Path: "/usr/lib/x", Mode: 0o444}, land("/usr/lib/x", fragment.RightRead, fragment.RightExecute),
		}, nil},
		{"Landlock beneath a mask, where there is nothing", []fragment.Step{land("/home/ada/.ssh", merge.AllRights...)}, nil},
		{"a listener, a dialer, a restriction", []fragment.Step{
			fragment.Listener{Name: "l", Network: fragment.TCP},
			fragment.Dialer{Ports: []uint16{80}},
			fragment.Seccomp{Syscalls: []string{"ptrace"}, Errno: "EPERM"},
		}, nil},
	}
	block := plantest.At(20)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(host)
			file := plantest.Rule("filesystem.read.8", plantest.At(8), policy.Read, "/etc/hosts")
			file.Type = policy.Regular
			kvm := plantest.Rule("filesystem.allow.9", plantest.At(9), policy.Allow, "/dev/kvm")
			kvm.Type = policy.Special
			in.Policy.Filesystem = append(in.Policy.Filesystem, file, kvm,
				plantest.Rule("filesystem.deny.6", plantest.At(6), policy.Deny, "/home/ada/proj/.git"),
				plantest.Rule("filesystem.write.7", plantest.At(7), policy.Write, "/home/ada/out"))
			fs := plantest.Binds(host, in.Policy)
			for i, s := range fs.Response.Fragment.Steps { // as a layer that keeps the policy has it
				if b, ok := s.(fragment.Bind); ok {
					b.NoExec, b.Devices = b.Path == "/home/ada/out", b.Path == "/dev/kvm"
					fs.Response.Fragment.Steps[i] = b
				}
			}
			in.Layers = []plan.Share{fs}
			vendor := plantest.Custom("acme/x", tt.steps...)
			vendor.Source = block
			for layer, shares := range map[string][]plan.Share{
				"acme/x": {fs, vendor},
				"binds":  {joined(fs, tt.steps)},
			} {
				in.Layers = shares
				if tt.want == nil {
					plantest.Make(t, in)
					continue
				}
				got := plantest.Refused(t, in)
				for _, part := range append(tt.want, "layer "+layer+" ") {
					if !strings.Contains(got, part) {
						t.Errorf("the message lacks %q:\n%s", part, got)
					}
				}
				if at := block.String(); layer == "acme/x" && !strings.Contains(got, at) {
					t.Errorf("the message does not name the line of the layer, %s:\n%s", at, got)
				}
			}
		})
	}
}

// joined is the share with more steps.
func joined(s plan.Share, more []fragment.Step) plan.Share {
	response := *s.Response
	response.Fragment.Steps = slices.Concat(response.Fragment.Steps, more)
	s.Response = &response
	return s
}

// A variable that somebody denies no layer passes on, and one that the user denies no layer sets.
// What nobody speaks of a layer passes on if it was told of it.
func TestNoLayerPassesADeniedVariable(t *testing.T) {
	user := policy.Source{Origin: policy.OriginConfig, File: "config.hcl", Line: 2, Column: 1}
	pass := policy.EnvRule{ID: "environment.pass.9", Source: user, Action: policy.EnvPass, Name: "TOKEN"}
	never := policy.EnvRule{ID: "environment.deny.0", Source: plantest.ByDefault, Action: policy.EnvDeny, Name: "TOK*"}
	deny := policy.EnvRule{ID: "environment.deny.9", Source: user, Action: policy.EnvDeny, Name: "TOKEN"}
	set := policy.EnvRule{ID: "environment.set.9", Source: user, Action: policy.EnvSet, Name: "TOKEN", Value: "another"}
	const passes, sets = "gives the agent your variable TOKEN, which ", "sets the variable TOKEN, which "
	for _, tt := range []struct {
		name     string
		variable string
		value    fragment.Part
		declared []string
		rules    []policy.EnvRule
		want     string // of the refusal
	}{
		{"nothing passes it", "INNOCENT", fragment.HostVariable("TOKEN"), nil, nil, passes + "nothing passes"},
		{"the layer declared it", "INNOCENT", fragment.HostVariable("TOKEN"), []string{"TOKEN"}, nil, ""},
		{"the layer declared another", "INNOCENT", fragment.HostVariable("TOKEN"), []string{"TOKENS"}, nil, passes + "nothing passes"},
		{"the policy passes it", "INNOCENT", fragment.HostVariable("TOKEN"), nil, []policy.EnvRule{pass}, ""},
		{"denied by default, and declared", "INNOCENT", fragment.HostVariable("TOKEN"), []string{"TOKEN"}, []policy.EnvRule{never}, passes + "default.hcl:9:1 denies"},
		{"denied by default, and passed by the user", "INNOCENT", fragment.HostVariable("TOKEN"), nil, []policy.EnvRule{never, pass}, ""},
		{"denied by the user, and declared", "INNOCENT", fragment.HostVariable("TOKEN"), []string{"TOKEN"}, []policy.EnvRule{deny}, passes + "config.hcl:2:1 denies"},
		{"set by the user to another value", "INNOCENT", fragment.HostVariable("TOKEN"), nil, []policy.EnvRule{set}, passes + "nothing passes"},
		{"denied by the user, and set to another value", "INNOCENT", fragment.HostVariable("TOKEN"), []string{"TOKEN"}, []policy.EnvRule{deny, set}, passes + "config.hcl:2:1 denies"},
		{"its own value for what a default does not inherit", "TOKEN", fragment.Literal("mine"), nil, []policy.EnvRule{never}, ""},
		{"its own value for what the user denies", "TOKEN", fragment.Literal("mine"), nil, []policy.EnvRule{deny}, sets + "config.hcl:2:1 denies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := plantest.Input(plantest.Machine())
			in.Environ = append(in.Environ, "TOKEN=canary")
			in.Policy.Environment = append(in.Policy.Environment, tt.rules...)
			share := plantest.Custom("acme/x", fragment.Env{Name: tt.variable, Value: fragment.Value{tt.value}})
			share.HostVariables = tt.declared
			in.Layers = append(in.Layers, share)
			if tt.want == "" {
				plantest.Make(t, in)
				return
			}
			if got := plantest.Refused(t, in); !strings.Contains(got, "layer acme/x "+tt.want) {
				t.Error(got)
			}
		})
	}
}
