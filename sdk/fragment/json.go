package fragment

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// List is a list of steps that can be written as JSON and read back: each step is an object with one key, its kind.
//
//	[{"bind": {"rule": "filesystem.read.0", "path": "/usr", ...}}, {"env": {...}}]
type List []Step

// kinds maps a step's name in JSON and in plans to its type.
var kinds = map[string]func([]byte) (Step, error){
	"env":      decode[Env],
	"bind":     decode[Bind],
	"link":     decode[Link],
	"tmpfs":    decode[Tmpfs],
	"mask":     decode[Mask],
	"file":     decode[File],
	"landlock": decode[Landlock],
	"seccomp":  decode[Seccomp],
	"listener": decode[Listener],
	"dialer":   decode[Dialer],
	"proc":     decode[Proc],
	"devpts":   decode[Devpts],
}

// Name is the step's kind in plans, JSON and messages.
func Name(s Step) string {
	switch s.(type) {
	case Env:
		return "env"
	case Bind:
		return "bind"
	case Link:
		return "link"
	case Tmpfs:
		return "tmpfs"
	case Mask:
		return "mask"
	case File:
		return "file"
	case Landlock:
		return "landlock"
	case Seccomp:
		return "seccomp"
	case Listener:
		return "listener"
	case Dialer:
		return "dialer"
	case Proc:
		return "proc"
	case Devpts:
		return "devpts"
	}
	panic(fmt.Sprintf("a step of an unknown type: %T", s))
}

// MarshalJSON implements json.Marshaler.
func (l List) MarshalJSON() ([]byte, error) {
	out := make([]map[string]Step, len(l))
	for i, s := range l {
		out[i] = map[string]Step{Name(s): s}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler. A kind or a field that this version does not know is an error.
func (l *List) UnmarshalJSON(data []byte) error {
	var in []map[string]json.RawMessage
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*l = make(List, 0, len(in))
	for i, m := range in {
		if len(m) != 1 {
			return fmt.Errorf("step %d has %d kinds instead of one", i, len(m))
		}
		for name, raw := range m {
			dec, ok := kinds[name]
			if !ok {
				return fmt.Errorf("step %d has the unknown kind %q", i, name)
			}
			s, err := dec(raw)
			if err != nil {
				return fmt.Errorf("step %d (%s): %w", i, name, err)
			}
			*l = append(*l, s)
		}
	}
	return nil
}

func decode[T Step](raw []byte) (Step, error) {
	var s T
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(&s)
	return s, err
}
