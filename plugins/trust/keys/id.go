// Package keys is the keys that files are signed with, and those that are trusted.
package keys

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

// IDOf is the ID of a public key.
func IDOf(key *ecdsa.PublicKey) (ID, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("naming a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return ID(hex.EncodeToString(sum[:])), nil
}
