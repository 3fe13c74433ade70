package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/loghead"
)

// Default is the key that is made when it is used for the first time. With it the logs of sessions
// are signed.
const Default = loghead.Signer

// mostPEM is more than a public key takes as text.
const mostPEM = 8 << 10

// publicType is what a public key is called in PEM.
const publicType = "PUBLIC KEY"

// Public is a public key, by the name that it has on this account.
type Public struct {
	ID   ID
	Name string
	Key  *ecdsa.PublicKey
}

// ErrName says what a key can be called.
var ErrName = errors.New("a key has a name of up to 63 lowercase letters, digits and . _ - @ +, " +
	"which begins with a letter or a digit")

// CheckName refuses what a key cannot be called: the name is that of files, also where a file
// system takes capital and small letters for the same, and must not look like an ID.
func CheckName(name string) error {
	const most, plain = 63, "abcdefghijklmnopqrstuvwxyz0123456789"
	if name == "" || len(name) > most || strings.Trim(name[:1], plain) != "" ||
		strings.Trim(name, plain+"._@+-") != "" {
		return fmt.Errorf("%w: %.80q is none", ErrName, name)
	}
	return nil
}

// ParsePublic reads a public key as PEM, and nothing else: one block, of one key on P-256, in the
// one form that it has.
func ParsePublic(text []byte) (*ecdsa.PublicKey, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, errors.New("it is empty")
	}
	if len(text) > mostPEM {
		return nil, errors.New("it is longer than a public key")
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil || !bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return nil, errors.New("it is no public key in PEM, which begins with " +
			"-----BEGIN PUBLIC KEY-----")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("it is a private key: give away its public half alone, as " +
			"`openssl pkey -pubout` or `cosign public-key` print it")
	case block.Type == "CERTIFICATE":
		return nil, errors.New("it is a certificate, and no key: whose certificates count is said by " +
			"roots and signers in the trust block of your own configuration")
	case block.Type != publicType:
		return nil, fmt.Errorf("its PEM holds a %.40q, and not a %q", block.Type, publicType)
	case len(block.Headers) > 0, len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("it holds more than one public key, and nothing else may be there")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its PEM holds no public key that could be read")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("it is a key of another kind (%s): nono takes ECDSA on P-256, "+
			"as `nono trust keygen` and `cosign generate-key-pair` make it", kindOf(parsed))
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, block.Bytes) {
		return nil, errors.New("it is written in another form than the one for keys on P-256")
	}
	return key, nil
}

func kindOf(key any) string {
	if e, ok := key.(*ecdsa.PublicKey); ok {
		return "ECDSA on " + e.Curve.Params().Name
	}
	return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", key), "*"), "crypto/")
}

// PEM is the key as a file has it.
func (p Public) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("writing a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), nil
}

// named is a public key under a name.
func named(name string, key *ecdsa.PublicKey) (Public, error) {
	id, err := IDOf(key)
	return Public{ID: id, Name: name, Key: key}, err
}
