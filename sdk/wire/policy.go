package wire

import (
	"fmt"
	"math"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

// EncodePolicy is the policy as a layer gets it.
func EncodePolicy(p policy.Policy) (*layerpb.Policy, error) {
	out := &layerpb.Policy{}
	var err error
	if out.Filesystem, err = each("filesystem rule", p.Filesystem, encodePathRule); err != nil {
		return nil, err
	}
	if out.Environment, err = each("environment rule", p.Environment, encodeEnvRule); err != nil {
		return nil, err
	}
	for i, d := range p.Disabled {
		kind, kindErr := Kinds.Encode(d.Kind)
		source, sourceErr := encodeSource(d.Source)
		if err := First(kindErr, sourceErr); err != nil {
			return nil, fmt.Errorf("disabled kind %d: %w", i, err)
		}
		out.Disabled = append(out.Disabled, &layerpb.Disabled{Kind: kind, Source: source})
	}
	for _, c := range p.Credentials {
		m, err := encodeCredential(c)
		if err != nil {
			return nil, At(err, "credential %q", c.Service)
		}
		out.Credentials = append(out.Credentials, m)
	}
	if out.Snapshot, err = encodeSnapshot(p.Snapshot); err != nil {
		return nil, At(err, "snapshot")
	}
	if out.Trust, err = encodeTrust(p.Trust); err != nil {
		return nil, At(err, "trust")
	}
	return out, At(encodeNetwork(p.Network, out), "network")
}

// DecodePolicy is the policy as core sent it.
func DecodePolicy(m *layerpb.Policy) (policy.Policy, error) {
	var p policy.Policy
	var err error
	if p.Filesystem, err = each("filesystem rule", m.GetFilesystem(), decodePathRule); err != nil {
		return p, err
	}
	if p.Environment, err = each("environment rule", m.GetEnvironment(), decodeEnvRule); err != nil {
		return p, err
	}
	for i, d := range m.GetDisabled() {
		kind, kindErr := Kinds.Decode(d.GetKind())
		source, sourceErr := decodeSource(d.GetSource())
		if err := First(kindErr, sourceErr); err != nil {
			return p, fmt.Errorf("disabled kind %d: %w", i, err)
		}
		p.Disabled = append(p.Disabled, policy.Disabled{Kind: kind, Source: source})
	}
	for i, c := range m.GetCredentials() {
		credential, err := decodeCredential(c)
		if err != nil {
			return p, At(err, "credential %d", i)
		}
		p.Credentials = append(p.Credentials, credential)
	}
	if p.Snapshot, err = decodeSnapshot(m.GetSnapshot()); err != nil {
		return p, At(err, "snapshot")
	}
	if p.Trust, err = decodeTrust(m.GetTrust()); err != nil {
		return p, At(err, "trust")
	}
	p.Network, err = decodeNetwork(m)
	return p, At(err, "network")
}

// each translates a list, and says which of it cannot be.
func each[From, To any](what string, all []From, one func(From) (To, error)) ([]To, error) {
	var out []To
	for i, from := range all {
		to, err := one(from)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
		out = append(out, to)
	}
	return out, nil
}

func encodePathRule(r policy.PathRule) (*layerpb.PathRule, error) {
	source, sourceErr := encodeSource(r.Source)
	access, accessErr := accesses.Encode(r.Access)
	fileType, typeErr := fileTypes.Encode(r.Type)
	m := &layerpb.PathRule{
		Id: string(r.ID), Source: source, Access: access, Path: []byte(r.Path), Name: []byte(r.Name),
		Type: fileType,
	}
	var liftErr error
	m.Lifted, liftErr = each("lift", r.Lifted, encodeLift)
	return m, First(sourceErr, At(accessErr, "access"), At(typeErr, "type"), liftErr)
}

func decodePathRule(m *layerpb.PathRule) (policy.PathRule, error) {
	source, sourceErr := decodeSource(m.GetSource())
	access, accessErr := accesses.Decode(m.GetAccess())
	fileType, typeErr := fileTypes.Decode(m.GetType())
	r := policy.PathRule{
		ID: policy.RuleID(m.GetId()), Source: source, Access: access, Path: string(m.GetPath()),
		Name: string(m.GetName()), Type: fileType,
	}
	var liftErr error
	r.Lifted, liftErr = each("lift", m.GetLifted(), decodeLift)
	return r, First(sourceErr, At(accessErr, "access"), At(typeErr, "type"), liftErr)
}

func encodeLift(l policy.Lift) (*layerpb.Lift, error) {
	source, err := encodeSource(l.Source)
	return &layerpb.Lift{Path: []byte(l.Path), Source: source}, err
}

func decodeLift(m *layerpb.Lift) (policy.Lift, error) {
	source, err := decodeSource(m.GetSource())
	return policy.Lift{Path: string(m.GetPath()), Source: source}, err
}

func encodeEnvRule(r policy.EnvRule) (*layerpb.EnvRule, error) {
	source, sourceErr := encodeSource(r.Source)
	action, actionErr := envActions.Encode(r.Action)
	m := &layerpb.EnvRule{
		Id: string(r.ID), Source: source, Action: action, Name: []byte(r.Name), Value: []byte(r.Value),
		Secret: r.Secret,
	}
	var fromErr error
	if r.Action == policy.EnvSecret {
		m.From, fromErr = encodeKeySource(r.From)
	}
	return m, First(sourceErr, At(actionErr, "action"), fromErr)
}

func decodeEnvRule(m *layerpb.EnvRule) (policy.EnvRule, error) {
	source, sourceErr := decodeSource(m.GetSource())
	action, actionErr := envActions.Decode(m.GetAction())
	r := policy.EnvRule{
		ID: policy.RuleID(m.GetId()), Source: source, Action: action, Name: string(m.GetName()),
		Value: string(m.GetValue()), Secret: m.GetSecret(),
	}
	var fromErr error
	if r.Action == policy.EnvSecret {
		r.From, fromErr = decodeKeySource(m.GetFrom())
	}
	return r, First(sourceErr, At(actionErr, "action"), fromErr)
}

func encodeSource(s policy.Source) (*layerpb.Source, error) {
	origin, err := origins.Encode(s.Origin)
	if err != nil {
		return nil, At(err, "source")
	}
	m := &layerpb.Source{Origin: origin, File: []byte(s.File), Flag: []byte(s.Flag)}
	for _, n := range []struct {
		from int
		to   *uint32
	}{{s.Line, &m.Line}, {s.Column, &m.Column}, {s.EndLine, &m.EndLine}, {s.EndColumn, &m.EndColumn}} {
		if n.from < 0 || n.from > math.MaxInt32 {
			return nil, fmt.Errorf("source: the impossible line or column %d", n.from)
		}
		*n.to = uint32(n.from)
	}
	return m, nil
}

func decodeSource(m *layerpb.Source) (policy.Source, error) {
	origin, err := origins.Decode(m.GetOrigin())
	return policy.Source{
		Origin: origin, File: string(m.GetFile()), Flag: string(m.GetFlag()),
		Line: int(m.GetLine()), Column: int(m.GetColumn()), EndLine: int(m.GetEndLine()),
		EndColumn: int(m.GetEndColumn()),
	}, At(err, "source")
}
