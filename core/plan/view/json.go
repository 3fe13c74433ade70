package view

import (
	"encoding/json"
	"errors"

	"github.com/nono-run/nono/sdk/fragment"
)

// MarshalJSON implements json.Marshaler: the step as in a [fragment.List], and the layer beside it.
//
//	{"bind": {"rule": "filesystem.read.0", "path": "/usr", ...}, "layer": "landlock"}
func (m Mount) MarshalJSON() ([]byte, error) {
	list, err := json.Marshal(fragment.List{m.Mount})
	if err != nil {
		return nil, err
	}
	layer, err := json.Marshal(m.Layer)
	if err != nil {
		return nil, err
	}
	step := list[1 : len(list)-2] // without the list's brackets and the step's last brace
	return append(append(append(step, `,"layer":`...), layer...), '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Mount) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if err := json.Unmarshal(fields["layer"], &m.Layer); err != nil {
		return err
	}
	delete(fields, "layer")
	step, err := json.Marshal([]map[string]json.RawMessage{fields})
	if err != nil {
		return err
	}
	var list fragment.List
	if err := json.Unmarshal(step, &list); err != nil {
		return err
	}
	mount, ok := list[0].(fragment.Mount)
	if !ok {
		return errors.New("a step among the mounts that mounts nothing")
	}
	m.Mount = mount
	return nil
}

// Interface guards.
var (
	_ json.Marshaler   = Mount{}
	_ json.Unmarshaler = (*Mount)(nil)
)
