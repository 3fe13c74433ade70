package wire

import (
	"fmt"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

func encodeTrust(t policy.Trust) (*layerpb.Trust, error) {
	if len(t.Files)+len(t.Signers)+len(t.Revoked)+len(t.Roots) == 0 && t.Unsigned == nil {
		return nil, nil
	}
	m := &layerpb.Trust{}
	var err error
	if m.Files, err = each("file", t.Files, encodeTrustFile); err != nil {
		return nil, err
	}
	if u := t.Unsigned; u != nil {
		source, sourceErr := encodeSource(u.Source)
		is, isErr := unsigned.Encode(u.Is)
		if err := First(sourceErr, isErr); err != nil {
			return nil, At(err, "unsigned")
		}
		m.Unsigned = &layerpb.TrustUnsigned{Id: string(u.ID), Source: source, Is: is}
	}
	if m.Signers, err = each("signer", t.Signers, encodeTrustSigner); err != nil {
		return nil, err
	}
	if m.Revoked, err = each("revoked", t.Revoked, encodeTrustRevoked); err != nil {
		return nil, err
	}
	m.Roots, err = each("root", t.Roots, encodeTrustRoot)
	return m, err
}

func decodeTrust(m *layerpb.Trust) (policy.Trust, error) {
	var t policy.Trust
	var err error
	if t.Files, err = each("file", m.GetFiles(), decodeTrustFile); err != nil {
		return t, err
	}
	if u := m.GetUnsigned(); u != nil {
		source, sourceErr := decodeSource(u.GetSource())
		is, isErr := unsigned.Decode(u.GetIs())
		if err := First(sourceErr, isErr); err != nil {
			return t, At(err, "unsigned")
		}
		t.Unsigned = &policy.TrustUnsigned{ID: policy.RuleID(u.GetId()), Source: source, Is: is}
	}
	if t.Signers, err = each("signer", m.GetSigners(), decodeTrustSigner); err != nil {
		return t, err
	}
	if t.Revoked, err = each("revoked", m.GetRevoked(), decodeTrustRevoked); err != nil {
		return t, err
	}
	t.Roots, err = each("root", m.GetRoots(), decodeTrustRoot)
	return t, err
}

func encodeTrustFile(f policy.TrustFile) (*layerpb.TrustFile, error) {
	source, err := encodeSource(f.Source)
	return &layerpb.TrustFile{Id: string(f.ID), Source: source, Pattern: []byte(f.Pattern)}, err
}

func decodeTrustFile(m *layerpb.TrustFile) (policy.TrustFile, error) {
	source, err := decodeSource(m.GetSource())
	pattern := string(m.GetPattern())
	return policy.TrustFile{ID: policy.RuleID(m.GetId()), Source: source, Pattern: pattern},
		First(err, policy.CheckTrustPattern(pattern))
}

func encodeTrustSigner(s policy.TrustSigner) (*layerpb.TrustSigner, error) {
	source, err := encodeSource(s.Source)
	return &layerpb.TrustSigner{
		Id: string(s.ID), Source: source, Key: s.Key, Identity: s.Identity, Issuer: s.Issuer,
	}, err
}

func decodeTrustSigner(m *layerpb.TrustSigner) (policy.TrustSigner, error) {
	source, err := decodeSource(m.GetSource())
	return policy.TrustSigner{
		ID: policy.RuleID(m.GetId()), Source: source, Key: m.GetKey(), Identity: m.GetIdentity(),
		Issuer: m.GetIssuer(),
	}, err
}

func encodeTrustRevoked(r policy.TrustRevoked) (*layerpb.TrustRevoked, error) {
	source, err := encodeSource(r.Source)
	return &layerpb.TrustRevoked{Id: string(r.ID), Source: source, Sha256: r.SHA256}, err
}

func decodeTrustRevoked(m *layerpb.TrustRevoked) (policy.TrustRevoked, error) {
	source, err := decodeSource(m.GetSource())
	return policy.TrustRevoked{
		ID: policy.RuleID(m.GetId()), Source: source, SHA256: m.GetSha256(),
	}, err
}

func encodeTrustRoot(r policy.TrustRoot) (*layerpb.TrustRoot, error) {
	source, err := encodeSource(r.Source)
	return &layerpb.TrustRoot{Id: string(r.ID), Source: source, Path: []byte(r.Path)}, err
}

func decodeTrustRoot(m *layerpb.TrustRoot) (policy.TrustRoot, error) {
	source, err := decodeSource(m.GetSource())
	path := string(m.GetPath())
	if err == nil {
		err = Path(path)
	}
	if err != nil {
		return policy.TrustRoot{}, fmt.Errorf("%q: %w", path, err)
	}
	return policy.TrustRoot{ID: policy.RuleID(m.GetId()), Source: source, Path: path}, nil
}
