package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/sdk/policy"
)

// listed and shown are what plugin list and version are told: whether as JSON.
type (
	listed bool
	shown  bool
)

// understood is what a command line was taken to mean: the options of one action. Nothing is run.
func understood(args ...string) (any, *App, error) {
	var got any
	a := &App{Lookup: func(string) (string, bool) { return "", false }}
	take := func(options any) error {
		got = options
		return nil
	}
	root := a.newRoot(actions{
		run:         func(_ context.Context, o runOptions) error { return take(o) },
		plan:        func(_ context.Context, o planOptions) error { return take(o) },
		listPlugins: func(_ context.Context, asJSON bool) error { return take(listed(asJSON)) },
		version:     func(asJSON bool) error { return take(shown(asJSON)) },

		verifyPlugin: func(_ context.Context, o verifyOptions) error { return take(o) },
	})
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	err := root.Execute()
	if err != nil {
		err = usageError(root, args, err)
	}
	return got, a, err
}

func TestUnderstood(t *testing.T) {
	rules := func(pairs ...string) (flags []config.Flag) {
		for _, p := range pairs {
			name, value, _ := strings.Cut(p, " ")
			flags = append(flags, config.Flag{Name: name, Value: value})
		}
		return flags
	}
	run := func(o policyOptions) runOptions { return runOptions{policyOptions: o} }
	for _, tt := range []struct {
		args string
		want any
	}{
		{"run -- true", run(policyOptions{Command: []string{"true"}})},
		{"run -c agent.hcl", run(policyOptions{File: "agent.hcl", Command: []string{}})},
		{
			// In the order in which they were typed, under the names that config knows.
			"run -r a --write b --read-file c --allow-cwd --env A=b --disable network -a d prog",
			run(policyOptions{
				Rules: rules("read a", "write b", "read c", "allow-cwd", "env A=b", "disable network",
					"allow d"),
				Command: []string{"prog"},
			}),
		},
		{
			// What follows the command's name is the command's own.
			"run --allow-cwd python -c x --read / -- y",
			run(policyOptions{
				Rules:   rules("allow-cwd"),
				Command: []string{"python", "-c", "x", "--read", "/", "--", "y"},
			}),
		},
		{
			"run --approve --dry-run -c f",
			runOptions{policyOptions{File: "f", Approve: true, Command: []string{}}, true},
		},
		{
			"plan --json --read x -- a",
			planOptions{policyOptions{Rules: rules("read x"), Command: []string{"a"}}, true},
		},
		{"plugin list --json", listed(true)},
		{"plugin verify ./x", verifyOptions{Program: "./x"}},
		{"plugin verify acme/x -c x.hcl --json", verifyOptions{"acme/x", "x.hcl", true}},
		{"version", shown(false)},
	} {
		got, _, err := understood(strings.Fields(tt.args)...)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		unexported := cmp.AllowUnexported(runOptions{}, planOptions{})
		if diff := cmp.Diff(tt.want, got, unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, diff)
		}
	}
}

func TestNotUnderstood(t *testing.T) {
	for args, want := range map[string]string{
		"run --allow-cwd=false -- true": "--allow-cwd takes no value",
		"run --read":                    "--read needs a value",
		"run --raed x -- true":          "there is no flag --raed",
		"rnu":                           "there is no command `nono rnu`",
		"plugin verify":                 "takes one program, and was given 0",
		"plugin verify a b":             "takes one program, and was given 2",
		"plugin lsit":                   "there is no command `nono plugin lsit`",
		"version now":                   "takes no arguments",
		"shell":                         "`nono shell` is not built yet",
		"run --profile x -- true":       "--profile is not built yet",
		"completion tcsh":               "there are completions for one shell each",
	} {
		got, _, err := understood(strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%s: %v, %v; want %q", args, got, err, want)
		}
	}
}

func TestGlobalFlags(t *testing.T) {
	for args, want := range map[string][2]bool{
		"version": {}, "-s version": {true, false}, "version --verbose": {false, true},
	} {
		_, a, err := understood(strings.Fields(args)...)
		if err != nil || [2]bool{a.silent, a.verbose} != want {
			t.Errorf("%s: silent %v, verbose %v, %v", args, a.silent, a.verbose, err)
		}
	}
}

// ada is an App in a project of a user with nothing else.
func ada(t *testing.T, files map[string]string) *App {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"HOME": home, "TMPDIR": "/tmp", "XDG_RUNTIME_DIR": home + "/run"}
	if err := os.MkdirAll(home+"/proj", 0o755); err != nil {
		t.Fatal(err)
	}
	return &App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, UID: os.Getuid(), GID: os.Getgid(),
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Getwd:  func() (string, error) { return home + "/proj", nil },
	}
}

// What was understood becomes what a session runs, with the file's own command where none was
// typed.
func TestRequest(t *testing.T) {
	files := map[string]string{"proj/agent.hcl": "command = [\"python\", \"a.py\"]\narguments = [\"-v\"]\n"}
	for _, tt := range []struct {
		name    string
		options policyOptions
		args    string
		source  string
		namedBy string
	}{
		{"typed", policyOptions{Command: []string{"sh", "-c", "x"}}, "sh -c x", "", ""},
		{
			"the file's own",
			policyOptions{File: "agent.hcl"},
			"python a.py -v", "agent.hcl:1:1", "agent.hcl",
		},
		{
			"the file's own, approved",
			policyOptions{File: "agent.hcl", Approve: true},
			"python a.py -v", "agent.hcl:1:1", "",
		},
		{
			"typed, with the file's arguments",
			policyOptions{File: "agent.hcl", Command: []string{"sh"}},
			"sh -v", "", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := ada(t, files).request(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			source := ""
			if req.ArgsSource != (policy.Source{}) {
				source = req.ArgsSource.String()
			}
			args := strings.Join(req.Args, " ")
			if args != tt.args || source != tt.source || req.NamedBy != tt.namedBy {
				t.Errorf("got %q from %q, named by %q", args, source, req.NamedBy)
			}
		})
	}
}

func TestRequestIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		file    string
		options policyOptions
		want    string
	}{
		{"nothing to run", "", policyOptions{}, "no command was given"},
		{"a file without a command", "", policyOptions{File: "a.hcl"}, "a.hcl has no `command`"},
		{
			"a file in a command's place", "",
			policyOptions{Command: []string{"a.hcl"}},
			"is a file of policy and no command",
		},
		{
			"a policy that is refused", "best_effort = true",
			policyOptions{File: "a.hcl"},
			"a.hcl:1:1: a.hcl asks",
		},
		{
			"a flag that is refused", "",
			policyOptions{Rules: []config.Flag{{Name: "env", Value: "1"}}, Command: []string{"true"}},
			"--env 1: ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ada(t, map[string]string{"proj/a.hcl": tt.file}).request(tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
