package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

// rule is a rule on a directory, from -c.
func rule(access policy.Access, path string) policy.PathRule {
	return policy.PathRule{
		ID: policy.RuleID(fmt.Sprintf("filesystem.%s.%s", access, path)), Access: access, Path: path, Type: policy.Directory,
		Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 1, Column: 1},
	}
}

func byDefault(r policy.PathRule) policy.PathRule {
	r.Source = policy.Source{Origin: policy.OriginDefault}
	return r
}

func typed(r policy.PathRule, t policy.FileType) policy.PathRule {
	r.Type = t
	return r
}

// A lift takes a part out of a denial: what lies beneath it, and nothing beside or above.
func TestLift(t *testing.T) {
	lifted := byDefault(rule(policy.Deny, "/home/ada/.kube"))
	lifted.Lifted = []policy.Lift{{Path: "/home/ada/.kube/config"}}
	own := rule(policy.Deny, "/home/ada/.kube")
	own.ID = "filesystem.deny.own"
	rules := []policy.PathRule{rule(policy.Allow, "/home/ada"), lifted}
	for name, want := range map[string]bool{
		"/home/ada/x": true, "/home/ada/.kube": false, "/home/ada/.kube/cache": false,
		"/home/ada/.kube/config": true, "/home/ada/.kube/config/x": true, "/home/ada/.kube/config2": false,
	} {
		if d := policy.NewDecider(&policy.Policy{Filesystem: rules}).Path(name, policy.OpRead); d.Allowed != want {
			t.Errorf("%s: %+v", name, d)
		}
		// What the user denies at the same place is denied, whichever of the two comes first.
		for _, both := range [][]policy.PathRule{append(slices.Clone(rules), own), append([]policy.PathRule{own}, rules...)} {
			d := policy.NewDecider(&policy.Policy{Filesystem: both}).Path(name, policy.OpRead)
			if d.Allowed != (name == "/home/ada/x") {
				t.Errorf("%s, which the user denies: %+v", name, d)
			}
		}
	}
	// A lift in a rule that is no denial means nothing.
	grant := rule(policy.Allow, "/home/ada")
	grant.Lifted = []policy.Lift{{Path: "/home/ada/x"}}
	if d := policy.NewDecider(&policy.Policy{Filesystem: []policy.PathRule{grant}}).Path("/home/ada/x", policy.OpRead); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestPath(t *testing.T) {
	project := []policy.PathRule{
		rule(policy.Allow, "/home/ada/proj"),
		rule(policy.Protect, "/home/ada/proj/.git/hooks"),
		rule(policy.Deny, "/home/ada/proj/.env"),
		rule(policy.Read, "/usr"),
		byDefault(rule(policy.Deny, "/usr/local/etc")),
		rule(policy.Write, "/home/ada/out"),
		typed(rule(policy.Read, "/etc/hosts"), policy.Regular),
		typed(rule(policy.Read, "/etc/gone"), policy.Missing),
	}
	tests := []struct {
		path    string
		op      policy.Op
		allowed bool
		rule    policy.RuleID
		why     string
	}{
		{"/home/ada/proj", policy.OpWrite, true, "filesystem.allow./home/ada/proj", "granted"},
		{"/home/ada/proj/a/b", policy.OpExecute, true, "filesystem.allow./home/ada/proj", "granted"},
		{"/home/ada/project2", policy.OpRead, false, "", "no rule grants it"},
		{"/home/ada", policy.OpRead, false, "", "no rule grants it"},
		{"/home/ada/proj/.env", policy.OpRead, false, "filesystem.deny./home/ada/proj/.env", "denied"},
		{"/home/ada/proj/.env/x", policy.OpRead, false, "filesystem.deny./home/ada/proj/.env", "denied"},
		{"/home/ada/proj/.envrc", policy.OpRead, true, "filesystem.allow./home/ada/proj", "granted"},
		{"/home/ada/proj/.git/hooks/x", policy.OpRead, true, "filesystem.allow./home/ada/proj", "granted"},
		{"/home/ada/proj/.git/hooks/x", policy.OpWrite, false, "filesystem.protect./home/ada/proj/.git/hooks", "protected: may be read, not written"},
		{"/home/ada/out/f", policy.OpWrite, true, "filesystem.write./home/ada/out", "granted"},
		{"/home/ada/out/f", policy.OpExecute, false, "filesystem.write./home/ada/out", "granted for reading and writing, not for execution"},
		{"/usr/bin/env", policy.OpExecute, true, "filesystem.read./usr", "granted"},
		{"/usr/bin/env", policy.OpWrite, false, "filesystem.read./usr", "granted for reading only"},
		{"/usr/local/etc/x", policy.OpRead, false, "filesystem.deny./usr/local/etc", "denied by default"},
		{"/etc/hosts", policy.OpRead, true, "filesystem.read./etc/hosts", "granted"},
		{"/etc/hosts/x", policy.OpRead, false, "filesystem.read./etc/hosts", "only the file above it is granted"},
		{"/etc/gone", policy.OpRead, false, "filesystem.read./etc/gone", "granted, but it did not exist when the policy was read"},
		{"/home/ada/proj/../out", policy.OpRead, false, "", "not an absolute, clean path"},
		{"proj", policy.OpRead, false, "", "not an absolute, clean path"},
		{"", policy.OpRead, false, "", "not an absolute, clean path"},
		{"/usr", "", false, "", "not an operation: "},
	}
	decide := policy.NewDecider(&policy.Policy{Filesystem: project})
	for _, tt := range tests {
		t.Run(string(tt.op)+" "+tt.path, func(t *testing.T) {
			got := decide.Path(tt.path, tt.op)
			if got.Allowed != tt.allowed || got.Why != tt.why {
				t.Errorf("got %v %q, want %v %q", got.Allowed, got.Why, tt.allowed, tt.why)
			}
			var named policy.RuleID
			if got.Rule != nil {
				named = got.Rule.ID
			}
			if named != tt.rule {
				t.Errorf("names %q, want %q", named, tt.rule)
			}
		})
	}
}

func TestPathWithTheFilesystemLayerOff(t *testing.T) {
	p := policy.Policy{Filesystem: []policy.PathRule{rule(policy.Deny, "/a")}}
	if policy.NewDecider(&p).Path("/a", policy.OpRead).Allowed {
		t.Fatal("the control failed: /a should be denied")
	}
	p.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem, Source: policy.Source{Flag: "--disable filesystem"}}}
	if d := policy.NewDecider(&p).Path("/a", policy.OpRead); !d.Allowed || !strings.Contains(d.Why, "--disable filesystem") {
		t.Errorf("got %+v", d)
	}
}

func TestZeroPolicyAllowsNothing(t *testing.T) {
	var p policy.Policy
	for _, op := range []policy.Op{policy.OpRead, policy.OpWrite, policy.OpExecute} {
		if policy.NewDecider(&p).Path("/", op).Allowed {
			t.Errorf("%s of / is allowed", op)
		}
	}
	if policy.NewDecider(&p).Variable("PATH").Allowed {
		t.Error("PATH is passed")
	}
}

// An access that nobody knows must not be mistaken for a grant.
func TestUnknownAccessDenies(t *testing.T) {
	p := policy.Policy{Filesystem: []policy.PathRule{rule(policy.Allow, "/a"), rule("", "/a/b")}}
	if !policy.NewDecider(&p).Path("/a/c", policy.OpRead).Allowed || policy.NewDecider(&p).Path("/a/b", policy.OpRead).Allowed {
		t.Error("an unknown access should deny its own path and no other")
	}
}

// The names are few, so that random rules meet, and one is a prefix of another, so that component
// boundaries are tried.
var components = rapid.SampledFrom([]string{"a", "ab", "b", "c"})

var paths = rapid.Custom(func(t *rapid.T) string {
	return "/" + strings.Join(rapid.SliceOfN(components, 0, 4).Draw(t, "components"), "/")
})

var ops = rapid.SampledFrom([]policy.Op{policy.OpRead, policy.OpWrite, policy.OpExecute})

func rules(accesses ...policy.Access) *rapid.Generator[policy.PathRule] {
	return rapid.Custom(func(t *rapid.T) policy.PathRule {
		return policy.PathRule{
			ID:     policy.RuleID(fmt.Sprintf("filesystem.x.%d", rapid.IntRange(0, 1<<30).Draw(t, "id"))),
			Access: rapid.SampledFrom(accesses).Draw(t, "access"),
			Path:   paths.Draw(t, "path"),
			Type:   rapid.SampledFrom([]policy.FileType{policy.Directory, policy.Directory, policy.Regular, policy.Missing}).Draw(t, "type"),
			Source: policy.Source{Origin: rapid.SampledFrom([]policy.Origin{policy.OriginDefault, policy.OriginFile, policy.OriginFlag}).Draw(t, "origin")},
		}
	})
}

var anyRules = rapid.SliceOfN(rules(policy.Allow, policy.Read, policy.Write, policy.Deny, policy.Protect), 0, 8)

func TestPathProperties(t *testing.T) {
	t.Run("adding a denial or a protection never allows", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			before := policy.Policy{Filesystem: anyRules.Draw(t, "rules")}
			after := policy.Policy{Filesystem: append(before.Filesystem[:len(before.Filesystem):len(before.Filesystem)], rules(policy.Deny, policy.Protect).Draw(t, "added"))}
			path, op := paths.Draw(t, "path"), ops.Draw(t, "op")
			if policy.NewDecider(&after).Path(path, op).Allowed && !policy.NewDecider(&before).Path(path, op).Allowed {
				t.Fatalf("%s %s became allowed", op, path)
			}
		})
	})
	t.Run("adding a grant never denies", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			before := policy.Policy{Filesystem: anyRules.Draw(t, "rules")}
			added := rules(policy.Allow, policy.Read, policy.Write).Draw(t, "added")
			after := policy.Policy{Filesystem: append(before.Filesystem[:len(before.Filesystem):len(before.Filesystem)], added)}
			path, op := paths.Draw(t, "path"), ops.Draw(t, "op")
			if policy.NewDecider(&before).Path(path, op).Allowed && !policy.NewDecider(&after).Path(path, op).Allowed {
				t.Fatalf("%s %s became denied", op, path)
			}
		})
	})
	t.Run("a denial is never overridden", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			denied := rules(policy.Deny).Draw(t, "denial")
			all := append(anyRules.Draw(t, "rules"), denied)
			p := policy.Policy{Filesystem: all}
			below := strings.TrimSuffix(denied.Path, "/") + "/" + components.Draw(t, "component")
			for _, path := range []string{denied.Path, below} {
				if d := policy.NewDecider(&p).Path(path, ops.Draw(t, "op")); d.Allowed || d.Rule == nil || d.Rule.Access != policy.Deny {
					t.Fatalf("%s: %+v", path, d)
				}
			}
		})
	})
	t.Run("the order of rules means nothing", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			// Ids are unique in a real policy; it is by them that two equal rules are told apart.
			one := rapid.SliceOfNDistinct(rules(policy.Allow, policy.Read, policy.Write, policy.Deny, policy.Protect), 0, 8,
				func(r policy.PathRule) policy.RuleID { return r.ID }).Draw(t, "rules")
			other := rapid.Permutation(one).Draw(t, "order")
			path, op := paths.Draw(t, "path"), ops.Draw(t, "op")
			a := policy.NewDecider(&policy.Policy{Filesystem: one}).Path(path, op)
			b := policy.NewDecider(&policy.Policy{Filesystem: other}).Path(path, op)
			if a.Allowed != b.Allowed || a.Why != b.Why || (a.Rule == nil) != (b.Rule == nil) || (a.Rule != nil && !reflect.DeepEqual(a.Rule, b.Rule)) {
				t.Fatalf("%+v\n%+v", a, b)
			}
		})
	})
	t.Run("a rule speaks of whole components", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			dir, name := paths.Draw(t, "dir"), paths.Draw(t, "name")
			// The slow and obvious way: compare component by component.
			d, n := strings.FieldsFunc(dir, slash), strings.FieldsFunc(name, slash)
			want := len(n) >= len(d)
			for i := 0; want && i < len(d); i++ {
				want = d[i] == n[i]
			}
			if policy.Within(name, dir) != want {
				t.Fatalf("Within(%q, %q) is %v", name, dir, !want)
			}
		})
	})
	t.Run("the rule that is named is the most specific one that decides", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := policy.Policy{Filesystem: anyRules.Draw(t, "rules")}
			path, op := paths.Draw(t, "path"), ops.Draw(t, "op")
			d := policy.NewDecider(&p).Path(path, op)
			if d.Rule == nil {
				return
			}
			for _, r := range p.Filesystem {
				if r.Access == d.Rule.Access && r.Type == d.Rule.Type && policy.Within(path, r.Path) && len(r.Path) > len(d.Rule.Path) && r.Type == policy.Directory {
					t.Fatalf("%s %s names %s, but %s is closer", op, path, d.Rule.Path, r.Path)
				}
			}
		})
	})
}

func slash(r rune) bool { return r == '/' }

func TestVariable(t *testing.T) {
	env := func(origin policy.Origin, action policy.EnvAction, name string) policy.EnvRule {
		return policy.EnvRule{ID: policy.RuleID("environment." + string(action) + "." + name), Action: action, Name: name, Source: policy.Source{Origin: origin}}
	}
	def, file, flag := policy.OriginDefault, policy.OriginFile, policy.OriginFlag
	tests := []struct {
		name    string
		rules   []policy.EnvRule
		ask     string
		allowed bool
		why     string
	}{
		{"nothing said", nil, "FOO", false, "no rule passes it"},
		{"passed", []policy.EnvRule{env(def, policy.EnvPass, "PATH")}, "PATH", true, "passed"},
		{"a pattern", []policy.EnvRule{env(def, policy.EnvPass, "LC_*")}, "LC_ALL", true, "passed"},
		{"a name is not a pattern", []policy.EnvRule{env(def, policy.EnvPass, "LC")}, "LC_ALL", false, "no rule passes it"},
		{
			"never inherited",
			[]policy.EnvRule{env(def, policy.EnvPass, "*"), env(def, policy.EnvDeny, "LD_*")},
			"LD_PRELOAD", false,
			"never inherited, unless your policy passes exactly this name",
		},
		{
			"a user's pattern does not bring it back",
			[]policy.EnvRule{env(flag, policy.EnvPass, "LD_*"), env(def, policy.EnvDeny, "LD_*")},
			"LD_PRELOAD", false,
			"never inherited, unless your policy passes exactly this name",
		},
		{
			"the user's exact name does",
			[]policy.EnvRule{env(flag, policy.EnvPass, "LD_PRELOAD"), env(def, policy.EnvDeny, "LD_*")},
			"LD_PRELOAD", true,
			"passed by its exact name",
		},
		{
			"a default's exact name does not",
			[]policy.EnvRule{env(def, policy.EnvPass, "LD_PRELOAD"), env(def, policy.EnvDeny, "LD_*")},
			"LD_PRELOAD", false,
			"never inherited, unless your policy passes exactly this name",
		},
		{"the user's denial beats the user's exact name", []policy.EnvRule{env(flag, policy.EnvPass, "AWS_REGION"), env(file, policy.EnvDeny, "AWS_*")}, "AWS_REGION", false, "denied"},
		{"set is not inherited", []policy.EnvRule{env(file, policy.EnvSet, "LD_PRELOAD"), env(def, policy.EnvDeny, "LD_*")}, "LD_PRELOAD", true, "set"},
		{"set knows no patterns", []policy.EnvRule{env(file, policy.EnvSet, "LD_*")}, "LD_PRELOAD", false, "no rule passes it"},
		{"an unknown action passes nothing", []policy.EnvRule{env(file, policy.EnvPass, "A"), env(file, "", "A")}, "A", false, "denied"},
		{"the empty name", []policy.EnvRule{env(file, policy.EnvPass, "*")}, "", false, "no rule passes it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // and in the other order
				got := policy.NewDecider(&policy.Policy{Environment: tt.rules}).Variable(tt.ask)
				if got.Allowed != tt.allowed || got.Why != tt.why {
					t.Errorf("got %v %q, want %v %q", got.Allowed, got.Why, tt.allowed, tt.why)
				}
				if len(tt.rules) == 2 {
					tt.rules[0], tt.rules[1] = tt.rules[1], tt.rules[0]
				}
			}
		})
	}
}
