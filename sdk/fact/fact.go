// Package fact is what layers let each other know, through core: a layer that was planned tells it,
// and layers of the kinds that are planned later read it in their request.
//
//	resp.Facts = append(resp.Facts, fact.Proxy{Listener: "proxy"})
//
//	for _, f := range req.Facts {
//		if proxy, ok := f.(fact.Proxy); ok { ... }
//	}
//
// The list of facts is closed: layers never talk to one another, and so one can be swapped for
// another of its kind.
package fact

// Fact is one of the types of this package.
//
//sumtype:decl
type Fact interface{ fact() }

// VerifiedFile is a file whose signature was checked.
type VerifiedFile struct {
	Path   string
	SHA256 [32]byte
}

// CredentialMissing is a service for which no source had a key.
type CredentialMissing struct{ Service string }

// Proxy is a proxy inside, by its listener.
type Proxy struct{ Listener string }

// BoundHost is a host that may be reached through the credential layer only.
type BoundHost struct {
	Service string
	Host    string
	Port    uint16
}

func (VerifiedFile) fact()      {}
func (CredentialMissing) fact() {}
func (Proxy) fact()             {}
func (BoundHost) fact()         {}
