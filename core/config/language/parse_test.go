package language_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// small is a grammar with one attribute of each shape.
var small = &language.Block{
	Attributes: map[string]language.Attribute{"command": {Shape: language.StringList}},
	Blocks: map[string]*language.Block{
		"limits": {Attributes: map[string]language.Attribute{
			"name":  {Shape: language.String, OneOf: []string{"one", "other"}},
			"count": {Shape: language.Number},
			"on":    {Shape: language.Bool},
			"ports": {Shape: language.NumberList},
			"from":  {Shape: language.OneOrMore},
			"set":   {Shape: language.Variables},
			"basic": {
				Shape:  language.Structured,
				Fields: map[string]language.Attribute{"user": {Shape: language.String}},
			},
		}},
		"layer": {
			Label: "KIND", Settings: true,
			Attributes: map[string]language.Attribute{"enabled": {Shape: language.Bool}},
		},
	},
}

func text(content string) diag.Text {
	return diag.Text{Origin: policy.OriginFile, File: "agent.hcl", Content: []byte(content)}
}

func TestParse(t *testing.T) {
	root, problems := language.Parse(text(`command = ["a", "b"]
limits {
  name  = "one"
  count = 3
  on    = true
  ports = [1]
  from  = "x"
  set   = { A = "1", "B" = "2" }
  basic = { user = "ada" }
}
layer "echo" {
  enabled = false
  mode    = "m"
}
`), small)
	if problems.Failed() {
		t.Fatal(problems)
	}
	var got []string
	for _, it := range root.List("command") {
		got = append(got, it.Source.String()+" "+it.Text)
	}
	limits, layer := root.Blocks[0], root.Blocks[1]
	for _, it := range limits.List("set") {
		got = append(got, it.Source.String()+" "+it.Key+"="+it.Text)
	}
	from, ok := limits.One("from")
	got = append(got, from.Text, layer.Title(), layer.Source.String())
	got = append(got, layer.Settings.Names()...)
	want := []string{
		"agent.hcl:1:12 a", "agent.hcl:1:17 b", "agent.hcl:8:13 A=1", "agent.hcl:8:22 B=2", "x",
		`layer "echo"`, "agent.hcl:11:1", "mode",
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("-want +got:\n%s", diff)
	}
	if user := limits.Attributes["basic"].Fields["user"].Items; !limits.Attributes["on"].Yes ||
		user[0].Text != "ada" {
		t.Errorf("on is %v, the user is %v", limits.Attributes["on"].Yes, user)
	}
	if numbers := limits.List("ports"); len(numbers) != 1 || numbers[0].Text != "1" {
		t.Errorf("the numbers of a list are %v", numbers)
	}
	if _, ok := limits.One("ports"); ok {
		t.Error("a list of numbers has strings")
	}
}

// A file is known by its bytes: hcl would make one way of writing an accented letter into another.
func TestStringsAreVerbatim(t *testing.T) {
	for written, want := range map[string]string{
		"e\u0301": "e\u0301", "\u00e9": "\u00e9", `e\u0301`: "e\u0301", `\t\"\\`: "\t\"\\",
		"$${a} %%{b} $$c": "${a} %{b} $$c", "": "",
	} {
		root, problems := language.Parse(text("command = [\""+written+"\"]\n"+
			"limits {\n  set = { A = \""+written+"\" }\n}\n"), small)
		if problems.Failed() {
			t.Fatal(problems)
		}
		got, value := root.List("command")[0].Text, root.Blocks[0].List("set")[0].Text
		if got != want || value != want {
			t.Errorf("%s: %q and %q, want %q", written, got, value, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"limits {\n  cuont = 1\n}":               `agent.hcl:2:3: unknown attribute "cuont"`,
		"name = \"x\"":                           `agent.hcl:1:1: unknown attribute "name"`,
		"limits {\n  count = 1.5\n}":             `agent.hcl:2:11: "count" must be a whole number, and not a negative one`,
		"limits {\n  name = \"any\"\n}":          `agent.hcl:2:10: "name" cannot be "any"`,
		"limits {\n  ports = [\"1\"]\n}":         `agent.hcl:2:12: "ports" must be a list of numbers: [3000]`,
		"limits {\n  basic = { usr = \"a\" }\n}": `agent.hcl:2:13: unknown name "usr" in "basic"`,
		"limits {\n  from = [1]\n}":              `agent.hcl:2:11: "from" must be a list of strings: ["...", "..."]`,
		"limits {\n  from = null\n}":             `agent.hcl:2:10: "from" must be a list of strings: ["...", "..."]`,
		"limits {}\nlimits {}":                   `agent.hcl:2:1: limits is written twice`,
		"layer \"x\" {\n  inner {}\n}":           `agent.hcl:2:3: a layer's settings are attributes, and "inner" is a block`,
		"command = [\"${1}\"]":                   `agent.hcl:1:12: ${...} is not evaluated here`,
		"command = [\"a %{ b\"]":                 `agent.hcl:1:18: %{...} is not evaluated here`,
		"command = [\"a %{ if b }\"]":            `agent.hcl:1:24: %{...} is not evaluated here`,
		"command = [\"a ${ b\"]\n":               `agent.hcl:1:21: ${...} is not evaluated here`,
		"command = [\"a %%{ $${ b]\n":            `a string is not closed on its line`,
		"command = [\n":                          `agent.hcl:2:1: a value is missing or cannot be read here`,
		"{\"policy\": {}}":                       `agent.hcl:1:1: this is JSON, and a policy is written in HCL`,
		"---\nfilesystem:\n":                     `agent.hcl:1:1: this is YAML, and a policy is written in HCL`,
		"[filesystem]\nallow = [\".\"]\n":        `agent.hcl:1:1: this is TOML, and a policy is written in HCL`,
		"\n\n\n" + strings.Repeat("[", 200):      `agent.hcl:4:1: the file is nested too deeply`,
	} {
		tree, problems := language.Parse(text(content), small)
		if tree != nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%q: got %v, want %q", content, problems, want)
		}
	}
}

func TestSettings(t *testing.T) {
	read := func(origin policy.Origin, content string) language.Settings {
		t.Helper()
		root, problems := language.Parse(diag.Text{
			Origin: origin, File: "x.hcl",
			Content: []byte(content),
		}, small)
		if problems.Failed() {
			t.Fatal(problems)
		}
		return root.Blocks[0].Settings
	}
	first := read(policy.OriginConfig, "layer \"echo\" {\n  a = \"1\"\n  b = \"2\"\n}\n")
	second := read(policy.OriginFile, "layer \"echo\" {\n\n  b = 3\n}\n")
	declared := []sdk.Setting{
		{Name: "a", Type: sdk.SettingString},
		{Name: "b", Type: sdk.SettingString},
	}
	if got, problems := first.Decode(declared); problems.Failed() ||
		string(got) != `{"a":"1","b":"2"}` {
		t.Errorf("got %s, %v", got, problems)
	}
	merged := first.Merge(second)
	_, problems := merged.Decode(declared)
	if len(problems) != 1 || problems[0].Source.Origin != policy.OriginFile ||
		problems[0].Source.Line != 3 {
		t.Errorf("the problem is not where the later source says b: %+v", problems)
	}
	if got, problems := first.Decode(declared); problems.Failed() ||
		string(got) != `{"a":"1","b":"2"}` {
		t.Errorf("merging changed the first: %s, %v", got, problems)
	}
	if at, ok := merged.Source("a"); !ok || at.Origin != policy.OriginConfig || at.Line != 2 {
		t.Errorf("a stands at %v", at)
	}
	var none language.Settings
	if got, problems := none.Merge(nil).Decode(nil); problems.Failed() || string(got) != "{}" {
		t.Errorf("no settings are %s, %v", got, problems)
	}
}

// FuzzParse: whatever a text holds, it becomes a tree whose strings have places, or problems with
// words.
func FuzzParse(f *testing.F) {
	f.Add("command = [\"a\"]\nlimits {\n  set = { A = \"1\" }\n  basic = { user = \"x\" }\n}\nlayer \"x\" {\n  y = 1\n}\n")
	f.Add("limits { on = true }")
	f.Fuzz(func(t *testing.T, content string) {
		root, problems := language.Parse(text(content), small)
		if root == nil {
			if !problems.Failed() {
				t.Fatal("neither a tree nor a problem")
			}
			for _, p := range problems {
				if p.Summary == "" || p.Source.Line == 0 {
					t.Fatalf("a problem without words or line: %+v", p)
				}
			}
			return
		}
		check(t, root)
	})
}

func check(t *testing.T, tree *language.Tree) {
	for _, v := range tree.Attributes {
		for _, it := range v.Items {
			if it.Source.Line < 1 || it.Source.Column < 1 {
				t.Fatalf("%q has no place: %+v", it.Text, it.Source)
			}
		}
	}
	for _, b := range tree.Blocks {
		check(t, b)
	}
}
