package self_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/self"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk/hostfile/hosttest"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// ofAda is where the command is given.
var ofAda = self.From{Dir: "/home/ada/proj", Home: "/home/ada"}

// describe is what a session in /home/ada/proj is told of these rules.
func describe(t *testing.T, tree hosttest.Tree, rules ...string) (self.Known, string) {
	t.Helper()
	p := tree.Policy(rules...)
	view, _ := places.Compute(places.Input{
		Policy: p, Home: "/home/ada", Dir: "/home/ada/proj", Look: tree.Look,
		Lookup: func(string) (string, bool) { return "", false },
	})
	text, err := self.Describe(p, view.Rules, ofAda)
	if err != nil {
		t.Fatal(err)
	}
	known, err := self.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return known, string(text)
}

var rules = []string{
	"allow /home/ada/proj", "default read /usr", "read /home/ada/gone", "deny /home/ada/proj/.env", "deny /home/ada/proj/none",
	"deny /home/ada/diary", "default deny /home/ada/.ssh", "default deny /home/ada/.npmrc", "protect /home/ada/proj/.git",
	"protect /home/ada/other", "read /home/ada/.ssh/id", "write /home/ada/data as /home/ada/name",
}

func tree() hosttest.Tree {
	return hosttest.New("/usr/", "/home/ada/proj/.env", "/home/ada/proj/.git/", "/home/ada/diary", "/home/ada/.ssh/id", "/home/ada/.npmrc",
		"/home/ada/other", "/home/ada/data")
}

// A session is told the rules whose effect it sees, and no others: nothing in the file differs
// whether what is not seen is there or not.
func TestNothingIsToldThatIsNotSeen(t *testing.T) {
	known, text := describe(t, tree(), rules...)
	var told []string
	for _, r := range known.Rules {
		told = append(told, string(r.Access)+" "+r.Path)
	}
	const want = "allow /home/ada/proj, read /usr, deny /home/ada/proj/.env, deny /home/ada/.ssh, protect /home/ada/proj/.git, write /home/ada/data"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
	if strings.Contains(text, "/home/ada/name") || strings.Contains(text, "deny.6") {
		t.Errorf("another name of a path is told, or a number that counts what is not:\n%s", text)
	}
	without := hosttest.New("/usr/", "/home/ada/proj/.env", "/home/ada/proj/.git/", "/home/ada/.ssh/other", "/home/ada/data")
	if _, other := describe(t, without, rules...); other != text {
		t.Errorf("the file tells what is there:\n%s\n%s", text, other)
	}
	// The control: what is seen makes a difference.
	if _, other := describe(t, hosttest.New("/usr/", "/home/ada/proj/"), rules...); other == text {
		t.Error("the file tells nothing")
	}
}

// A line of the user's own configuration stands where nothing inside may look.
func TestOwnConfigurationIsNotNamed(t *testing.T) {
	host := tree()
	p := host.Policy("allow /home/ada/proj", "deny /home/ada/proj/.env")
	p.Filesystem[0].Source = policy.Source{Origin: policy.OriginConfig, File: "~/.config/nono/config.hcl", Line: 3}
	p.Filesystem[1].Source = policy.Source{Origin: policy.OriginProfile, File: "~/.config/nono/profiles/x.hcl", Line: 4}
	text, err := self.Describe(p, []places.Rule{{Is: places.Shown}, {Is: places.Masked}}, ofAda)
	if err != nil || strings.Contains(string(text), ".config") || strings.Contains(string(text), "line") {
		t.Errorf("%v: %s", err, text)
	}
	if p.Filesystem[0].Source.File == "" {
		t.Error("the policy itself has changed")
	}
	// A lift that gives nothing names what is not seen.
	p.Filesystem[1].Source.Origin = policy.OriginDefault
	p.Filesystem[1].Lifted = []policy.Lift{{Path: "/home/ada/proj/.env/a"}, {Path: "/home/ada/x"}}
	text, err = self.Describe(p, []places.Rule{{Is: places.Shown}, {Is: places.Masked}}, ofAda)
	if err != nil || strings.Contains(string(text), "/home/ada/x") || !strings.Contains(string(text), "/.env/a") {
		t.Errorf("%v: %s", err, text)
	}
}

// Neither a flag nor the name of a file tells a name that is not seen: of a link that leads to what
// is, or of what lies beside it.
func TestSourcesTellNoOtherName(t *testing.T) {
	host := tree()
	for _, tt := range []struct {
		at   policy.Source
		told string
	}{
		{policy.Source{Origin: policy.OriginFlag, Flag: "--deny .env"}, "--deny .env"},
		{policy.Source{Origin: policy.OriginFlag, Flag: "--deny ~/proj/./.env"}, "--deny ~/proj/./.env"},
		{policy.Source{Origin: policy.OriginFlag, Flag: "--deny /home/ada/acme/keys"}, "--deny"},
		{policy.Source{Origin: policy.OriginFlag, Flag: "--deny ../acme/keys"}, "--deny"},
		{policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 3, Column: 1}, "agent.hcl:3:1"},
		{policy.Source{Origin: policy.OriginFile, File: "/home/ada/proj/agent.hcl", Line: 3, Column: 1}, "/home/ada/proj/agent.hcl:3:1"},
		{policy.Source{Origin: policy.OriginFile, File: "../acme/agent.hcl", Line: 3, Column: 1}, "file"},
		{policy.Source{Origin: policy.OriginFile, File: "~/acme/agent.hcl", Line: 3, Column: 1}, "file"},
		{policy.Source{Origin: policy.OriginFile, File: ".env", Line: 3, Column: 1}, "file"}, // which is denied
	} {
		p := host.Policy("allow /home/ada/proj", "deny /home/ada/proj/.env")
		p.Filesystem[1].Source = tt.at
		text, err := self.Describe(p, []places.Rule{{Is: places.Shown}, {Is: places.Masked}}, ofAda)
		if err != nil {
			t.Fatal(err)
		}
		known, err := self.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := known.Rules[1].Source.String(); got != tt.told {
			t.Errorf("%v is told as %q, want %q", tt.at, got, tt.told)
		}
	}
}

// The file is bounded, whatever the policy.
func TestManyRules(t *testing.T) {
	many := func(origin policy.Origin, n int) (p policy.Policy, standing []places.Rule) {
		for i := range n {
			p.Filesystem = append(p.Filesystem, policy.PathRule{
				ID: "r", Source: policy.Source{Origin: origin}, Access: policy.Read, Path: fmt.Sprintf("/srv/%d", i), Type: policy.Directory,
			})
			standing = append(standing, places.Rule{Is: places.Shown})
		}
		return p, standing
	}
	for _, tt := range []struct {
		origin policy.Origin
		n      int
		kept   int
		all    bool
	}{{policy.OriginDefault, 100, 100, true}, {policy.OriginDefault, 2000, 0, false}, {policy.OriginFlag, 2000, 0, false}} {
		p, standing := many(tt.origin, tt.n)
		text, err := self.Describe(&p, standing, ofAda)
		known, readErr := self.Read(text)
		if err != nil || readErr != nil || len(text) > 60<<10 || len(known.Rules) != tt.kept || known.Incomplete == tt.all {
			t.Errorf("%d of %s: %v, %v, %d bytes, %d rules, incomplete %v", tt.n, tt.origin, err, readErr, len(text), len(known.Rules), known.Incomplete)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, text := range []string{`{"version": 2}`, `{}`, `{`, ``} {
		if _, err := self.Read([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// What the kernel says is the answer, and the rules say why.
func TestAsk(t *testing.T) {
	known, _ := describe(t, tree(), rules...)
	var no error
	for _, tt := range []struct {
		op   why.Op
		name string
		err  error
		want string
	}{
		{why.Read, "/home/ada/proj/x", no, "yes: granted [known.0]"},
		{why.Read, "/home/ada/proj/x", unix.EACCES, "no: not possible [known.0]; the rule grants it; what is there says: permission denied"},
		{why.Read, "/home/ada/proj/.env", unix.EACCES, "no: denied [known.2]; permission denied => remove"},
		{why.Write, "/home/ada/proj/.git", unix.EROFS, "no: protected: may be read, not written [known.4]; read-only file system => remove"},
		{why.Read, "/home/ada/.ssh/id", unix.EACCES, "no: denied by default [known.3]; permission denied => add lift => add read"},
		{why.Create, "/home/ada/new", no, "yes: no rule grants it, and the session has something of its own there; it is none of your files, and but for a build cache gone when the session ends"},
		{why.Read, "/home/ada/diary", unix.ENOENT, "no: nothing that this session has: no such file or directory; what is denied without being seen is not told here; the same question outside says all => add read"},
		{why.Read, "/home/ada/nothing", unix.ENOENT, "no: nothing that this session has: no such file or directory; what is denied without being seen is not told here; the same question outside says all => add read"},
	} {
		a := known.Ask(tt.name, tt.op, func(string, why.Op) error { return tt.err }, "/home/ada")
		got := map[bool]string{true: "yes", false: "no"}[a.Allowed] + ": " + a.Why
		if a.Rule != nil {
			got += " [" + string(a.Rule.ID) + "]"
		}
		if a.Note != "" {
			got += "; " + a.Note
		}
		for _, c := range a.Changes {
			got += strings.TrimRight(" => "+string(c.Do)+" "+c.Attribute, " ")
		}
		if got != tt.want || a.By != why.ByKernel {
			t.Errorf("%s %s, %v (%s)\ngot  %s\nwant %s", tt.op, tt.name, tt.err, a.By, got, tt.want)
		}
	}
}

// Where no path is restricted, what is written is the host's: nobody is told that it is gone at the
// end.
func TestNothingRestricted(t *testing.T) {
	off := policy.Source{Origin: policy.OriginFlag, Flag: "--disable filesystem"}
	p := policy.Policy{Disabled: []policy.Disabled{{Kind: policy.KindNetwork}, {Kind: policy.KindFilesystem, Source: off}}}
	text, err := self.Describe(&p, nil, ofAda)
	known, readErr := self.Read(text)
	if err != nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	a := known.Ask("/home/ada/x", why.Create, func(string, why.Op) error { return nil }, "/home/ada")
	if !a.Allowed || a.Why != "no path is restricted: --disable filesystem" || a.Note != "" {
		t.Errorf("%+v", a)
	}
}
