package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// credential is a key that the agent uses without having it. What is known of a service stands in a
// file of its own (profiles/services); a block says what is different, attribute by attribute.
var credential = block{
	name: "credential", kind: policy.KindCredentials,
	grammar: &language.Block{
		Label: "SERVICE",
		Help:  "a key that the agent uses without having it",
		Attributes: map[string]language.Attribute{
			"upstream": {
				Shape: language.String, Of: "url",
				Help: "where requests with the key go, by https; what lies below its path is reached",
			},
			"source": {
				Shape: language.OneOrMore, Of: "url",
				Help: `where the key is, in order: keyring://NAME, env://NAME, file://PATH, age://PATH, ` +
					`cmd://["program", "argument"]`,
			},
			"identity": {
				Shape: language.String, Of: "path",
				Help: "what files of age:// are encrypted to; without it they have a passphrase",
			},
			"header": {
				Shape: language.String, Of: "name", Help: "the header that carries the key",
			},
			"format": {
				Shape: language.String, Of: "text", Help: "what stands in it, {} being the key",
			},
			"query": {
				Shape: language.String, Of: "name",
				Help: "in the place of header: the parameter that carries the key",
			},
			"basic": {
				Shape: language.Structured, Help: "in the place of header: the key is a password",
				Fields: map[string]language.Attribute{
					"user": {
						Shape: language.String, Of: "name", Help: "whose; without it the key is USER:PASSWORD",
					},
				},
			},
			"path": {
				Shape: language.String, Of: "path",
				Help: "in the place of header: the key is a part of the path, as in /bot{}/*",
			},
			"prefix": {
				Shape: language.String, Of: "text",
				Help: "stands before the stand-in for the key, for programs that check a key's form",
			},
			"env": {
				Shape: language.Structured, Help: "the agent's variables",
				Fields: map[string]language.Attribute{
					"key":      {Shape: language.String, Of: "NAME", Help: "the stand-in for the key"},
					"base_url": {Shape: language.String, Of: "NAME", Help: "where to send requests"},
					"login_url": {
						Shape: language.String, Of: "NAME",
						Help: "the same with the stand-in as a password in it, as pip and npm take it",
					},
					"login_path": {
						Shape: language.String, Of: "path", Help: `what stands behind that: "/simple", for pip`,
					},
				},
			},
			"methods": {
				Shape: language.StringList, Of: "method", Help: "no others; any where none is listed",
			},
			"paths": {
				Shape: language.StringList, Of: "glob",
				Help: "no others, each from the root of the host; * is any text, ** any number of parts",
			},
			"git": {
				Shape: language.StringList, Of: "host",
				Help: "also git by https to these hosts, with the same key; paths name repositories there",
			},
			"git_user": {
				Shape: language.String, Of: "name",
				Help: "whose password the key is for git; any will do for most",
			},
			"test": {
				Shape: language.Structured,
				Help:  "what `nono credential test` asks the service, by GET, which changes nothing",
				Fields: map[string]language.Attribute{
					"path": {Shape: language.String, Of: "path", Help: "from the root of the host"},
					"header": {
						Shape: language.String, Of: "text", Help: `that it wants besides: "NAME: VALUE"`,
					},
				},
			},
			"optional": {Shape: language.Bool, Help: "a missing key is a notice"},
			"arguments": {
				Shape: language.StringList, Of: "word",
				Help: "appended to the command while its key is used; " + policy.BaseURL +
					" stands for where to send requests",
			},
		},
		Blocks: map[string]*language.Block{"fallback": fallbackGrammar},
	},
	example: `
credential "openai" {} # nono knows the rest; the key is in your keyring, or in OPENAI_API_KEY

credential "acme" {
  upstream = "https://api.acme.example/v1"
  source   = ["env://ACME_KEY", "file://~/.config/acme/key", "age://~/.config/acme/key.age"]
  identity = "~/.config/acme/identity"
  header   = "Authorization"
  format   = "Bearer {}"
  prefix   = "acme-"
  env      = { key = "ACME_API_KEY", base_url = "ACME_BASE_URL" }
  methods  = ["GET", "POST"]
  paths    = ["/v1/chat/*", "/v1/files/**"]
  test     = { path = "/v1/models", header = "acme-version: 2" }
  optional = true
}

credential "forge" {
  upstream = "https://forge.example/api"
  source   = "keyring://forge"
  header   = "PRIVATE-TOKEN"
  git      = ["forge.example"]
  git_user = "oauth2"
  paths    = ["/api/v4/projects/7/**", "/ada/tool"] # and one repository
}

credential "search" {
  upstream = "https://search.example"
  source   = "keyring://search"
  query    = "key"
}

credential "tickets" {
  upstream = "https://tickets.example/api"
  source   = "cmd://[\"pass\", \"show\", \"tickets\"]"
  basic    = { user = "ada" }
}

credential "bot" {
  upstream = "https://bots.example"
  source   = "keyring://bot"
  path     = "/bot{}/*"
}

credential "helper" { # an agent that reads no variable, and has a login of its own
  upstream  = "https://api.helper.example"
  source    = "keyring://helper"
  header    = "x-api-key"
  env       = { key = "HELPER_API_KEY", base_url = "HELPER_BASE_URL" }
  arguments = ["--endpoint={{base_url}}"]

  fallback {
    filesystem {
      write = ["~/.helper/login.json"]
      lift  = ["~/.helper/login.json"]
    }
    network {
      allow = ["api.helper.example", "login.helper.example"]
    }
    environment {
      set = { HELPER_LOGIN = "file" }
    }
  }
}
`,
	stranger: "each credential, with where its key goes and where it is from, " +
		"and what its `fallback` gives",
	refuse: refuseCredential,
	read:   (*reader).credential,
	asks:   (*reader).credentialAsks,
	flags:  map[string]func(*reader, Flag){"credential": (*reader).credentialFlag},
}

// use is a line or a flag that a credential is used by.
type use struct {
	at      policy.Source
	tree    *language.Tree // nil for a flag
	foreign bool
}

// places are the attributes that say where in a request the key stands. One of them takes the place
// of the others.
var places = []string{"header", "query", "basic", "path"}

// serviceName is what a service may be called: it becomes a part of rule ids, and the name of a
// listener.
var serviceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// refuseCredential refuses a name that none can have.
func refuseCredential(r *report, _ *source, t *language.Tree) {
	if t.Label != "" && !serviceName.MatchString(t.Label) {
		r.add(problem(t.Source, "%s cannot be the name of a service", quote(shortened(t.Label))).
			Try("a name is small letters, digits, - and _"))
	}
}

func (r *reader) credential(s *source, t *language.Tree) {
	r.uses[t.Label] = append(r.uses[t.Label], use{t.Source, t, s.foreign})
	for _, inner := range t.Blocks {
		r.fallback(s, t.Label, inner)
	}
}

func (r *reader) credentialFlag(f Flag) {
	r.lines[policy.KindCredentials] = append(r.lines[policy.KindCredentials], f.source())
	r.uses[f.Value] = append(r.uses[f.Value], use{at: f.source()})
}

func serviceOf(name string) listName { return listName{"service", name} }

// services reads what is known of the services that sources and flags name. A block may be about
// one of which nothing is known.
func (h *host) services(r *report, sources []*source, lists hostLists) {
	from := profile.Services{Own: h.ownDir("services")}
	find := func(name string, at policy.Source, needed bool) {
		if _, known := lists[serviceOf(name)]; known || !serviceName.MatchString(name) && !needed {
			return
		}
		if s := h.service(from, name, at, needed, r); s != nil {
			lists[serviceOf(name)] = s
		}
	}
	for _, s := range sources {
		if s.tree == nil {
			continue
		}
		for _, t := range s.tree.Blocks {
			if t.Name == credential.name {
				find(t.Label, t.Source, false)
			}
		}
	}
	said := map[string]bool{}
	for _, s := range sources {
		if s.tree != nil {
			for _, t := range s.tree.Blocks {
				said[t.Name+" "+t.Label] = true
			}
		}
	}
	for _, f := range h.Flags {
		if f.Name == credential.name {
			find(f.Value, f.source(), !said[credential.name+" "+f.Value])
		}
	}
}

// service is what is known of one; nil if that is nothing, which is a problem where it is needed.
func (h *host) service(
	from profile.Services, name string, at policy.Source, needed bool, r *report,
) *source {
	p, err := from.Find(name)
	if isNotExist(err) {
		if needed {
			names, _ := from.Names() // what cannot be listed is not offered
			unknown := problem(at, "nothing is known of a service %s", quote(shortened(name)))
			if near := schema.Nearest(name, names); near != "" {
				unknown = unknown.Try("did you mean %q?", near)
			} else {
				unknown = unknown.Try("there are: %s; another one is told of by a block credential %q "+
					"in a policy file", strings.Join(names, ", "), shortened(name))
			}
			r.add(unknown)
		}
		return nil
	}
	if err != nil {
		r.add(sourced(err, at))
		return nil
	}
	s := h.readList(p, at, r, serviceGrammar)
	if s == nil {
		return nil
	}
	if len(s.tree.Blocks) != 1 || s.tree.Blocks[0].Label != name {
		r.add(problem(at, "%s is to have one block, credential %q", s.File, name))
		return nil
	}
	return s
}

// serviceGrammar is what may stand in a file about a service.
var serviceGrammar = &language.Block{
	Blocks: map[string]*language.Block{"credential": {
		Label: "SERVICE", Attributes: ownAttributes(credential.grammar.Attributes),
	}},
}

// ownAttributes are those that are built.
func ownAttributes(all map[string]language.Attribute) map[string]language.Attribute {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(_ string, a language.Attribute) bool { return a.Later })
	return all
}

// settleCredentials makes of each service that is used a rule.
func (r *reader) settleCredentials() {
	if l := r.layers[string(policy.KindCredentials)]; l != nil && l.Off != nil {
		return // as if nothing had asked for them
	}
	for _, name := range slices.Sorted(maps.Keys(r.uses)) {
		var all []*language.Tree
		if s := r.lists[serviceOf(name)]; s != nil {
			all = append(all, s.tree.Blocks[0])
		}
		var at policy.Source
		isOwn, isForeign := false, false
		for _, u := range r.uses[name] {
			at = u.at
			isOwn = isOwn || !u.foreign
			if u.tree != nil {
				all = append(all, u.tree)
				isForeign = isForeign || u.foreign && len(u.tree.Attributes) > 0
			}
		}
		c, ok := r.makeCredential(name, at, united(all))
		if !ok {
			continue
		}
		r.foreignUse[name] = !isOwn || isForeign
		r.credentials = append(r.credentials, c)
		r.contraryVariables(&c)
	}
}

// united are the attributes that hold: of several lines about one the last.
func united(trees []*language.Tree) map[string]*language.Value {
	values := map[string]*language.Value{}
	for _, t := range trees {
		if slices.ContainsFunc(places, func(name string) bool { return t.Attributes[name] != nil }) {
			for _, name := range append([]string{"format"}, places...) {
				delete(values, name)
			}
		}
		maps.Copy(values, t.Attributes)
	}
	return values
}

// makeCredential is the rule that the attributes make.
func (r *reader) makeCredential(
	name string, at policy.Source, values map[string]*language.Value,
) (policy.Credential, bool) {
	before := len(r.problems)
	c := policy.Credential{
		ID: policy.RuleID("credentials." + name), Source: at, Service: name,
	}
	one := func(name string) (language.Item, bool) {
		if v := values[name]; v != nil && len(v.Items) == 1 {
			return v.Items[0], true
		}
		return language.Item{}, false
	}
	if it, ok := one("upstream"); ok {
		c.Upstream = r.serviceURL(it)
	} else {
		r.add(problem(at, "where requests with the key of %s go is not said", name).
			Try(`write upstream = "https://..." into its block`))
	}
	c.Keys = r.keySources(&c, values["source"], values["identity"])
	c.Place = r.keyPlace(&c, values, one)
	if it, ok := one("prefix"); ok {
		if !keyPrefix.MatchString(it.Text) {
			r.add(problem(it.Source, "a prefix is at most 40 letters, digits, - and _"))
		}
		c.Prefix = it.Text
	}
	if v := values["env"]; v != nil {
		c.KeyVariable = r.credentialVariable(v.Fields["key"])
		c.URLVariable = r.credentialVariable(v.Fields["base_url"])
		c.LoginVariable = r.credentialVariable(v.Fields["login_url"])
		if path := v.Fields["login_path"]; path != nil {
			if c.LoginPath = path.Items[0].Text; !plainPath.MatchString(c.LoginPath) {
				r.add(problem(path.Source, "%s is no path behind an address",
					quote(shortened(c.LoginPath))).Try(`write login_path = "/simple"`))
			}
		}
		all := slices.DeleteFunc([]string{c.KeyVariable, c.LoginVariable, c.URLVariable},
			func(name string) bool { return name == "" })
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) < len(all) {
			r.add(problem(v.Source, "one variable cannot have the key and the address"))
		}
	}
	r.gitHosts(&c, values["git"])
	if it, ok := one("git_user"); ok {
		c.GitUser = it.Text
		if it.Text == "" || !isLine(it.Text) || strings.Contains(it.Text, ":") {
			r.add(problem(it.Source, "%s cannot be a user whose password the key is",
				quote(shortened(it.Text))))
		}
	}
	r.narrowed(&c, values)
	r.keyTest(&c, values["test"])
	if v := values["optional"]; v != nil {
		c.Optional = v.Yes
	}
	r.keyArguments(&c, values["arguments"])
	return c, len(r.problems) == before
}

// keyArguments are appended to the command while the key is used.
func (r *reader) keyArguments(c *policy.Credential, v *language.Value) {
	if v == nil {
		return
	}
	for _, it := range v.Items {
		rest := strings.ReplaceAll(it.Text, policy.BaseURL, "")
		switch {
		case !isWord(it.Text):
			r.add(problem(it.Source, "arguments holds a NUL byte, which no argument can"))
		case strings.Contains(rest, "{{"):
			r.add(problem(it.Source, "%s stands for nothing", quote(shortened(it.Text))).
				Try("of what is in double braces, an argument may have " + policy.BaseURL))
		case rest != it.Text && c.URLVariable == "":
			r.add(problem(it.Source, "no variable of %s says where to send requests", c.Service).
				Try(`name one: env = { base_url = "NAME" }`))
		}
		c.Arguments = append(c.Arguments, it.Text)
	}
}

// plainPath is one that needs no encoding, and leads nowhere above itself.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?$`)

// keyPrefix is what may stand before a token.
var keyPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// serviceURL is an upstream in the form that a policy has.
func (r *reader) serviceURL(it language.Item) string {
	bad := func(why string) string {
		r.add(problem(it.Source, "%s cannot be where requests with a key go: %s",
			quote(shortened(it.Text)), why).Try(`write "https://HOST/PATH"`))
		return ""
	}
	u, err := url.Parse(it.Text)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		return bad("it is no URL of a host")
	case u.Scheme != "https":
		return bad("a key is sent by https alone")
	case u.User != nil:
		r.hidden = append(r.hidden, it.Source)
		return bad("a user and a password do not stand in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("after its path stands nothing")
	}
	host, addr, err := hostname.Host(u.Hostname())
	if err != nil {
		return bad(err.Error())
	}
	if host == "" {
		host = addr.String()
		if addr.Is6() {
			host = "[" + host + "]"
		}
	}
	if text := u.Port(); text != "" {
		port, err := hostname.Port(text)
		if err != nil {
			return bad(err.Error())
		}
		if port != 443 {
			host += fmt.Sprintf(":%d", port)
		}
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if part == "." || part == ".." || part == "" && path != "" || strings.Contains(part, "%") {
			return bad("its path has a part that is empty, dotted or encoded")
		}
	}
	return "https://" + host + path
}

// keyPlace is where in a request the key stands.
func (r *reader) keyPlace(
	c *policy.Credential, values map[string]*language.Value,
	one func(string) (language.Item, bool),
) policy.KeyPlace {
	var given []string
	for _, name := range places {
		if values[name] != nil {
			given = append(given, name)
		}
	}
	format, formatted := one("format")
	switch {
	case len(given) == 0:
		r.add(problem(c.Source, "where in a request the key of %s stands is not said", c.Service).
			Try(`write header = "Authorization" and format = "Bearer {}" into its block, ` +
				`or query, basic or path`))
		return policy.KeyPlace{}
	case len(given) > 1:
		r.add(problem(values[given[1]].Source, "a key stands in one place, and %s and %s name two",
			given[0], given[1]).Try("keep one of them"))
		return policy.KeyPlace{}
	case formatted && given[0] != "header":
		r.add(problem(format.Source, "format is for a header, and the key of %s stands elsewhere (%s)",
			c.Service, given[0]))
		return policy.KeyPlace{}
	}
	it, _ := one(given[0])
	place := policy.KeyPlace{Type: policy.KeyPlaceType(given[0]), Name: it.Text}
	switch place.Type {
	case policy.HeaderPlace:
		place.Format = "{}"
		if formatted {
			place.Format = format.Text
		}
		if !headerName.MatchString(it.Text) || slices.Contains(notForKeys, strings.ToLower(it.Text)) {
			r.add(problem(it.Source, "no key can stand in a header %s", quote(shortened(it.Text))))
		}
		if strings.Count(place.Format, "{}") != 1 || !isLine(place.Format) {
			r.add(problem(format.Source, "the format has {} once, where the key stands").
				Try(`write format = "Bearer {}"`))
		}
	case policy.QueryPlace:
		if it.Text == "" || !isLine(it.Text) {
			r.add(problem(it.Source, "%s cannot be the name of a parameter", quote(shortened(it.Text))))
		}
	case policy.BasicPlace:
		v := values[given[0]]
		user := v.Fields["user"]
		if user == nil {
			place.Name, place.Format = "", policy.UserAndPassword
			break
		}
		if !isLine(user.Items[0].Text) || strings.Contains(user.Items[0].Text, ":") {
			r.add(problem(v.Source, "a password belongs to a user, whose name has no colon").
				Try(`write basic = { user = "NAME" }`))
			break
		}
		place.Name = user.Items[0].Text
	case policy.PathPlace:
		place.Name, place.Format = "", strings.TrimSuffix(it.Text, "*")
		if !keyPath.MatchString(place.Format) {
			r.add(problem(it.Source, "%s does not say where in a path the key stands",
				quote(shortened(it.Text))).Try(`write path = "/bot{}/*"`))
		}
	}
	return place
}

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)
	// keyPath is a part of a path in which the key stands, with what surrounds it.
	keyPath = regexp.MustCompile(`^(/[A-Za-z0-9_.~-]+)*/[A-Za-z0-9_.~-]*\{\}(/[A-Za-z0-9_.~-]+)*/?$`)
	// notForKeys are headers that say how a request is to be read.
	notForKeys = []string{
		"host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer",
		"upgrade", "expect", "keep-alive", "proxy-authorization", "accept-encoding",
	}
)

// isLine reports whether a text can stand in a header.
func isLine(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// credentialVariable is a variable of the agent's.
func (r *reader) credentialVariable(v *language.Value) string {
	if v == nil {
		return ""
	}
	it := v.Items[0]
	if !isVariable(it.Text) {
		r.add(problem(it.Source, "%s is not the name of a variable", quote(shortened(it.Text))).
			Try("a name is letters, digits and underscores, and does not start with a digit"))
	}
	return it.Text
}

// narrowed are the methods and paths that requests may have.
func (r *reader) narrowed(c *policy.Credential, values map[string]*language.Value) {
	if v := values["methods"]; v != nil {
		for _, it := range v.Items {
			if !method.MatchString(it.Text) {
				r.add(problem(it.Source, "%s is not a method", quote(shortened(it.Text))).
					Try(`write "GET", "POST" and the like`))
			}
			c.Methods = append(c.Methods, it.Text)
		}
		r.notNothing(v)
	}
	if v := values["paths"]; v != nil {
		base := ""
		if u, err := url.Parse(c.Upstream); err == nil {
			base = u.EscapedPath()
		}
		for _, it := range v.Items {
			below := it.Text == base || strings.HasPrefix(it.Text, base+"/")
			if len(c.Git) > 0 { // it may be a repository
				below = strings.HasPrefix(it.Text, "/")
				base = ""
			}
			if !below || !isLine(it.Text) {
				r.add(problem(it.Source, "%s lies outside of what is reached", quote(shortened(it.Text))).
					Try("a path begins with %s", quote(base+"/")))
			}
			c.Paths = append(c.Paths, it.Text)
		}
		r.notNothing(v)
	}
}

var (
	testPath   = regexp.MustCompile(`^(/[A-Za-z0-9_~{}-][A-Za-z0-9_.~{}-]*)+(\?[A-Za-z0-9_=&-]+)?$`)
	testHeader = regexp.MustCompile(`^[A-Za-z0-9-]+: [ -~]+$`)
)

// keyTest is what the service can be asked to find out whether a key is good.
func (r *reader) keyTest(c *policy.Credential, v *language.Value) {
	if v == nil {
		return
	}
	path, header := v.Fields["path"], v.Fields["header"]
	if path == nil || !testPath.MatchString(path.Items[0].Text) {
		r.add(problem(v.Source, "what the service is asked is a path below that of its upstream").
			Try(`write test = { path = "/v1/models" }`))
		return
	}
	c.Test.Path = path.Items[0].Text
	if header != nil {
		c.Test.Header = header.Items[0].Text
		name, _, _ := strings.Cut(c.Test.Header, ":")
		if !testHeader.MatchString(c.Test.Header) || slices.Contains(notForKeys, strings.ToLower(name)) {
			r.add(problem(header.Source, "this is no header that a request can have").
				Try(`write header = "anthropic-version: 2023-06-01"`))
		}
	}
}

// defaultGitUser is whose password a key is where nothing else is said. Few services look at it.
const defaultGitUser = "git"

// gitHosts are the hosts of which git reaches the repositories, in the form that a policy has.
func (r *reader) gitHosts(c *policy.Credential, v *language.Value) {
	if v == nil || len(v.Items) == 0 {
		return
	}
	c.GitUser = defaultGitUser
	if c.Place.Type == policy.BasicPlace {
		c.GitUser = c.Place.Name
		if c.Place.Format == policy.UserAndPassword {
			r.add(problem(v.Source, "git is given a password, and the key of %s is USER:PASSWORD",
				c.Service).Try(`name the user: basic = { user = "NAME" }`))
			return
		}
	}
	for _, it := range v.Items {
		u, err := url.Parse("https://" + it.Text)
		if err != nil || u.Host != it.Text || u.Host == "" {
			r.add(problem(it.Source, "%s is no host of git's", quote(shortened(it.Text))).
				Try(`write "HOST" or "HOST:PORT": its repositories are reached by https`))
			continue
		}
		plain := strings.TrimPrefix(r.serviceURL(language.Item{Text: u.String(), Source: it.Source}),
			"https://")
		if plain != "" && !slices.Contains(c.Git, plain) {
			c.Git = append(c.Git, plain)
		}
	}
}

var method = regexp.MustCompile(`^[A-Z]{1,20}$`)

// notNothing refuses a list that would leave nothing: without the line there is no limit.
func (r *reader) notNothing(v *language.Value) {
	if len(v.Items) == 0 {
		r.add(problem(v.Source, "an empty list leaves nothing that could be asked for").
			Try("list what may be, or take the credential out"))
	}
}

// contraryVariables refuses a variable that the policy gives the agent otherwise too: with the real
// key in it, or with something that is no stand-in.
func (r *reader) contraryVariables(c *policy.Credential) {
	rules := r.variables.rules()
	if f := r.fallbacks[c.Service]; f != nil {
		rules = append(rules, f.environment...)
	}
	for _, rule := range rules {
		if rule.Action != policy.EnvDeny && rule.Source.Asked() &&
			slices.Contains(c.Variables(), rule.Name) {
			r.add(problem(rule.Source, "%s would give the agent what the credential %s keeps outside (%s)",
				rule.Name, c.Service, c.Source).Try("remove one of the two"))
		}
	}
}

// credentialAsks is the use of a key, with where it goes and where it is from, and what is given
// without it.
func (r *reader) credentialAsks(s *source, t *language.Tree) []Ask {
	i := slices.IndexFunc(r.credentials,
		func(c policy.Credential) bool { return c.Service == t.Label })
	if i < 0 {
		return nil
	}
	var asks []Ask
	if len(t.Blocks) > 0 {
		asks = r.fallbackAsks(s, t.Label)
	}
	if !r.foreignUse[t.Label] {
		return asks
	}
	c := r.credentials[i]
	var keys []string
	for _, k := range c.Keys {
		keys = append(keys, k.String())
	}
	words := append([]string{
		"credential", c.Service, c.Upstream, string(c.Place.Type), c.Place.Name, c.Place.Format,
		c.Prefix, c.KeyVariable, c.URLVariable, strings.Join(c.Methods, " "), strings.Join(c.Paths, " "),
		strings.Join(c.Git, " "), c.GitUser, c.LoginVariable, c.LoginPath,
		c.Test.Path, c.Test.Header,
	}, keys...)
	at := c.Upstream
	if len(c.Git) > 0 {
		at += ", and for git at " + strings.Join(c.Git, " ")
	}
	says := fmt.Sprintf("to use your key of %s (from %s) at %s", c.Service,
		strings.Join(keys, ", or "), at)
	return append(asks, Ask{says, t.Source, wants(words...)})
}
