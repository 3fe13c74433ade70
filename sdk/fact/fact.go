// Package fact is what layers let each other know, through core: a layer that was planned tells it,
// and layers of the kinds that are planned later read it in their request.
//
// The list of facts is closed, and each belongs to one kind of layer: layers never talk to one
// another, and so one can be swapped for another of its kind.
package fact

import "github.com/nono-run/nono/sdk/policy"

// Fact is one of the types of this package.
//
//sumtype:decl
type Fact interface {
	// Kind is the one kind of layer that may say this.
	Kind() policy.Kind
	// Name is what the contract calls it.
	Name() string
	fact()
}

// VerifiedFile is a file whose signature was checked.
type VerifiedFile struct {
	Path   string
	SHA256 [32]byte
}

// CredentialMissing is a service for which no source had a key. Where its credential has a
// fallback, that holds from then on.
type CredentialMissing struct {
	Service string
	// Why is where was looked and what to do, in lines for the user; it may be empty.
	Why string
}

// Proxy is a proxy inside, by its listener. Names of listeners are their layer's own: whose it is,
// core fills in.
type Proxy struct {
	Listener string
	Layer    string
}

// Resolver answers for names inside, by its listener at port 53. Whose it is, core fills in.
type Resolver struct {
	Listener string
	Layer    string
}

// BoundHost is a host that may be reached through the credential layer only.
type BoundHost struct {
	Service string
	Host    string
	Port    uint16
}

// GitHost says that git reaches the repositories of a host at a listener inside, by HTTP. Names of
// listeners and of secrets are their layer's own: whose they are, core fills in.
type GitHost struct {
	// Host is HOST or HOST:PORT, as in what git is asked for: https://HOST/...
	Host     string
	Listener string
	// Secret is what lets git in.
	Secret string
	Layer  string
}

// Kind implements Fact.
func (VerifiedFile) Kind() policy.Kind { return policy.KindTrust }

// Name implements Fact.
func (VerifiedFile) Name() string { return "verified_file" }

// Kind implements Fact.
func (CredentialMissing) Kind() policy.Kind { return policy.KindCredentials }

// Name implements Fact.
func (CredentialMissing) Name() string { return "credential_missing" }

// Kind implements Fact.
func (Proxy) Kind() policy.Kind { return policy.KindNetwork }

// Name implements Fact.
func (Proxy) Name() string { return "proxy" }

// Kind implements Fact.
func (Resolver) Kind() policy.Kind { return policy.KindNetwork }

// Name implements Fact.
func (Resolver) Name() string { return "resolver" }

// Kind implements Fact.
func (BoundHost) Kind() policy.Kind { return policy.KindCredentials }

// Name implements Fact.
func (BoundHost) Name() string { return "bound_host" }

// Kind implements Fact.
func (GitHost) Kind() policy.Kind { return policy.KindCredentials }

// Name implements Fact.
func (GitHost) Name() string { return "git_host" }

func (VerifiedFile) fact()      {}
func (CredentialMissing) fact() {}
func (Proxy) fact()             {}
func (Resolver) fact()          {}
func (BoundHost) fact()         {}
func (GitHost) fact()           {}
