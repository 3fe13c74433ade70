// Package keyid names public keys.
//
// It is apart from package keys, so that who only verifies signatures carries no keyring.
package keyid

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// ID names a public key: the SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal. That is
// what `openssl pkey -pubin -outform DER | sha256sum` prints.
type ID string

// Of is the ID of a public key.
func Of(key *ecdsa.PublicKey) (ID, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("naming a public key: %w", err)
	}
	return OfDER(der), nil
}

// OfDER is the ID of a public key that is there as its SubjectPublicKeyInfo.
func OfDER(der []byte) ID {
	sum := sha256.Sum256(der)
	return ID(hex.EncodeToString(sum[:]))
}
