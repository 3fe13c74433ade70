//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verified is what `nono plugin verify --json` prints.
type verified struct {
	Layer struct {
		Name, Kind, Lifetime string
	}
	Checks []checked
}

type checked struct{ Says, Outcome, Why, Contract string }

// verify runs nono plugin verify, and fails the test where it could not be tried.
func (u *user) verify(program string, flags ...string) (result, verified) {
	u.t.Helper()
	g := u.guard(append(append([]string{"plugin", "verify", "--json"}, flags...), program)...)
	r := g.end()
	var v verified
	if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil {
		u.t.Fatalf("%v\n%s", err, r)
	}
	if left, _ := filepath.Glob(filepath.Join(u.tmp(), "nono-*")); len(left) > 0 {
		u.t.Errorf("it left %v", left)
	}
	return r, v
}

// tmp is a directory for temporary files of the user's own, with a short name.
func (u *user) tmp() string {
	u.t.Helper()
	dir := filepath.Join(u.runtime, "t")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		u.t.Fatal(err)
	}
	if variable := "TMPDIR=" + dir; !slices.Contains(u.Env, variable) {
		u.Env = append(u.Env, variable)
	}
	return dir
}

// ended are the checks that ended so.
func (v verified) ended(outcome string) []string {
	var says []string
	for _, c := range v.Checks {
		if c.Outcome == outcome {
			says = append(says, c.Says)
		}
	}
	return says
}

// TestVerifyHonestLayers: layers that keep the contract pass, each kind and lifetime, and one that
// prints where it should not, which does no harm.
func TestVerifyHonestLayers(t *testing.T) {
	for name, layer := range map[string]struct {
		program func(*user) string
		is      []string // name, kind, lifetime
		skipped []string // by beginning
	}{
		"landlock": {
			func(*user) string { return "landlock" },
			[]string{"landlock", "filesystem", "ephemeral"},
			[]string{"beats", "each listener", "Finish works in", "Finish works after", "Finish works for", "Forget drops"},
		},
		"landlock, by its path": {
			func(*user) string { return programs + "/nono-layer-landlock" },
			[]string{"landlock", "filesystem", "ephemeral"},
			[]string{"beats", "each listener", "Finish works in", "Finish works after", "Finish works for", "Forget drops"},
		},
		"binds": {
			func(*user) string { return layers + "/nono-layer-binds" },
			[]string{"test/binds", "filesystem", "ephemeral"},
			[]string{"a filesystem layer answers", "beats", "each listener", "Finish works in", "Finish works after", "Finish works for", "Forget drops"},
		},
		"echo": {
			func(*user) string { return layers + "/nono-layer-echo" },
			[]string{"test/echo", "custom", "resident"},
			[]string{"a filesystem layer answers", "a layer that says it is pure", "an ephemeral layer", "Forget drops"},
		},
		"keeper": {
			func(*user) string { return layers + "/nono-layer-keeper" },
			[]string{"test/keeper", "custom", "bracket"},
			[]string{"a filesystem layer answers", "a layer that says it is pure", "an ephemeral layer", "each listener", "Forget drops"},
		},
		"installed": {
			func(u *user) string {
				at := "~/.local/share/nono/plugins/test/keeper/nono-layer-keeper"
				u.write(at, readAll(t, layers+"/nono-layer-keeper"))
				if err := os.Chmod(u.path(at), 0o755); err != nil {
					t.Fatal(err)
				}
				return "test/keeper"
			},
			[]string{"test/keeper", "custom", "bracket"},
			[]string{"a filesystem layer answers", "a layer that says it is pure", "an ephemeral layer", "each listener", "Forget drops"},
		},
		"a script, in the current directory, that prints": {
			func(u *user) string {
				u.write("layer", readAll(t, u.early("binds", "print-begin")))
				u.write("layer", strings.Replace(u.read("layer"), "exec", "echo 'up and running'; exec", 1))
				if err := os.Chmod(u.path("layer"), 0o755); err != nil {
					t.Fatal(err)
				}
				return "./layer"
			},
			[]string{"test/binds", "filesystem", "ephemeral"},
			[]string{"a filesystem layer answers", "beats", "each listener", "Finish works in", "Finish works after", "Finish works for", "Forget drops"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.tmp()
			program := layer.program(u)
			inHome := func() []string {
				return slices.DeleteFunc(u.snapshot(), func(s string) bool { return !strings.HasPrefix(s, u.Home) })
			}
			before := inHome()
			r, v := u.verify(program)
			if r.Code != 0 {
				t.Errorf("it does not pass\n%s", r)
			}
			if got := []string{v.Layer.Name, v.Layer.Kind, v.Layer.Lifetime}; !slices.Equal(got, layer.is) {
				t.Errorf("it is %q", got)
			}
			skipped := v.ended("does not apply")
			for i, says := range skipped {
				if len(skipped) != len(layer.skipped) || !strings.HasPrefix(says, layer.skipped[i]) {
					t.Errorf("what does not apply is %q, and should be %q", skipped, layer.skipped)
					break
				}
			}
			if ok := v.ended("ok"); len(ok)+len(skipped) != len(v.Checks) || len(ok) < 20 {
				t.Errorf("%d checks passed of %d\n%s", len(ok), len(v.Checks), r)
			}
			if after := inHome(); !slices.Equal(before, after) {
				t.Errorf("it left something in the user's own home: before\n%q\nafter\n%q", before, after)
			}
		})
	}
}

// TestVerifyTierB: where nothing can be mounted the runs are with policies that can be held there,
// and a layer that asks for mounts is found.
func TestVerifyTierB(t *testing.T) {
	u := newUser(t)
	u.tmp()
	r := u.succeeds(u.nonoB("plugin", "verify", "landlock"))
	for _, says := range []string{"a run with a protection", "a run with the home directory"} {
		if !strings.Contains(r.Stdout, "ok         "+says) {
			t.Errorf("it does not say that %q is ok\n%s", says, r)
		}
	}
	r = u.nonoB("plugin", "verify", layers+"/nono-layer-binds")
	if r.Code != 1 || !strings.Contains(r.Stdout, "without them nothing can be mounted") {
		t.Errorf("a layer that mounts\n%s", r)
	}
}

// broken is a layer that breaks a promise, and the check that finds it.
type broken struct {
	layer string // nono-layer-NAME
	early string // told before it has settings
	wish  string // told by a setting
	// fails are the checks that fail, by their beginnings, each with part of the reason.
	fails map[string]string
}

// TestVerifyFindsBrokenPromises: each check fails for a layer that breaks what it is about.
func TestVerifyFindsBrokenPromises(t *testing.T) {
	for _, b := range []broken{
		{"rogue", "die-begin", "", map[string]string{"it starts": "it was killed by signal 9"}},
		{"rogue", "waver", "", map[string]string{"Describe gives the same": "first it says"}},
		{"rogue", "", "die-plan", map[string]string{"an empty policy can be planned": "it was killed by signal 9"}},
		{"echo", "", "stop-plan", map[string]string{"an empty policy can be planned": "in Plan it stopped the run: the echo layer was told to stop"}},
		{"rogue", "", "waver", map[string]string{"one request has one answer": "WAVER"}},
		{"greedy", "", "claims", map[string]string{"coverage answers": "a custom layer answers for filesystem."}},
		{"rogue", "", "forget", map[string]string{
			"coverage answers":     "nothing is said of filesystem.",
			"a run with a project": `says nothing about it`,
		}},
		{"rogue", "", "misname", map[string]string{"diagnostics name": `the setting "misbehaviour", which it does not declare`}},
		{"rogue", "", "tell", map[string]string{"no secret stands in clear": `a step holds the secret "token" in clear`}},
		{"rogue", "", "write", map[string]string{"Plan only reads": "it was changed in Plan: home/notes"}},
		{"rogue", "", "look", map[string]string{"a layer that says it is pure": "when the files that it is about are gone"}},
		{"keeper", "ephemeral", "", map[string]string{"it starts": `of the lifetime "ephemeral": has Start and Finish`}},
		{"echo", "", "unserved", map[string]string{"each listener is served": `the listener "echo": nobody takes what comes in`}},
		{"keeper", "", "once", map[string]string{"Finish works in a fresh process": "told to finish once only"}},
		{"keeper", "", "needs-state", map[string]string{
			"Finish works after a Start that was cut off": "told to need its state",
			"Finish works for a session whose core died":  "told to need its state",
		}},
		{"rogue", "linger", "", map[string]string{"its process ends": "it went on, and had to be killed"}},
		{"rogue", "", "show", map[string]string{"a run with nothing granted": "no rule grants it"}},
		{"rogue", "", "unhide", map[string]string{"a run with denials": "is enforced, and it is not"}},
		{"rogue", "", "child-plan", map[string]string{"it leaves no process behind": "there still ran sleep"}},
	} {
		t.Run(b.layer+" "+b.early+b.wish, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.tmp()
			program, flags := layers+"/nono-layer-"+b.layer, []string(nil)
			if b.early != "" {
				program = u.early(b.layer, b.early)
			}
			if b.wish != "" {
				block, setting := b.layer, "misbehave"
				if b.layer == "rogue" {
					block = "filesystem"
				}
				if b.layer == "greedy" {
					setting = "wants"
				}
				u.write("agent.hcl", layerConfig(block, "test/"+b.layer, program, fmt.Sprintf("%s = %q", setting, b.wish)))
				flags = []string{"-c", "agent.hcl"}
			}
			r, v := u.verify(program, flags...)
			if r.Code != 1 {
				t.Errorf("it should have been found\n%s", r)
			}
			for check, why := range b.fails {
				i := slices.IndexFunc(v.Checks, func(c checked) bool { return strings.HasPrefix(c.Says, check) })
				if i < 0 {
					t.Fatalf("there is no check %q\n%s", check, r)
				}
				if c := v.Checks[i]; c.Outcome != "failed" || !strings.Contains(c.Why, why) || c.Contract == "" {
					t.Errorf("the check %q ended with %q, want %q: %+v", check, c.Outcome, why, c)
				}
			}
		})
	}
}

// TestVerifyCannotTry: what is wrong with the question is no flaw of the layer.
func TestVerifyCannotTry(t *testing.T) {
	u := newUser(t)
	u.tmp()
	u.write("nono-layer-x", "#!/bin/sh\n")
	u.write("other.hcl", `layer "other" { plugin = "test/other" }`)
	u.write("wrong.hcl", "layer \"echo\" {\n  plugin    = \"test/echo\"\n  dial_port = \"high\"\n}\n")
	u.write("elsewhere.hcl", layerConfig("echo", "test/echo", layers+"/nono-layer-keeper", ""))
	echo := layers + "/nono-layer-echo"
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"./a", "./b"}, []string{"takes one program, and was given 2"}},
		{[]string{"-c", "other.hcl"}, []string{"takes one program, and was given 0"}},
		{[]string{"./nowhere"}, []string{"nowhere does not exist"}},
		{[]string{"nono-layer-x"}, []string{"there is no layer nono-layer-x", "write ./nono-layer-x"}},
		{[]string{"./nono-layer-x"}, []string{"it is not a program"}},
		{[]string{"acme/nothing"}, []string{"there is no layer acme/nothing"}},
		{[]string{"-c", "nowhere.hcl", echo}, []string{"cannot read", "nowhere.hcl: no such file"}},
		{[]string{"-c", "other.hcl", echo}, []string{"other.hcl has no layer block for test/echo"}},
		{[]string{"-c", "wrong.hcl", echo}, []string{"wrong.hcl:3:15", `dial_port = "high"`}},
		{[]string{"-c", "elsewhere.hcl", echo}, []string{"elsewhere.hcl says that test/echo is"}},
	} {
		r := u.nono(append([]string{"plugin", "verify"}, c.args...)...)
		u.refused(r, c.says...)
		if r.Stdout != "" {
			t.Errorf("%v: it reports all the same\n%s", c.args, r)
		}
	}
}

// TestVerifyReports: a person reads what is kept, what is not, why, and what the contract says.
func TestVerifyReports(t *testing.T) {
	u := newUser(t)
	u.tmp()
	u.write("agent.hcl", layerConfig("keeper", "test/keeper", layers+"/nono-layer-keeper", `misbehave = "once"`))
	r := u.nono("plugin", "verify", "-c", "agent.hcl", layers+"/nono-layer-keeper")
	for _, want := range []string{
		"test/keeper 1.0.0, custom, bracket: ",
		"\nok         Describe gives the same answer",
		"\nFAILED     Finish works in a fresh process, twice",
		"\n           calling Finish, time 2 in this process: layer test/keeper, Finish: the keeper was told to finish once only\n",
		"\n           the contract: what Finish needs, Start returned as state",
		"\n-          each listener is served once Start has returned\n           it has no listener\n",
		" kept, 3 not kept, 0 not tried\n",
	} {
		if !strings.Contains("\n"+r.Stdout, want) {
			t.Errorf("%q is missing\n%s", want, r)
		}
	}
	if r.Code != 1 || r.Stderr != "" {
		t.Errorf("it should end with 1, and say nothing else\n%s", r)
	}
}

// TestVerifyRunsNoOtherProgram: the policy that brings the layer's settings may be a stranger's, and
// nobody approves of what else it has.
func TestVerifyRunsNoOtherProgram(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.tmp()
	u.write("payload", "#!/bin/sh\necho >> "+u.path("~/payload-ran")+"\n")
	if err := os.Chmod(u.path("payload"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		"layer \"filesystem\" { plugin = \"landlock\" }\nlayer \"x\" { plugin = \"evil/x\" }\nplugin \"evil/x\" { path = \"payload\" }\n",
		"layer \"filesystem\" { plugin = \"evil/x\" }\nplugin \"evil/x\" { path = \"payload\" }\n",
	} {
		u.write("agent.hcl", file)
		u.refused(u.nono("plugin", "verify", "landlock", "-c", "agent.hcl"), "agent.hcl")
		if u.exists("~/payload-ran") {
			t.Errorf("a program was run that nobody named\n%s", file)
		}
	}
}
