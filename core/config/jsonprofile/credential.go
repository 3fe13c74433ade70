package jsonprofile

import (
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/lazyregexp"
)

const credential = "credential"

// definition are the names of what says where a service is and where its key stands. Those that
// are taken are in [definitionKeys].
var definition = []string{
	"upstream", "credential_key", "env_var", "inject_mode", "inject_header", "credential_format",
	"path_pattern", "path_replacement", "query_param_name",
}

// ownBlock is what to do about a name that a block in HCL has something for.
const ownBlock = "write a credential block in HCL, in a file that -c reads or a profile that " +
	"this one extends: "

// refused are the names in a definition that have no meaning here.
var refused = map[string]key{
	"endpoint_rules": cannot("is not supported", ownBlock+"methods and paths narrow what is asked"),
	"auth":           cannot("is not supported", "no token is fetched for a key; use one that stays"),
	"aws_auth":       cannot("is not supported", "no request is signed; use a key that is sent"),
	"proxy": cannot("is not supported",
		"remove it: the stand-in is taken from wherever a client puts a key"),
	"tls_ca": cannot("is not supported",
		"remove it: the host's certificates are trusted, and what SSL_CERT_FILE names"),
	"tls_client_cert": cannot("is not supported", "no certificate is shown to a service"),
	"tls_client_key":  cannot("is not supported", "no certificate is shown to a service"),
}

// modes are the places of a key, each with the names that are about it alone.
var modes = map[string][]string{
	"header":      {"inject_header", "credential_format"},
	"url_path":    {"path_pattern", "path_replacement"},
	"query_param": {"query_param_name"},
	"basic_auth":  nil,
}

// credentials are services that are used with a key.
func credentials(r *reader, m member) {
	for _, it := range r.strings(m) {
		r.named[it.Text] = true
		if r.service(it.Text) == nil {
			r.addService(it.Text).Source = it.Source
		}
	}
}

// service is the block of a service; nil where there is none yet.
func (r *reader) service(name string) *language.Tree {
	i := slices.IndexFunc(r.tree.Blocks, func(b *language.Tree) bool {
		return b.Name == credential && b.Label == name
	})
	if i < 0 {
		return nil
	}
	return r.tree.Blocks[i]
}

func (r *reader) addService(name string) *language.Tree {
	b := &language.Tree{
		Is: r.grammar.Blocks[credential], Name: credential, Label: name,
		Attributes: map[string]*language.Value{},
	}
	r.tree.Blocks = append(r.tree.Blocks, b)
	return b
}

// customCredentials are services that are defined. Here a definition is a use as well, which is
// told where the profile names it nowhere else.
func customCredentials(r *reader, m member) {
	for _, in := range r.members(m) {
		if isNull(in.value) {
			continue
		}
		r.defined = append(r.defined, in)
		if b := r.service(in.name); b != nil {
			b.Source = in.at
		} else {
			r.addService(in.name).Source = in.at
		}
		r.define(in)
	}
}

// settleDefined tells of what is used because it is defined.
func (r *reader) settleDefined() {
	for _, m := range r.defined {
		if !r.named[m.name] {
			r.add(diag.Warningf("%q is used by each run, for it is defined", m.path).At(m.at).
				Try("name it in network.credentials, too, or remove it"))
		}
	}
}

// given is a string in a definition.
type given struct {
	member

	item language.Item
}

// define reads one definition into the service's block.
func (r *reader) define(m member) {
	has := map[string]given{}
	known := maps.Clone(refused)
	for _, name := range definition {
		known[name] = key{read: func(r *reader, in member) {
			if it, ok := r.string(in, in.value); ok {
				has[in.name] = given{in, it}
			}
		}}
	}
	before := len(r.found)
	r.object(m, known)
	if len(r.found) > before {
		return
	}
	for _, name := range []string{"upstream", "credential_key"} {
		if _, ok := has[name]; !ok {
			r.add(r.report(m, "has no %s", name).Try("say where the service is, and its key"))
			return
		}
	}
	b := r.service(m.name)
	set := func(name string, v *language.Value) {
		v.Is, v.Name = b.Is.Attributes[name], name
		b.Attributes[name] = v
	}
	one := func(name string, at language.Item) {
		set(name, &language.Value{Source: at.Source, Items: []language.Item{at}})
	}
	one("upstream", has["upstream"].item)
	r.keySource(has["credential_key"], one)
	r.keyVariables(m, has, set)
	r.keyPlace(m, has, set, one)
	// The definition is all that holds of the service. A block says only what is different: what nono
	// knows of a service by this name would give the key to its hosts of git as well.
	set("git", &language.Value{Source: m.at})
}

// account is a key's name in the keyring.
var account = lazyregexp.New(`^[A-Za-z0-9_]+$`)

// managers are programs that print keys, by what names a key of theirs.
var managers = map[string]string{ //nolint:gosec // they name no key
	"op":             `cmd://["op", "read", "op://..."]`,
	"bw":             `cmd://["bw", "get", "password", "..."]`,
	"apple-password": `keyring://NAME, or cmd:// with a program that prints it`,
}

// keySource is where the key is.
func (r *reader) keySource(g given, one func(string, language.Item)) {
	if it, ok := r.sourceOfKey(g.member, g.item); ok {
		one("source", it)
	}
}

// sourceOfKey is a key's source in the words of a policy; false where there are none, which is
// reported.
func (r *reader) sourceOfKey(m member, it language.Item) (language.Item, bool) {
	scheme, rest, isURL := strings.Cut(it.Text, "://")
	switch {
	case !isURL && account.MatchString(it.Text):
		it.Text = "keyring://" + it.Text
	case managers[scheme] != "":
		r.add(r.report(m, "names a key by %s://, which is not supported", scheme).
			Try("write %s", managers[scheme]))
		return it, false
	case scheme == "keyring" && strings.Contains(rest, "/"):
		r.add(r.report(m, "names a key of another program's in the keyring").
			Try("store it as nono's own: nono credential set NAME, and keyring://NAME"))
		return it, false
	case scheme == "cmd" && !strings.HasPrefix(rest, "["):
		r.add(r.report(m, "names a command of credential_capture, which is not supported").
			Try(`write the command itself: "cmd://[\"program\", \"argument\"]"`))
		return it, false
	}
	return it, true
}

// secrets are real keys in the agent's environment: the name of each, and the variable.
func secrets(r *reader, m member) {
	for _, in := range r.members(m) {
		variable, ok := r.string(in, in.value)
		if !ok {
			continue
		}
		from := language.Item{Text: in.name, Source: in.at}
		if from, ok = r.sourceOfKey(in, from); ok {
			from.Key = variable.Text
			r.put(m, "environment", "secret", []language.Item{from})
		}
	}
}

// keyVariables are the agent's variables, by the names that the other tool gives them.
func (r *reader) keyVariables(
	m member, has map[string]given, set func(string, *language.Value),
) {
	b := r.service(m.name)
	v := &language.Value{Source: m.at, Fields: map[string]*language.Value{}}
	field := func(name string, it language.Item) {
		v.Fields[name] = &language.Value{
			Is: b.Is.Attributes["env"].Fields[name], Name: name, Source: it.Source,
			Items: []language.Item{it},
		}
	}
	key := has["credential_key"].item
	if g, ok := has["env_var"]; ok {
		field("key", g.item)
	} else if name, isVariable := strings.CutPrefix(key.Text, "env://"); isVariable {
		field("key", language.Item{Text: name, Source: key.Source})
	} else if account.MatchString(key.Text) {
		field("key", language.Item{Text: strings.ToUpper(key.Text), Source: key.Source})
	} else {
		r.add(r.report(m, "has no env_var, the variable that the agent has the stand-in in").
			Try(`write "env_var": "NAME"`))
	}
	base := strings.ToUpper(strings.ReplaceAll(m.name, "-", "_")) + "_BASE_URL"
	field("base_url", language.Item{Text: base, Source: m.at})
	set("env", v)
}

// keyPlace is where in a request the key stands.
func (r *reader) keyPlace(
	m member, has map[string]given, set func(string, *language.Value),
	one func(string, language.Item),
) {
	mode := "header"
	if g, ok := has["inject_mode"]; ok {
		mode = g.item.Text
		if _, known := modes[mode]; !known {
			r.add(r.report(g.member, "cannot be %q", mode).
				Try("it is one of header, url_path, query_param, basic_auth"))
			return
		}
	}
	for _, other := range slices.Sorted(maps.Keys(modes)) {
		for _, name := range modes[other] {
			if g, ok := has[name]; ok && other != mode {
				r.add(r.report(g.member, "is for inject_mode %s, and this is %s", other, mode).
					Try("remove one of the two"))
				return
			}
		}
	}
	needed := func(name, attribute string) {
		if g, ok := has[name]; ok {
			one(attribute, g.item)
		} else {
			r.add(r.report(m, "has inject_mode %s, and no %s", mode, name))
		}
	}
	switch mode {
	case "header":
		header, format := language.Item{Text: "Authorization", Source: m.at}, "{}"
		if g, ok := has["inject_header"]; ok {
			header = g.item
		}
		if strings.EqualFold(header.Text, "Authorization") {
			format = "Bearer {}"
		}
		one("header", header)
		if g, ok := has["credential_format"]; ok {
			one("format", g.item)
		} else {
			one("format", language.Item{Text: format, Source: header.Source})
		}
	case "query_param":
		needed("query_param_name", "query")
	case "basic_auth":
		set("basic", &language.Value{Source: m.at, Fields: map[string]*language.Value{}})
	case "url_path":
		needed("path_pattern", "path")
		if g, ok := has["path_replacement"]; ok && g.item.Text != has["path_pattern"].item.Text {
			r.add(r.report(g.member, "is another path than path_pattern, which is not supported").
				Try("remove it: the key stands where the client puts its stand-in"))
		}
	}
}
