package agentdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// account is a home with an agent's directory in it, whose login is denied.
type account struct {
	t                  *testing.T
	home, own, runtime string
	more               []policy.PathRule
}

func newAccount(t *testing.T, files ...string) account {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := account{t: t, home: base, own: base + "/.codex", runtime: base + "/runtime"}
	for _, dir := range []string{a.own, a.runtime} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range append(files, ".codex/auth.json") {
		a.write(f, "the user's "+f)
	}
	return a
}

// write makes a file, or a directory where its name ends in /.
func (a account) write(name, content string) {
	a.t.Helper()
	at := filepath.Join(a.home, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		a.t.Fatal(err)
	}
	if strings.HasSuffix(name, "/") {
		if err := os.MkdirAll(at, 0o700); err != nil {
			a.t.Fatal(err)
		}
	} else if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// rule is one about a path, as configuration would have it now.
func (a account) rule(access policy.Access, name string, origin policy.Origin) policy.PathRule {
	at := filepath.Join(a.home, name)
	e, err := hostfile.Host(at)
	if err != nil {
		a.t.Fatal(err)
	}
	return policy.PathRule{Access: access, Path: at, Type: e.Type, Source: policy.Source{Origin: origin}}
}

func (a account) policy() policy.Policy {
	return policy.Policy{}.With(append([]policy.PathRule{
		a.rule(policy.Write, ".codex", policy.OriginProfile),
		a.rule(policy.Write, ".codex.json", policy.OriginProfile),
		a.rule(policy.Deny, ".codex/auth.json", policy.OriginDefault),
		a.rule(policy.Protect, ".codex/rules", policy.OriginProfile),
		a.rule(policy.Protect, ".codex/hooks.json", policy.OriginProfile),
	}, a.more...), nil)
}

func (a account) request(p *policy.Policy) Request {
	return Request{
		Policy:    p,
		Movable:   []Movable{{Variable: "CODEX_HOME", Path: a.own}},
		Reported:  []string{a.own + "/config.toml", "Makefile"},
		Protected: []string{a.own + "/rules", a.own + "/hooks.json", a.own + "/prompts"},
		Dir:       a.home + "/proj", State: a.home + "/state",
	}
}

// begin is a run of the agent until it starts; what it is given is returned too.
func (a account) begin(session string) (*InUse, policy.Policy) {
	a.t.Helper()
	p := a.policy()
	found := Find(a.request(&p))
	if len(found) != 1 {
		a.t.Fatalf("%d directories", len(found))
	}
	o, err := found[0].Open(copies.Where{Session: session, Runtime: a.runtime})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(o.release)
	names, err := o.Names()
	if err != nil {
		a.t.Fatal(err)
	}
	p = o.Narrow(p, names, hostfile.Host)
	if err := o.Link(&p); err != nil {
		a.t.Fatal(err)
	}
	return o, p
}

func (a account) end(o *InUse) {
	a.t.Helper()
	if _, err := o.Close(); err != nil {
		a.t.Fatal(err)
	}
}

// tree lists a directory: a link with where it leads, a file with its content, a directory with /.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			all = append(all, e.Name()+"/")
		case e.Type() == os.ModeSymlink:
			target, err := os.Readlink(at)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Name()+" -> "+filepath.Base(filepath.Dir(target))+"/"+filepath.Base(target))
		default:
			content, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Name()+": "+string(content))
		}
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// A first use, a second one, and one outside in between.
func TestUses(t *testing.T) {
	a := newAccount(t)
	one, p := a.begin("one")
	if d := policy.NewDecider(&p).Path(a.own, policy.OpWrite); d.Allowed {
		t.Error("the directory with the login in it is granted")
	}
	same(t, "at first", tree(t, one.Home), nil)
	for name, content := range map[string]string{
		"config.toml": "mine", "sessions/1.jsonl": "first", "state.sqlite": "db", "prompts/p.md": "do", "auth.json": "another login",
	} {
		a.write(strings.TrimPrefix(one.Home, a.home)+"/"+name, content)
	}
	a.end(one)
	same(t, "outside after the first use", tree(t, a.own), []string{
		"auth.json: the user's .codex/auth.json", "config.toml: mine", "sessions/",
	})

	a.write(".codex/sessions/2.jsonl", "outside")
	a.write(".codex/rules/default.rules", "the user's")
	a.write(".codex/hooks.json", "the user's")
	a.write(".codex/prompts/mine.md", "the user's")
	a.write(".codex/config.toml", "the user's")
	a.write(".codex/other.sqlite", "a database")
	a.more = append(a.more, a.rule(policy.Protect, ".codex/prompts", policy.OriginProfile))
	two, p := a.begin("two")
	same(t, "the second use", tree(t, two.Home), []string{
		"auth.json: another login", "config.toml: the user's", "hooks.json -> .codex/hooks.json", "prompts -> .codex/prompts",
		"prompts.nono-two/", "rules -> .codex/rules", "sessions -> .codex/sessions", "state.sqlite: db",
	})
	decide := policy.NewDecider(&p)
	for name, want := range map[string]string{
		"": "", "/auth.json": "", "/config.toml": "", "/other.sqlite": "", "/sessions/2.jsonl": "rw", "/rules/default.rules": "r", "/hooks.json": "r",
	} {
		got := ""
		if decide.Path(a.own+name, policy.OpRead).Allowed {
			got = "r"
		}
		if decide.Path(a.own+name, policy.OpWrite).Allowed {
			got += "w"
		}
		if got != want {
			t.Errorf("%s is given as %q, want %q", a.own+name, got, want)
		}
	}
	a.end(two)

	// What is gone outside is gone inside.
	for _, name := range []string{"rules", "hooks.json"} {
		if err := os.RemoveAll(filepath.Join(a.own, name)); err != nil {
			t.Fatal(err)
		}
	}
	three, _ := a.begin("three")
	if got := tree(t, three.Home); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "rules") }) {
		t.Errorf("links lead nowhere: %q", got)
	}
}

// What an agent has made in its directory, whatever it is, leads nobody out of it.
func TestPlanted(t *testing.T) {
	a := newAccount(t, ".codex/sessions/1.jsonl", ".codex/hooks.json", "elsewhere/secret")
	o, _ := a.begin("one")
	login := a.own + "/auth.json"
	for name, target := range map[string]string{
		"config.toml": login, "memories": a.home + "/elsewhere", "login": login,
	} {
		if err := os.Symlink(target, filepath.Join(o.Home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"sessions": a.home + "/elsewhere", "hooks.json": login} {
		at := filepath.Join(o.Home, name)
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
	}
	a.end(o)
	want := []string{"auth.json: the user's .codex/auth.json", "hooks.json: the user's .codex/hooks.json", "sessions/"}
	same(t, "outside", tree(t, a.own), want)
	two, p := a.begin("two")
	same(t, "outside, at the next start", tree(t, a.own), want)
	if d := policy.NewDecider(&p).Path(a.home+"/elsewhere/secret", policy.OpRead); d.Allowed {
		t.Error("a link of the agent's grants what it leads to")
	}
	if got := tree(t, two.Home); !slices.Contains(got, "hooks.json -> .codex/hooks.json") {
		t.Errorf("the user's own settings are not there: %q", got)
	}
}

// Two runs at once use one directory: what one made stays where it is until neither is there.
func TestTwoAtOnce(t *testing.T) {
	a := newAccount(t)
	one, _ := a.begin("one")
	two, _ := a.begin("two")
	a.write(strings.TrimPrefix(one.Home, a.home)+"/sessions/1.jsonl", "first")
	a.end(one)
	same(t, "inside", tree(t, two.Home), []string{"sessions/"})
	a.end(two)
	same(t, "inside, when both are over", tree(t, two.Home), []string{"sessions -> .codex/sessions"})
}

// A run that comes to no end with the directory, as one that was stopped, keeps no other from it for
// ever.
func TestStoppedRun(t *testing.T) {
	a := newAccount(t)
	o, _ := a.begin("one")
	other, err := o.root.OpenFile(lock, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := o.Close(); !errors.Is(err, ownfile.ErrBusy) {
			t.Errorf("got %v", err)
		}
	})
}

// An agent that has closed its directory, and what it had copied, keeps nobody from the next run.
func TestClosed(t *testing.T) {
	a := newAccount(t, ".codex/config.toml", ".codex/sessions/1.jsonl")
	o, _ := a.begin("one")
	for _, name := range []string{"config.toml", "."} {
		if err := os.Chmod(filepath.Join(o.Home, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Close(); (err == nil) != (os.Getuid() == 0) {
		t.Errorf("closing: %v", err)
	}
	two, _ := a.begin("two")
	a.end(two)
	if got, _ := os.ReadFile(a.own + "/config.toml"); string(got) != "the user's .codex/config.toml" {
		t.Errorf("outside it is %q", got)
	}
}

// What is left in the state that a killed run leaves it in, the next one takes over.
func TestKilled(t *testing.T) {
	a := newAccount(t, ".codex/config.toml")
	o, _ := a.begin("one")
	a.write(strings.TrimPrefix(o.Home, a.home)+"/config.toml", "mine")
	o.release()
	two, _ := a.begin("two")
	if got, _ := os.ReadFile(a.own + "/config.toml"); string(got) != "mine" {
		t.Errorf("outside it is %q", got)
	}
	a.end(two)
}

func TestFind(t *testing.T) {
	a := newAccount(t, ".codex.json", ".codex/config.toml")
	for _, c := range []struct {
		name   string
		change func(p *policy.Policy, r *Request)
		want   []string // what is copied; nil: there is no directory
	}{
		{"a login in it", func(*policy.Policy, *Request) {}, []string{".codex.json", ".codex/config.toml"}},
		{"none", func(p *policy.Policy, _ *Request) {
			p.Filesystem = slices.DeleteFunc(p.Filesystem, func(r policy.PathRule) bool { return r.Access == policy.Deny })
		}, nil},
		{"not granted", func(p *policy.Policy, _ *Request) { p.Filesystem = p.Filesystem[1:] }, nil},
		{"the agent has the variable", func(p *policy.Policy, _ *Request) {
			p.Environment = []policy.EnvRule{{Action: policy.EnvPass, Name: "CODEX_*", Source: policy.Source{Origin: policy.OriginFlag}}}
		}, nil},
		{"the user denies it the variable", func(p *policy.Policy, _ *Request) {
			p.Environment = []policy.EnvRule{{Action: policy.EnvDeny, Name: "CODEX_HOME", Source: policy.Source{Origin: policy.OriginFile}}}
		}, nil},
		{"started in it", func(_ *policy.Policy, r *Request) { r.Dir = a.own + "/sessions" }, nil},
		{"a file that is granted by itself", func(p *policy.Policy, _ *Request) {
			*p = p.With([]policy.PathRule{a.rule(policy.Write, ".codex/config.toml", policy.OriginFlag)}, nil)
		}, []string{".codex.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := a.policy()
			r := a.request(&p)
			c.change(&p, &r)
			var copied []string
			for _, d := range Find(r) {
				for _, at := range d.copied {
					copied = append(copied, strings.TrimPrefix(at, a.home+"/"))
				}
				if !policy.Within(d.Home, a.home+"/state/agents") || d.Denied != a.own+"/auth.json" {
					t.Errorf("%+v", d)
				}
			}
			same(t, "copied", copied, c.want)
		})
	}
}

// What the agent makes does not fill its own directory, or no run would start any more.
func TestHandsOverNoMore(t *testing.T) {
	a := newAccount(t)
	o, _ := a.begin("one")
	for i := range mostHandedOver + 10 {
		if err := os.Mkdir(fmt.Sprintf("%s/%04d", o.Home, i), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	a.end(o)
	names, err := os.ReadDir(a.own)
	if err != nil || len(names) != mostHandedOver {
		t.Errorf("%d names, %v", len(names), err)
	}
}
