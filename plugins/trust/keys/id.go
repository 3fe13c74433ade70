package keys

import (
	"crypto/ecdsa"

	"github.com/nono-run/nono/plugins/trust/keyid"
)

// ID names a public key.
type ID = keyid.ID

// IDOf is the ID of a public key.
func IDOf(key *ecdsa.PublicKey) (ID, error) { return keyid.Of(key) }
