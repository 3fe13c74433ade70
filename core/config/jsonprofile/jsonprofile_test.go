package jsonprofile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/tailscale/hujson"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/core/config/jsonprofile"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// grammar is as much of the language as a profile in JSON can say.
var grammar = &language.Block{
	Attributes: map[string]language.Attribute{"extends": {Shape: language.StringList}},
	Blocks: map[string]*language.Block{
		"filesystem": {Attributes: map[string]language.Attribute{
			"allow": {Shape: language.StringList}, "read": {Shape: language.StringList},
			"write": {Shape: language.StringList}, "deny": {Shape: language.StringList},
			"lift": {Shape: language.StringList},
		}},
		"network": {Attributes: map[string]language.Attribute{
			"profile": {Shape: language.String}, "allow": {Shape: language.StringList},
			"loopback": {Shape: language.NumberList}, "listen": {Shape: language.NumberList},
			"upstream": {Shape: language.Structured, Fields: map[string]language.Attribute{
				"url": {Shape: language.String}, "bypass": {Shape: language.StringList},
			}},
		}},
		"snapshot": {Attributes: map[string]language.Attribute{"exclude": {Shape: language.StringList}}},
		"environment": {Attributes: map[string]language.Attribute{
			"pass": {Shape: language.StringList}, "deny": {Shape: language.StringList},
			"set": {Shape: language.Variables},
		}},
		"credential": {Label: "SERVICE", Attributes: map[string]language.Attribute{
			"upstream": {Shape: language.String}, "source": {Shape: language.OneOrMore},
			"header": {Shape: language.String}, "format": {Shape: language.String},
			"query": {Shape: language.String}, "path": {Shape: language.String},
			"git": {Shape: language.StringList},
			"basic": {Shape: language.Structured, Fields: map[string]language.Attribute{
				"user": {Shape: language.String},
			}},
			"env": {Shape: language.Structured, Fields: map[string]language.Attribute{
				"key": {Shape: language.String}, "base_url": {Shape: language.String},
			}},
		}},
	},
}

func text(content string) diag.Text {
	return diag.Text{Origin: policy.OriginFile, File: "x.json", Content: []byte(content)}
}

// hcl is what a profile says, without the spaces.
func hcl(t *testing.T, content string) string {
	t.Helper()
	tree, problems := jsonprofile.Parse(text(content), grammar)
	if tree == nil {
		t.Fatalf("%s: %v", content, problems)
	}
	return strings.Join(strings.Fields(string(jsonprofile.HCL(tree))), " ")
}

func TestMeaning(t *testing.T) {
	for content, want := range map[string]string{
		`{}`: ``,
		`{"policy": {"add_deny_access": ["$HOME/.ssh", "$HOME/.aws"]}}`://
		`filesystem { deny = [ "$HOME/.ssh", "$HOME/.aws", ] }`,
		`{"rollback": {"exclude_patterns": ["a"], "exclude_globs": ["*.b"]}, "undo": {"exclude_globs": ["c"]}}`://
		`snapshot { exclude = [ "a", "*.b", "c", ] }`,
		`{"extends": "claude-code"}`: `extends = [ "claude-code", ]`,
		`{"extends": ["a", "b"]}`:    `extends = [ "a", "b", ]`,
		`{"filesystem": {"allow": ["/a"], "allow_file": ["/b"], "read": ["/c"], "read_file": ["/d"],
			"deny": ["/e"], "bypass_protection": ["/f"]},
		  "policy": {"add_allow_readwrite": ["/g"], "add_allow_read": ["/h"], "override_deny": ["/i"]}}`: //
		`filesystem { allow = [ "/a", "/b", "/g", ] deny = [ "/e", ] lift = [ "/f", "/i", ] ` +
			`read = [ "/c", "/d", "/h", ] }`,
		`{"filesystem": {"write": ["/a"], "write_file": ["/b"]}, "policy": {"add_allow_write": ["/c"]}}`://
		`filesystem { write = [ "/a", "/b", "/c", ] }`,
		`{"network": {"block": true}}`: ``,
		`{"network": {"block": false, "network_profile": "minimal", "allow_domain": ["a.example"]}}`://
		`network { allow = [ "a.example", ] profile = "minimal" }`,
		`{"network": {"open_port": [5432, 1], "allow_port": [2], "listen_port": [3000]}}`://
		`network { listen = [3000] loopback = [5432, 1, 2] }`,
		`{"network": {"upstream_bypass": ["b.example"], "upstream_proxy": "p:1"}}`://
		`network { upstream = { bypass = [ "b.example", ] url = "p:1" } }`,
		`{"environment": {"allow_vars": ["A"], "deny_vars": ["B*"], "set_vars": {"C": "d"}}}`://
		`environment { deny = [ "B*", ] pass = [ "A", ] set = { "C" = "d" } }`,
		`{"workdir": {"access": "none"}}`:      ``,
		`{"workdir": {"access": "read"}}`:      `filesystem { read = [ "$WORKDIR", ] }`,
		`{"workdir": {"access": "write"}}`:     `filesystem { write = [ "$WORKDIR", ] }`,
		`{"workdir": {"access": "readwrite"}}`: `filesystem { allow = [ "$WORKDIR", ] }`,
		// Nothing is asked for.
		`{"$schema": "s", "meta": {"name": "n", "version": "1", "description": null, "author": "a"},
		  "groups": {"include": [], "exclude": ["dangerous_commands_linux"]}, "security": {"groups": []},
		  "rollback": {"exclude_patterns": []}, "environment": null, "interactive": false,
		  "policy": {"exclude_groups": ["dangerous_commands", "unlink_protection"]}}`: ``,
		// As in JSONC.
		"// a\n{/* b */ \"extends\": [\"a\",], // c\n} // d": `extends = [ "a", ]`,
	} {
		if got := hcl(t, content); got != want {
			t.Errorf("%s\n got %s\nwant %s", content, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	tree, problems := jsonprofile.Parse(text(`{
  "filesystem": {
    "deny": ["/é", "/b"]
  },
  "environment": {"set_vars": {"A": "x"}}
}`), grammar)
	if tree == nil {
		t.Fatal(problems)
	}
	var got []string
	for _, b := range tree.Blocks {
		got = append(got, b.Source.String())
		for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
			got = append(got, b.Attributes[name].Source.String())
			for _, it := range b.Attributes[name].Items {
				got = append(got, it.Source.String())
			}
		}
	}
	want := []string{
		"x.json:3:5", "x.json:3:5", "x.json:3:14", "x.json:3:20",
		"x.json:5:19", "x.json:5:19", "x.json:5:32",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for content, want := range map[string]string{
		``:                                                  `x.json:1:1: this is not JSON: parsing value: unexpected EOF`,
		"{\n  \"a\": x\n}":                                  `x.json:2:8: this is not JSON: invalid literal: x`,
		`[]`:                                                `x.json:1:1: a profile is an object: { ... }`,
		strings.Repeat("[", 200):                            `x.json:1:1: the file is nested too deeply`,
		`{"filesystme": {}}`:                                `x.json:1:2: unknown name "filesystme" in a JSON profile`,
		`{"x.meta": {}}`:                                    `x.json:1:2: unknown name "x.meta" in a JSON profile`,
		`{"filesystem": {"alow": []}}`:                      `x.json:1:17: unknown name "filesystem.alow" in a JSON profile`,
		`{"meta": {}, "meta": {}}`:                          `x.json:1:14: "meta" is written twice`,
		`{"filesystem": []}`:                                `x.json:1:2: "filesystem" must be an object: { ... }`,
		`{"filesystem": {"deny": "/a"}}`:                    `x.json:1:17: "filesystem.deny" must be a list of strings: ["...", "..."]`,
		`{"filesystem": {"deny": [1]}}`:                     `x.json:1:26: "filesystem.deny" must hold strings`,
		`{"filesystem": {"deny": [null]}}`:                  `x.json:1:26: "filesystem.deny" must hold strings`,
		`{"filesystem": {"deny": [{}]}}`:                    `x.json:1:26: "filesystem.deny" must hold strings`,
		`{"filesystem": {"deny": ["\ud800"]}}`:              `x.json:1:26: "filesystem.deny" holds a string that is not text`,
		"{\"extends\": \"\xff\"}":                           `x.json:1:13: "extends" holds a string that is not text`,
		`{"meta": {"name": 1}}`:                             `x.json:1:19: "meta.name" must hold strings`,
		`{"network": {"block": "yes"}}`:                     `x.json:1:14: "network.block" must be true or false`,
		`{"network": {"open_port": 1}}`:                     `x.json:1:14: "network.open_port" must be a list of numbers: [3000]`,
		`{"network": {"open_port": ["1"]}}`:                 `x.json:1:28: "network.open_port" must hold whole numbers`,
		`{"network": {"listen_port": [1.5]}}`:               `x.json:1:30: "network.listen_port" must hold whole numbers`,
		`{"network": {"upstream_proxy": 1}}`:                `x.json:1:32: "network.upstream_proxy" must hold strings`,
		`{"network": {"block": true, "open_port": [1]}}`:    `x.json:1:14: "network.block" is true, and this profile opens some of the network`,
		`{"env_credentials": {"a": 1}}`:                     `x.json:1:27: "env_credentials.a" must hold strings`,
		`{"credential_capture": {"a": {"command": ["x"]}}}`: `x.json:1:2: "credential_capture" is not supported`,
		`{"security": {"groups": ["a"]}}`:                   `x.json:1:2: "security" is not supported`,
		`{"groups": {"include": ["a"]}}`:                    `x.json:1:13: "groups.include" names groups of another tool's`,
		`{"commands": {"deny": ["rm"]}}`:                    `x.json:1:15: "commands.deny" is not supported`,
		`{"session_hooks": {"before": {"script": "/x"}}}`:   `x.json:1:2: "session_hooks" is not supported`,
		`{"policy": {"exclude_groups": ["deny_credentials"]}}`://
		`x.json:1:32: "policy.exclude_groups": there is no group "deny_credentials" to leave out`,
		`{"workdir": {"access": "all"}}`: `x.json:1:14: "workdir.access" cannot be "all"`,
		`{"environment": {"set_vars": {"A": "$HOME/x"}}}`://
		`x.json:1:31: "environment.set_vars.A" is set to something with $HOME, which a value is not expanded for`,
	} {
		tree, problems := jsonprofile.Parse(text(content), grammar)
		if tree != nil || len(problems) != 1 || problems.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", content, problems, want)
		}
	}
}

// A service that a profile defines is a credential block, with the names that the other tool would
// give the agent's variables.
func TestDefinedServices(t *testing.T) {
	const always = ` git = [] `
	for content, want := range map[string]string{
		`"upstream": "https://x.example", "credential_key": "x_key"`: //
		`env = { base_url = "MY_API_BASE_URL" key = "X_KEY" } format = "Bearer {}"` + always +
			`header = "Authorization" source = [ "keyring://x_key", ] upstream = "https://x.example"`,
		`"upstream": "u", "credential_key": "env://K", "inject_header": "x-key", "env_var": "V"`: //
		`env = { base_url = "MY_API_BASE_URL" key = "V" } format = "{}"` + always +
			`header = "x-key" source = [ "env://K", ] upstream = "u"`,
		`"upstream": "u", "credential_key": "env://K", "inject_header": "AUTHORIZATION",
		 "credential_format": "token {}", "inject_mode": "header"`: //
		`env = { base_url = "MY_API_BASE_URL" key = "K" } format = "token {}"` + always +
			`header = "AUTHORIZATION" source = [ "env://K", ] upstream = "u"`,
		`"upstream": "u", "credential_key": "k", "inject_mode": "query_param", "query_param_name": "q",
		 "proxy": null, "endpoint_rules": []`: //
		`env = { base_url = "MY_API_BASE_URL" key = "K" }` + always +
			`query = "q" source = [ "keyring://k", ] upstream = "u"`,
		`"upstream": "u", "credential_key": "k", "inject_mode": "url_path", "path_pattern": "/bot{}/",
		 "path_replacement": "/bot{}/"`: //
		`env = { base_url = "MY_API_BASE_URL" key = "K" }` + always +
			`path = "/bot{}/" source = [ "keyring://k", ] upstream = "u"`,
		`"upstream": "u", "credential_key": "cmd://[\"pass\", \"x\"]", "inject_mode": "basic_auth",
		 "env_var": "V"`: //
		`basic = { } env = { base_url = "MY_API_BASE_URL" key = "V" }` + always +
			`source = [ "cmd://[\"pass\", \"x\"]", ] upstream = "u"`,
	} {
		want = `credential "my-api" { ` + want + ` }`
		defined := `"custom_credentials": {"my-api": {` + content + `}}`
		named := `"credentials": ["my-api"]`
		for _, both := range []string{defined + ", " + named, named + ", " + defined} {
			if got := hcl(t, `{"network": {`+both+`}}`); got != want {
				t.Errorf("%s\n got %s\nwant %s", both, got, want)
			}
		}
	}
}

func TestDefinedServicesRefused(t *testing.T) {
	const whole = `"upstream": "u", "credential_key": "k", `
	for content, want := range map[string]string{
		`"upstrem": "u"`:                       `1:66: unknown name "network.custom_credentials.a.upstrem" in a JSON profile`,
		`"upstream": 1`:                        `1:78: "network.custom_credentials.a.upstream" must hold strings`,
		`"credential_key": "k"`:                `1:60: "network.custom_credentials.a" has no upstream`,
		`"upstream": "u"`:                      `1:60: "network.custom_credentials.a" has no credential_key`,
		whole + `"auth": {"token_url": "t"}`:   `1:106: "network.custom_credentials.a.auth" is not supported`,
		whole + `"aws_auth": {"region": "r"}`:  `1:106: "network.custom_credentials.a.aws_auth" is not supported`,
		whole + `"tls_ca": "/x"`:               `1:106: "network.custom_credentials.a.tls_ca" is not supported`,
		whole + `"tls_client_key": "/x"`:       `1:106: "network.custom_credentials.a.tls_client_key" is not supported`,
		whole + `"inject_mode": "cookie"`:      `1:106: "network.custom_credentials.a.inject_mode" cannot be "cookie"`,
		whole + `"inject_mode": "url_path"`:    `1:60: "network.custom_credentials.a" has inject_mode url_path, and no path_pattern`,
		whole + `"inject_mode": "query_param"`: `1:60: "network.custom_credentials.a" has inject_mode query_param, and no query_param_name`,
		whole + `"query_param_name": "q"`://
		`1:106: "network.custom_credentials.a.query_param_name" is for inject_mode query_param, and this is header`,
		whole + `"inject_mode": "basic_auth", "inject_header": "x"`://
		`1:135: "network.custom_credentials.a.inject_header" is for inject_mode header, and this is basic_auth`,
		whole + `"inject_mode": "url_path", "path_pattern": "/a{}", "path_replacement": "/b{}"`://
		`1:157: "network.custom_credentials.a.path_replacement" is another path than path_pattern, which is not supported`,
		whole + `"proxy": {"inject_mode": "header"}`: `1:106: "network.custom_credentials.a.proxy" is not supported`,
		whole + `"endpoint_rules": [{"method": "GET", "path": "/**"}]`://
		`1:106: "network.custom_credentials.a.endpoint_rules" is not supported`,
		`"upstream": "u", "env_var": "V", "credential_key": "op://a/b/c"`://
		`1:99: "network.custom_credentials.a.credential_key" names a key by op://, which is not supported`,
		`"upstream": "u", "env_var": "V", "credential_key": "keyring://a/b"`://
		`1:99: "network.custom_credentials.a.credential_key" names a key of another program's in the keyring`,
		`"upstream": "u", "env_var": "V", "credential_key": "cmd://a"`://
		`1:99: "network.custom_credentials.a.credential_key" names a command of credential_capture, which is not supported`,
		`"upstream": "u", "credential_key": "file:///k"`://
		`1:60: "network.custom_credentials.a" has no env_var, the variable that the agent has the stand-in in`,
	} {
		content = `{"network": {"credentials": ["a"],  "custom_credentials": {"a": {` + content + `}}}}`
		tree, problems := jsonprofile.Parse(text(content), grammar)
		if tree != nil || len(problems) != 1 || problems.Error() != "x.json:"+want {
			t.Errorf("%s\n got %v\nwant %s", content, problems, want)
		}
	}
}

// What means a little more or less here is told, and does not stop a run.
func TestTold(t *testing.T) {
	for content, want := range map[string]string{
		`{"filesystem": {"write": ["/a"]}}`:      `x.json:1:17: "filesystem.write" lets what it names be read, too`,
		`{"policy": {"add_allow_write": ["/"]}}`: `x.json:1:13: "policy.add_allow_write" lets what it names be read, too`,
		`{"network": {"block": false}}`:          `x.json:1:14: "network.block" is false, and the network stays closed`,
		`{"filesystem": {"write": []}}`:          ``,
		`{"network": {"custom_credentials": {"a": {"upstream": "u", "credential_key": "k"}}}}`://
		`x.json:1:37: "network.custom_credentials.a" is used by each run, for it is defined`,
	} {
		tree, problems := jsonprofile.Parse(text(content), grammar)
		got := ""
		if len(problems) > 0 {
			got = problems.Error()
		}
		if tree == nil || problems.Failed() || got != want {
			t.Errorf("%s\n got %s\nwant %s", content, got, want)
		}
	}
}

func TestDescription(t *testing.T) {
	for content, want := range map[string]string{
		`{"meta": {"description": "for work"}}`: "for work",
		`{"meta": {"description": 1}}`:          "",
		`{"meta": {}}`:                          "",
		`{"meta`:                                "",
		strings.Repeat("[", 200):                "",
	} {
		if got := jsonprofile.Description([]byte(content)); got != want {
			t.Errorf("%s: got %q, want %q", content, got, want)
		}
	}
}

// What is converted says the same, whatever is in its strings.
func TestConvertedSaysTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) string {
			pieces := rapid.SampledFrom([]string{
				"a", "é", "e\u0301", "$", "${", "$${", "%", "%{", "%%{", "{", "\\", `"`, "\n", "\x1b", "\u202e", "\U000e0001",
			})
			return strings.Join(rapid.SliceOf(pieces).Draw(t, "word"), "")
		})
		quote := func(s string) string { return string(hujson.String(s)) }
		deny := rapid.SliceOf(word).Draw(t, "deny")
		value := word.Filter(func(s string) bool { return !strings.Contains(s, "$HOME") }).Draw(t, "value")
		var list []string
		for _, s := range deny {
			list = append(list, quote(s))
		}
		tree, problems := jsonprofile.Parse(text(`{"filesystem": {"deny": [`+strings.Join(list, ",")+
			`]}, "environment": {"set_vars": {"A": `+quote(value)+`}}}`), grammar)
		if tree == nil {
			t.Fatal(problems)
		}
		again, problems := language.Parse(diag.Text{
			Origin: policy.OriginFile, File: "x.hcl", Content: jsonprofile.HCL(tree),
		}, grammar)
		if again == nil {
			t.Fatalf("%v\n%s", problems, jsonprofile.HCL(tree))
		}
		if diff := cmp.Diff(said(tree), said(again)); diff != "" {
			t.Fatalf("-json +hcl:\n%s", diff)
		}
	})
}

// said is what a tree says, without the places.
func said(t *language.Tree) map[string][]string {
	all := map[string][]string{}
	for _, b := range t.Blocks {
		for name, v := range b.Attributes {
			for _, it := range v.Items {
				all[b.Name+"."+name] = append(all[b.Name+"."+name], it.Key, it.Text)
			}
		}
	}
	return all
}

// FuzzParse: whatever a text holds, it becomes a tree whose strings have places, or problems with
// words.
func FuzzParse(f *testing.F) {
	f.Add(`{"filesystem": {"write": ["/a"]}, "environment": {"set_vars": {"A": "b"}}, "extends": "c"}`)
	f.Add("// x\n{\"network\": {\"block\": false,},}")
	f.Fuzz(func(t *testing.T, content string) {
		tree, problems := jsonprofile.Parse(text(content), grammar)
		for _, p := range problems {
			if p.Summary == "" || p.Source.Line < 1 || p.Source.Column < 1 {
				t.Fatalf("a problem without words or place: %+v", p)
			}
		}
		if tree == nil {
			if !problems.Failed() {
				t.Fatal("neither a tree nor a problem")
			}
			return
		}
		for _, b := range append(slices.Clone(tree.Blocks), tree) {
			for _, v := range b.Attributes {
				for _, it := range v.Items {
					if it.Source.Line < 1 || !utf8.ValidString(it.Text) {
						t.Fatalf("%q at %v", it.Text, it.Source)
					}
				}
			}
		}
	})
}
