package wire

import (
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

func encodeCredential(c policy.Credential) (*layerpb.Credential, error) {
	source, sourceErr := encodeSource(c.Source)
	place, placeErr := keyPlaceTypes.Encode(c.Place.Type)
	m := &layerpb.Credential{
		Id: string(c.ID), Source: source, Service: c.Service, Upstream: c.Upstream,
		Place:  &layerpb.KeyPlace{Type: place, Name: c.Place.Name, Format: c.Place.Format},
		Prefix: c.Prefix, KeyVariable: c.KeyVariable, UrlVariable: c.URLVariable,
		Methods: c.Methods, Paths: c.Paths, Optional: c.Optional,
		Git: c.Git, GitUser: c.GitUser,
	}
	err := First(sourceErr, At(placeErr, "place"))
	for _, k := range c.Keys {
		t, typeErr := keySourceTypes.Encode(k.Type)
		err = First(err, At(typeErr, "source"))
		m.Keys = append(m.Keys, &layerpb.KeySource{
			Type: t, Name: []byte(k.Name), Args: EncodeStrings(k.Args),
		})
	}
	return m, err
}

func decodeCredential(m *layerpb.Credential) (policy.Credential, error) {
	source, sourceErr := decodeSource(m.GetSource())
	place, placeErr := keyPlaceTypes.Decode(m.GetPlace().GetType())
	c := policy.Credential{
		ID: policy.RuleID(m.GetId()), Source: source, Service: m.GetService(),
		Upstream: m.GetUpstream(),
		Place: policy.KeyPlace{
			Type: place, Name: m.GetPlace().GetName(), Format: m.GetPlace().GetFormat(),
		},
		Prefix: m.GetPrefix(), KeyVariable: m.GetKeyVariable(), URLVariable: m.GetUrlVariable(),
		Methods: m.GetMethods(), Paths: m.GetPaths(), Optional: m.GetOptional(),
		Git: m.GetGit(), GitUser: m.GetGitUser(),
	}
	err := First(sourceErr, At(placeErr, "place"))
	for _, k := range m.GetKeys() {
		t, typeErr := keySourceTypes.Decode(k.GetType())
		err = First(err, At(typeErr, "source"))
		c.Keys = append(c.Keys, policy.KeySource{
			Type: t, Name: string(k.GetName()), Args: DecodeStrings(k.GetArgs()),
		})
	}
	return c, err
}
