package buildcache

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

func rule(access policy.Access, path string, origin policy.Origin) policy.PathRule {
	return policy.PathRule{Source: policy.Source{Origin: origin}, Access: access, Path: path, Type: policy.Directory}
}

func TestFind(t *testing.T) {
	allow := func(path string) policy.PathRule { return rule(policy.Allow, path, policy.OriginFlag) }
	xdg := policy.EnvRule{Action: policy.EnvPass, Name: "XDG_*", Source: policy.Source{Origin: policy.OriginDefault}}
	tests := []struct {
		name    string
		rules   []policy.PathRule
		env     []policy.EnvRule
		environ map[string]string
		dir     string
		project string
		inside  []string
	}{
		{"a project", []policy.PathRule{allow("/home/ada/proj")}, nil, nil, "/home/ada/proj", "/home/ada/proj", []string{"/home/ada/.cache/go-build"}},
		{"in a directory of it", []policy.PathRule{allow("/home/ada/proj")}, nil, nil, "/home/ada/proj/cmd", "/home/ada/proj", []string{"/home/ada/.cache/go-build"}},
		{"the largest that is granted", []policy.PathRule{allow("/home/ada/all/one"), allow("/home/ada/all")}, nil, nil, "/home/ada/all/one", "/home/ada/all", []string{"/home/ada/.cache/go-build"}},
		{"nothing to write", []policy.PathRule{rule(policy.Read, "/home/ada/proj", policy.OriginFlag)}, nil, nil, "/home/ada/proj", "", nil},
		{"elsewhere than in the grant", []policy.PathRule{allow("/home/ada/proj")}, nil, nil, "/home/ada/other", "", nil},
		{"the home itself", []policy.PathRule{allow("/home/ada")}, nil, nil, "/home/ada/proj", "", nil},
		{"everything", []policy.PathRule{allow("/")}, nil, nil, "/home/ada/proj", "", nil},
		{"the place is granted", []policy.PathRule{allow("/home/ada/proj"), rule(policy.Read, "/home/ada/.cache", policy.OriginFlag)}, nil, nil, "/home/ada/proj", "", nil},
		{"nono's own is denied by default", []policy.PathRule{allow("/home/ada/proj"), rule(policy.Deny, "/home/ada/.cache/nono", policy.OriginDefault)}, nil, nil, "/home/ada/proj", "/home/ada/proj", []string{"/home/ada/.cache/go-build"}},
		{"and by the user", []policy.PathRule{allow("/home/ada/proj"), rule(policy.Deny, "/home/ada/.cache/nono", policy.OriginFile)}, nil, nil, "/home/ada/proj", "", nil},
		{"the tool's place is denied by the user", []policy.PathRule{allow("/home/ada/proj"), rule(policy.Deny, "/home/ada/.cache", policy.OriginFile)}, nil, nil, "/home/ada/proj", "", nil},
		{"the agent has the tool's variable", []policy.PathRule{allow("/home/ada/proj")}, []policy.EnvRule{{Action: policy.EnvPass, Name: "GOCACHE"}}, nil, "/home/ada/proj", "", nil},
		{"another directory of caches", []policy.PathRule{allow("/home/ada/proj")}, []policy.EnvRule{xdg}, map[string]string{"XDG_CACHE_HOME": "/data/ada/"}, "/home/ada/proj", "/home/ada/proj", []string{"/data/ada/go-build"}},
		{"of which the agent is not told", []policy.PathRule{allow("/home/ada/proj")}, nil, map[string]string{"XDG_CACHE_HOME": "/data/ada"}, "/home/ada/proj", "/home/ada/proj", []string{"/home/ada/.cache/go-build"}},
		{"in the project", []policy.PathRule{allow("/home/ada/proj")}, []policy.EnvRule{xdg}, map[string]string{"XDG_CACHE_HOME": "/home/ada/proj/.cache"}, "/home/ada/proj", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := find(&policy.Policy{Filesystem: test.rules, Environment: test.env}, test.dir, test.environ)
			var inside []string
			for _, c := range s.Caches {
				inside = append(inside, c.Inside)
				if !strings.HasPrefix(c.Dir, s.Dir+"/") || !strings.HasPrefix(s.Dir, "/home/ada/.cache/nono/build/") {
					t.Errorf("it lies at %s", c.Dir)
				}
			}
			if s.Project != test.project || !cmp.Equal(inside, test.inside) {
				t.Errorf("for %q: %v; want %q: %v", s.Project, inside, test.project, test.inside)
			}
		})
	}
}

// find is Find where the agent has go and no other tool.
func find(p *policy.Policy, dir string, environ map[string]string) Store {
	return Find(Request{
		Policy: p, Dir: dir, Home: "/home/ada", Own: "/home/ada/.cache/nono",
		Lookup: func(name string) (string, bool) { v, ok := environ[name]; return v, ok },
		Has:    func(program string) bool { return program == "go" },
	})
}

// No two projects have one store, however they are called.
func TestOneStoreEach(t *testing.T) {
	seen := map[string]string{}
	for _, project := range []string{"/a", "/a/b", "/a b", "/A", "/a\xff", "/build/a"} {
		s := find(&policy.Policy{Filesystem: []policy.PathRule{rule(policy.Allow, project, policy.OriginFlag)}}, project, nil)
		if s.Dir == "" || seen[s.Dir] != "" {
			t.Errorf("%q has the store %q, and so has %q", project, s.Dir, seen[s.Dir])
		}
		seen[s.Dir] = project
	}
}
