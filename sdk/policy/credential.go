package policy

import (
	"slices"
	"strings"
)

// Credential is a service that the agent uses with a key which it does not have. Inside stands a
// token in the key's place, and a layer of the kind credentials puts the real one into each
// request.
type Credential struct {
	ID     RuleID `json:"id"` // "credentials.openai"
	Source Source `json:"source"`
	// Service is the name that the user knows it by.
	Service string `json:"service"`
	// Upstream is where requests with the key go, and nowhere else: "https://api.openai.com/v1". Only
	// what lies at its path or below it is reached. It has no user information, no query, and no slash
	// at its end.
	Upstream string `json:"upstream"`
	// Keys are the sources of the key; the first that has it counts.
	Keys  []KeySource `json:"keys"`
	Place KeyPlace    `json:"place"`
	// Prefix stands before the token's 64 hex characters, for programs that look at a key's form.
	Prefix string `json:"prefix,omitempty"`
	// KeyVariable is the agent's variable that has the token, and URLVariable the one that says where
	// to send requests; each may be empty.
	KeyVariable string `json:"key_variable,omitempty"`
	URLVariable string `json:"url_variable,omitempty"`
	// LoginVariable, which may be empty too, is one that says both, for programs that look for a key
	// nowhere else: the token is a password in the address.
	LoginVariable string `json:"login_variable,omitempty"`
	// LoginPath stands at the end of that address, behind the upstream's own path: "/simple".
	LoginPath string `json:"login_path,omitempty"`
	// Methods and Paths are what requests may be; empty: anything.
	Methods []string `json:"methods,omitempty"`
	Paths   []string `json:"paths,omitempty"`
	// Git are hosts, each with its port where that is not 443, of which git reaches the repositories
	// by https with the same key: as the password of GitUser. Methods and Paths hold for them too,
	// where a path that is a repository means all of it.
	Git     []string `json:"git,omitempty"`
	GitUser string   `json:"git_user,omitempty"`
	// Test is a request that changes nothing, by which the service shows whether it takes a key.
	Test KeyTest `json:"test,omitzero"`
	// Optional says that without a key the run goes on.
	Optional bool `json:"optional,omitempty"`
	// Arguments are appended to the command while the agent has the token. [BaseURL] in them stands
	// for what the variable URLVariable says.
	Arguments []string `json:"arguments,omitempty"`
	// Fallback is what holds where no source has the key; nil for nothing, and when that is settled.
	Fallback *Fallback `json:"fallback,omitempty"`
}

// BaseURL stands for where to send requests, in a credential's arguments.
const BaseURL = "{{base_url}}"

// KeyTest is what a service can be asked, by GET, to find out whether it takes a key.
type KeyTest struct {
	// Path is from the root of the host, and may have a query; empty: nothing is known.
	Path string `json:"path"`
	// Header is a line that the service wants besides, "anthropic-version: 2023-06-01"; or empty.
	Header string `json:"header,omitempty"`
}

// KeySourceType is what kind of place a key is kept in.
type KeySourceType string

// The types, by the scheme that they have in the credential block.
const (
	KeyringSource  KeySourceType = "keyring" // the user's keyring: service "nono", user Name
	VariableSource KeySourceType = "env"     // the user's variable Name
	FileSource     KeySourceType = "file"    // the file at Name, an absolute path
	// CommandSource is what the program at Name prints, called with Args. A name that is no absolute
	// path is that of a program which was not found.
	CommandSource KeySourceType = "cmd"
	// AgeSource is the file at Name, encrypted by age: to the identity in the file Args[0], or with a
	// passphrase where there is none.
	AgeSource KeySourceType = "age"
)

// KeySource is one place that a key may be in.
type KeySource struct {
	Type KeySourceType `json:"type"`
	Name string        `json:"name"`
	// Args are a command's arguments, without its own name, or the file of an identity.
	Args []string `json:"args,omitempty"`
}

// String is the source in a few words, for messages: "keyring://openai".
func (s KeySource) String() string {
	text := string(s.Type) + "://" + s.Name
	if len(s.Args) > 0 {
		text += " " + strings.Join(s.Args, " ")
	}
	return Printable(text)
}

// KeyPlaceType is the part of a request that carries a key.
type KeyPlaceType string

// The types.
const (
	HeaderPlace KeyPlaceType = "header" // the header Name, with Format
	QueryPlace  KeyPlaceType = "query"  // the parameter Name
	BasicPlace  KeyPlaceType = "basic"  // the password of the user Name
	PathPlace   KeyPlaceType = "path"   // a part of the path, where Format says
)

// KeyPlace is where in a request the key stands.
type KeyPlace struct {
	Type KeyPlaceType `json:"type"`
	Name string       `json:"name,omitempty"`
	// Format has "{}" in the place of the key: "Bearer {}" in a header, "/bot{}" at the beginning of a
	// path. Of a password it is "", or [UserAndPassword].
	Format string `json:"format,omitempty"`
}

// UserAndPassword is the format of a key that has the user in it, "USER:PASSWORD", and is no
// password alone.
const UserAndPassword = "{}"

// Secrets are the variables in which the agent has a real key.
func (p *Policy) Secrets() []EnvRule {
	var all []EnvRule
	for _, r := range p.Environment {
		if r.Action == EnvSecret {
			all = append(all, r)
		}
	}
	return all
}

// Uses reports whether a key is used.
func (p *Policy) Uses() bool { return len(p.Credentials) > 0 }

// keyVariables are the user's variables that a real key may be in, with the service that it is for:
// those that the agent has instead of it, and those that a key is read from.
func keyVariables(p *Policy) map[string]string {
	names := map[string]string{}
	for i := range p.Credentials {
		for _, name := range p.Credentials[i].Variables() {
			names[name] = p.Credentials[i].Service
		}
	}
	return names
}

// KeySources are the user's variables that keys are read from.
func (p *Policy) KeySources() []string {
	var names []string
	for i := range p.Credentials {
		for _, k := range p.Credentials[i].Keys {
			if k.Type == VariableSource {
				names = append(names, k.Name)
			}
		}
	}
	for _, r := range p.Secrets() {
		if r.From.Type == VariableSource {
			names = append(names, r.From.Name)
		}
	}
	return names
}

// Variables are the user's variables that the real key may be in. None of them is passed on.
func (c *Credential) Variables() []string {
	var names []string
	for _, name := range []string{c.KeyVariable, c.URLVariable, c.LoginVariable} {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, k := range c.Keys {
		if k.Type == VariableSource && !slices.Contains(names, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names
}

// says is the rule in a few words.
func (c *Credential) says() string {
	words := "use " + Printable(c.Service) + " at " + Printable(c.Upstream)
	if len(c.Git) > 0 {
		words += ", and git at " + Printable(strings.Join(c.Git, " "))
	}
	if len(c.Methods) > 0 {
		words += ", " + Printable(strings.Join(c.Methods, " "))
	}
	if len(c.Paths) > 0 {
		words += ", " + Printable(strings.Join(c.Paths, " "))
	}
	return words
}
