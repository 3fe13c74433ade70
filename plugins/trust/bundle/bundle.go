// Package bundle is a signature and what is needed to check it, as one file beside what was signed:
// a Sigstore bundle, version 0.3.
//
//	text, err := bundle.Sign(said, key)      // written as FILE.sigstore.json
//
//	b, err := bundle.Parse(text)
//	signed, err := b.Verify(bundle.Verifier{Keys: trusted, Revoked: revoked})
//	// signed.Signer says who, signed.Statement what
//
// What is written holds a DSSE envelope with an in-toto statement, and names the key. What is read
// may also be of versions 0.1 and 0.2, may have a certificate for a key (`roots`), and may be a
// signature of a file's bytes without a statement, as `cosign sign-blob` makes it; then Signed has
// the digest of those bytes alone. Entries of a transparency log beside a key's signature are not
// looked at: who trusts a key needs no log.
//
// A signature is one of ECDSA on P-256, over SHA-256. From such a signature anybody can make a
// second one for the same bytes (n-s for s), and half of what others write has the greater of the
// two, so both verify: a signature is never taken for the name of what it signs.
package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nono-run/nono/plugins/trust/strictjson"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// MaxSize is how long a bundle may be. Whoever reads one from a disk reads one byte more at
	// most; what is longer Parse refuses.
	MaxSize = 4 << 20
	// mostDepth is more than a bundle with its log entries is nested.
	mostDepth = 16
	// mostHint bounds the name of a key.
	mostHint = 256
	// mostSignature is more than a signature of any kind has.
	mostSignature = 2048

	mediaType   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType = "application/vnd.in-toto+json"
	sha2        = "SHA2_256"
)

// mediaTypes are the versions that are read.
var mediaTypes = map[string]bool{
	mediaType: true,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": true,
	"application/vnd.dev.sigstore.bundle+json;version=0.2": true,
	"application/vnd.dev.sigstore.bundle+json;version=0.1": true,
}

// What is wrong with a bundle, before anybody asks who signed. The errors of [Parse] wrap one of
// them, or one of strictjson.
var (
	ErrSize      = errors.New("it is too large for a bundle")
	ErrMediaType = errors.New("it is not a Sigstore bundle of a version known here")
	ErrOldCosign = errors.New("it has the form that cosign had before Sigstore bundles, which does" +
		" not say what was signed; sign anew with --new-bundle-format")
	ErrContent = errors.New("it has to have an envelope or the signature of a message," +
		" and not both")
	ErrPayloadType     = errors.New("what it signs is not an in-toto statement")
	ErrSignatures      = errors.New("it has to have one signature")
	ErrDigestAlgorithm = errors.New("its digest is not one of SHA-256")
	ErrDigest          = errors.New("its digest has another length than SHA-256 has")
	ErrSigner          = errors.New("it has to name a key or have a certificate," +
		" and one of them alone")
	ErrBase64 = errors.New("a value in it is not base64 as it is written in one way alone")
)

// Bundle is a bundle that could be read. Nothing in it has been verified.
type Bundle struct {
	text []byte

	hint        string // of a key; what it says is up to whoever wrote it
	certificate []byte // of the signer, in DER, where no key is named

	payload   []byte // of an envelope, a statement
	message   *[sha256.Size]byte
	signature []byte
}

// The text, as Sigstore has it in JSON.
type (
	bundleText struct {
		MediaType            string        `json:"mediaType"`
		VerificationMaterial material      `json:"verificationMaterial"`
		Envelope             *envelopeText `json:"dsseEnvelope,omitzero"`
		Message              *messageText  `json:"messageSignature,omitzero"`

		// OldCosign is known by its first field alone.
		OldCosign jsontext.Value `json:"base64Signature,omitzero"`
		OldCert   jsontext.Value `json:"cert,omitzero"`
		OldRekor  jsontext.Value `json:"rekorBundle,omitzero"`
	}
	material struct {
		PublicKey   *publicKeyText `json:"publicKey,omitzero"`
		Certificate *certText      `json:"certificate,omitzero"`
		Chain       *chainText     `json:"x509CertificateChain,omitzero"`

		// Log and Timestamps are read by `roots`.
		Log        jsontext.Value `json:"tlogEntries,omitzero"`
		Timestamps jsontext.Value `json:"timestampVerificationData,omitzero"`
	}
	publicKeyText struct {
		Hint string `json:"hint"`
	}
	certText struct {
		Bytes string `json:"rawBytes"`
	}
	chainText struct {
		Certificates []certText `json:"certificates"`
	}
	envelopeText struct {
		Payload     string          `json:"payload"`
		PayloadType string          `json:"payloadType"`
		Signatures  []signatureText `json:"signatures"`
	}
	signatureText struct {
		Signature string `json:"sig"`
		KeyID     string `json:"keyid,omitzero"`
	}
	messageText struct {
		Digest    digestText `json:"messageDigest"`
		Signature string     `json:"signature"`
	}
	digestText struct {
		Algorithm string `json:"algorithm"`
		Digest    string `json:"digest"`
	}
)

// Parse reads a bundle, and says nothing of who signed it.
func Parse(text []byte) (*Bundle, error) {
	b, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading a bundle: %w", err)
	}
	return b, nil
}

func parse(text []byte) (*Bundle, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: at most %d bytes are read", ErrSize, MaxSize)
	}
	var t bundleText
	if err := strictjson.Unmarshal(text, mostDepth, &t); err != nil {
		return nil, err
	}
	if t.OldCosign != nil || t.OldCert != nil || t.OldRekor != nil {
		return nil, ErrOldCosign
	}
	if !mediaTypes[t.MediaType] {
		return nil, fmt.Errorf("%w: %s", ErrMediaType, quoted(t.MediaType))
	}
	b := &Bundle{text: bytes.Clone(text)}
	if err := b.signer(t.VerificationMaterial); err != nil {
		return nil, err
	}
	var err error
	switch {
	case t.Envelope != nil && t.Message == nil:
		err = b.envelope(*t.Envelope)
	case t.Envelope == nil && t.Message != nil:
		err = b.ofMessage(*t.Message)
	default:
		err = ErrContent
	}
	return b, err
}

// signer reads what the bundle says of who signed.
func (b *Bundle) signer(m material) (err error) {
	var certificate *certText
	named := 0
	if m.PublicKey != nil {
		named++
		b.hint = m.PublicKey.Hint
	}
	if m.Certificate != nil {
		named++
		certificate = m.Certificate
	}
	if m.Chain != nil {
		named++
		if len(m.Chain.Certificates) == 0 {
			return fmt.Errorf("%w: its chain of certificates is empty", ErrSigner)
		}
		certificate = &m.Chain.Certificates[0]
	}
	if named != 1 || len(b.hint) > mostHint {
		return ErrSigner
	}
	if certificate != nil {
		b.certificate, err = decode("a certificate", certificate.Bytes)
	}
	return err
}

func (b *Bundle) envelope(e envelopeText) (err error) {
	if e.PayloadType != payloadType {
		return fmt.Errorf("%w: its payload has the type %s, not %q", ErrPayloadType,
			quoted(e.PayloadType), payloadType)
	}
	if len(e.Signatures) != 1 {
		return fmt.Errorf("%w: its envelope has %d", ErrSignatures, len(e.Signatures))
	}
	if b.payload, err = decode("its payload", e.Payload); err != nil {
		return err
	}
	return b.sealed(e.Signatures[0].Signature)
}

func (b *Bundle) ofMessage(m messageText) error {
	if m.Digest.Algorithm != sha2 {
		return fmt.Errorf("%w: it says %s, not %q", ErrDigestAlgorithm,
			quoted(m.Digest.Algorithm), sha2)
	}
	digest, err := decode("its digest", m.Digest.Digest)
	if err != nil {
		return err
	}
	if len(digest) != sha256.Size {
		return ErrDigest
	}
	b.message = (*[sha256.Size]byte)(digest)
	return b.sealed(m.Signature)
}

func (b *Bundle) sealed(signature string) (err error) {
	if signature == "" || len(signature) > mostSignature {
		return fmt.Errorf("%w: what is in its place has %d bytes", ErrSignatures, len(signature))
	}
	b.signature, err = decode("its signature", signature)
	return err
}

// decode reads base64 that is written in the one way. The library passes over the ends of lines.
func decode(what, s string) ([]byte, error) {
	out, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || base64.StdEncoding.EncodedLen(len(out)) != len(s) {
		return nil, fmt.Errorf("%w: %s", ErrBase64, what)
	}
	return out, nil
}

// quoted is a string of the bundle, for a message.
func quoted(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	return `"` + policy.Printable(s) + `"`
}
