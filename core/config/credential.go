package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
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
