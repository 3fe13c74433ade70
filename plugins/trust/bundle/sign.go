package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nono-run/nono/plugins/trust/keyid"
	"github.com/nono-run/nono/plugins/trust/statement"
)

// Sign is the text of a bundle in which the key's holder says s. The key is on the curve P-256.
func Sign(s statement.Statement, key crypto.Signer) ([]byte, error) {
	payload, err := s.Marshal()
	if err != nil {
		return nil, err
	}
	return SignText(payload, key)
}

// SignText is [Sign] for the text of an in-toto statement that is about something else than files.
func SignText(payload []byte, key crypto.Signer) ([]byte, error) {
	text, err := sign(payload, key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return text, nil
}

func sign(payload []byte, key crypto.Signer) ([]byte, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, ErrCurve
	}
	id, err := keyid.Of(public)
	if err != nil {
		return nil, err
	}
	name, err := hint(id)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(encoding(payload))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// A signature that does not verify is noticed here and not by whoever starts an agent later.
	if err := fits(public, digest, signature); err != nil {
		return nil, err
	}
	text, err := json.Marshal(bundleText{
		MediaType:            mediaType,
		VerificationMaterial: material{PublicKey: &publicKeyText{Hint: name}},
		Envelope: &envelopeText{
			Payload:     base64.StdEncoding.EncodeToString(payload),
			PayloadType: payloadType,
			Signatures: []signatureText{
				{Signature: base64.StdEncoding.EncodeToString(signature)},
			},
		},
	}, jsontext.Multiline(true))
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}
