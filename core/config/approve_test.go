package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config"
)

// memory is what a user has approved, by path, and how often he was asked.
type memory struct {
	wants map[string][]string
	asked []config.Request
	says  bool
}

func (m *memory) of(w *world) {
	w.options.Approved = func(path string) ([]string, error) { return m.wants[path], nil }
	w.options.Confirm = func(q config.Request) (bool, error) {
		m.asked = append(m.asked, q)
		if m.says {
			m.wants[q.Path] = q.Wants()
		}
		return m.says, nil
	}
}

// fill makes what the files of the tests name.
func fill(w *world) {
	for _, name := range []string{
		"home/data/sub/x", "home/other/x", "home/.kube/config", "proj/.git/config", "proj/.git/hooks/x", "opt/acme/egress", "opt/acme/other",
		"proj/in/x",
	} {
		w.file(name, "")
	}
}

// Each attribute that asks, in a stranger's file: it is asked about once; what asks for no more is
// not asked about again, and what asks for more is.
func TestApprovalIsRemembered(t *testing.T) {
	plugin := "plugin \"acme/egress\" {\n  path = \"/T/opt/acme/egress\"\n}\n"
	for name, tt := range map[string]struct {
		file    string
		no      []string // ask for no more
		more    []string // ask for more
		nothing bool     // it has what it names by itself
	}{
		"allow": {
			file: `filesystem { allow = ["~/data", "."] }`,
			no: []string{
				`filesystem { read = ["~/data"] }`, `filesystem { write = ["~/data/sub"] }`, `command = ["true"]`,
				"filesystem {\n  # elsewhere\n  allow = [\"~/data/sub\", \"in\"]\n  deny = [\"~/data/sub/x\"]\n}",
			},
			more: []string{`filesystem { allow = ["~/data", "~/other"] }`, `filesystem { read = ["~"] }`},
		},
		"read": {
			file: `filesystem { read = ["~/data"] }`,
			no:   []string{`filesystem { read = ["~/data/sub/x"] }`},
			more: []string{`filesystem { allow = ["~/data"] }`, `filesystem { write = ["~/data"] }`, `filesystem { read = ["~/other"] }`},
		},
		"write": {
			file: `filesystem { write = ["~/data"] }`,
			no:   []string{`filesystem { write = ["~/data"] }`},
			more: []string{`filesystem { allow = ["~/data"] }`, `filesystem { read = ["~/data"] }`},
		},
		"write of what is protected": {
			file: `filesystem { write = [".git/config"] }`, no: []string{`filesystem { allow = ["."] }`},
			more: []string{`filesystem { write = [".git/hooks", ".git/config", "~/data"] }`},
		},
		"lift": {
			file: `filesystem { lift = ["~/.kube/config"] }`, no: []string{"filesystem {\n  lift = [\"~/.kube/../.kube/config\"]\n}"},
			more: []string{`filesystem { lift = ["~/.kube"] }`, "filesystem {\n  lift = [\"~/.kube/config\"]\n  read = [\"~/.kube/config\"]\n}"},
		},
		"unix": {
			file: `filesystem { unix = ["~/a.sock"] }`, no: []string{`filesystem {}`},
			more: []string{`filesystem { unix = ["~/b.sock"] }`, `filesystem { read = ["~/a.sock"] }`},
		},
		"pass": {
			file: `environment { pass = ["TOKEN"] }`, no: []string{`environment { set = { TOKEN = "x" } }`},
			more: []string{`environment { pass = ["TOKEN*"] }`, `environment { pass = ["TOKEN2"] }`},
		},
		"set": {
			file: `environment { set = { LD_PRELOAD = "a.so" } }`, no: []string{`environment { set = { CI = "1" } }`},
			more: []string{`environment { set = { LD_PRELOAD = "b.so" } }`},
		},
		"best_effort": {
			file: `best_effort = true`, no: []string{`best_effort = false`}, more: []string{"best_effort = true\nfilesystem { read = [\"~/data\"] }"},
		},
		"extends": {
			file: `extends = ["mine"]`, no: []string{`command = ["true"]`}, more: []string{`extends = ["mine", "yours"]`},
		},
		"plugin": {
			file: plugin + "layer \"egress\" {\n  plugin = \"acme/egress\"\n  mode = \"strict\"\n}\n",
			no:   []string{"layer \"egress\" {\n  plugin = \"acme/egress\"\n}\n"},
			more: []string{
				plugin + "layer \"egress\" {\n  plugin = \"acme/egress\"\n  mode = \"open\"\n}\n",
				plugin + "layer \"egress\" {\n  plugin = \"acme/egress\"\n  other = \"strict\"\n}\n",
				plugin + "layer \"filesystem\" {\n  plugin = \"acme/egress\"\n}\n",
				strings.Replace(plugin, "/egress\"\n", "/other\"\n", 1), `layer "filesystem" { enabled = false }`,
			},
		},
		"layer off":           {file: `layer "filesystem" { enabled = false }`, no: []string{`layer "filesystem" {}`}, more: []string{`layer "network" { enabled = false }`}},
		"its own directory":   {file: `filesystem { allow = ["."] }`, nothing: true, more: []string{`filesystem { allow = [".."] }`}},
		"what tightens":       {file: `filesystem { deny = ["**", "~"] }`, nothing: true},
		"a plain variable":    {file: `environment { set = { CI = "1" } }`, nothing: true},
		"a command":           {file: "command = [\"make\"]\narguments = [\"x\"]\n", nothing: true},
		"what it extends too": {file: `extends = ["./in/p.hcl"]`, no: []string{`command = ["true"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fill(w)
			w.file("home/.config/nono/profiles/mine.hcl", "environment { set = { A = \"1\" } }\n")
			w.file("home/.config/nono/profiles/yours.hcl", "environment { set = { B = \"1\" } }\n")
			w.file("proj/in/p.hcl", "filesystem { read = [\"~/other\"] }\n")
			w.flags("-c agent.hcl")
			m := &memory{wants: map[string][]string{}, says: true}
			m.of(w)
			asked := func(file string, times int) {
				t.Helper()
				m.asked = nil
				w.file("proj/agent.hcl", file)
				if _, err := config.Load(w.options); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if len(m.asked) != times {
					t.Errorf("%s: asked %d times, want %d: %+v", file, len(m.asked), times, m.asked)
				}
			}
			first := 1
			if tt.nothing {
				first = 0
			}
			asked(tt.file, first)
			asked(tt.file, 0)
			known := m.wants
			for _, file := range tt.no {
				asked(file, 0)
			}
			for _, file := range tt.more {
				m.wants = map[string][]string{}
				for path, wants := range known {
					m.wants[path] = wants
				}
				asked(file, 1)
			}
			if tt.nothing {
				return
			}
			// The same file elsewhere is another one.
			m.wants, m.asked = known, nil
			w.file("proj/renamed.hcl", tt.file)
			w.options.File = "renamed.hcl"
			if _, err := config.Load(w.options); err != nil || len(m.asked) != 1 {
				t.Errorf("renamed: %v, asked %d times", err, len(m.asked))
			}
			// Nobody can be asked: it is refused, with what to type. Approved for one run it is not.
			w.options.Confirm, m.wants = nil, map[string][]string{}
			_, err := config.Load(w.options)
			if err == nil || !strings.Contains(err.Error(), "and that is not approved") {
				t.Errorf("without a terminal: %v", err)
			}
			w.options.Approve = true
			if _, err := config.Load(w.options); err != nil {
				t.Errorf("with --approve: %v", err)
			}
			w.options.Approve = false
			if _, err := config.Load(w.options); err == nil {
				t.Error("--approve was remembered")
			}
		})
	}
}

// The user says no: nothing runs, and he is asked the next time. What cannot be remembered, or
// cannot be read, refuses the run.
func TestNotApproved(t *testing.T) {
	w := newWorld(t)
	fill(w)
	w.file("proj/agent.hcl", "filesystem { read = [\"~/data\"] }\n")
	w.flags("-c agent.hcl")
	m := &memory{wants: map[string][]string{}}
	m.of(w)
	for range 2 {
		_, err := config.Load(w.options)
		if err == nil || !strings.Contains(err.Error(), "agent.hcl: what it asks for is not approved") {
			t.Errorf("got %v", err)
		}
	}
	if len(m.asked) != 2 {
		t.Errorf("asked %d times", len(m.asked))
	}
	failed := errors.New("the disk is full")
	w.options.Confirm = func(config.Request) (bool, error) { return true, failed }
	if _, err := config.Load(w.options); err == nil || !strings.Contains(err.Error(), failed.Error()) {
		t.Errorf("got %v", err)
	}
	w.options.Approved = func(string) ([]string, error) { return []string{`read "/"`}, failed }
	if _, err := config.Load(w.options); err == nil || !strings.Contains(err.Error(), failed.Error()) {
		t.Errorf("got %v", err)
	}
}

// Nobody is asked about what is refused anyway, and all that a file brings is one question, with
// its control characters for whoever prints it to escape.
func TestWhatIsAsked(t *testing.T) {
	w := newWorld(t)
	fill(w)
	m := &memory{wants: map[string][]string{}, says: true}
	m.of(w)
	w.file("proj/in/p.hcl", "filesystem { read = [\"~/other\"] }\n")
	w.file("home/\x1b[2J/x", "")
	w.file("proj/agent.hcl", "extends = [\"in/p.hcl\"]\nfilesystem { read = [\"~/data\", \"~/\\u001b[2J\", \"~/nowhere/*\", \"/proc\"] }\n")
	w.flags("-c agent.hcl")
	if _, err := config.Load(w.options); err == nil || len(m.asked) > 0 {
		t.Errorf("%v; asked %+v", err, m.asked)
	}
	w.file("proj/agent.hcl", "extends = [\"in/p.hcl\"]\nfilesystem { read = [\"~/data\", \"~/\\u001b[2J\"] }\n")
	m.wants[w.root+"/proj/agent.hcl"] = []string{"read " + `"` + w.root + `/home/data"`, "execute " + `"` + w.root + `/home/data"`}
	if _, err := config.Load(w.options); err != nil || len(m.asked) != 1 {
		t.Fatalf("%v; asked %+v", err, m.asked)
	}
	var says []string
	for i, ask := range m.asked[0].Asks {
		mark := ""
		if m.asked[0].New[i] {
			mark = "new: "
		}
		says = append(says, mark+ask.Says)
	}
	if got := strings.Join(says, "; "); got != "new: to read ~/other; to read ~/data; new: to read ~/\x1b[2J" {
		t.Errorf("asked %q", got)
	}
}

// A command is a stranger's word wherever in his files it stands, and by whatever name he brings it.
func TestCommandIsForeign(t *testing.T) {
	for name, tt := range map[string]struct {
		place func(*world)
		flags string
		want  bool
	}{
		"-c":             {func(w *world) { w.file("proj/agent.hcl", "command = [\"x\"]\n") }, "-c agent.hcl", true},
		"what it brings": {func(w *world) { w.file("proj/agent.hcl", "extends = [\"mine\"]\n") }, "-c agent.hcl\n--approve", true},
		"the user's own": {func(*world) {}, "--profile mine", false},
		"a linked one":   {func(w *world) { w.links("home/.config/nono/profiles/linked.hcl -> /T/proj/p.hcl") }, "--profile linked", true},
	} {
		w := newWorld(t)
		w.file("home/.config/nono/profiles/mine.hcl", "command = [\"x\"]\n")
		w.file("proj/p.hcl", "command = [\"x\"]\n")
		tt.place(w)
		w.flags(tt.flags)
		if got := load(t, w).CommandForeign; got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
