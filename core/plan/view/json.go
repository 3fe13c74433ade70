package view

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nono-run/nono/sdk/fragment"
)

// Mounts are mounts that can be written as JSON and read back: each is a step as in a
// [fragment.List], and the layer beside it.
//
//	[{"bind": {"rule": "filesystem.read.0", "path": "/usr", ...}, "layer": "landlock"}]
type Mounts []Mount

type form struct {
	fragment.Form
	Layer string `json:"layer"`
}

// MarshalJSON implements json.Marshaler. All are written in one go: whatever a marshaler returns is
// read once more by who called it, and a plan is written at each start.
func (m Mounts) MarshalJSON() ([]byte, error) {
	out := make([]form, len(m))
	for i, mount := range m {
		step, err := fragment.FormOf(mount.Mount)
		if err != nil {
			return nil, err
		}
		out[i] = form{step, mount.Layer}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Mounts) UnmarshalJSON(data []byte) error {
	var in []form
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("reading mounts: %w", err)
	}
	*m = make(Mounts, len(in))
	for i := range in {
		step, err := in[i].Step()
		if err != nil {
			return fmt.Errorf("mount %d %w", i, err)
		}
		mount, ok := step.(fragment.Mount)
		if !ok {
			return fmt.Errorf("mount %d is a step of the kind %s", i, fragment.Kind(step))
		}
		(*m)[i] = Mount{Mount: mount, Layer: in[i].Layer}
	}
	return nil
}

// Interface guards.
var (
	_ json.Marshaler   = Mounts{}
	_ json.Unmarshaler = (*Mounts)(nil)
)
