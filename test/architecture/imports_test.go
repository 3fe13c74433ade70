package architecture

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write imports.txt anew")

// product are the directories whose packages are compiled into a program, or into a vendor's.
var product = []string{"cmd", "core", "plugins", "profiles", "sdk"}

// TestWhoImportsWhom holds imports.txt, which lists for each package of the product those of the
// product that it imports. The rules above say what never may be; this is what is. A new line in
// the file is a new dependency between two ideas, and is looked at as such in review.
//
//	go test ./test/architecture -run TestWhoImportsWhom -update
func TestWhoImportsWhom(t *testing.T) {
	var got strings.Builder
	for _, p := range list(t, "./...") {
		name, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours || !beneathAny(name, product) {
			continue
		}
		fmt.Fprintln(&got, name)
		for _, imported := range slices.Sorted(slices.Values(p.Imports)) {
			if other, ours := strings.CutPrefix(imported, module+"/"); ours {
				fmt.Fprintln(&got, "\t"+other)
			}
		}
	}
	const file = "imports.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("who imports whom has changed (-%s +now):\n%s", file, diff)
	}
}
