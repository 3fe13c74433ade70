//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cacheDirs are the stores in nono's own cache.
func (u *user) cacheDirs() []string {
	u.t.Helper()
	found, err := filepath.Glob(u.path("~/.cache/nono/build/*/go-build"))
	if err != nil {
		u.t.Fatal(err)
	}
	return found
}

// goInPath puts the machine's go into the user's PATH.
func (u *user) goInPath() {
	u.t.Helper()
	needs(u.t, "go")
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	u.Env = append(u.Env, "PATH="+strings.TrimSpace(string(out))+"/bin:/usr/bin:/bin")
}

// The second `go build` of a project is a second one: nothing is compiled again. Another project
// sees nothing of the first one's cache, and nothing outside of the sandbox uses it.
func TestBuildCacheOfGo(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.goInPath()
	u.write("go.mod", "module example.com/m\n\ngo 1.21\n")
	u.write("secret.go", "package m\n\n// Of this project alone.\nconst Secret = \"of the first project\"\n\nfunc F() string { return Secret }\n")
	compiles := func() int {
		t.Helper()
		return strings.Count(u.succeeds(u.nono("run", "--allow-cwd", "--", "go", "build", "-x", "./...")).Stderr, "/compile -o")
	}
	if n := compiles(); n == 0 {
		t.Fatal("nothing is compiled in a project that nobody ever built")
	}
	if n := compiles(); n != 0 {
		t.Errorf("the second build compiles %d packages again", n)
	}
	// The control: without the cache it does.
	u.write("~/.config/nono/config.hcl", "filesystem {\n  build_caches = false\n}\n")
	if n := compiles(); n == 0 {
		t.Error("build_caches = false keeps them all the same")
	}
	if err := os.Remove(u.path("~/.config/nono/config.hcl")); err != nil {
		t.Fatal(err)
	}

	// The plan says so, and makes nothing.
	r := u.succeeds(u.nono("plan", "--allow-cwd", "--", "go", "build"))
	if want := "what tools build, for this project alone"; !strings.Contains(r.Stdout, want) || !strings.Contains(r.Stdout, "~/.cache/go-build") {
		t.Errorf("the plan does not say %q\n%s", want, r)
	}
	if u.exists("~/.cache/go-build") {
		t.Error("there is a cache where tools outside would use it")
	}

	first := u.cacheDirs()
	if len(first) != 1 {
		t.Fatalf("there are %v", first)
	}
	second := u.in(t)
	second.Project = u.path("~/second")
	second.mkdir(second.Project)
	second.write("go.mod", "module example.com/m\n\ngo 1.21\n")
	second.succeeds(second.nono("plan", "--allow-cwd", "--", "go", "version"))
	if dirs := u.cacheDirs(); len(dirs) != 1 {
		t.Errorf("a plan has made %v", dirs)
	}
	// All that the second project has is an empty cache of its own, by whatever name it tries.
	second.tries(allowCwd,
		"yes: touch ~/.cache/go-build/x",
		"no: grep -rq 'of the first project' ~/.cache",
		"no: ls "+filepath.Dir(first[0]), "no: ls "+first[0], "no: ls ~/.cache/nono", "no: ls ~/.cache/go-build/../nono/build",
		"no: touch ~/.cache/nono/x")
	u.tries(allowCwd, "yes: grep -rq 'of the first project' ~/.cache") // the control
	if dirs := u.cacheDirs(); len(dirs) != 2 {
		t.Errorf("there are %v", dirs)
	}
}

// What an agent leaves in its cache leads nowhere: a link is followed inside, where its target is
// not, and the next run shows the same directory.
func TestBuildCacheOfAnAgent(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.goInPath()
	flags := allowCwd
	u.write("~/secret", "secret")
	u.tries(flags, "yes: ln -s "+u.path("~/secret")+" ~/.cache/go-build/link", "no: cat ~/.cache/go-build/link",
		"no: mv ~/.cache/go-build ~/.cache/other", "no: rmdir ~/.cache/go-build")
	u.tries(flags, "yes: test -L ~/.cache/go-build/link", "no: cat ~/.cache/go-build/link")
	// A place that is none of nono's own any more stops nothing, and is not believed.
	store := filepath.Dir(u.cacheDirs()[0])
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	u.write("~/elsewhere/go-build/x", "secret")
	u.link(u.path("~/elsewhere"), store)
	r := u.shell("cat ~/.cache/go-build/x", flags...)
	if strings.Contains(r.Stdout, "secret") {
		t.Errorf("a link in nono's own cache leads elsewhere\n%s", r)
	}
	if os.Getuid() == 0 {
		return // root may write anywhere
	}
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(u.path("~/.cache/nono/build"), 0o500); err != nil {
		t.Fatal(err)
	}
	r = u.succeeds(u.shell("echo ran", flags...))
	if !strings.Contains(r.Stderr, "what tools build is not kept: making the directory of a build cache") {
		t.Errorf("nothing says that the cache is not kept\n%s", r)
	}
}
