package plan

import (
	"slices"

	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// namesPort is where programs ask for names: nothing can tell them another one.
const namesPort = 53

// resolver is the address at which a layer answers for names, by its fact; served says that some
// layer has a socket there, whatever it does with it.
func (m *maker) resolver() (at string, served bool) {
	for _, s := range m.layers {
		if s.Response == nil {
			continue // that is told
		}
		for _, step := range s.Response.Fragment.Steps {
			l, ok := step.(fragment.Listener)
			if !ok || l.Network != fragment.UDP || l.Port != namesPort {
				continue
			}
			served = true
			said := fact.Resolver{Listener: l.Name, Layer: s.Name}
			for _, f := range s.Response.Facts {
				if f == said && at == "" {
					at = merge.Listener{Listener: l}.Host()
				}
			}
		}
	}
	return at, served
}

// doors are where programs inside find what layers serve for them. A layer that says of a socket
// what that cannot be has a flaw.
func (m *maker) doors(listeners []Listener) base.Doors {
	var d base.Doors
	d.Resolver, _ = m.resolver()
	if m.in.Host.Tier == sdk.TierB && m.namesByTCP(listeners) == "" {
		d.Resolver = "" // the agent has no socket to ask it with
	}
	for _, s := range m.layers {
		for _, f := range s.Response.Facts {
			switch f := f.(type) {
			case fact.Proxy:
				l, ok := merge.Find(listeners, s.Name, f.Listener)
				switch {
				case !ok || l.Network != fragment.TCP:
					m.flaw(s.Name, "", "%q is to be a proxy, and there is no such TCP listener", f.Listener)
				case d.Proxy != "":
					m.flaw(s.Name, "", "two of its listeners are to be the proxy")
				default:
					d.Proxy = l.Dialled()
				}
			case fact.Resolver:
				l, ok := merge.Find(listeners, s.Name, f.Listener)
				if !ok || l.Network != fragment.UDP || l.Port != namesPort {
					m.flaw(s.Name, "", "%q is to answer for names, and there is no such UDP listener "+
						"at port %d", f.Listener, namesPort)
				}
			case fact.GitHost:
				l, ok := merge.Find(listeners, s.Name, f.Listener)
				twice := slices.ContainsFunc(d.Git, func(g base.GitHost) bool { return g.Host == f.Host })
				switch {
				case !ok || l.Network != fragment.TCP:
					m.flaw(s.Name, "", "git is to reach %s at %q, and there is no such TCP listener",
						f.Host, f.Listener)
				case twice:
					m.flaw(s.Name, "", "git is to reach %s at two listeners", f.Host)
				default:
					d.Git = append(d.Git, base.GitHost{
						Host: f.Host, At: l.Dialled(), Layer: s.Name, Secret: f.Secret,
					})
				}
			case fact.CredentialMissing: // settled before this
				uses := func(c policy.Credential) bool { return c.Service == f.Service }
				if !slices.ContainsFunc(m.in.Policy.Credentials, uses) {
					m.flaw(s.Name, "", "it has no key of %q, which nothing uses", f.Service)
				}
			case fact.VerifiedFile, fact.BoundHost: // of layers, for layers
			}
		}
	}
	return d
}
