//go:build linux

package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secrets gives the user three real keys to be in the agent's environment, each from another kind of
// place, in a policy. The places are outside of his home, so that what is found there was left. asked
// is a file that the command makes which prints the third.
func (u *user) secrets() (keys []string, asked string) {
	u.t.Helper()
	dir := u.t.TempDir()
	for range 3 {
		keys = append(keys, "sk-"+rand.Text())
	}
	file, command := filepath.Join(dir, "key"), filepath.Join(dir, "print")
	asked = filepath.Join(dir, "asked")
	for name, content := range map[string]string{
		file: keys[0] + "\n", filepath.Join(dir, "other"): keys[2],
		command: fmt.Sprintf("#!/bin/sh\n: > %s\ncat %s\n", asked, filepath.Join(dir, "other")),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			u.t.Fatal(err)
		}
	}
	if err := os.Chmod(command, 0o700); err != nil {
		u.t.Fatal(err)
	}
	u.write("~/.config/nono/config.hcl", fmt.Sprintf(`environment {
  secret = { FILED = "file://%s", OPENAI_API_KEY = "env://MY_KEY" }
}
`, file))
	u.write("older.json", fmt.Sprintf(`{"env_credentials": {"cmd://[\"%s\"]": "PRINTED"}}`, command))
	u.Env = append(u.Env, "MY_KEY="+keys[1])
	return keys, asked
}

// TestEnvCredential runs an agent with real keys in its variables: they are inside, which is what was
// asked for, and nowhere else; and each run says so.
func TestEnvCredential(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	keys, asked := u.secrets()
	flags := []string{"-v", "--profile", "older.json", "--approve"}

	plan := u.succeeds(u.nono(append([]string{"plan"}, append(slices.Clone(flags), "--", "true")...)...))
	if mentions(plan.Stdout+plan.Stderr, keys) {
		t.Errorf("the plan has a key: %s", plan)
	}
	if _, err := os.Stat(asked); err == nil {
		t.Error("for a plan, the command that prints a key was run")
	}
	for _, want := range []string{"FILED", "<secret>, the real key, from file://", "the real key, from env://MY_KEY", "PRINTED"} {
		if !strings.Contains(plan.Stdout, want) {
			t.Errorf("%q is not in the plan:\n%s", want, plan.Stdout)
		}
	}

	run := append(append([]string{"run"}, flags...), "--", "sh", "-c", "echo $FILED $OPENAI_API_KEY $PRINTED; read line")
	g := u.guarded(run...)
	in := g.openInput()
	g.start()
	g.wait(&g.out, keys[2])
	if got := strings.TrimSpace(g.out.String()); got != strings.Join(keys, " ") { // the control
		t.Errorf("the agent has %q", got)
	}
	if _, err := os.Stat(asked); err != nil {
		t.Errorf("for a run, the command was not run: %v", err)
	}
	ps := descendants(g.Process.Pid)
	layer := false
	for _, p := range ps {
		layer = layer || p.name() == "nono-layer-credproxy"
		if mentions(strings.Join(p.Args, " "), keys) {
			t.Errorf("it is in the arguments of %s", p)
		}
		if p.name() == "sh" || p.PID == g.pid { // the agent, and nono, whose environment is the user's
			continue
		}
		if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID)); err == nil && mentions(string(env), keys) {
			t.Errorf("it is in the environment of %s", p)
		}
		for _, f := range openFiles(p.PID) {
			if content, err := os.ReadFile(f); err == nil && mentions(string(content), keys) {
				t.Errorf("%s of %s holds it", f, p)
			}
		}
	}
	if !layer {
		t.Errorf("without the layer that reads keys: %q", describeAll(ps))
	}
	u.nowhere(keys)
	in.Close()
	r, _ := g.over()
	if r.Code != 1 || mentions(r.Stderr, keys) { // read met the end of its input
		t.Errorf("it says %s", r)
	}
	u.says(r, "nono: warning: OPENAI_API_KEY is a real key inside, which the agent can read and send away; "+
		"--credential openai would keep it outside and give a token")
	u.says(r, "nono: warning: PRINTED is a real key inside, which the agent can read and send away; "+
		"a credential block would keep it outside and give a token")
	u.nowhere(keys)
	shown := u.succeeds(u.nono("session", "show"))
	for _, want := range []string{"inside, in the variable FILED from file://", "inside, in the variable PRINTED from cmd://"} {
		if !strings.Contains(shown.Stdout, want) || strings.Contains(shown.Stdout, "requests") {
			t.Errorf("%q is not in what is shown:\n%s", want, shown)
		}
	}
	t.Run("and a leak is found", func(t *testing.T) { // the control
		u := u.in(t)
		u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "echo $FILED > leak"))
		if found := u.mentioning(keys); !slices.Equal(found, []string{u.path("leak")}) {
			t.Errorf("the file that the agent wrote it to is not found: %q", found)
		}
	})
}

// A secret that is nowhere stops the start with where it was looked for, and no plan.
func TestEnvCredentialMissing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.refused(u.shell("true", "--env-credential", "deploy_token", "--env-credential-map", "env://NONE", "TOKEN"),
		"no source has the secret DEPLOY_TOKEN", "looked in keyring://deploy_token: there is no session bus",
		"nono credential set deploy_token", "no source has the secret TOKEN", "looked in env://NONE: it is not set")
	r := u.succeeds(u.nono("plan", "--env-credential", "deploy_token", "--", "true"))
	if !strings.Contains(r.Stdout, "no source has the secret DEPLOY_TOKEN: a run would be refused") {
		t.Errorf("the plan does not say so: %s", r)
	}
	u.Env = append(u.Env, "NONE=there") // the control
	if r := u.succeeds(u.shell("echo $TOKEN", "--env-credential-map", "env://NONE", "TOKEN")); r.Stdout != "there\n" {
		t.Errorf("with it: %s", r)
	}
	u.Env = append(u.Env, "LINES=a\nb")
	u.refused(u.shell("true", "--env-credential", "env://LINES"), "the secret LINES cannot be read",
		"more than one line")
}
