package skeleton

import (
	"go/format"
	"strings"
	"testing"
)

// Nothing of the sample's name is left, and what is Go is as gofmt has it.
func TestOf(t *testing.T) {
	files, err := Of("initech/tps-report")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, f := range files {
		names[f.Name] = f.Content
		if strings.Contains(f.Content, "motd") || strings.Contains(f.Content, "acme") {
			t.Errorf("%s is about another layer:\n%s", f.Name, f.Content)
		}
		if !strings.HasSuffix(f.Name, ".go") {
			continue
		}
		if clean, err := format.Source([]byte(f.Content)); err != nil || string(clean) != f.Content {
			t.Errorf("%s is not formatted: %v", f.Name, err)
		}
	}
	for name, has := range map[string]string{
		"go.mod": "module example.com/tps-report", "main_test.go": "Conformance",
		"main.go": `"initech/tps-report"`, "try.hcl": "./nono-layer-tps-report",
	} {
		if !strings.Contains(names[name], has) {
			t.Errorf("%s does not have %s:\n%s", name, has, names[name])
		}
	}
	for _, name := range []string{"", "motd", "/motd", "acme/", "acme/motd/x", "acme/../x", "A/b"} {
		if files, err := Of(name); err == nil {
			t.Errorf("%q is a layer's name, with %d files", name, len(files))
		}
	}
}
