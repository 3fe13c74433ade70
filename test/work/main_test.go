package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A nono that runs the command as it is, or something else, stands for the sandbox here.
func fake(t *testing.T, script string) string {
	t.Helper()
	nono := filepath.Join(t.TempDir(), "nono")
	script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\n" + script + "\n"
	if err := os.WriteFile(nono, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return nono
}

func TestVerdicts(t *testing.T) {
	differs := &deviation{code: 1, says: "not there", why: "so it is"}
	for _, c := range []struct {
		name, inside string
		row          row
		want         verdict
	}{
		{"the same", `exec "$@"`, row{run: "echo x; echo y >f; exit 3"}, same},
		{"another exit code", `"$@"; exit 1`, row{run: "true"}, wrong},
		{"other output", `echo more; exec "$@"`, row{run: "true"}, wrong},
		{"output on the other stream is no difference", `exec "$@" 2>&1`, row{run: "echo x >&2"}, same},
		{"a file is missing", `"$@"; rm f`, row{run: "echo >f"}, wrong},
		{"a file has another mode", `"$@"; chmod 600 f`, row{run: "echo >f"}, wrong},
		{"meant to differ", `echo it is not there; exit 1`, row{run: "true", differs: differs}, meant},
		{"meant to differ, and does not", `exec "$@"`, row{run: "true", differs: differs}, wrong},
		{"differs in another way than was meant", `exit 1`, row{run: "true", differs: differs}, wrong},
		{"a program is missing", `exec "$@"`, row{needs: []string{"no-such-program"}, run: "true"}, lacking},
		{"what it starts from is missing", `exec "$@"`, row{given: "exit 1", run: "true"}, lacking},
		{"a variable", `exec "$@"`, row{env: []string{"A=b c"}, run: `[ "$A" = "b c" ]`}, same},
		{"a new home each time", `exec "$@"`, row{given: "touch ~/f", run: "ls -A ~; touch ~/g"}, same},
		{"a directory of PATH", `exec "$@"`, row{path: []string{"b"}, given: "mkdir ~/b; printf '#!/bin/sh\necho ran\n' >~/b/x; chmod +x ~/b/x", run: "x"}, same},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := &trial{nono: fake(t, c.inside), user: t.TempDir(), base: t.TempDir()}
			x, err := trial.try("group", c.row)
			if err != nil {
				t.Fatal(err)
			}
			if got := x.verdict(); got != c.want {
				t.Errorf("verdict %d, want %d\n%s", got, c.want, x.line())
			}
			if ok := allRight([]result{x, {}}); ok != (c.want != wrong) {
				t.Errorf("all right: %v\n%s", ok, x.line())
			}
		})
	}
}

// Names are how a row is asked for, and what the page calls it.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	commands := 0
	for _, g := range groups {
		for _, r := range g.all() {
			name := g.name + "/" + r.name
			if seen[name] || r.name == "" || r.run == "" {
				t.Errorf("%s is there twice, or says nothing", name)
			}
			seen[name] = true
			if d := r.differs; d != nil && d.why == "" {
				t.Errorf("%s differs and does not say why", name)
			}
			if g.name == "git" {
				commands++
			}
		}
	}
	if commands < 40 {
		t.Errorf("only %d rows of git", commands)
	}
}

// Each deviation of the table is on the page, and the page has no other.
func TestPage(t *testing.T) {
	content, err := os.ReadFile("../../docs/work.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	var rows []string
	for _, g := range groups {
		for _, r := range g.all() {
			line := "| " + g.name + ": " + r.name + " |"
			if r.differs != nil {
				rows = append(rows, line)
				if !strings.Contains(page, r.differs.why) {
					t.Errorf("the page does not say of %s: %s (make work PAGE=1)", line, r.differs.why)
				}
			}
		}
	}
	_, page, _ = strings.Cut(page, differ)
	page, _, _ = strings.Cut(page, "\n## ")
	for line := range strings.Lines(page) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.Contains(name, ": ") &&
			!slices.Contains(rows, "| "+name+" |") {
			t.Errorf("the page says that %s differs, and the table does not", name)
		}
	}
}
