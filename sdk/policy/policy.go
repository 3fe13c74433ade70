// Package policy holds what a run allows, as data, and the one decision that every part of nono
// makes from it.
//
// A [Policy] says what (paths, variables, hosts, services); a layer says how. It is built
// once by core, from HCL and flags, and handed unchanged to every layer. Each rule keeps the line
// it came from, so that a refusal inside the sandbox, a line of `nono plan` and an error all point
// at the same place.
//
// The decision is pure: a [Decider] looks at nothing but the policy, so that `nono why`, a layer
// and a property test ask the same question and get the same answer.
//
// Every enum here is a string whose zero value is invalid: what nobody said is never "allowed".
package policy

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

// Kind is what a layer, or a rule, is about.
type Kind string

// The kinds of layer, in the order in which their Plan is asked for: trust, credentials, network,
// snapshot, custom, filesystem.
const (
	KindTrust       Kind = "trust"
	KindCredentials Kind = "credentials"
	KindNetwork     Kind = "network"
	KindSnapshot    Kind = "snapshot"
	KindCustom      Kind = "custom"
	KindFilesystem  Kind = "filesystem"

	// KindBase is core's own: what its base fragment holds whatever layers run. No layer can be of
	// this kind.
	KindBase Kind = "base"
)

// Origin is where a rule came from. It decides which rule wins and which must be enforced (see
// [Source.Asked]).
type Origin string

// Later origins win over earlier ones.
const (
	OriginBase    Origin = "base"    // core's base fragment
	OriginDefault Origin = "default" // the built-in default profile
	OriginConfig  Origin = "config"  // the user's own config.hcl
	OriginProfile Origin = "profile" // a built-in profile or one of the user's
	OriginFile    Origin = "file"    // a file named by -c
	OriginCommand Origin = "command" // what the command, or a tool of the user's, brings
	OriginFlag    Origin = "flag"    // a flag on the command line
)

// Source is the place a rule came from: a range in a file, or a flag.
type Source struct {
	Origin Origin `json:"origin"`
	// File is the file's path as the user would recognise it; empty for a flag.
	File string `json:"file,omitempty"`
	// Line and Column are 1-based and mark the value; zero for a flag. Columns count characters, not
	// bytes.
	Line      int `json:"line,omitempty"`
	Column    int `json:"column,omitempty"`
	EndLine   int `json:"end_line,omitempty"`
	EndColumn int `json:"end_column,omitempty"`
	// Flag is the flag as it was typed, without a secret value; empty for a file.
	Flag string `json:"flag,omitempty"`
}

// String is the short form used in every message: "agent.hcl:4:12", or the flag. Control characters
// are escaped.
func (s Source) String() string {
	switch {
	case s.Flag != "":
		return Printable(s.Flag)
	case s.Line > 0:
		return fmt.Sprintf("%s:%d:%d", Printable(s.File), s.Line, s.Column)
	case s.File != "":
		return Printable(s.File)
	case s.Origin == OriginBase:
		return "always"
	}
	return string(s.Origin)
}

// Asked reports whether the user wrote this rule: then it is enforced or the run refuses.
func (s Source) Asked() bool {
	switch s.Origin {
	case OriginConfig, OriginProfile, OriginFile, OriginFlag:
		return true
	case OriginBase, OriginDefault, OriginCommand:
		return false
	}
	return true // an origin nobody knows is held to the stricter standard
}

// BuiltIn reports a rule that nono brought itself: with the default profile or another built-in
// one, or for what it found.
func (s Source) BuiltIn() bool {
	return !s.Asked() || s.Origin == OriginProfile && !path.IsAbs(s.File)
}

// Liftable reports whether a lift may take back a denial from here: what the user denied himself
// none does.
func (s Source) Liftable() bool {
	return s.Origin == OriginDefault || s.Origin == OriginProfile
}

// RuleID names a rule within one run: "filesystem.deny.3", "environment.pass.0", "base.proc".
type RuleID string

// Kind is the part before the first dot: who answers for the rule in coverage. Environment rules
// are core's, but for secrets, which whoever has the keys gives: theirs begin with "credentials".
func (id RuleID) Kind() Kind {
	head, _, _ := strings.Cut(string(id), ".")
	if head == "environment" {
		return KindBase
	}
	return Kind(head)
}

// secrets is what the ids of secrets in the environment begin with.
const secrets RuleID = "credentials.environment"

// IsSecret reports whether the rule is a secret of the environment block's.
func (id RuleID) IsSecret() bool { return strings.HasPrefix(string(id), string(secrets)+".") }

// Access is what a filesystem rule does to its path.
type Access string

// The accesses, as in the filesystem block.
const (
	Allow   Access = "allow"   // read, list, execute, change, create, delete
	Read    Access = "read"    // read, list, execute
	Write   Access = "write"   // as allow, without execute
	Deny    Access = "deny"    // beats every grant, at any depth
	Protect Access = "protect" // inside a grant, never written
	Unix    Access = "unix"    // a socket that may be connected to; to a socket that is to read it
)

// Grants reports whether the access gives something rather than taking it away.
func (a Access) Grants() bool { return a == Allow || a == Read || a == Write || a == Unix }

// Writable reports whether the access lets the agent change what it names.
func (a Access) Writable() bool { return a == Allow || a == Write }

// FileType is what stood at a rule's path when the policy was read.
type FileType string

// The file types that make a difference to enforcement.
const (
	Missing   FileType = "missing"
	Regular   FileType = "file"
	Directory FileType = "directory"
	Special   FileType = "special" // device, socket, pipe
)

// PathRule is one path of a filesystem block, or of a flag.
type PathRule struct {
	ID     RuleID `json:"id"`
	Source Source `json:"source"`
	Access Access `json:"access"`
	// Path is absolute and clean, with every link resolved. A directory means all beneath it.
	Path string `json:"path"`
	// Name is the absolute path that was asked for; it differs from Path where a link was followed.
	Name string `json:"name,omitempty"`
	// Type is what stood at Path. A rule about something missing stays in the policy: there is nothing
	// to hide yet.
	Type FileType `json:"type"`
	// Lifted are paths at or beneath Path of which a denial does not speak. Only one by default or of
	// a profile has any: what the user denied himself nothing gives back.
	Lifted []Lift `json:"lifted,omitempty"`
}

// Lift takes a part of what is denied out of the denial. It grants nothing.
type Lift struct {
	Path   string `json:"path"`
	Source Source `json:"source"`
}

// speaksOf reports whether a rule at name or above has a say about it.
func (r *PathRule) speaksOf(name string) bool {
	for _, l := range r.Lifted {
		if r.Access == Deny && Within(name, l.Path) {
			return false
		}
	}
	return true
}

// EnvAction is what an environment rule does to the variables it names.
type EnvAction string

// The actions, as in the environment block.
const (
	EnvPass EnvAction = "pass" // inherit from the user's environment
	EnvSet  EnvAction = "set"  // give this value
	EnvDeny EnvAction = "deny" // never inherit
	// EnvSecret gives a real secret, which the layer of the credentials reads from where the user
	// keeps it.
	EnvSecret EnvAction = "secret"
)

// EnvRule is one name of an environment block, or of --env.
type EnvRule struct {
	ID     RuleID    `json:"id"`
	Source Source    `json:"source"`
	Action EnvAction `json:"action"`
	// Name is a variable's name; for pass and deny it may end in "*" and then means every name with
	// that prefix.
	Name string `json:"name"`
	// Value is what set gives, where a file says it. The value of --env NAME=VALUE is never in a
	// policy: it is in core's memory, under Secret.
	Value  string `json:"value,omitempty"`
	Secret string `json:"secret,omitempty"`
	// From is where a secret is kept.
	From KeySource `json:"from,omitzero"`
}

// Gives reports whether the rule gives the variable a value of its own.
func (r *EnvRule) Gives() bool { return r.Action == EnvSet || r.Action == EnvSecret }

// says is the rule in a few words.
func (r *EnvRule) says() string {
	words := string(r.Action) + " " + Printable(r.Name)
	if r.Action == EnvSecret {
		words += " from " + r.From.String()
	}
	return words
}

// Policy is everything a run allows. Its zero value allows nothing.
type Policy struct {
	Filesystem  []PathRule `json:"filesystem,omitempty"`
	Environment []EnvRule  `json:"environment,omitempty"`
	Network     Network    `json:"network,omitzero"`
	// Credentials are sorted by their services, each of which is there once.
	Credentials []Credential `json:"credentials,omitempty"`
	Snapshot    Snapshot     `json:"snapshot,omitzero"`
	Trust       Trust        `json:"trust,omitzero"`
	// Disabled are the kinds switched off for this run, with the flag or the line that did it.
	Disabled []Disabled `json:"disabled,omitempty"`
}

// Disabled is a kind of layer that this run goes without.
type Disabled struct {
	Kind   Kind   `json:"kind"`
	Source Source `json:"source"`
}

// IsDisabled reports whether a kind is switched off.
func (p *Policy) IsDisabled(k Kind) bool {
	for _, d := range p.Disabled {
		if d.Kind == k {
			return true
		}
	}
	return false
}

// Rule is any rule of a policy, seen from outside: what it is called, where it comes from, and what
// it says in a few words.
type Rule struct {
	ID     RuleID
	Source Source
	Says   string
}

// Rules lists every rule of the policy in a stable order.
func (p *Policy) Rules() []Rule {
	const others = 16 // rules of the other kinds, of which few policies have more
	rules := make([]Rule, 0, len(p.Filesystem)+len(p.Environment)+others)
	for _, r := range p.Filesystem {
		rules = append(rules, Rule{r.ID, r.Source, r.says()})
	}
	for _, r := range p.Environment {
		rules = append(rules, Rule{r.ID, r.Source, r.says()})
	}
	rules = append(rules, p.Network.rules()...)
	for i := range p.Credentials {
		c := &p.Credentials[i]
		rules = append(rules, Rule{c.ID, c.Source, c.says()})
	}
	rules = append(rules, p.Snapshot.rules()...)
	return append(rules, p.Trust.rules()...)
}

// says is the rule in a few words.
func (r *PathRule) says() string {
	words := string(r.Access) + " " + Printable(r.Path)
	for i, l := range r.Lifted {
		joint := ", "
		if i == 0 {
			joint = " but "
		}
		words += joint + Printable(l.Path)
	}
	return words
}

// Find returns the rule with this id.
func (p *Policy) Find(id RuleID) (Rule, bool) {
	for _, r := range p.Rules() {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// Printable returns s with control characters and invalid UTF-8 escaped, so that a name chosen by a
// file or by the agent cannot write to the user's terminal, nor begin a line of its own, nor look
// like another name.
func Printable(s string) string {
	clean := true
	for _, r := range s {
		if r == '\ufffd' || isControl(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !isControl(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// isControl reports the characters that do something to a terminal or to the text around them
// rather than being seen: controls, those that reorder or join text or are invisible, and
// separators of lines.
func isControl(r rune) bool {
	if ' ' <= r && r <= '~' {
		return false // as nearly all are, and a question of tables otherwise
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
