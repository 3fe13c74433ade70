package schema_test

import (
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/schema"
)

var settings = []sdk.Setting{
	{Name: "mode", Type: sdk.SettingString, OneOf: []string{"namespace", "proxy"}},
	{Name: "url", Type: sdk.SettingString},
	{Name: "retries", Type: sdk.SettingNumber},
	{Name: "strict", Type: sdk.SettingBool},
	{Name: "hosts", Type: sdk.SettingStringList},
	{Name: "labels", Type: sdk.SettingStringMap},
	{Name: "size", Type: sdk.SettingInteger, Default: 5},
	{Name: "level", Type: sdk.SettingString, OneOf: []string{"low", "high"}, Sensitive: true},
	{Name: "pool", Type: sdk.SettingObject, Settings: []sdk.Setting{
		{Name: "workers", Type: sdk.SettingInteger, Required: true},
		{Name: "name", Type: sdk.SettingString, Default: "p"},
	}},
}

func TestParse(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"nothing", ``, `{"size":5}`},
		{"whole numbers", "size = -7.0", `{"size":-7}`},
		{"an object", "pool = { workers = 2 }", `{"pool":{"name":"p","workers":2},"size":5}`},
		{"an object on lines", "pool = {\n  workers = 2\n  name = \"q\"\n}", `{"pool":{"name":"q","workers":2},"size":5}`},
		{
			"every type", "mode = \"proxy\"\nurl = \"\"\nretries = 3\nstrict = false\nhosts = [\"a\", \"b\"]\nlabels = { x = \"1\", \"y z\" = \"2\" }",
			`{"hosts":["a","b"],"labels":{"x":"1","y z":"2"},"mode":"proxy","retries":3,"size":5,"strict":false,"url":""}`,
		},
		{"empty list and map", "hosts = []\nlabels = {}", `{"hosts":[],"labels":{},"size":5}`},
		{"fraction and sign", `retries = -1.5`, `{"retries":-1.5,"size":5}`},
		{"a heredoc", "url = <<EOT\na\nEOT\n", `{"size":5,"url":"a\n"}`},
		{"escapes", `url = "$${x} \"q\" \u00e9"`, `{"size":5,"url":"${x} \"q\" é"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := schema.Parse([]byte(tt.src), "x.hcl", settings)
			if len(problems) > 0 {
				t.Fatalf("%+v", problems)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, src string
		line      int
		summary   string
		detail    string
	}{
		{"misspelt", "url = \"a\"\nmdoe = \"proxy\"", 2, `unknown attribute "mdoe"`, `did you mean "mode"?`},
		{"nothing like it", `zzzzz = 1`, 1, `unknown attribute "zzzzz"`, "known here: hosts, labels, level, mode, pool, retries, size, strict, url"},
		{"a block", `mode {}`, 1, `unknown block "mode"`, `did you mean the attribute mode = ...?`},
		{"not one of them", `mode = "nmespace"`, 1, `"mode" cannot be "nmespace"`, `did you mean "namespace"?`},
		{"a number for a string", `url = 5`, 1, `"url" must be a string in quotes: "..."`, ""},
		{"a string for a number", `retries = "5"`, 1, `"retries" must be a number, without quotes`, ""},
		{"a string for a bool", `strict = "true"`, 1, `"strict" must be true or false, without quotes`, ""},
		{"a string for a list", `hosts = "a"`, 1, `"hosts" must be a list of strings: ["...", "..."]`, ""},
		{"a list with a number", "hosts = [\n\"a\",\n1]", 3, `"hosts" must be a list of strings: ["...", "..."]`, ""},
		{"a map with a number", `labels = { a = 1 }`, 1, `"labels" must be names with strings: { NAME = "..." }`, ""},
		{"a map with a name twice", `labels = { a = "1", a = "2" }`, 1, `"labels" has "a" twice`, ""},
		{"a number without end", `retries = 1e9999999`, 1, `"retries" must be a number that a float64 can hold`, ""},
		{"a number without beginning", `retries = -1e-9999999`, 1, `"retries" must be a number that a float64 can hold`, ""},
		{"a fraction", `size = 1.5`, 1, `"size" must be a whole number`, ""},
		{"a large number", `size = 9223372036854775808`, 1, `"size" must be a whole number of at most 64 bits`, ""},
		{"a string for an object", `pool = "a"`, 1, `"pool" must be settings in braces: { NAME = VALUE }`, ""},
		{"misspelt in an object", `pool = { wrkers = 1, workers = 2 }`, 1, `"pool" has no setting "wrkers"`, `did you mean "workers"?`},
		{"missing in an object", "\npool = { name = \"x\" }", 2, `"pool" lacks "workers"`, ""},
		{"wrong in an object", "pool = {\n  workers = \"2\"\n}", 2, `"workers" must be a whole number, without quotes`, ""},
		{"twice in an object", `pool = { workers = 1, workers = 2 }`, 1, `"pool" has "workers" twice`, ""},
		{"a sensitive value", `level = "hihg"`, 1, `"level" cannot be that`, `it is one of "low", "high"`},
		{"null", `url = null`, 1, `"url" must be a string in quotes: "..."`, ""},
		{"a variable", `url = "${env.HOME}/x"`, 1, "${...} is not evaluated here", `write "$HOME/x"`},
		{"a bare word", `mode = proxy`, 1, "proxy stands without quotes", `there are no variables here; a string is written "proxy"`},
		{"a call", `url = upper("a")`, 1, "upper() is a function, and there are none here", "write the value itself"},
		{"arithmetic", `retries = 1 + 2`, 1, "a value must be written out, and this would have to be computed", "write a string in quotes, a number, true, false, or a list of them"},
		{"a name that is computed", `labels = { (x) = "1" }`, 1, "x stands without quotes", `there are no variables here; a string is written "x"`},
		{"syntax", `mode = `, 1, "a value is missing or cannot be read here", `a value is a string in quotes, a number, true, false, or a list: ["a", "b"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			object, problems := schema.Parse([]byte(tt.src), "x.hcl", settings)
			if object != nil || len(problems) != 1 {
				t.Fatalf("got %s and %d problems: %+v", object, len(problems), problems)
			}
			p := problems[0]
			if p.Summary != tt.summary || p.Detail != tt.detail || p.Range.Start.Line != tt.line || p.Range.Filename != "x.hcl" {
				t.Errorf("got  %s:%d %q %q\nwant x.hcl:%d %q %q", p.Range.Filename, p.Range.Start.Line, p.Summary, p.Detail, tt.line, tt.summary, tt.detail)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	need := []sdk.Setting{{Name: "url", Type: sdk.SettingString, Required: true}}
	if object, problems := schema.Parse([]byte(`url = "a"`), "x.hcl", need); len(problems) != 0 || string(object) != `{"url":"a"}` {
		t.Fatalf("the control failed: %s %+v", object, problems)
	}
	_, problems := schema.Parse(nil, "x.hcl", need)
	if len(problems) != 1 || problems[0].Summary != "an attribute is missing: url" {
		t.Errorf("%+v", problems)
	}
}

// Several problems come in the order of the text, whatever order hcl walks its maps in.
func TestProblemsAreInOrder(t *testing.T) {
	var src strings.Builder
	for _, name := range []string{"e", "a", "d", "b", "c"} {
		src.WriteString("unknown_" + name + " = 1\n")
	}
	for range 20 {
		_, problems := schema.Parse([]byte(src.String()), "x.hcl", settings)
		for i, p := range problems {
			if p.Range.Start.Line != i+1 {
				t.Fatalf("problem %d is about line %d", i, p.Range.Start.Line)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name    string
		setting sdk.Setting
		want    string
	}{
		{"a default of another type", sdk.Setting{Name: "a", Type: sdk.SettingInteger, Default: "5"}, "the default is no integer"},
		{"a default of none of them", sdk.Setting{Name: "a", Type: sdk.SettingString, OneOf: []string{"x"}, Default: "y"}, "none of the values"},
		{"required with a default", sdk.Setting{Name: "a", Type: sdk.SettingBool, Required: true, Default: true}, "has no default"},
		{"an object without settings", sdk.Setting{Name: "a", Type: sdk.SettingObject}, "has settings"},
		{"settings in a string", sdk.Setting{Name: "a", Type: sdk.SettingString, Settings: []sdk.Setting{{Name: "b", Type: sdk.SettingBool}}}, "has settings"},
		{"an object in an object", sdk.Setting{Name: "a", Type: sdk.SettingObject, Settings: []sdk.Setting{{Name: "b", Type: sdk.SettingObject}}}, "an object within an object"},
		{"good", sdk.Setting{Name: "a_1", Type: sdk.SettingString}, ""},
		{"no name", sdk.Setting{Type: sdk.SettingString}, "lower-case letters"},
		{"upper case", sdk.Setting{Name: "Mode", Type: sdk.SettingString}, "lower-case letters"},
		{"core's own", sdk.Setting{Name: "enabled", Type: sdk.SettingBool}, "nono's own"},
		{"no type", sdk.Setting{Name: "a"}, "unknown type"},
		{"a type nobody knows", sdk.Setting{Name: "a", Type: "set(string)"}, "unknown type"},
		{"one of, for a number", sdk.Setting{Name: "a", Type: sdk.SettingNumber, OneOf: []string{"1"}}, "only a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := schema.Check([]sdk.Setting{tt.setting})
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	twice := []sdk.Setting{{Name: "a", Type: sdk.SettingString}, {Name: "a", Type: sdk.SettingBool}}
	if err := schema.Check(twice); err == nil {
		t.Error("a setting declared twice is accepted")
	}
	if _, problems := schema.Parse([]byte(`a = "x"`), "x.hcl", twice); len(problems) != 1 {
		t.Errorf("a wrong declaration is decoded: %+v", problems)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"allow", "read", "write", "deny", "os"}
	for given, want := range map[string]string{
		"raed": "read", "alow": "allow", "wirte": "write", "READ": "read", "dent": "deny", "ab": "", "x": "", "protect": "", "": "",
	} {
		if got := schema.Nearest(given, known); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", given, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", `mode = "proxy"`, `labels = { a = "1" }`, `url = "${x}"`, "hosts = [\"a\",\n1]", "a {\n}\n", "url = <<X\n${\nX\n", "\xff", `x = {(1)=2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		object, problems := schema.Parse(src, "x.hcl", settings)
		if (object == nil) == (len(problems) == 0) {
			t.Fatalf("got %q with problems %+v", object, problems)
		}
		for _, p := range problems {
			if p.Summary == "" {
				t.Fatalf("a problem says nothing: %+v", p)
			}
		}
	})
}
