package sdk

import (
	"fmt"
	"slices"
)

// redacted stands for a secret wherever something is printed.
const redacted = "[redacted]"

// Secret is a value that must not be read by accident: however it is printed, logged or put into
// JSON, alone or inside of something else, "[redacted]" stands in its place.
type Secret struct {
	// A function, because fmt looks into a struct's unexported fields without asking any method, and
	// of a function it prints no more than the address.
	reveal func() []byte
}

// NewSecret hides a value. The bytes stay the caller's.
func NewSecret(value []byte) Secret {
	own := slices.Clone(value)
	return Secret{func() []byte { return slices.Clone(own) }}
}

// Reveal is the value itself.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Equal reports whether two secrets have the same value. It takes no care to hide it from a clock.
func (s Secret) Equal(other Secret) bool { return string(s.Reveal()) == string(other.Reveal()) }

// Format implements fmt.Formatter, for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler: JSON, slog and hclog ask it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
