package packagehosts

import (
	"archive/zip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

// machine is a user with package managers that are scripts.
type machine struct {
	t    *testing.T
	home string
	env  map[string]string
	l    Learner
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, home: home, env: map[string]string{
		"PATH": home + "/.local/bin", "SECRET": "canary", "GOPROXY": "as the user says",
	}}
	pol := &policy.Policy{}
	for _, dir := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		pol.Filesystem = append(pol.Filesystem, policy.PathRule{
			Access: policy.Read, Path: dir, Type: policy.Directory,
			Source: policy.Source{Origin: policy.OriginDefault},
		})
	}
	m.l = Learner{
		Home: home, Cache: home + "/.cache/nono", Policy: pol,
		Lookup: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok },
	}
	return m
}

func (m *machine) write(name, text string, mode os.FileMode) {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

// program is a manager that says something, and notes how it was run.
func (m *machine) program(name, says string) {
	m.write(name, "#!/bin/sh\n{ env; echo \"args $*\"; echo \"in $PWD: $(ls -A)\"; } >>"+m.home+"/ran."+
		filepath.Base(name)+"\ncat <<'END'\n"+says+"\nEND\n", 0o755)
}

// ran is how a manager was run, since it was last asked for; "" if it was not.
func (m *machine) ran(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.home + "/ran." + name)
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.Remove(m.home + "/ran." + name); err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// remembers changes the memory, where old stands last in it.
func (m *machine) remembers(old, changed string) {
	m.t.Helper()
	const name = ".cache/nono/package-hosts.json"
	text, err := os.ReadFile(filepath.Join(m.home, name))
	at := strings.LastIndex(string(text), old)
	if err != nil || at < 0 {
		m.t.Fatalf("%s is not in what is remembered: %v\n%s", old, err, text)
	}
	m.write(name, string(text[:at])+changed+string(text[at+len(old):]), 0o600)
}

func (m *machine) learn() Learned {
	m.t.Helper()
	learned, err := m.l.Learn(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return learned
}

// jar is an archive with one file.
func (m *machine) jar(name, file, text string) {
	m.t.Helper()
	var b strings.Builder
	w := zip.NewWriter(&b)
	f, err := w.Create(file)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		m.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.write(name, b.String(), 0o644)
}

// usual is a machine with every manager.
func usual(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.program(".local/bin/npm", `{"registry": "https://npm.example/", "@acme:registry": "http://acme.example:4873/x", "cache": "https://no.example"}`)
	m.program(".local/bin/go", `{"GOPROXY": "https://user:pw@go.example/mod|https://b.example,direct", "GOSUMDB": "sum.example+033de0ae+Ac4z"}`)
	m.program(".local/bin/python3", "https://pip.example/simple\nhttps://files.example")
	m.program(".local/bin/cargo", "")
	m.write(".cargo/config.toml", "[registries.acme]\nindex = \"sparse+https://cargo.example/index/\"\n[source.x]\nregistry = \"https://mirror.example/git\"\n", 0o644)
	m.write(".cargo/registry/index/index.example-1949cf8c6b5b557f/config.json", `{"dl": "https://static.example/crates", "api": "https://api.example"}`, 0o644)
	m.program(".local/bin/mvn", "")
	m.jar(".local/lib/maven-model-builder-3.9.jar", "org/apache/maven/model/pom-4.0.0.xml",
		"<project><repositories><repository><url>https://maven.example/2</url></repository></repositories><url>https://no.example</url></project>")
	m.write(".m2/settings.xml", "<settings><mirrors><mirror><url>https://maven-mirror.example</url></mirror></mirrors></settings>", 0o644)
	return m
}

func TestLearn(t *testing.T) {
	t.Parallel()
	m := usual(t)
	learned := m.learn()
	want := map[string][]string{
		"npm": {"acme.example:4873", "npm.example"}, "go": {"go.example", "b.example", "sum.example"},
		"pip":   {"pip.example", "files.example"},
		"cargo": {"cargo.example", "mirror.example", "index.example", "static.example"},
		"maven": {"maven-mirror.example", "maven.example"},
	}
	got := map[string][]string{}
	for _, c := range learned.Clients {
		got[c.Name] = c.Hosts
		if c.Why != "" {
			t.Errorf("%s: %s", c.Name, c.Why)
		}
	}
	if diff := cmp.Diff(want, got, cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if says := learned.Says(); !learned.Fresh || !strings.Contains(says, "npm: ") || strings.Contains(says, "pw") {
		t.Errorf("what is told is %q", says)
	}
	// Those that are only read are not run.
	for _, name := range []string{"cargo", "mvn"} {
		if ran := m.ran(name); ran != "" {
			t.Errorf("%s was run\n%s", name, ran)
		}
	}
}

// A manager is run in an empty directory of nono's own, and is told of the user's environment only
// what says where to fetch from.
func TestHowManagersAreRun(t *testing.T) {
	t.Parallel()
	m := usual(t)
	m.learn()
	for _, name := range []string{"npm", "go", "python3"} {
		ran := m.ran(name)
		if !strings.Contains(ran, "in "+m.home+"/.cache/nono/ask-") || !strings.Contains(ran, ": \n") {
			t.Errorf("%s was not run in an empty directory:\n%s", name, ran)
		}
		for _, has := range []string{"HOME=" + m.home, "npm_config_offline=true", "GOTOOLCHAIN=local", "GOPROXY=as the user says"} {
			if !strings.Contains(ran, has+"\n") {
				t.Errorf("%s was run without %s:\n%s", name, has, ran)
			}
		}
		if strings.Contains(ran, "canary") {
			t.Errorf("%s was told the user's variables:\n%s", name, ran)
		}
	}
	left, err := filepath.Glob(m.home + "/.cache/nono/ask-*")
	if err != nil || len(left) > 0 {
		t.Errorf("directories are left: %v, %v", left, err)
	}
}

// What was said is remembered until a setting changes, or a manager.
func TestRemembered(t *testing.T) {
	t.Parallel()
	m := usual(t)
	first := m.learn()
	m.ran("npm")
	again := m.learn()
	if ran := m.ran("npm"); ran != "" || again.Fresh {
		t.Errorf("npm was asked again\n%s", ran)
	}
	if diff := cmp.Diff(first.Hosts(), again.Hosts()); diff != "" {
		t.Errorf("what is remembered is another (-want +got):\n%s", diff)
	}
	for change, do := range map[string]func(){
		"a setting":  func() { m.write(".npmrc", "registry=x", 0o600) },
		"a manager":  func() { m.program(".local/bin/npm", `{"registry": "https://other.example/"}`) },
		"a variable": func() { m.env["NPM_CONFIG_REGISTRY"] = "https://a.example" },
		"the memory": func() { m.write(".cache/nono/package-hosts.json", `{"version": 1, "mark": "x", "clients": []}`, 0o600) },
		"another nono's memory": func() {
			text, err := os.ReadFile(m.home + "/.cache/nono/package-hosts.json")
			if err != nil {
				t.Fatal(err)
			}
			m.write(".cache/nono/package-hosts.json", strings.Replace(string(text), `"version":2`, `"version":3`, 1), 0o600)
		},
		"a memory with more in it": func() {
			m.remembers(`"clients":`, `"hosts":["evil.example"],"clients":`)
		},
		"a memory with more behind it": func() { m.remembers(`]}`, `]} {}`) },
		"a memory of another variable": func() {
			m.remembers(`"hosts":`, `"variables":[{"name":"LD_PRELOAD","value":"/x"}],"hosts":`)
		},
		"a memory of a password": func() {
			m.remembers(`"hosts":`, `"variables":[{"name":"GOPROXY","value":"https://u:p@a.example"}],"hosts":`)
		},
	} {
		do()
		if learned := m.learn(); !learned.Fresh || m.ran("npm") == "" {
			t.Errorf("%s changed, and npm was not asked again", change)
		}
	}
}

// Nothing is run that an agent may have put there: what the run lets it write, and what lies where
// no tools are installed. The control is the same program where they are.
func TestPlantedManagers(t *testing.T) {
	t.Parallel()
	const evil = `{"registry": "https://evil.example/"}`
	m := newMachine(t)
	m.program("proj/node_modules/.bin/npm", evil)
	m.env["PATH"] = m.home + "/proj/node_modules/.bin:" + m.home + "/.local/bin"
	m.l.Policy.Filesystem = append(m.l.Policy.Filesystem, policy.PathRule{
		Access: policy.Allow, Path: m.home + "/proj", Type: policy.Directory,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"},
	})
	if learned := m.learn(); m.ran("npm") != "" || len(learned.Hosts()) > 0 ||
		!strings.Contains(learned.Says(), "does not lie where tools are installed") {
		t.Errorf("a program of a project was run: %s", learned.Says())
	}
	m.env["PATH"] = m.home + "/.local/bin"
	m.program(".local/bin/npm", evil)
	if learned := m.learn(); m.ran("npm") == "" || !slices.Equal(learned.Hosts(), []string{"evil.example"}) {
		t.Errorf("the control: %s", learned.Says())
	}
	m.l.Policy.Filesystem = append(m.l.Policy.Filesystem, policy.PathRule{
		Access: policy.Write, Path: m.home + "/.local", Type: policy.Directory,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--write ~/.local"},
	})
	m.write(".npmrc", "", 0o600) // or it is remembered
	if learned := m.learn(); m.ran("npm") != "" || len(learned.Hosts()) > 0 ||
		!strings.Contains(learned.Says(), "the agent may write") {
		t.Errorf("a program that the agent may write was run: %s", learned.Says())
	}
}

// Settings that the agent may write say nothing of what it may reach: it could write there what it
// wants for the next run. Whoever else may write them is asked as before, and each again when that
// is over.
func TestWritableSettings(t *testing.T) {
	t.Parallel()
	for grant, manager := range map[string]string{
		".cargo": "cargo", ".cargo/registry": "cargo", ".config/pip": "pip", ".config/go/env": "go",
		".npmrc": "npm", ".m2": "maven",
	} {
		m := usual(t)
		before := m.learn() // and is remembered, which must not count
		m.l.Policy.Filesystem = append(m.l.Policy.Filesystem, policy.PathRule{
			Access: policy.Write, Path: filepath.Join(m.home, grant), Type: policy.Directory,
			Source: policy.Source{Origin: policy.OriginFlag, Flag: "--write ~/" + grant},
		})
		learned := m.learn()
		for _, c := range learned.Clients {
			asked := len(c.Hosts) > 0
			if asked != (c.Name != manager) {
				t.Errorf("the agent may write ~/%s, and %s says %v, %s", grant, c.Name, c.Hosts, c.Why)
			}
			if !asked && !strings.Contains(c.Why, "the agent may write "+m.home) {
				t.Errorf("%s: told is %q", c.Name, c.Why)
			}
		}
		if again := m.learn(); again.Fresh {
			t.Errorf("~/%s: they are asked at each start", grant)
		}
		m.l.Policy.Filesystem = m.l.Policy.Filesystem[:len(m.l.Policy.Filesystem)-1]
		if after := m.learn(); !slices.Equal(after.Hosts(), before.Hosts()) {
			t.Errorf("~/%s: afterwards they say %v", grant, after.Hosts())
		}
	}
}

// A manager that fails is told, and asked again the next time.
func TestFailing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(".local/bin/npm", "#!/bin/sh\necho \"no \x1b[31mway\" >&2\nexit 1\n", 0o755)
	m.program(".local/bin/go", "not JSON")
	says := m.learn().Says()
	for _, want := range []string{`it failed: exit status 1: no \x1b[31mway`, "what it says of its settings cannot be read"} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is not in %q", want, says)
		}
	}
	if !m.learn().Fresh {
		t.Error("a failure is remembered")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.l.Learn(cancelled); err == nil {
		t.Error("a start that is called off learns something")
	}
}

func TestNothingInstalled(t *testing.T) {
	t.Parallel()
	if says := newMachine(t).learn().Says(); says != "none of npm, go, pip, cargo and mvn was found" {
		t.Error(says)
	}
}

// A manager that never stops talking does not fill the memory.
func TestTalkative(t *testing.T) {
	t.Parallel()
	var l limited
	for range 3 {
		if n, err := l.Write(make([]byte, mostSaid)); n != mostSaid || err != nil {
			t.Fatal(n, err)
		}
	}
	if l.Len() != mostSaid {
		t.Errorf("%d bytes are kept", l.Len())
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://a.example/x":            "a.example",
		"https://a.example:443":          "a.example",
		"http://a.example:443":           "a.example:443",
		"sparse+https://a.example:8443/": "a.example:8443",
		"https://user:pw@a.example/":     "a.example",
		"https://[2001:db8::1]:8443/":    "[2001:db8::1]:8443",
		"sum.example":                    "sum.example",
		"file:///srv/mirror":             "",
		"https://*.example/":             "",
		"*.example":                      "",
		"https://%zz/":                   "",
	} {
		if got := hostOf(text); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
