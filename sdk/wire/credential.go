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
		Arguments:     EncodeStrings(c.Arguments),
		LoginVariable: c.LoginVariable, LoginPath: c.LoginPath,
	}
	if c.Test != (policy.KeyTest{}) {
		m.Test = &layerpb.KeyTest{Path: c.Test.Path, Header: c.Test.Header}
	}
	err := First(sourceErr, At(placeErr, "place"))
	var keysErr error
	m.Keys, keysErr = each("key", c.Keys, encodeKeySource)
	var fallbackErr error
	m.Fallback, fallbackErr = encodeFallback(c.Fallback)
	return m, First(err, keysErr, At(fallbackErr, "fallback"))
}

func encodeKeySource(k policy.KeySource) (*layerpb.KeySource, error) {
	t, err := keySourceTypes.Encode(k.Type)
	return &layerpb.KeySource{
		Type: t, Name: []byte(k.Name), Args: EncodeStrings(k.Args),
	}, At(err, "source")
}

func decodeKeySource(m *layerpb.KeySource) (policy.KeySource, error) {
	t, err := keySourceTypes.Decode(m.GetType())
	return policy.KeySource{
		Type: t, Name: string(m.GetName()), Args: DecodeStrings(m.GetArgs()),
	}, At(err, "source")
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
		Arguments:     DecodeStrings(m.GetArguments()),
		LoginVariable: m.GetLoginVariable(), LoginPath: m.GetLoginPath(),
		Test: policy.KeyTest{Path: m.GetTest().GetPath(), Header: m.GetTest().GetHeader()},
	}
	err := First(sourceErr, At(placeErr, "place"))
	var keysErr error
	c.Keys, keysErr = each("key", m.GetKeys(), decodeKeySource)
	var fallbackErr error
	c.Fallback, fallbackErr = decodeFallback(m.GetFallback())
	return c, First(err, keysErr, At(fallbackErr, "fallback"))
}

func encodeFallback(f *policy.Fallback) (*layerpb.Fallback, error) {
	if f == nil {
		return nil, nil
	}
	files, filesErr := each("filesystem rule", f.Filesystem, encodePathRule)
	lifts, liftsErr := each("lift", f.Lifts, encodeLift)
	variables, variablesErr := each("environment rule", f.Environment, encodeEnvRule)
	hosts, hostsErr := each("host rule", f.Hosts, encodeHostRule)
	return &layerpb.Fallback{
		Filesystem: files, Lifts: lifts, Environment: variables, Hosts: hosts,
	}, First(filesErr, liftsErr, variablesErr, hostsErr)
}

func decodeFallback(m *layerpb.Fallback) (*policy.Fallback, error) {
	if m == nil {
		return nil, nil
	}
	files, filesErr := each("filesystem rule", m.GetFilesystem(), decodePathRule)
	lifts, liftsErr := each("lift", m.GetLifts(), decodeLift)
	variables, variablesErr := each("environment rule", m.GetEnvironment(), decodeEnvRule)
	hosts, hostsErr := each("host rule", m.GetHosts(), decodeHostRule)
	return &policy.Fallback{
		Filesystem: files, Lifts: lifts, Environment: variables, Hosts: hosts,
	}, First(filesErr, liftsErr, variablesErr, hostsErr)
}
