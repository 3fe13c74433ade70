package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// place is where a line of what was loaded comes from; used is what is told of JSON alone.
var (
	place = regexp.MustCompile(`( <- |document /T/proj/)agent\.(json|hcl)[:0-9]*`)
	used  = regexp.MustCompile(`notice .* is used by each run, for it is defined\n`)
)

// What a profile in JSON is converted to gives the same policy, and asks for the same.
func TestConvertedGivesTheSame(t *testing.T) {
	for _, name := range []string{"credential-json", "network-json"} {
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			w, content := newWorld(t), []byte(nil)
			for _, f := range a.Files {
				switch f.Name {
				case "flags":
					w.flags(string(f.Data))
				case "want":
				case "proj/agent.json":
					content = f.Data
					fallthrough
				default:
					w.file(f.Name, string(f.Data))
				}
			}
			hcl, problems := config.Convert(diag.Text{
				Origin: policy.OriginFile, File: "agent.json", Content: content,
			})
			if hcl == nil {
				t.Fatal(problems)
			}
			if err := os.WriteFile(filepath.Join(w.root, "proj/agent.hcl"), hcl, 0o600); err != nil {
				t.Fatal(err)
			}
			shown := func(file string) []string { // in any order: it is asked in that of the lines
				w.options.File = file
				loaded, err := config.Load(w.options)
				if err != nil {
					t.Fatalf("%v\n%s", err, hcl)
				}
				text := used.ReplaceAllString(w.show(loaded, err), "")
				return slices.Sorted(strings.Lines(place.ReplaceAllString(text, "$1")))
			}
			if diff := cmp.Diff(shown("agent.json"), shown("agent.hcl")); diff != "" {
				t.Errorf("-json +hcl:\n%s\n%s", diff, hcl)
			}
		})
	}
}
