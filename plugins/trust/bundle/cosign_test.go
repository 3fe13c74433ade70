package bundle_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keyid"
	"github.com/nono-run/nono/plugins/trust/statement"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/cosign/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What cosign 3.1.3 made, with a key and without a log. `make interop` has it make such bundles
// anew, and verify ours; -record writes these files.
func TestCosign(t *testing.T) {
	block, _ := pem.Decode(recorded(t, "cosign.pub"))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(*ecdsa.PublicKey)
	id, err := keyid.Of(key)
	if err != nil {
		t.Fatal(err)
	}
	trust := bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{id: key}}
	signer := bundle.Signer{Key: id}
	digest := sha256.Sum256(recorded(t, "CLAUDE.md"))
	for name, want := range map[string]bundle.Signed{
		"attested.json": {Signer: signer, Statement: statement.Statement{Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: digest}}}},
		"signed.json":   {Signer: signer, Digest: digest},
	} {
		t.Run(name, func(t *testing.T) {
			text := recorded(t, name)
			got, err := verify(text, trust)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
			if got, err := verify(text, bundle.Verifier{}); !errors.Is(err, bundle.ErrUnknownKey) {
				t.Errorf("verified %+v, %v, with nobody trusted", got, err)
			}
			// No byte of it can be another and say something else.
			for i := range text {
				changed := bytes.Clone(text)
				changed[i] ^= 1
				if got, err := verify(changed, trust); err == nil && !cmp.Equal(got, want) {
					t.Fatalf("byte %d was changed, and it verified as %+v", i, got)
				}
			}
		})
	}
}
