package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Settings is a layer's block as a JSON object, checked against the settings that the layer
// declared and completed with their defaults.
type Settings []byte

// Decode reads the settings into a struct, whose fields are named in their json tags. One that the
// struct has no field for is an error. A value that is sensitive goes into a [Secret].
func (s Settings) Decode(into any) error {
	if len(s) == 0 {
		s = Settings("{}")
	}
	d := json.NewDecoder(bytes.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading the settings: something follows them")
	}
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler, for settings.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(text)
	return nil
}
