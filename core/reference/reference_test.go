package reference_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/reference"
	"github.com/nono-run/nono/sdk/policy"
)

var update = flag.Bool("update", false, "write docs/policy.md anew")

// The page of the documentation is what the grammar says.
func TestPage(t *testing.T) {
	const page = "../../docs/policy.md"
	if *update {
		if err := os.WriteFile(page, []byte(reference.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(reference.Page(), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("docs/policy.md is not what the grammar says; `make generate` writes it (-want +got):\n%s", d)
	}
}

// Every name of the language is in each of its forms, with what it means, and what is not built yet
// is said to be so.
func TestEveryNameIsExplained(t *testing.T) {
	page, text := reference.Page(), spaceless(reference.Text())
	says := func(name, help string) {
		t.Helper()
		for form, all := range map[string]string{"the page": spaceless(page), "the help": text} {
			if !strings.Contains(all, spaceless(name)) || !strings.Contains(all, spaceless(strings.ReplaceAll(help, "|", `\|`))) {
				t.Errorf("%s does not explain %s: %s", form, name, help)
			}
		}
	}
	later := 0
	for _, s := range config.Language() {
		for name, a := range s.Grammar.Attributes {
			help := a.Help
			if a.OwnOnly {
				help += "; only in your own config.hcl"
			}
			if a.Later && !s.Grammar.Later {
				help += " (not built yet)"
				later++
			}
			says(name, help)
			for field, f := range a.Fields {
				says(field, f.Help)
			}
		}
		if s.Name == "" {
			continue
		}
		says(s.Name, s.Grammar.Help[1:])
		block, ok := reference.Block(s.Name)
		if !ok || !strings.Contains(spaceless(block), spaceless(s.Example)) {
			t.Errorf("the help of the block %s lacks its example:\n%s", s.Name, block)
		}
		if s.Example != "" && !strings.Contains(page, "```hcl"+s.Example+"```") {
			t.Errorf("the page lacks the example of %s", s.Name)
		}
	}
	if n := strings.Count(page, "(not built yet)"); n != later {
		t.Errorf("the page says %d times that something is not built yet, and %d attributes are not", n, later)
	}
	if _, ok := reference.Block(""); ok {
		t.Error("what stands outside of any block is no block")
	}
}

// Help is read in a terminal.
func TestHelpFitsATerminal(t *testing.T) {
	text := reference.Text()
	for _, name := range reference.Names() {
		block, _ := reference.Block(name)
		text += block
	}
	for line := range strings.Lines(text) {
		if len(line) > 97 || strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
			t.Errorf("too long, or ends in blanks: %q", line)
		}
	}
}

var spaces = regexp.MustCompile(`\s+`)

func spaceless(s string) string { return spaces.ReplaceAllString(s, "") }

// The shapes that a value may have are all shown: a new one would panic in front of a user.
func TestEveryShapeIsShown(t *testing.T) {
	seen := map[language.Shape]bool{}
	for _, s := range config.Language() {
		for _, a := range s.Grammar.Attributes {
			seen[a.Shape] = true
		}
	}
	for shape := language.String; shape <= language.Structured; shape++ {
		if !seen[shape] {
			t.Errorf("no attribute has the shape %d, so that nothing shows how it is written", shape)
		}
	}
}

// What init writes holds as it stands, and means what was asked for.
func TestStarter(t *testing.T) {
	for _, s := range []reference.Starter{
		{},
		{Command: []string{"python3", `a "b" \c ${d} %{e}`, "\u00fc\n"}},
		{ReadOnly: true},
		{Open: true},
		{Models: true},
	} {
		home := t.TempDir()
		proj := home + "/proj"
		if err := os.Mkdir(proj, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(proj+"/agent.hcl", []byte(s.File()), 0o644); err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(config.Options{
			File: "agent.hcl", Dir: proj, Home: home, ConfigDir: home + "/.config/nono", TempDir: "/tmp", UID: os.Getuid(),
			Lookup: func(string) (string, bool) { return "", false }, Approve: s.Open || s.Models,
		})
		if err != nil {
			t.Errorf("%+v: %v\n%s", s, err, s.File())
			continue
		}
		cfg := loaded.Config
		if d := cmp.Diff(s.Command, cfg.Command); d != "" {
			t.Errorf("the command (-want +got):\n%s", d)
		}
		decide := policy.NewDecider(&cfg.Policy)
		if write := decide.Path(proj+"/x", policy.OpWrite).Allowed; write == s.ReadOnly || !decide.Path(proj+"/x", policy.OpRead).Allowed {
			t.Errorf("%+v: may write: %v", s, write)
		}
		if off := cfg.Policy.IsDisabled(policy.KindNetwork); off != s.Open {
			t.Errorf("%+v: the network is open: %v", s, off)
		}
		if to := decide.Host("api.openai.com", 443).Allowed; to != (s.Open || s.Models) {
			t.Errorf("%+v: a model is reached: %v", s, to)
		}
		if to := decide.Host("example.com", 443).Allowed; to != s.Open {
			t.Errorf("%+v: any host is reached: %v", s, to)
		}
		if len(cfg.Notices) > 0 && !s.Open {
			t.Error(cfg.Notices)
		}
	}
}

// All that its blocks can say stands in it, as a comment that is right when its # is taken away.
func TestStarterShowsWhatElseThereIs(t *testing.T) {
	text := reference.Starter{}.File()
	for _, s := range config.Language() {
		if s.Name != "filesystem" && s.Name != "environment" && s.Name != "" {
			continue
		}
		block := text
		if s.Name != "" {
			_, block, _ = strings.Cut(text, "\n"+s.Name+" {\n")
			block, _, _ = strings.Cut(block, "\n}\n")
		}
		for name, a := range s.Grammar.Attributes {
			shown := regexp.MustCompile(`(?m)^ *(# )?` + name + ` = .+$`).FindString(block)
			_, value, _ := strings.Cut(shown, " = ")
			if (shown == "") != a.Later || !strings.Contains(s.Example+`["."]`, value) {
				t.Errorf("%s.%s: %q", s.Name, name, shown)
			}
		}
	}
}
