package config_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nono-run/nono/profiles"
)

// Each built-in profile is read where all that it names exists, and where nothing of it does; and
// it says nothing but what whoever types its name has to know.
func TestBuiltInProfiles(t *testing.T) {
	files, err := profiles.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".hcl")
		text, err := profiles.Files.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if name == "default" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Profiles = []string{name}
			bare := load(t, w)
			if len(bare.Policy.Environment) == 0 {
				t.Error("the default is not part of it")
			}
			for _, path := range regexp.MustCompile(`"~/[^"]+"`).FindAllString(string(text), -1) {
				if path = w.root + "/home" + strings.Trim(path, `"~`); !strings.Contains(filepath.Base(path)[1:], ".") {
					path += "/x"
				}
				w.file(strings.TrimPrefix(path, w.root), "")
			}
			full := load(t, w)
			for _, n := range full.Notices {
				if !strings.Contains(n.Summary, "can be read inside") && !strings.Contains(n.Summary, "further arguments") {
					t.Errorf("a notice: %s", n.Summary)
				}
			}
			given := 0
			for _, r := range full.Policy.Rules() {
				if r.Source.File == f.Name() {
					given++
				}
			}
			if given == 0 {
				t.Error("it says nothing")
			}
		})
	}
}
