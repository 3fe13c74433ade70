package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/hosts"
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

func TestMain(m *testing.M) {
	hosts.Arrange()
	os.Exit(m.Run())
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
			trial := &trial{tier: tierA, nono: fake(t, c.inside), user: t.TempDir(), base: t.TempDir()}
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

// In tier B nono is on a host where no namespaces can be made, and outside is where it was.
func TestTiers(t *testing.T) {
	nono := fake(t, `unshare -U true 2>/dev/null && echo namespaces; exit 0`)
	for in, want := range map[tier]verdict{tierA: same, tierB: wrong} {
		trial := &trial{tier: in, nono: nono, user: t.TempDir(), base: t.TempDir()}
		x, err := trial.try("group", row{run: "unshare -U true 2>/dev/null && echo namespaces; exit 0"})
		if err != nil {
			t.Fatal(err)
		}
		if got := x.verdict(); got != want || x.outside.output != "namespaces\n" {
			t.Errorf("tier %s: verdict %d, want %d\n%s", in, got, want, x.line())
		}
	}
}

// Where tier B has a deviation of its own, or none, that is the one that is meant there.
func TestDeviationOfTier(t *testing.T) {
	both, other := &deviation{why: "both"}, &deviation{why: "other"}
	for _, c := range []struct {
		row  row
		a, b *deviation
	}{
		{row{}, nil, nil},
		{row{differs: both}, both, both},
		{row{differs: both, inB: other}, both, other},
		{row{inB: other}, nil, other},
		{row{differs: both, inB: none("kept aside")}, both, nil},
	} {
		if a, b := c.row.deviation(tierA), c.row.deviation(tierB); a != c.a || b != c.b {
			t.Errorf("%+v: %v in tier A, %v in tier B", c.row, a, b)
		}
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
			for _, d := range []*deviation{r.differs, r.inB} {
				if d != nil && d.why == "" {
					t.Errorf("%s differs and does not say why", name)
				}
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
			for _, d := range []*deviation{r.differs, r.inB} {
				if d == nil {
					continue
				}
				rows = append(rows, line)
				if !strings.Contains(page, d.why) {
					t.Errorf("the page does not say of %s: %s (make work PAGE=1)", line, d.why)
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
