package store

import (
	"encoding/hex"
	"fmt"
)

// Digest is the name of a content: the SHA-256 of a blob, the SHA-512/256 of a list of pieces. The
// zero is no content's.
type Digest [32]byte

// ParseDigest is the inverse of String.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	err := d.UnmarshalText([]byte(text))
	return d, err
}

// String is the digest in lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether it names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes what MarshalText gives, and nothing
// else.
func (d *Digest) UnmarshalText(text []byte) error {
	var read Digest
	if len(text) != hex.EncodedLen(len(read)) {
		return fmt.Errorf("a digest has %d digits, and this has %d", 2*len(read), len(text))
	}
	if _, err := hex.Decode(read[:], text); err != nil || read.String() != string(text) {
		return fmt.Errorf("%q is no digest", text)
	}
	*d = read
	return nil
}

// ManifestID is the name of a manifest: the SHA-256 of its bytes.
type ManifestID struct{ Digest }

// ParseManifestID is the inverse of String.
func ParseManifestID(text string) (ManifestID, error) {
	d, err := ParseDigest(text)
	return ManifestID{d}, err
}
