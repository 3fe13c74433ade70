package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/why"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// What commands are told that are told nothing but whether as JSON.
type (
	listed         bool // plugin list
	compared       bool // plugin verify
	shown          bool // version
	profilesListed bool
)

// understood is what a command line was taken to mean: the options of one action. Nothing is run.
func understood(args ...string) (any, *App, error) { return understoodWith(nil, args...) }

// understoodWith is understood where a layer has commands.
func understoodWith(commands []sdk.Subcommand, args ...string) (any, *App, error) {
	var got any
	a := &App{Lookup: func(string) (string, bool) { return "", false }}
	take := func(options any) error {
		got = options
		return nil
	}
	root := a.newRoot(actions{
		run:         func(_ context.Context, o runOptions) error { return take(o) },
		shell:       func(_ context.Context, o shellOptions) error { return take(o) },
		plan:        func(_ context.Context, o planOptions) error { return take(o) },
		init:        func(_ context.Context, o starterOptions) error { return take(o) },
		why:         func(_ context.Context, o whyOptions) error { return take(o) },
		approve:     func(o approveOptions) error { return take(o) },
		doctor:      func(_ context.Context, o doctorOptions) error { return take(o) },
		listPlugins: func(_ context.Context, asJSON bool) error { return take(listed(asJSON)) },
		version:     func(asJSON bool) error { return take(shown(asJSON)) },

		lockPlugin:     func(o lockOptions) error { return take(o) },
		newPlugin:      func(o newPluginOptions) error { return take(o) },
		removePlugin:   func(name string) error { return take(name) },
		showPlugin:     func(_ context.Context, o showOptions) error { return take(o) },
		verifyPlugin:   func(_ context.Context, o verifyOptions) error { return take(o) },
		comparePlugins: func(asJSON bool) error { return take(compared(asJSON)) },
		checkGit:       func(o gitOptions) error { return take(o) },

		listSessions:   func(asJSON bool) error { return take(listed(asJSON)) },
		showSession:    func(_ context.Context, o sessionOptions) error { return take(o) },
		removeSessions: func(_ context.Context, o removeOptions) error { return take(o) },
		pruneSessions:  func(_ context.Context, o pruneOptions) error { return take(o) },
		restoreSession: func(_ context.Context, o restoreOptions) error { return take(o) },
		listRunning:    func(asJSON bool) error { return take(listed(asJSON)) },
		inspect:        func(_ context.Context, o sessionOptions) error { return take(o) },
		logs:           func(_ context.Context, o logOptions) error { return take(o) },
		stop:           func(_ context.Context, o stopOptions) error { return take(o) },
		listAudits:     func(asJSON bool) error { return take(listed(asJSON)) },
		showAudit:      func(_ context.Context, o sessionOptions) error { return take(o) },
		verifyAudits:   func(_ context.Context, o auditOptions) error { return take(o) },

		listProfiles:   func(asJSON bool) error { return take(profilesListed(asJSON)) },
		showProfile:    func(o profileOptions) error { return take(o) },
		initProfile:    func(o initOptions) error { return take(o) },
		convertProfile: func(o profileOptions) error { return take(o) },

		validateProfile: func(o profileOptions) error { return take(o) },
		diffProfiles:    func(o diffOptions) error { return take(o) },
	})
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	attach(root, session.OfLayer{Layer: "snapshot", Commands: commands}, func(
		_ context.Context, c sdk.Subcommand, _ map[string][]string, args []string,
	) error {
		return take(append([]string{c.Path}, args...))
	}, offers{})
	args = paired(root, respelled(args))
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
		{
			"shell -c x.hcl --allow-cwd",
			shellOptions{policyOptions: policyOptions{File: "x.hcl", Rules: rules("allow-cwd")}},
		},
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
			"run -p a --profile ./b.json --extends c -c d",
			run(policyOptions{
				Profiles: []string{"a", "./b.json", "c"}, File: "d", Command: []string{},
			}),
		},
		{
			"run --env-credential a,b --env-credential-map k V -c f --env-credential-map env://X Y agent --env-credential-map z Z",
			run(policyOptions{
				File:    "f",
				Rules:   rules("env-credential a,b", "env-credential V=keyring://k", "env-credential Y=env://X"),
				Command: []string{"agent", "--env-credential-map", "z", "Z"},
				Own:     []string{"--env-credential-map"},
			}),
		},
		{
			"run -v --read --env-credential-map a b", // a path, however it is called
			run(policyOptions{Rules: rules("read --env-credential-map"), Command: []string{"a", "b"}}),
		},
		{"run -- --env-credential-map a b", run(policyOptions{Command: []string{"--env-credential-map", "a", "b"}})},
		{"run --workdir ../x true", run(policyOptions{Workdir: "../x", Command: []string{"true"}})},
		{
			// What follows the command's name is the command's own.
			"run --allow-cwd python -c x --read / -- y",
			run(policyOptions{
				Rules:   rules("allow-cwd"),
				Command: []string{"python", "-c", "x", "--read", "/", "--", "y"},
				Own:     []string{"--read"},
			}),
		},
		{
			"run --approve --dry-run -c f",
			runOptions{policyOptions: policyOptions{File: "f", Approve: true, Command: []string{}}, DryRun: true},
		},
		{"approve agent.hcl", approveOptions{File: "agent.hcl"}},
		{"approve --forget agent.hcl", approveOptions{File: "agent.hcl", Forget: true}},
		{"approve --list --json", approveOptions{List: true, JSON: true}},
		{
			"plan --json --read x -- a",
			planOptions{policyOptions{Rules: rules("read x"), Command: []string{"a"}}, true},
		},
		{
			// The spellings of another tool: closed is the default.
			"run --block-net --net-block --no-network --allow-net --deny x a",
			run(policyOptions{
				Rules:   rules("block-net", "block-net", "block-net", "disable network", "deny x"),
				Command: []string{"a"},
			}),
		},
		{"run claude --allow-cwd", run(policyOptions{
			Command: []string{"claude", "--allow-cwd"}, Own: []string{"--allow-cwd"},
		})},
		{"run -- claude --allow-cwd", run(policyOptions{Command: []string{"claude", "--allow-cwd"}})},
		{"why --allow-cwd --path a --path ../b --op read --op delete --json -- c --path d", whyOptions{
			policyOptions: policyOptions{Rules: rules("allow-cwd"), Command: strings.Fields("c --path d")},
			Paths:         []string{"a", "../b"}, Ops: []why.Op{why.Read, why.Delete}, JSON: true,
		}},
		{"why --network-profile minimal --host A.example --host ::1 --port 80 --port 443", whyOptions{
			policyOptions: policyOptions{Rules: rules("network-profile minimal"), Command: []string{}},
			Hosts:         []string{"A.example", "::1"}, Ports: []uint16{80, 443},
		}},
		{
			"run --network-profile a --allow-domain b --allow-proxy c --proxy-allow d --deny-host e --opaque-host f " +
				"--allow-port 1 --open-port 2 --allow-bind 3 --listen-port 4 --external-proxy u --upstream-proxy v " +
				"--external-proxy-bypass w --upstream-bypass x p",
			run(policyOptions{
				Rules: rules("network-profile a", "allow-host b", "allow-host c", "allow-host d", "deny-host e",
					"opaque-host f", "open-port 1", "open-port 2", "listen-port 3", "listen-port 4", "upstream-proxy u",
					"upstream-proxy v", "upstream-bypass w", "upstream-bypass x"),
				Command: []string{"p"},
			}),
		},
		{"plugin list --json", listed(true)},
		{"init", starterOptions{Command: []string{}}},
		{"init --read-only --network open --defaults -- claude --network closed", starterOptions{
			Command: strings.Fields("claude --network closed"), ReadOnly: true, Network: "open", Defaults: true,
		}},
		{"git check", gitOptions{Dir: "."}},
		{"git check --json ../x", gitOptions{"../x", true}},
		{"plugin lock acme/x", lockOptions{Name: "acme/x"}},
		{"plugin new acme/x", newPluginOptions{Name: "acme/x"}},
		{"plugin new acme/x ./y", newPluginOptions{"acme/x", "./y"}},
		{"plugin lock --json acme/x ./y", lockOptions{"acme/x", "./y", true}},
		{"plugin remove acme/x", "acme/x"},
		{"plugin show landlock --json", showOptions{"landlock", true}},
		{"plugin verify", compared(false)},
		{"plugin verify --json", compared(true)},
		{"plugin verify ./x", verifyOptions{Program: "./x"}},
		{"plugin verify acme/x -c x.hcl --json", verifyOptions{"acme/x", "x.hcl", true}},
		{"doctor", doctorOptions{}},
		{"doctor --json", doctorOptions{JSON: true}},
		{"doctor --attack", doctorOptions{Attack: true}},
		{"doctor --attack --json", doctorOptions{Attack: true, JSON: true}},
		{"doctor --apparmor", doctorOptions{AppArmor: true}},
		{"setup --check-only", doctorOptions{}},
		{"version", shown(false)},
		{"run --name nightly --json-events x", runOptions{
			policyOptions: policyOptions{Command: []string{"x"}}, liveOptions: liveOptions{"nightly", 2},
		}},
		{"shell --json-events=3", shellOptions{liveOptions: liveOptions{Events: 3}}},
		{"session list --json", listed(true)},
		{"session show", sessionOptions{}},
		{"session show --json x", sessionOptions{"x", true}},
		{"session restore", restoreOptions{}},
		{"session restore --dry-run --json x", restoreOptions{"x", true, true}},
		{"session rm a b --force", removeOptions{[]string{"a", "b"}, true}},
		{"session prune --dry-run --json", pruneOptions{true, true}},
		{"prune", pruneOptions{}}, // the Rust tool's spelling
		{"ps", listed(false)},
		{"inspect x", sessionOptions{"x", false}},
		{"logs -f", logOptions{Follow: true}},
		{"logs --json x", logOptions{sessionOptions: sessionOptions{"x", true}}},
		{"stop x", stopOptions{Session: "x"}},
		{"stop --all", stopOptions{All: true}},
		{"audit list", listed(false)},
		{"audit show x --json", sessionOptions{"x", true}},
		{"audit verify", auditOptions{Sessions: []string{}}},
		{"audit verify a b", auditOptions{Sessions: []string{"a", "b"}}},
		{"audit verify --signed a", auditOptions{Sessions: []string{"a"}, Signed: true}},
		{"audit verify --all --json", auditOptions{Sessions: []string{}, All: true, JSON: true}},
		{"profiles list", profilesListed(false)},
		{"profile list --json", profilesListed(true)},
		{"profile show --json x", profileOptions{"x", true}},
		{"profiles init x --extends a --extends b", initOptions{"x", []string{"a", "b"}}},
		{"profiles convert x.json", profileOptions{Name: "x.json"}},
		{"profiles validate x --json", profileOptions{"x", true}},
		{"profiles diff x y", diffOptions{From: "x", To: "y"}},
	} {
		got, _, err := understood(strings.Fields(tt.args)...)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		unexported := cmp.AllowUnexported(runOptions{}, planOptions{}, whyOptions{}, logOptions{}, shellOptions{})
		if diff := cmp.Diff(tt.want, got, unexported); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, diff)
		}
	}
}

// The whole text of each mistake, as it is shown.
func TestNotUnderstood(t *testing.T) {
	const own = "nono's own are: approve, audit, completion, doctor, git, help, init, inspect, logs, plan, plugin, profiles, ps, run, session, shell, stop, version, why, x\n"
	for args, want := range map[string]string{
		"run --allow-cwd=false -- true": "--allow-cwd takes no value, and was given \"false\"\n  `nono help run` lists the flags\n",
		"run --read":                    "--read needs a value\n  `nono help run` shows which\n",
		"run --raed x -- true":          "there is no flag --raed\n  did you mean --read?\n",
		"run --frobnicate -- true":      "there is no flag --frobnicate\n  `nono help run` lists the flags\n",
		"rnu":                           "there is no command `nono rnu`\n  did you mean `nono run`?\n",
		"claude":                        "there is no command `nono claude`\n  did you mean `nono run -- claude`? " + own,
		"claude -p hello":               "there is no command `nono claude`\n  did you mean `nono run -- claude`? " + own,
		"agent.hcl":                     "there is no command `nono agent.hcl`\n  did you mean `nono run -c agent.hcl`?\n",
		"--allow-cwd -- true":           "--allow-cwd stands before any command of nono's\n  did you mean `nono run --allow-cwd ...`?\n",
		"-c agent.hcl":                  "-c stands before any command of nono's\n  did you mean `nono run -c ...`?\n",
		"--env=KEY=secret -- true":      "--env stands before any command of nono's\n  did you mean `nono run --env ...`?\n",
		"-a x true":                     "-a stands before any command of nono's\n  did you mean `nono run -a ...`?\n",
		"plugin verify -c x":            "`nono plugin verify` takes one program, and was given 0\n  usage: nono plugin verify [flags] [PROGRAM]\n",
		"plugin verify a b":             "`nono plugin verify` takes one program, and was given 2\n  usage: nono plugin verify [flags] [PROGRAM]\n",
		"plugin new":                    "`nono plugin new` takes the name of a layer and perhaps a directory, and was given 0 words\n  usage: nono plugin new VENDOR/NAME [DIRECTORY]\n",
		"plugin lock":                   "`nono plugin lock` takes the name of a layer and perhaps its program, and was given 0 words\n  usage: nono plugin lock [flags] VENDOR/NAME [PROGRAM]\n",
		"plugin remove a b":             "`nono plugin remove` takes the name of one layer, and was given 2 words\n  usage: nono plugin remove VENDOR/NAME\n",
		"plugin lsit":                   "there is no command `nono plugin lsit`\n  did you mean `nono plugin list`?\n",
		"plugin frobnicate":             "there is no command `nono plugin frobnicate`\n  there are: list, lock, new, remove, show, verify\n",
		"profiles diff x":               "`nono profiles diff` takes two profiles, and was given 1\n  usage: nono profiles diff [flags] PROFILE PROFILE\n",
		"profiles show":                 "`nono profiles show` takes one profile, and was given 0\n  usage: nono profiles show [flags] PROFILE\n",
		"shell bash":                    "`nono shell` takes no arguments, and was given \"bash\"\n  usage: nono shell [flags] [-c FILE]\n",
		"version now":                   "`nono version` takes no arguments, and was given \"now\"\n  usage: nono version [flags]\n",
		"why --path x --op raed":        "--op cannot be \"raed\": did you mean read?\n  `nono help why` lists the flags\n",
		"why --path x --op frobnicate":  "--op cannot be \"frobnicate\": it is one of read, write, execute, list, create, delete\n  `nono help why` lists the flags\n",
		"why --host a.example:443":      "--host cannot be \"a.example:443\": did you mean --host a.example --port 443?\n  `nono help why` lists the flags\n",
		"why --host https://a.example/": "--host cannot be \"https://a.example/\": it is a url: --host a.example\n  `nono help why` lists the flags\n",
		"why --port 0":                  "--port cannot be \"0\": \"0\" is not a port from 1 to 65535\n  `nono help why` lists the flags\n",
		"init --network half":           "--network cannot be \"half\": it is closed, minimal or open\n  `nono help init` lists the flags\n",
		"-p x -- true":                  "-p stands before any command of nono's\n  did you mean `nono run -p ...`?\n",
		"run --ro-bind / / true":        "there is no flag --ro-bind\n  here it is --read PATH\n",
		"run --whitelist=x":             "there is no flag --whitelist\n  here it is --allow PATH\n",
		"run --net=none":                "there is no flag --net\n  the network is closed without any flag\n",
		"run --rm -it":                  "there is no flag --rm\n  every run has it without any flag\n",
		"run -e A=1":                    "there is no flag -e\n  here it is --env NAME, or --env NAME=VALUE\n",
		"run --yolo claude":             "there is no flag --yolo\n  it is the agent's own, and stands after its name: nono run --allow-cwd -- AGENT --FLAG\n",
		"session show a b":              "`nono session show` takes one session, and was given 2\n  usage: nono session show [flags] [SESSION]\n",
		"session restore a b":           "`nono session restore` takes one session, and was given 2\n  usage: nono session restore [flags] [SESSION]\n",
		"session rm":                    "`nono session rm` takes the sessions to remove, and was given none\n  usage: nono session rm [flags] SESSION...\n",
		"session frobnicate":            "there is no command `nono session frobnicate`\n  there are: list, prune, restore, rm, show\n",
		"stop --all x":                  "--all and \"x\" are two answers to which session is meant\n  usage: nono stop [flags] [SESSION]\n",
		"audit verify --all x":          "--all and \"x\" are two answers to which session is meant\n  usage: nono audit verify [flags] [SESSION...]\n",
		"run --json-events=1 x":         "--json-events cannot be \"1\": it takes the number of a descriptor, 2 or more: --json-events=3 3>events.jsonl\n  `nono help run` lists the flags\n",
		"completion tcsh":               "there are completions for one shell each, and not for \"tcsh\"\n  one of bash, zsh, fish\n",
	} {
		got, _, err := understood(strings.Fields(args)...)
		var problem diag.Problem
		if !errors.As(err, &problem) || problem.String() != "error: "+want || got != nil {
			t.Errorf("%s: %v, %v\n%swant\n%s", args, got, err, problem.String(), want)
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
			req, err := ada(t, files).request("run", tt.options)
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
			_, err := ada(t, map[string]string{"proj/a.hcl": tt.file}).request("run", tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// What to type where there is nothing to run: the line that was meant, for the same command.
func TestNoCommand(t *testing.T) {
	const file = "proj/agent.hcl"
	for _, tt := range []struct{ verb, file, there, want string }{
		{"run", "", "", "no command was given\n  run `nono run --allow-cwd -- COMMAND`, or `nono run -c FILE`\n"},
		{
			"plan", "", "", "no command was given\n  type the line of the run, with plan for run: " +
				"`nono plan --allow-cwd -- COMMAND`, or `nono plan -c FILE`\n",
		},
		{
			"plan", "", file, "no command was given\n  no file is picked up by itself; " +
				"did you mean `nono plan -c agent.hcl`?\n",
		},
		{
			"plan", "agent.hcl", file, "agent.hcl has no `command`, and none was given after --\n" +
				"  add `command = [\"python\", \"my_agent.py\"]` to the file, " +
				"or type `nono plan -c agent.hcl -- COMMAND`\n",
		},
	} {
		files := map[string]string{}
		if tt.there != "" {
			files[tt.there] = ""
		}
		_, err := ada(t, files).request(tt.verb, policyOptions{File: tt.file})
		var problem diag.Problem
		if !errors.As(err, &problem) || problem.String() != "error: nothing to run: "+tt.want {
			t.Errorf("%s %s: %v\n%swant\n%s", tt.verb, tt.file, err, problem.String(), tt.want)
		}
	}
}
