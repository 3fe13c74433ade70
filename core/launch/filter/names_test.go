package filter

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write numbers.go from golang.org/x/sys")

// TestNumbers holds that the table has every call that golang.org/x/sys knows: where a newer x/sys
// knows more, they have to be judged.
func TestNumbers(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "unix")
	want := map[string]*row{}
	read := func(m Machine) {
		for name, number := range constants(t, filepath.Join(dir, "zsysnum_linux_"+string(m)+".go")) {
			if want[name] == nil {
				want[name] = &row{name: name, amd64: -1, arm64: -1}
			}
			switch m {
			case AMD64:
				want[name].amd64 = number
			case ARM64:
				want[name].arm64 = number
			}
		}
	}
	read(AMD64)
	read(ARM64)
	names := slices.Sorted(maps.Keys(want))
	if *update {
		if err := os.WriteFile("numbers.go", generate(t, names, want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, m := range []Machine{AMD64, ARM64} {
		for _, name := range names {
			number, ok := want[name].number(m)
			got, has := Number(m, name)
			if has != ok || got != number {
				t.Errorf("%s on %s: %d, %v; x/sys says %d, %v; run go generate and judge it in core/plan/base",
					name, m, got, has, number, ok)
			}
		}
		for _, name := range Names(m) {
			if want[name] == nil {
				t.Errorf("%s on %s: x/sys does not know it", name, m)
			}
		}
	}
}

// constants reads the numbers in a file of x/sys.
func constants(t *testing.T, file string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+= (\d+)$`).FindAllSubmatch(text, -1) {
		name := strings.ToLower(string(m[1]))
		if name == "arch_specific_syscall" { // where the numbers of an architecture's own begin
			continue
		}
		if found[name], err = strconv.Atoi(string(m[2])); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 300 {
		t.Fatalf("%s has only %d numbers", file, len(found))
	}
	return found
}

func generate(t *testing.T, names []string, rows map[string]*row) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("// Code generated from golang.org/x/sys by go generate; DO NOT EDIT.\n\npackage filter\n\n")
	b.WriteString("// numbers are sorted by name.\nvar numbers = [...]row{\n")
	for _, name := range names {
		fmt.Fprintf(&b, "\t{%q, %d, %d},\n", name, rows[name].amd64, rows[name].arm64)
	}
	b.WriteString("}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
