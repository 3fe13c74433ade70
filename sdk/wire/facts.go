package wire

import (
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/layerpb"
)

// EncodeFacts is what a layer says to others, in its answer and in their requests.
func EncodeFacts(facts []fact.Fact) ([]*layerpb.Fact, error) {
	var out []*layerpb.Fact
	for i, f := range facts {
		m := &layerpb.Fact{}
		switch f := f.(type) {
		case fact.VerifiedFile:
			m.Fact = &layerpb.Fact_VerifiedFile{
				VerifiedFile: &layerpb.VerifiedFile{Path: []byte(f.Path), Sha256: f.SHA256[:]},
			}
		case fact.CredentialMissing:
			m.Fact = &layerpb.Fact_CredentialMissing{
				CredentialMissing: &layerpb.CredentialMissing{Service: f.Service, Why: f.Why},
			}
		case fact.Proxy:
			m.Fact = &layerpb.Fact_Proxy{Proxy: &layerpb.Proxy{Listener: f.Listener, Layer: f.Layer}}
		case fact.Resolver:
			m.Fact = &layerpb.Fact_Resolver{
				Resolver: &layerpb.Resolver{Listener: f.Listener, Layer: f.Layer},
			}
		case fact.BoundHost:
			m.Fact = &layerpb.Fact_BoundHost{BoundHost: &layerpb.BoundHost{
				Service: f.Service, Host: f.Host, Port: uint32(f.Port),
			}}
		case fact.GitHost:
			m.Fact = &layerpb.Fact_GitHost{GitHost: &layerpb.GitHost{
				Host: f.Host, Listener: f.Listener, Secret: f.Secret, Layer: f.Layer,
			}}
		default:
			return nil, fmt.Errorf("fact %d: there is no fact %T", i, f)
		}
		out = append(out, m)
	}
	return out, nil
}

// DecodeFacts checks and translates facts.
func DecodeFacts(in []*layerpb.Fact) ([]fact.Fact, error) {
	if err := Count("facts", len(in), MaxFacts); err != nil {
		return nil, err
	}
	var out []fact.Fact
	for i, m := range in {
		f, err := decodeFact(m)
		if err != nil {
			return nil, fmt.Errorf("fact %d: %w", i, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func decodeFact(m *layerpb.Fact) (fact.Fact, error) {
	switch m := m.GetFact().(type) {
	case *layerpb.Fact_VerifiedFile:
		path := string(m.VerifiedFile.GetPath())
		sum, err := Digest(m.VerifiedFile.GetSha256())
		return fact.VerifiedFile{Path: path, SHA256: sum}, First(err, At(Path(path), "path"))
	case *layerpb.Fact_CredentialMissing:
		service, why := m.CredentialMissing.GetService(), m.CredentialMissing.GetWhy()
		return fact.CredentialMissing{Service: service, Why: why},
			First(At(Name(service), "service"), At(Text(why), "why"))
	case *layerpb.Fact_Proxy:
		listener := m.Proxy.GetListener()
		return fact.Proxy{Listener: listener, Layer: m.Proxy.GetLayer()},
			At(Name(listener), "listener")
	case *layerpb.Fact_Resolver:
		listener := m.Resolver.GetListener()
		return fact.Resolver{Listener: listener, Layer: m.Resolver.GetLayer()},
			At(Name(listener), "listener")
	case *layerpb.Fact_BoundHost:
		b := m.BoundHost
		port, err := decodeNamedPort(b.GetPort())
		return fact.BoundHost{Service: b.GetService(), Host: b.GetHost(), Port: port},
			First(At(err, "port"), At(Name(b.GetService()), "service"), At(Name(b.GetHost()), "host"))
	case *layerpb.Fact_GitHost:
		g := m.GitHost
		said := fact.GitHost{
			Host: g.GetHost(), Listener: g.GetListener(), Secret: g.GetSecret(), Layer: g.GetLayer(),
		}
		return said, First(At(gitHost(said.Host), "host"), At(Name(said.Listener), "listener"),
			At(Name(said.Secret), "secret"))
	default:
		return nil, errors.New("it has no content")
	}
}

// gitHost checks HOST or HOST:PORT, which becomes a part of git's settings.
func gitHost(text string) error {
	_, _, _, err := hostname.HostPort(text)
	if err != nil {
		_, _, _, err = hostname.HostPort(text + ":443")
	}
	return err
}
