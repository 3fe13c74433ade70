package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

func load(tb testing.TB, w *world) *config.Config {
	tb.Helper()
	return loadAll(tb, w).Config
}

func loadAll(tb testing.TB, w *world) config.Loaded {
	tb.Helper()
	loaded, err := config.Load(w.options)
	if err != nil {
		tb.Fatal(err)
	}
	return loaded
}

// The examples of the language hold as they stand, where what they name is there.
func TestExamplesHold(t *testing.T) {
	for _, section := range config.Language() {
		if section.Example == "" {
			continue
		}
		t.Run(section.Name, func(t *testing.T) {
			w := newWorld(t)
			for _, name := range []string{"proj/secrets/", "proj/deploy/", "home/data/", "home/out/", "home/plugins/nono-layer-motd", "home/.kube/config", "home/run/", "proj/app/.env", "home/trusted_root.json"} {
				w.file(name, "")
			}
			service, err := net.Listen("unix", w.root+"/home/run/database.sock")
			if err != nil {
				t.Fatal(err)
			}
			defer service.Close()
			if own := slices.ContainsFunc(slices.Collect(maps.Values(section.Grammar.Attributes)),
				func(a language.Attribute) bool { return a.OwnOnly && !a.Later }); own {
				w.file("home/.config/nono/config.hcl", section.Example)
			} else {
				w.file("proj/agent.hcl", section.Example)
				w.flags("-c agent.hcl\n--approve\n")
			}
			for _, notice := range load(t, w).Notices {
				if !strings.Contains(notice.Summary, "is a real key inside") { // which each run says
					t.Error(notice)
				}
			}
		})
	}
}

func TestEveryRuleHasAnIDAndASource(t *testing.T) {
	w := newWorld(t)
	w.file("proj/agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"x\"]\n}\nenvironment {\n  set = { A = \"1\" }\n}\n")
	w.file("proj/.git/config", "")
	w.file("proj/.git/HEAD", "")
	w.flags("-c agent.hcl\n--read /etc/hosts\n--env B\n")
	cfg := load(t, w)
	seen := map[policy.RuleID]bool{}
	for _, r := range cfg.Policy.Rules() {
		if seen[r.ID] {
			t.Errorf("%s is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Source.Origin == "" || (r.Source.Flag == "" && (r.Source.Line == 0 || r.Source.File == "" || r.Source.EndLine == 0)) {
			t.Errorf("%s has no proper source: %+v", r.ID, r.Source)
		}
	}
	for _, id := range []policy.RuleID{"filesystem.allow.0", "filesystem.read.0", "filesystem.deny.0", "filesystem.protect.0", "environment.pass.0", "environment.set.0", "environment.deny.0"} {
		if !seen[id] {
			t.Errorf("there is no %s", id)
		}
	}
}

// What a default denies is denied in a grant of the user's, at any depth, and only where it is.
func TestDefaultDenialInsideAGrant(t *testing.T) {
	w := newWorld(t)
	w.file("home/.ssh/id", "")
	w.file("home/notes", "")
	w.flags("--allow ~")
	cfg := load(t, w)
	if !decide(cfg).Path(w.root+"/home/notes", policy.OpRead).Allowed {
		t.Fatal("the control failed: ~/notes should be readable")
	}
	if d := decide(cfg).Path(w.root+"/home/.ssh/id", policy.OpRead); d.Allowed {
		t.Errorf("~/.ssh/id: %+v", d)
	}
}

func TestDefaultEnvironment(t *testing.T) {
	cfg := load(t, newWorld(t))
	for name, want := range map[string]bool{
		"PATH": true, "LC_ALL": true, "VIRTUAL_ENV": true, "TMPDIR": true, "JAVA_HOME": true,
		"AWS_SECRET_ACCESS_KEY": false, "LD_PRELOAD": false, "SSH_AUTH_SOCK": false, "BASH_FUNC_x": false, "OPENAI_API_KEY": false,
	} {
		if got := decide(cfg).Variable(name); got.Allowed != want {
			t.Errorf("%s: %v (%s)", name, got.Allowed, got.Why)
		}
	}
}

// The list of facts is complete in the profile: each name that must be denied, is, where it exists.
func TestDefaultDenials(t *testing.T) {
	names := []string{
		".ssh/", ".gnupg/", ".aws/", ".azure/", ".gcloud/", ".config/gcloud/", ".kube/", ".docker/", ".config/containers/auth.json", ".git-credentials",
		".netrc", ".npmrc", ".yarnrc.yml", ".pypirc", ".vault-token", ".credentials", ".secrets/", ".keys/", ".pki/", ".age/", ".config/sops/", ".terraform.d/",
		".terraformrc", ".config/op/", ".op/", ".config/gh/", ".config/hub", ".config/glab-cli/", ".cargo/credentials", ".cargo/credentials.toml",
		".gem/credentials", ".m2/settings.xml", ".gradle/gradle.properties", ".config/rclone/", ".s3cfg", ".boto", ".config/doctl/", ".fly/", ".config/heroku/",
		".netlify/", ".pgpass", ".my.cnf", ".mylogin.cnf", ".config/nono/", ".local/state/nono/", ".local/share/nono/", ".cache/nono/",
		".claude/.credentials.json", ".codex/auth.json", ".gemini/oauth_creds.json", ".config/github-copilot/", ".local/share/opencode/auth.json",
		".password-store/", ".1password/", ".local/share/keyrings/", ".config/keepassxc/", ".config/Bitwarden/",
		".config/google-chrome/", ".config/chromium/", ".config/microsoft-edge/", ".config/BraveSoftware/", ".config/vivaldi/", ".config/opera/",
		".mozilla/", ".thunderbird/", ".config/Slack/", ".config/discord/", ".config/Signal/", "snap/firefox/", "snap/chromium/", ".var/app/",
		".bash_history", ".zsh_history", ".history", ".python_history", ".node_repl_history", ".mysql_history", ".psql_history", ".sqlite_history",
		".lesshst", ".local/share/fish/fish_history",
		".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zprofile", ".zshenv", ".zlogin", ".zlogout", ".config/fish/",
		".env", ".envrc", ".bitcoin/", ".electrum/", ".ethereum/", ".config/solana/",
		"Library/Keychains/", "Library/Group Containers/2BUA.com.1password/", "Library/Application Support/Firefox/",
	}
	w := newWorld(t)
	for _, n := range names {
		w.file("home/"+n, "")
	}
	w.file("home/.config/other", "")
	w.flags("--allow ~")
	cfg := load(t, w)
	if !decide(cfg).Path(w.root+"/home/.config/other", policy.OpRead).Allowed {
		t.Fatal("the control failed: ~/.config/other should be readable")
	}
	for _, n := range names {
		if decide(cfg).Path(filepath.Join(w.root, "home", n), policy.OpRead).Allowed {
			t.Errorf("~/%s is readable", n)
		}
	}
}

// nono's own directories are denied where XDG puts them, too.
func TestOwnDirectoriesElsewhere(t *testing.T) {
	w := newWorld(t)
	w.file("xdg/state/nono/sessions/1", "")
	w.file("xdg/state/other", "")
	w.env["XDG_STATE_HOME"] = w.root + "/xdg/state"
	w.flags("--allow /T/xdg")
	cfg := load(t, w)
	if !decide(cfg).Path(w.root+"/xdg/state/other", policy.OpRead).Allowed || decide(cfg).Path(w.root+"/xdg/state/nono/sessions/1", policy.OpRead).Allowed {
		t.Error("want the state directory of nono denied, and what lies beside it granted")
	}
}

// A relative XDG directory counts as not set, as its specification says: the agent's project must
// not become the configuration.
func TestRelativeXDG(t *testing.T) {
	w := newWorld(t)
	w.env["XDG_CONFIG_HOME"] = "conf"
	w.file("home/.config/tool/x", "")
	w.file("home/.config/nono/config.hcl", "filesystem { read = [\"$XDG_CONFIG_HOME/tool\"] }\n")
	cfg := load(t, w)
	if !decide(cfg).Path(w.root+"/home/.config/tool/x", policy.OpRead).Allowed {
		t.Error("$XDG_CONFIG_HOME is not ~/.config")
	}
}

func TestSecretsAreInNoPolicy(t *testing.T) {
	const value = "hunter2-in-memory-only"
	w := newWorld(t)
	w.flags("--env TOKEN=" + value)
	loaded := loadAll(t, w)
	if string(loaded.Secrets["env.TOKEN"]) != value {
		t.Fatalf("the control failed: core does not have the value: %q", loaded.Secrets)
	}
	for what, v := range map[string]any{"configuration": *loaded.Config, "texts": loaded.Texts} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), value) || strings.Contains(fmt.Sprintf("%+v", v), value) {
			t.Errorf("the value is in the %s", what)
		}
	}
}

func TestSecretIsDroppedWithItsRule(t *testing.T) {
	w := newWorld(t)
	w.flags("--env A=one\n--env B=two\n--env A\n--env B=three\n--host A=x")
	secrets := loadAll(t, w).Secrets
	if len(secrets) != 1 || string(secrets["env.B"]) != "three" {
		t.Errorf("got %q", secrets)
	}
}

func TestDocuments(t *testing.T) {
	w := newWorld(t)
	w.file("home/.config/nono/config.hcl", "environment {}\n")
	w.file("proj/agent.hcl", "command = [\"true\"]\n")
	w.flags("-c agent.hcl")
	cfg := load(t, w)
	var got []string
	for _, d := range cfg.Documents {
		content, err := os.ReadFile(d.Path)
		if err != nil || string(content) != string(d.Content) {
			t.Errorf("%s: %v", d.Path, err)
		}
		got = append(got, strings.TrimPrefix(d.Path, w.root))
	}
	if want := []string{"/home/.config/nono/config.hcl", "/proj/agent.hcl"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		place func(*world)
		want  string
	}{
		{"too large", func(w *world) { w.file("proj/agent.hcl", strings.Repeat("#\n", 1<<15)+"\n") }, "larger than 64 KiB"},
		{"too deep", func(w *world) { w.file("proj/agent.hcl", "x = "+strings.Repeat("[", 60_000)) }, "nested too deeply"},
		{"a device", func(w *world) { w.links("proj/agent.hcl -> /dev/zero") }, "not a regular file"},
		{"a pipe that nobody writes to", func(w *world) {
			if err := unix.Mkfifo(filepath.Join(w.root, "proj/agent.hcl"), 0o600); err != nil {
				w.tb.Fatal(err)
			}
		}, "not a regular file"},
		{"links in a circle", func(w *world) { w.links("proj/agent.hcl -> agent.hcl") }, "too many levels"},
		{"not UTF-8", func(w *world) { w.file("proj/agent.hcl", "command = [\"\xff\"]\n") }, "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.place(w)
			w.flags("-c agent.hcl")
			_, err := config.Load(w.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRelativeGrantIsBesideTheNamedFile(t *testing.T) {
	w := newWorld(t)
	w.file("elsewhere/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	w.links("proj/agent.hcl -> /T/elsewhere/agent.hcl")
	w.flags("-c agent.hcl")
	cfg := load(t, w)
	if !decide(cfg).Path(w.root+"/proj", policy.OpWrite).Allowed || decide(cfg).Path(w.root+"/elsewhere", policy.OpRead).Allowed {
		t.Error("a linked file grants the directory of the name that was given, and not where the link leads")
	}
}

// A link that lies in a repository must not borrow the trust in the user's own configuration.
func TestLinkIntoOwnConfigIsForeign(t *testing.T) {
	w := newWorld(t)
	w.file("home/data/x", "")
	w.file("home/.config/nono/work.hcl", "filesystem {\n  read = [\"~/data\"]\n}\n")
	w.flags("-c /T/home/.config/nono/work.hcl")
	if _, err := config.Load(w.options); err != nil {
		t.Fatalf("the control failed: %v", err)
	}
	w.links("proj/agent.hcl -> /T/home/.config/nono/work.hcl")
	w.options.File = "agent.hcl"
	if _, err := config.Load(w.options); err == nil {
		t.Error("a link to it is trusted like the file itself")
	}
}

func TestApproval(t *testing.T) {
	tests := []struct {
		name string
		hcl  string
		asks int
	}{
		{"nothing", ``, 0},
		{"command and arguments", "command = [\"a\"]\narguments = [\"b\"]", 0},
		{"its own directory", "filesystem {\n allow = [\".\"]\n read = [\"missing\"]\n write = [\"sub\"]\n}", 0},
		{"out and in again", "filesystem {\n allow = [\"../proj\"]\n}", 0},
		{"the directory above", "filesystem {\n read = [\"..\"]\n}", 1},
		{"a sibling with the same beginning", "filesystem {\n read = [\"../project2\"]\n}", 1},
		{"through a link out of it", "filesystem {\n read = [\"out\"]\n}", 1},
		{"home", "filesystem {\n read = [\"~\"]\n}", 1},
		{"what the system set has", "filesystem {\n read = [\"/usr\"]\n}", 0},
		{"to write what the system set has", "filesystem {\n write = [\"/usr\"]\n}", 1},
		{"tightening", "filesystem {\n deny = [\"~/x\", \"/usr/share\"]\n protect = [\"../project2\"]\n}\nenvironment {\n deny = [\"PATH\"]\n}\nbest_effort = false", 0},
		{"a protected path in its own directory", "filesystem {\n allow = [\".\"]\n write = [\".git/config\"]\n}", 1},
		{"a plain variable", "environment {\n set = { CI = \"1\", PATH = \"/x\" }\n}", 0},
		{"a variable that is never inherited", "environment {\n set = { LD_PRELOAD = \"x\" }\n}", 1},
		{"one that is passed anyway", "environment {\n pass = [\"PATH\", \"LC_ALL\"]\n}", 0},
		{"one that is not", "environment {\n pass = [\"SECRET\"]\n}", 1},
		{"all of them", "environment {\n pass = [\"*\"]\n}", 1},
		{"best effort", "best_effort = true", 1},
		{"an empty layer block of ours", "layer \"filesystem\" {}", 0},
		{"a layer of ours switched on", "layer \"filesystem\" {\n enabled = true\n}", 0},
		{"a layer of ours switched off", "layer \"network\" {\n enabled = false\n}", 1},
		{"a setting of a layer", "layer \"filesystem\" {\n a = 1\n b = 2\n}", 2},
		{"a plugin", "plugin \"acme/x\" {\n path = \"/T/opt/x\"\n}", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("project2/", "")
			w.file("opt/x", "")
			w.file("proj/sub/", "")
			w.file("proj/.git/config", "")
			w.links("proj/out -> /T/project2")
			w.file("proj/agent.hcl", tt.hcl+"\n")
			w.flags("-c agent.hcl")
			refused, err := config.Load(w.options)
			var problems diag.Problems
			errors.As(err, &problems)
			if len(problems) != tt.asks {
				t.Errorf("%d asks, want %d:\n%v", len(problems), tt.asks, problems)
			}
			for _, p := range problems {
				// What a layer's setting says is nobody's to see: only the layer knows if it is a secret.
				shown := p.Show(refused.Texts)
				setting := strings.Contains(p.Summary, "asks to set \"")
				if p.Source.Line == 0 || strings.Contains(shown, " | ") == setting {
					t.Errorf("an ask names no line, or shows a setting: %s", shown)
				}
			}
			w.options.Approve = true
			approved, err := config.Load(w.options)
			// A link that an agent could have made is refused whatever is approved.
			if link := tt.name == "through a link out of it"; link {
				if err == nil || !strings.Contains(err.Error(), "could have made") {
					t.Errorf("approved: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("approved: %v", err)
			}
			if asks := approved.Config.Asks; len(asks) != tt.asks {
				t.Errorf("approved: %d asks, want %d", len(asks), tt.asks)
			}
			// The same in the user's own config asks for nothing. What is relative cannot stand there.
			own := newWorld(t)
			own.file("home/.config/nono/config.hcl", strings.NewReplacer(`["../`, `["$WORKDIR/../`, `["."]`, `["$WORKDIR"]`, `[".."]`, `["$WORKDIR/.."]`,
				`["sub"]`, `["$WORKDIR/sub"]`, `["missing"]`, `["$WORKDIR/missing"]`, `["out"]`, `["$WORKDIR/out"]`, `[".git`, `["$WORKDIR/.git`).Replace(tt.hcl)+"\n")
			own.file("opt/x", "")
			if loaded, err := config.Load(own.options); err != nil || len(loaded.Config.Asks) != 0 {
				t.Errorf("in the user's own config: %v", err)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.file("opt/fs", "")
	w.file("home/.config/nono/config.hcl", "layer \"filesystem\" {\n  plugin = \"acme/fs\"\n  depth = 3\n  mode = \"a\"\n}\nplugin \"acme/fs\" {\n  path = \"/T/opt/fs\"\n}\n")
	w.file("proj/agent.hcl", "layer \"filesystem\" {\n  mode = \"b\"\n}\n")
	w.flags("-c agent.hcl\n--approve")
	loaded := loadAll(t, w)
	cfg := loaded.Config
	declared := []sdk.Setting{{Name: "depth", Type: sdk.SettingNumber}, {Name: "mode", Type: sdk.SettingString}}

	t.Run("the last source wins", func(t *testing.T) {
		got, problems := cfg.Settings("filesystem", declared)
		if problems.Failed() || string(got) != `{"depth":3,"mode":"b"}` {
			t.Errorf("got %s, %v", got, problems)
		}
	})
	t.Run("a misspelling names its own file and line", func(t *testing.T) {
		_, problems := cfg.Settings("filesystem", []sdk.Setting{{Name: "depht", Type: sdk.SettingNumber}, {Name: "mode", Type: sdk.SettingString}})
		want := "error: unknown attribute \"depth\"\n  ~/.config/nono/config.hcl:3:3\n     3 |   depth = 3\n  did you mean \"depht\"?\n"
		if len(problems) != 1 || problems[0].Show(loaded.Texts) != want {
			t.Errorf("got %v", problems)
		}
	})
	t.Run("what is required and missing", func(t *testing.T) {
		_, problems := cfg.Settings("filesystem", append(declared, sdk.Setting{Name: "key", Type: sdk.SettingString, Required: true}))
		want := "error: layer \"filesystem\": an attribute is missing: key\n  agent.hcl:1:1\n     1 | layer \"filesystem\" {\n"
		if len(problems) != 1 || problems[0].Show(loaded.Texts) != want {
			t.Errorf("got %v", problems)
		}
	})
	t.Run("no block is an empty object", func(t *testing.T) {
		got, problems := cfg.Settings("network", declared)
		if problems.Failed() || string(got) != `{}` {
			t.Errorf("got %s, %v", got, problems)
		}
	})
	t.Run("where a setting stands", func(t *testing.T) {
		at, ok := cfg.SettingSource("filesystem", "mode")
		if !ok || at.String() != "agent.hcl:2:10" {
			t.Errorf("got %v %v", at, ok)
		}
		if _, ok := cfg.SettingSource("filesystem", "other"); ok {
			t.Error("a setting that is not there has a line")
		}
	})
}

func TestRunning(t *testing.T) {
	tests := []struct{ name, hcl, flags, want string }{
		{"nothing said", ``, ``, "filesystem"},
		{"off", `layer "filesystem" { enabled = false }`, ``, ""},
		{"a custom layer", `layer "echo" { plugin = "a/b" }`, ``, "filesystem echo"},
		{"a custom layer off", `layer "echo" { plugin = "a/b" }`, `--disable echo`, "filesystem"},
		{"other kinds have nothing to do", "layer \"network\" {}\nlayer \"trust\" { enabled = true }", ``, "filesystem"},
		{"a host is allowed", "network {\n allow = [\"a.example\"]\n}", ``, "filesystem network"},
		{"a host is allowed by a list", "network {\n profile = \"minimal\"\n}", ``, "filesystem network"},
		{"a port is open", ``, `--open-port 1`, "filesystem network"},
		{"a port is served", ``, `--listen-port 1`, "filesystem network"},
		{"nothing is reachable", "network {\n deny = [\"a.example\"]\n opaque = [\"b.example\"]\n allow = []\n" +
			" upstream = { url = \"http://p.example\" }\n}\nlayer \"network\" { plugin = \"acme/egress\" }", ``, "filesystem"},
		{"the network is open", "network {\n allow = [\"a.example\"]\n open = true\n}", ``, "filesystem"},
		{"the network is opened by a flag", "network {\n allow = [\"a.example\"]\n}", `--disable network`, "filesystem"},
		{"the network is closed by a flag", "network {\n allow = [\"a.example\"]\n}", `--block-net`, "filesystem"},
		{"the network is closed by a flag, and was open", "network {\n open = true\n}", `--block-net`, "filesystem"},
		{"the filesystem disabled", `layer "filesystem" { enabled = true }`, `--disable filesystem`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("home/.config/nono/config.hcl", tt.hcl+"\n")
			w.flags(tt.flags)
			cfg := load(t, w)
			var got []string
			for _, l := range cfg.Running() {
				got = append(got, l.Name)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %q", got, tt.want)
			}
			for _, l := range cfg.Layers {
				if off := l.Off != nil && l.Kind != policy.KindCustom; off != cfg.Policy.IsDisabled(policy.Kind(l.Name)) {
					t.Errorf("the policy and the layers disagree about %s", l.Name)
				}
			}
		})
	}
}

func TestVersions(t *testing.T) {
	tests := []struct {
		constraint, version string
		want                bool
	}{
		{"", "0.1.0", true},
		{"", "anything", true},
		{"1.2", "1.2.0", true},
		{"= 1.2.0", "1.2.1", false},
		{"1.2.0", "v1.2.0", true},
		{"~> 1.2", "1.9.3", true},
		{"~> 1.2", "2.0.0", false},
		{"~> 1.2", "1.1.9", false},
		{"~> 1.2.3", "1.2.9", true},
		{"~> 1.2.3", "1.3.0", false},
		{">= 1.2, < 2", "1.5.0", true},
		{">= 1.2, < 2", "2.0.0", false},
		{"!= 1.3.0", "1.3.0", false},
		{"> 1", "1.0.1", true},
		{"<= 1", "1.0.0", true},
		{">= 1", "not a version", false},
		{"nonsense", "1.0.0", false},
	}
	for _, tt := range tests {
		if got := (config.Plugin{Version: tt.constraint}).Accepts(tt.version); got != tt.want {
			t.Errorf("%q accepts %q: %v", tt.constraint, tt.version, got)
		}
	}
}

// Load looks and never touches: a plan leaves no trace.
func TestLoadChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.file("proj/.git/config", "")
	w.flags("--allow-cwd\n--read /T/not/there\n--read ~/missing")
	before := listing(t, w.root)
	load(t, w)
	if after := listing(t, w.root); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func listing(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		fmt.Fprintln(&b, path, d.Type())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func decide(cfg *config.Config) *policy.Decider { return policy.NewDecider(&cfg.Policy) }

// Whoever says that nothing is kept is heard, whatever the others say.
func TestBuildCaches(t *testing.T) {
	for _, test := range []struct {
		own, file string
		kept      bool
	}{
		{"", "", true},
		{"", "true", true},
		{"", "false", false},
		{"false", "", false},
		{"false", "true", false},
		{"true", "false", false},
	} {
		w := newWorld(t)
		for name, value := range map[string]string{"home/.config/nono/config.hcl": test.own, "proj/agent.hcl": test.file} {
			text := ""
			if value != "" {
				text = "filesystem {\n  build_caches = " + value + "\n}\n"
			}
			w.file(name, text)
		}
		w.flags("-c agent.hcl")
		if kept := !load(t, w).NoBuildCaches; kept != test.kept {
			t.Errorf("config.hcl says %q and agent.hcl %q: kept is %v", test.own, test.file, kept)
		}
	}
}

// A directory that an agent finds by a variable is known by where it really is. One that is not
// there is passed over, and what can be no such thing is refused at its line.
func TestMovable(t *testing.T) {
	for value, want := range map[string]string{
		`{ AGENT_HOME = "~/.agent" }`: "", `{ AGENT_HOME = "~/.none" }`: "-",
		`{ AGENT_HOME = "agent" }`: "agent.hcl:2:15: \"agent\" is relative", `{ "A-B" = "~/.agent" }`: "\"A-B\" is not the name of a variable",
	} {
		w := newWorld(t)
		w.file("home/real/x", "")
		w.links("home/.agent -> real")
		w.file("proj/agent.hcl", "filesystem {\n  movable = "+value+"\n}\n")
		w.flags("-c agent.hcl")
		loaded, err := config.Load(w.options)
		switch {
		case want == "" || want == "-":
			if err != nil || (want == "") != (len(loaded.Config.Movable) == 1) {
				t.Errorf("%s: %+v, %v", value, loaded.Config, err)
			} else if want == "" && loaded.Config.Movable[0].Path != w.options.Home+"/real" {
				t.Errorf("%s: %+v", value, loaded.Config.Movable)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}
