package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/nono-run/nono/plugins/trust/keyid"
	"github.com/nono-run/nono/plugins/trust/statement"
)

// Why a bundle is refused that could be read. The errors of [Bundle.Verify] wrap one of them, one
// of the statement's, or what the authority said.
var (
	ErrUnknownKey = errors.New("it was signed with a key that is not trusted here")
	ErrRevokedKey = errors.New("it was signed with a key that was revoked")
	ErrSignature  = errors.New("its signature does not fit what it signs")
	ErrCurve      = errors.New("the key is not one on the curve P-256")
	ErrNoRoot     = errors.New("it was signed with a certificate, and no root is named" +
		" that certificates are checked against")
	ErrIdentity = errors.New("it was signed by somebody who is not among the signers" +
		" that are trusted here")
	ErrCertificate = errors.New("its certificate cannot be read")
	ErrDisagree    = errors.New("what was verified is not what was read")
)

// Verifier is who is trusted. Verifying changes nothing in it, and many may at once.
type Verifier struct {
	// Keys are trusted.
	Keys map[keyid.ID]*ecdsa.PublicKey
	// Revoked are not, though they be among Keys or in a certificate.
	Revoked map[keyid.ID]bool
	// Identities are those whose certificates count. A root vouches for who somebody is, and not
	// for whether you trust them, so without any no certificate counts.
	Identities []Identity
	// Authority checks a bundle that has a certificate; nil where no root is named.
	Authority Authority
}

// Identity is who a certificate says that its holder is, and who it was that found that out. Two
// issuers may call different people by the same name.
type Identity struct {
	Name, Issuer string
}

// Authority verifies the text of a bundle with a certificate against roots that the user trusts:
// the chain, when it was signed, and once more the signature itself.
type Authority func(text []byte) (Certified, error)

// Certified is what an [Authority] found.
type Certified struct {
	Identity Identity
	// Digest is that of the bytes which the signature is over: for an envelope its encoding before
	// authentication, for a message the message.
	Digest [sha256.Size]byte
}

// Signed is what was verified: who said what.
type Signed struct {
	Signer Signer
	// Statement is what an envelope holds.
	Statement statement.Statement
	// Digest is that of a message which was signed without a statement. It is zero where there is
	// a statement.
	Digest [sha256.Size]byte
}

// Signer is a key, or who a certificate names.
type Signer struct {
	Key              keyid.ID
	Identity, Issuer string
}

// Verify finds out who signed the bundle, and reads what they said only then.
func (b *Bundle) Verify(v Verifier) (Signed, error) {
	signed, err := b.verify(v)
	if err != nil {
		return Signed{}, fmt.Errorf("verifying a bundle: %w", err)
	}
	return signed, nil
}

// VerifyText is [Bundle.Verify] for an in-toto statement that is about something else than files:
// it returns who signed, and the statement's text. There is none in a bundle with the signature of
// a message, and the error is then [ErrContent].
func (b *Bundle) VerifyText(v Verifier) (Signer, []byte, error) {
	signer, err := b.whoSigned(v)
	if err == nil && b.message != nil {
		err = ErrContent
	}
	if err != nil {
		return Signer{}, nil, fmt.Errorf("verifying a bundle: %w", err)
	}
	return signer, bytes.Clone(b.payload), nil
}

func (b *Bundle) whoSigned(v Verifier) (signer Signer, err error) {
	digest := b.digest()
	if b.certificate != nil {
		return b.certified(v, digest)
	}
	signer.Key, err = b.byKey(v, digest)
	return signer, err
}

func (b *Bundle) verify(v Verifier) (signed Signed, err error) {
	if signed.Signer, err = b.whoSigned(v); err != nil {
		return Signed{}, err
	}
	if b.message != nil {
		signed.Digest = *b.message
		return signed, nil
	}
	signed.Statement, err = statement.Parse(b.payload)
	return signed, err
}

// digest is that of the bytes which the signature has to be over.
func (b *Bundle) digest() [sha256.Size]byte {
	if b.message != nil {
		return *b.message
	}
	return sha256.Sum256(encoding(b.payload))
}

// byKey is the key that the signature is by. A bundle may name its key, and is then taken at its
// word; what names none, or in words of its own, is tried with each.
func (b *Bundle) byKey(v Verifier, digest [sha256.Size]byte) (keyid.ID, error) {
	id, named := fromHint(b.hint)
	if !named {
		return b.byAnyKey(v, digest)
	}
	if v.Revoked[id] {
		return "", fmt.Errorf("%w: %s", ErrRevokedKey, id)
	}
	key, trusted := v.Keys[id]
	if !trusted {
		return "", fmt.Errorf("%w: %s", ErrUnknownKey, id)
	}
	return id, fits(key, digest, b.signature)
}

func (b *Bundle) byAnyKey(v Verifier, digest [sha256.Size]byte) (keyid.ID, error) {
	for _, id := range slices.Sorted(maps.Keys(v.Keys)) {
		if fits(v.Keys[id], digest, b.signature) != nil {
			continue
		}
		if v.Revoked[id] {
			return "", fmt.Errorf("%w: %s", ErrRevokedKey, id)
		}
		return id, nil
	}
	return "", fmt.Errorf("%w, or was changed since: it does not say which key that was",
		ErrUnknownKey)
}

// certified is who the bundle's certificate names.
func (b *Bundle) certified(v Verifier, digest [sha256.Size]byte) (Signer, error) {
	if v.Authority == nil {
		return Signer{}, ErrNoRoot
	}
	certificate, err := x509.ParseCertificate(b.certificate)
	if err != nil {
		return Signer{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if id := keyid.OfDER(certificate.RawSubjectPublicKeyInfo); v.Revoked[id] {
		return Signer{}, fmt.Errorf("%w: %s", ErrRevokedKey, id)
	}
	key, _ := certificate.PublicKey.(*ecdsa.PublicKey)
	if err := fits(key, digest, b.signature); err != nil {
		return Signer{}, err
	}
	found, err := v.Authority(b.text)
	if err != nil {
		return Signer{}, err
	}
	// The authority reads the bundle with a reader of its own.
	if found.Digest != digest {
		return Signer{}, ErrDisagree
	}
	if !slices.Contains(v.Identities, found.Identity) {
		return Signer{}, fmt.Errorf("%w: %s, says %s", ErrIdentity, quoted(found.Identity.Name),
			quoted(found.Identity.Issuer))
	}
	return Signer{Identity: found.Identity.Name, Issuer: found.Identity.Issuer}, nil
}

// fits reports whether a signature of a digest is by a key.
func fits(key *ecdsa.PublicKey, digest [sha256.Size]byte, signature []byte) error {
	if key == nil || key.Curve != elliptic.P256() {
		return ErrCurve
	}
	if !ecdsa.VerifyASN1(key, digest[:], signature) {
		return ErrSignature
	}
	return nil
}

// encoding is what DSSE signs: the type and the payload, each with its length, so that no two pairs
// of them have the same encoding (DSSE's PAE).
func encoding(payload []byte) []byte {
	out := make([]byte, 0, len(payload)+len(payloadType)+32)
	out = append(out, "DSSEv1 "...)
	out = strconv.AppendInt(out, int64(len(payloadType)), 10)
	out = append(out, " "+payloadType+" "...)
	out = strconv.AppendInt(out, int64(len(payload)), 10)
	out = append(out, ' ')
	return append(out, payload...)
}

// hint is how cosign names a key, and so do we: the bytes of its ID in base64.
func hint(id keyid.ID) (string, error) {
	sum, err := hex.DecodeString(string(id))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// fromHint is the key that a hint names, where it does so in this way.
func fromHint(hint string) (keyid.ID, bool) {
	sum, err := decode("", hint)
	if err != nil || len(sum) != sha256.Size {
		return "", false
	}
	return keyid.ID(hex.EncodeToString(sum)), true
}
