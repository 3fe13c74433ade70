// Package buildcache keeps the build caches of tools across runs, one of each tool for each
// project, so that the second `go build` in a project is a second one.
//
//	store := buildcache.Find(buildcache.Request{Policy: &policy, Dir: dir, Home: home, ...})
//	// store.Caches: ~/.cache/nono/build/6f1e.../go-build, seen inside as ~/.cache/go-build
//	open, err := store.Open() // while the run lasts
//
// What lies in such a cache is the agent's work, and a tool that finds it there believes it. So it
// is a directory of nono's own, which no tool outside looks at, and nono itself never reads a file
// in it. The cache of one project is never seen in another: only the one directory of the tool is
// shown, at the path at which the tool looks for it, and nothing above it.
//
// Only what a tool made itself is kept. What it downloaded (Go's modules, npm's and pip's caches,
// cargo's registry) can hold private code of other projects, and takes a grant of the user's.
//
// # How much is kept
//
// [Prune] removes the caches of the projects that were used longest ago when all together are more
// than [Limit], and those that nobody used for [Unused]. A run looks whether there is something to
// prune while the agent works, once a day. That a cache in use grows beyond the limit is the tool's
// own business: Go and ccache bound theirs.
package buildcache

import (
	"crypto/sha256"
	"encoding/hex"
	"path"

	"github.com/nono-run/nono/sdk/policy"
)

// Request is what to keep caches for.
type Request struct {
	Policy *policy.Policy
	// Dir is the current directory and Home the user's home, both without links.
	Dir, Home string
	// Own is nono's own cache directory.
	Own string
	// Lookup reads the user's environment.
	Lookup func(string) (string, bool)
	// Has reports whether the agent finds a program.
	Has func(program string) bool
}

// Store is the caches of one project. Its zero value has none.
type Store struct {
	// Project is the directory that the caches are for.
	Project string
	// Dir is the store's directory, and Above are those above it that are nono's own, parents first.
	Dir   string
	Above []string

	Caches []Cache
}

// Cache is the cache of one tool.
type Cache struct {
	Tool string
	// Dir is the directory on the host, Inside where the tool looks for it, unless Variable names
	// another place.
	Dir, Inside string
	Variable    string
}

// tool is a program with a cache of what it built.
type tool struct {
	program string
	// directory is its usual name in the user's directory of caches, and variable is what names
	// another one.
	directory, variable string
}

// tools is every cache that is kept.
var tools = []tool{
	{"go", "go-build", "GOCACHE"},
	{"ccache", "ccache", "CCACHE_DIR"},
	{"sccache", "sccache", "SCCACHE_DIR"},
	{"zig", "zig", "ZIG_GLOBAL_CACHE_DIR"},
	{"golangci-lint", "golangci-lint", "GOLANGCI_LINT_CACHE"},
	{"staticcheck", "staticcheck", "STATICCHECK_CACHE"},
}

// Find says which caches a run has. It looks at nothing but the request.
func Find(req Request) Store {
	f := finder{req, policy.NewDecider(req.Policy)}
	project := f.project()
	if project == "" {
		return Store{}
	}
	// The name says nothing of the project, and no path can be made to share one with another.
	sum := sha256.Sum256([]byte(project))
	all := path.Join(req.Own, directory)
	s := Store{Project: project, Dir: path.Join(all, hex.EncodeToString(sum[:16]))}
	if f.denied(s.Dir) {
		return Store{}
	}
	for _, t := range tools {
		if inside, ok := f.inside(t); ok && req.Has(t.program) {
			s.Caches = append(s.Caches, Cache{t.program, path.Join(s.Dir, t.directory), inside, t.variable})
		}
	}
	if len(s.Caches) == 0 {
		return Store{}
	}
	s.Above = []string{path.Dir(req.Own), req.Own, all}
	return s
}

// directory is where in nono's own cache directory the stores are.
const directory = "build"

type finder struct {
	Request
	decide *policy.Decider
}

// project is the directory that the agent works in: the largest that the user let it write, around
// the current one. There is none where that is the home, in which the tools' own caches lie.
func (f finder) project() string {
	project := ""
	for dir := f.Dir; ; dir = path.Dir(dir) {
		d := f.decide.Path(dir, policy.OpWrite)
		if d.Allowed && d.Rule != nil && d.Rule.Source.Asked() {
			project = dir
		}
		if dir == "/" {
			break
		}
	}
	if project == "" || policy.Within(f.Home, project) {
		return ""
	}
	return project
}

// denied reports whether the user has denied what lies at a path. By default all of nono's own is.
func (f finder) denied(p string) bool {
	d := f.decide.Path(p, policy.OpRead)
	return d.Rule != nil && d.Rule.Access == policy.Deny && d.Rule.Source.Asked()
}

// inside is where a tool looks for its cache, unless the user has seen to that: by a variable that
// the agent has, or by granting the place.
func (f finder) inside(t tool) (string, bool) {
	if f.decide.Variable(t.variable).Allowed {
		return "", false
	}
	caches := path.Join(f.Home, ".cache")
	if d := f.decide.Variable("XDG_CACHE_HOME"); d.Allowed {
		dir, _ := f.Lookup("XDG_CACHE_HOME")
		if d.Rule.Gives() {
			dir = d.Rule.Value
		}
		if path.IsAbs(dir) {
			caches = path.Clean(dir)
		}
	}
	at := path.Join(caches, t.directory)
	return at, !f.decide.Path(at, policy.OpRead).Allowed && !f.denied(at)
}
