package keyid_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/nono-run/nono/plugins/trust/keyid"
)

// The ID is what openssl says: openssl pkey -pubin -in key.pem -outform DER | sha256sum.
func TestOf(t *testing.T) {
	block, _ := pem.Decode([]byte(`-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
`))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keyid.Of(key.(*ecdsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if want := keyid.ID("5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"); id != want {
		t.Errorf("the ID is %s, want %s", id, want)
	}
}
