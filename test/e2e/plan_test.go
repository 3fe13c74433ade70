//go:build linux

package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// planned is a plan as JSON, as far as the tests look at it.
type planned struct {
	Session string
	Host    struct{ Tier, Home string }
	Command struct{ Args []string }
	Layers  []struct{ Kind, Name, Why string }
	Rules   []struct {
		ID, Says, Access, Path, Held, By string
		Source                           struct {
			Origin, File, Flag string
			Line               int
		}
		Required bool
	}
	Mounts, Seccomp []json.RawMessage
	Env             []struct{ Name string }
}

func TestPlanNamesTheLineBehindEachRule(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.repository()
	u.write("secret.txt", "s")
	u.write("deploy/x", "x")
	u.write("~/data/d", "d")
	u.write("~/.ssh/id", "key")
	u.write("agent.hcl", `command = ["python3", "-c", "print('a b')"]
filesystem {
  allow   = ["."]
  deny    = ["secret.txt"]
  protect = ["deploy"]
}
environment {
  set = { CI = "1" }
}
`)
	r := u.succeeds(u.nono("plan", "-c", "agent.hcl", "--read", "~/data", "--read", "/none", "--env", "KEY=value"))
	for _, line := range []string{
		`command +python3 -c 'print\('\\''a b'\\''\)'`,
		`runs +/usr/bin/python3`,
		`in +~/proj`,
		`filesystem +landlock \S+ +built in +always`,
		`allow +~/proj +agent\.hcl:3:14`,
		`read +~/data +--read ~/data`,
		`read +/none \(not there\) +--read /none`,
		`private +~ /tmp /var/tmp +in memory, gone after the run`,
		`deny +~/proj/secret\.txt +agent\.hcl:4:14`,
		`protect +~/proj/deploy +agent\.hcl:5:14`,
		`protect +~/proj/\.git/config +default  git config, remote add and push -u write it: --write ~/proj/\.git/config`,
		`protect +~/proj/\.git/hooks +default`,
		`protect +~/proj/agent\.hcl +nono's programs, or a policy of this run`,
		`CI +agent\.hcl:8:11 +1`,
		`KEY +--env KEY +<secret>`,
		`closed`,
		`/none does not exist; the run goes on without it +--read /none`,
	} {
		if !regexp.MustCompile(`(?m)^  ` + line + `$`).MatchString(r.Stdout) {
			t.Errorf("no line is %q\n%s", line, r.Stdout)
		}
	}
	if strings.Contains(r.Stdout, "value") || r.Stderr != "" {
		t.Errorf("the value is shown, or something was said beside the plan\n%s", r)
	}
	// What every run has is counted, and shown with -v, each with its line.
	if strings.Contains(r.Stdout, "/usr/local/etc") || !strings.Contains(r.Stdout, "of the default profile (-v lists them)") {
		t.Errorf("what every run has is listed\n%s", r.Stdout)
	}
	r = u.succeeds(u.nono("plan", "-v", "-c", "agent.hcl"))
	for _, line := range []string{
		`read +/usr +default\.hcl:\d+:\d+ +read-only bind mount, Landlock`,
		`deny +~/\.ssh +default\.hcl:\d+:\d+ +a stub without rights in its place`,
		`deny +~/proj/secret\.txt +agent\.hcl:4:14 +masked`,
		`/home/.*/proj|/root/.*/proj|/.*/proj +the host's, writable +landlock +filesystem\.allow\.0`,
		`only the session's own processes can be seen and signalled +process namespace`,
	} {
		if !regexp.MustCompile(`(?m)^  (` + line + `)$`).MatchString(r.Stdout) {
			t.Errorf("with -v no line is %q\n%s", line, r.Stdout)
		}
	}
	for line := range strings.Lines(r.Stdout) {
		if trimmed := strings.TrimRight(line, " \n"); trimmed+"\n" != line {
			t.Errorf("a line ends in spaces: %q", line)
		}
	}
}

func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"x\"]\n}\n")
	u.write("x", "x")
	r := u.succeeds(u.nono("plan", "--json", "-c", "agent.hcl", "--env", "KEY=canary", "--", "true", "--json"))
	var p planned
	d := json.NewDecoder(strings.NewReader(r.Stdout))
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if d.More() || r.Stderr != "" || strings.Contains(r.Stdout, "canary") {
		t.Errorf("there is more than the plan, or the value is in it\n%s", r)
	}
	if p.Host.Tier != "A" || p.Host.Home != u.Home || !slices.Equal(p.Command.Args, []string{"true", "--json"}) || len(p.Mounts) < 20 || len(p.Seccomp) == 0 {
		t.Errorf("it holds %+v", p)
	}
	if len(p.Layers) != 1 || p.Layers[0].Name != "landlock" || p.Layers[0].Why != "always" {
		t.Errorf("layers: %+v", p.Layers)
	}
	found := 0
	for _, rule := range p.Rules {
		if rule.Held != "enforced" || rule.By == "" || rule.Source.Origin == "" {
			t.Errorf("%s is %q by %q, from %+v", rule.ID, rule.Held, rule.By, rule.Source)
		}
		if rule.Source.Origin == "file" && rule.Source.File == "agent.hcl" && rule.Required && (rule.Access == "allow" && rule.Source.Line == 2 ||
			rule.Access == "deny" && rule.Source.Line == 3 && rule.Path == u.path("x")) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("of the two rules of the file %d are there with their lines", found)
	}
}

// snapshot is every file beneath the user's directories, with what could change about it.
func (u *user) snapshot() []string {
	u.t.Helper()
	var all []string
	for _, root := range []string{u.Home, u.runtime} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			// The runtime directory itself is used, and left empty.
			if path != u.runtime && path != filepath.Join(u.runtime, "nono") {
				all = append(all, path+" "+info.Mode().String()+" "+info.ModTime().String())
			}
			return nil
		})
		if err != nil {
			u.t.Fatal(err)
		}
	}
	return all
}

// A plan makes nothing and leaves nothing, also where the run would have made directories of nono's
// own.
func TestPlanLeavesNothing(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("a.txt", "a")
	before := u.snapshot()
	for _, args := range [][]string{
		{"plan", "--allow-cwd", "--", "true"},
		{"plan", "--allow", u.Home, "--", "true"},
		{"plan", "--json", "--read", "~/none", "--", "true"},
		{"run", "--dry-run", "--allow", u.Home, "--", "touch", "ran"},
	} {
		u.guard(args...).succeeds()
		if after := u.snapshot(); !slices.Equal(before, after) {
			t.Errorf("%q: there was\n%q\nand there is\n%q", args, before, after)
		}
	}
	r := u.succeeds(u.nono("run", "--allow", u.Home, "--", "touch", "ran")) // the control: a run does both
	if slices.Equal(before, u.snapshot()) || !u.exists("~/.config/nono") || !u.exists("ran") {
		t.Errorf("a run leaves nothing either\n%s", r)
	}
}

func TestDryRunIsThePlan(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("agent.hcl", "command = [\"true\"]\nfilesystem {\n  allow = [\".\"]\n}\n")
	flags := []string{"-c", "agent.hcl", "--read", "~/none", "--env", "A=b"}
	u.succeeds(u.nono("run", "--", "true")) // from now on there is a runtime directory, and a default denial of it
	plan := u.succeeds(u.nono(append([]string{"plan"}, flags...)...))
	dry := u.succeeds(u.nono(append([]string{"run", "--dry-run"}, flags...)...))
	if plan.Stdout == "" || plan.Stdout != dry.Stdout || plan.Stderr != dry.Stderr {
		t.Errorf("plan\n%s\ndry run\n%s", plan, dry)
	}
	// And it is the same each time.
	if again := u.nono(append([]string{"plan"}, flags...)...); again.Stdout != plan.Stdout {
		t.Errorf("first\n%s\nthen\n%s", plan, again)
	}
}

func TestPlanSaysWhatAGrantDoesNotGive(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.ssh/id", "key")
	r := u.succeeds(u.nono("plan", "--allow", "~/.ssh", "--", "true"))
	if !regexp.MustCompile(`(?m)^  allow +~/\.ssh +--allow ~/\.ssh +gives nothing: denied by default\.hcl:\d+:\d+$`).MatchString(r.Stdout) {
		t.Errorf("%s", r)
	}
}

func TestLongPathsKeepThePlanReadable(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.Env = []string{"PATH=/usr/bin:/bin" + strings.Repeat(":/opt/some/directory/bin", 1) + ":/opt/" + strings.Repeat("x", 500)}
	u.mkdir("~/" + strings.Repeat("d", 200))
	r := u.succeeds(u.nono("plan", "--allow-cwd", "--read", u.path("~/"+strings.Repeat("d", 200)), "--", "true"))
	for line := range strings.Lines(r.Stdout) {
		if strings.Contains(line, strings.Repeat(" ", 90)) {
			t.Errorf("a line is mostly blank: %q", line)
		}
	}
}

func TestVersionAndPlugins(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	line := regexp.MustCompile(`^nono \S+ \(build \S+, go\S+, linux/\w+\)\n$`)
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if r := u.succeeds(u.nono(args...)); !line.MatchString(r.Stdout) || r.Stderr != "" {
			t.Errorf("%q: %s", args, r)
		}
	}
	var v struct{ Version, Build, Go, OS, Arch string }
	if r := u.succeeds(u.nono("version", "--json")); json.Unmarshal([]byte(r.Stdout), &v) != nil || v.Version == "" || v.OS != "linux" {
		t.Errorf("%s", r)
	}
	u.write("~/.local/share/nono/plugins/acme/broken/nono-layer-broken", "#!/bin/sh\nexit 1\n")
	u.write("~/.local/share/nono/plugins/test/echo/nono-layer-echo", u.read(layers+"/nono-layer-echo"))
	for _, file := range []string{"acme/broken/nono-layer-broken", "test/echo/nono-layer-echo"} {
		if err := os.Chmod(u.path("~/.local/share/nono/plugins/"+file), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	u.succeeds(u.nono("plugin", "lock", "acme/broken"))
	r := u.guard("plugin", "list").succeeds()
	for _, line := range []string{
		`NAME +KIND +VERSION +LIFETIME +PATH`,
		`credproxy +credentials +1\.0\.0 +resident +` + regexp.QuoteMeta(programs) + "/nono-layer-credproxy",
		`landlock +filesystem +1\.0\.0 +ephemeral +` + regexp.QuoteMeta(programs) + "/nono-layer-landlock",
		`netfilter +network +1\.0\.0 +resident +` + regexp.QuoteMeta(programs) + "/nono-layer-netfilter",
		`snapshot +snapshot +1\.0\.0 +bracket +` + regexp.QuoteMeta(programs) + "/nono-layer-snapshot",
		`trust +trust +1\.0\.0 +ephemeral +` + regexp.QuoteMeta(programs) + "/nono-layer-trust",
		`test/echo +custom +1\.0\.0 +resident +~/\.local/share/nono/plugins/test/echo/nono-layer-echo`,
		`acme/broken +- +- +- +~/\.local/share/nono/plugins/acme/broken/nono-layer-broken`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(r.Stdout) {
			t.Errorf("no line is %q\n%s", line, r)
		}
	}
	u.says(r, "nono: acme/broken cannot be used: layer acme/broken, start: it exited with code 1")
	var list []struct{ Name, Path, Kind, Error string }
	if r := u.succeeds(u.nono("plugin", "list", "--json")); json.Unmarshal([]byte(r.Stdout), &list) != nil || len(list) != 7 {
		t.Errorf("%s", r)
	}

	// A path in the user's own file goes before what is installed, as in a run.
	u.write("~/.config/nono/config.hcl", "plugin \"test/echo\" {\n  path = \""+layers+"/nono-layer-echo\"\n}\n"+
		"plugin \"test/binds\" {\n  path = \""+layers+"/nono-layer-binds\"\n}\n")
	r = u.succeeds(u.nono("plugin", "list"))
	for _, line := range []string{
		`snapshot +snapshot +1\.0\.0 +bracket +` + regexp.QuoteMeta(programs) + "/nono-layer-snapshot",
		`test/echo +custom +1\.0\.0 +resident +` + regexp.QuoteMeta(layers) + "/nono-layer-echo",
		`test/binds +filesystem +1\.0\.0 +ephemeral +` + regexp.QuoteMeta(layers) + "/nono-layer-binds",
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(r.Stdout) {
			t.Errorf("no line is %q\n%s", line, r)
		}
	}
	if strings.Contains(r.Stdout, "plugins/test/echo") {
		t.Errorf("what is installed and not used is listed\n%s", r)
	}
	r = u.succeeds(u.nono("plugin", "list", "--json"))
	if !strings.Contains(r.Stdout, `"named_by": "~/.config/nono/config.hcl:5:10"`) {
		t.Errorf("the line that names a path is missing\n%s", r)
	}
	u.write("~/.config/nono/config.hcl", "plugin \"test/echo\" {\n  path = \"/nowhere\"\n}\n")
	u.refused(u.nono("plugin", "list"), "the plugin /nowhere does not exist\n  ~/.config/nono/config.hcl:2:10\n")
}

// TestHelp walks all commands: each explains itself, with an example that begins with nono.
func TestHelp(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var walk func(path []string)
	seen := 0
	walk = func(path []string) {
		seen++
		name := strings.Join(append([]string{"nono"}, path...), " ")
		r := u.succeeds(u.nono(append([]string{"help"}, path...)...))
		if flag := u.succeeds(u.nono(append(slices.Clone(path), "--help")...)); flag.Stdout != r.Stdout {
			t.Errorf("%s --help is not what help says", name)
		}
		if r.Stderr != "" || !regexp.MustCompile(`\nExamples:\n  .*nono `).MatchString(r.Stdout) {
			t.Errorf("%s has no example\n%s", name, r)
		}
		for line := range strings.Lines(r.Stdout) {
			if n := len([]rune(line)); n > 131 {
				t.Errorf("%s: a line of %d characters: %s", name, n, line)
			}
		}
		_, rest, ok := strings.Cut(r.Stdout, "\nAvailable Commands:\n")
		if !ok {
			return
		}
		for line := range strings.Lines(rest) {
			words := strings.Fields(line)
			if len(words) < 2 {
				break
			}
			walk(append(slices.Clone(path), words[0]))
		}
	}
	walk(nil)
	if seen < 8 { // nono, run, plan, plugin, plugin list, version, completion, help
		t.Errorf("only %d commands were found", seen)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, c := range []struct{ line, want string }{
		{"rnu", "there is no command `nono rnu`\n  did you mean `nono run`?"},
		{"rnu --allow-cwd -- true", "there is no command `nono rnu`\n  did you mean `nono run`?"},
		{"plugin lsit", "there is no command `nono plugin lsit`\n  did you mean `nono plugin list`?"},
		{"help rnu", "there is no command `nono rnu`\n  did you mean `nono run`?"},
		{"run --alow-cwd -- true", "there is no flag --alow-cwd\n  did you mean --allow-cwd?"},
		{"run --zzzzzz -- true", "there is no flag --zzzzzz\n  `nono help run` lists the flags"},
		{"plugin list -q", "there is no flag -q\n  `nono help plugin list` lists the flags"},
		{"--zzzzzz", "there is no flag --zzzzzz\n  `nono help` lists the flags"},
		{"run -c", "-c needs a value\n  `nono help run` shows which"},
		{"run --read", "--read needs a value\n  `nono help run` shows which"},
		{"run --allow-cwd=false -- true", "--allow-cwd takes no value, and was given \"false\"\n  `nono help run` lists the flags"},
		{"plan --json=maybe -- true", "--json takes no value, and was given \"maybe\"\n  `nono help plan` lists the flags"},
		{"version x", "`nono version` takes no arguments, and was given \"x\"\n  usage: nono version [flags]"},
		{"completion tcsh", "there are completions for one shell each, and not for \"tcsh\"\n  one of bash, zsh, fish"},
		{"why", "no file was named, and no host\n  `nono why --path PATH` or `nono why --host HOST`, with the flags of the run"},
		{"why --port 80", "a port was named, and no host\n  `nono why --host HOST --port PORT`"},
		{"why --self --host a.example", "a session is told its rules about files, and none about hosts\n  what is refused says why; outside, `nono why --host` says it with the line"},
		{"run --network-profile minmal -- true", "there is no network profile \"minmal\"\n  --network-profile minmal\n  did you mean \"minimal\"?"},
		{"--allow-cwd -- true", "--allow-cwd stands before any command of nono's\n  did you mean `nono run --allow-cwd ...`?"},
		{"plan", "nothing to run: no command was given\n  type the line of the run, with plan for run: `nono plan --allow-cwd -- COMMAND`, or `nono plan -c FILE`"},
	} {
		r := u.nono(strings.Fields(c.line)...)
		if want := "nono: error: " + c.want + "\n"; r.Code != 125 || r.Stderr != want || r.Stdout != "" {
			t.Errorf("nono %s: want 125 and\n%s\n%s", c.line, want, r)
		}
	}
	// A word that is nothing at all is answered with the commands that help lists.
	_, listed, _ := strings.Cut(u.succeeds(u.nono("help")).Stdout, "\nAvailable Commands:\n")
	listed, _, _ = strings.Cut(listed, "\n\n")
	own := regexp.MustCompile(`(?m)^  (\w+) .*$`).ReplaceAllString(listed, "$1")
	want := "nono: error: there is no command `nono zzzzzz`\n  did you mean `nono run -- zzzzzz`? nono's own are: " +
		strings.ReplaceAll(own, "\n", ", ") + "\n"
	if r := u.nono("zzzzzz"); r.Code != 125 || r.Stderr != want || !strings.Contains(want, ", run, ") {
		t.Errorf("want\n%s\n%s", want, r)
	}
}

// The scripts are read by the shells themselves, where they are there.
func TestCompletion(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for shell, check := range map[string][]string{"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "-n"}} {
		r := u.succeeds(u.nono("completion", shell))
		if len(r.Stdout) < 1000 || !strings.Contains(r.Stdout, "nono") {
			t.Errorf("%s: %s", shell, r)
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue
		}
		u.write("completion."+shell, r.Stdout)
		if out, err := exec.Command(check[0], check[1], u.path("completion."+shell)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	for typed, want := range map[string][]string{
		"":                       {"run", "plan", "version"},
		"plu":                    {"plugin"},
		"plugin ":                {"list"},
		"run --disable ":         {"filesystem", "network"},
		"run --al":               {"--allow", "--allow-cwd"},
		"run --network-profile ": {"minimal"},
		"completion ":            {"bash", "zsh", "fish"},
		"help ":                  {"run", "plugin"},
	} {
		r := u.succeeds(u.nono(append([]string{"__complete"}, strings.Split(typed, " ")...)...))
		var offered []string
		for line := range strings.Lines(r.Stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			offered = append(offered, word)
		}
		for _, w := range want {
			if !slices.Contains(offered, w) {
				t.Errorf("%q: %q is not offered in %q", typed, w, offered)
			}
		}
	}
}
