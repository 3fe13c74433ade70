package attack

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/threats.md")

//go:generate go test -run ^TestPage$ . -update

// TestPage: docs/threats.md is made from the table.
func TestPage(t *testing.T) {
	const name = "../../docs/threats.md"
	want := Page()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("docs/threats.md is not what the table says (%v): make generate", err)
	}
}

// TestThreats: all 86 are listed, each once; each is tried, or it is said why not; and the tests that
// are named are there.
func TestThreats(t *testing.T) {
	rows := Table(true)
	n := 0
	for _, part := range Threats() {
		for _, threat := range part.Threats {
			n++
			if want := fmt.Sprintf("E%02d", n); threat.ID != want {
				t.Errorf("%s stands where %s should", threat.ID, want)
			}
			tried := slices.ContainsFunc(rows, func(r Row) bool { return r.Threat == threat.ID })
			if !tried && threat.Elsewhere == "" {
				t.Errorf("%s is not tried, and nothing is said of it", threat.ID)
			}
			for _, test := range threat.Tests {
				dir, name, _ := strings.Cut(test, " ")
				if !declared(t, filepath.Join("../..", dir), name) {
					t.Errorf("%s: there is no %s", threat.ID, test)
				}
			}
		}
	}
	if n != 86 {
		t.Errorf("%d threats", n)
	}
	for _, r := range rows {
		if !strings.Contains(Page(), r.Tried) {
			t.Errorf("%s is not on the page", r.Name())
		}
	}
}

// declared says whether a package's tests have a function of this name.
func declared(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nfunc "+name+"(t ")
	})
}
