package fragment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// List is a list of steps that can be written as JSON and read back: each step is an object with
// one key, its kind. Plans and recipes have the same.
//
//	[{"bind": {"rule": "filesystem.read.0", "path": "/usr", ...}}, {"env": {...}}]
type List []Step

// object is a step as JSON has it: exactly one field is set. It is the one table of the kinds and
// what they are called. A list is read into it in one go: reading each step twice, for its kind and
// for its content, takes nono-init four times as long.
type object struct {
	Env      *Env      `json:"env,omitempty"`
	Bind     *Bind     `json:"bind,omitempty"`
	Copy     *Copy     `json:"copy,omitempty"`
	Link     *Link     `json:"link,omitempty"`
	Tmpfs    *Tmpfs    `json:"tmpfs,omitempty"`
	Mask     *Mask     `json:"mask,omitempty"`
	File     *File     `json:"file,omitempty"`
	Landlock *Landlock `json:"landlock,omitempty"`
	Seccomp  *Seccomp  `json:"seccomp,omitempty"`
	Listener *Listener `json:"listener,omitempty"`
	Dialer   *Dialer   `json:"dialer,omitempty"`
	Hold     *Hold     `json:"hold,omitempty"`
	Pseudo   *Pseudo   `json:"pseudo,omitempty"`
}

// entry is a field of object.
type entry struct {
	name  string
	field int
}

// kinds finds the field of a step's type.
var kinds = func() map[reflect.Type]entry {
	all := map[reflect.Type]entry{}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[object]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[f.Type.Elem()] = entry{name, i}
	}
	return all
}()

// Kind is what the step is called in plans, JSON and messages: "bind", "env" ...
func Kind(s Step) string {
	if k, ok := kinds[reflect.TypeOf(s)]; ok {
		return k.name
	}
	return fmt.Sprintf("%T", s) // a pointer to a step has the step's methods and passes for one
}

// MarshalJSON implements json.Marshaler.
func (l List) MarshalJSON() ([]byte, error) {
	out := make([]object, len(l))
	for i, s := range l {
		k, ok := kinds[reflect.TypeOf(s)]
		if !ok {
			return nil, fmt.Errorf("step %d is a %T, which is no step", i, s)
		}
		content := reflect.New(reflect.TypeOf(s))
		content.Elem().Set(reflect.ValueOf(s))
		reflect.ValueOf(&out[i]).Elem().Field(k.field).Set(content)
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler. A kind or a field that this version does not know is
// an error. Whether the step says something that makes sense is what [Check] tells.
func (l *List) UnmarshalJSON(data []byte) error {
	var in []object
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("reading steps: %w", err)
	}
	*l = make(List, len(in))
	for i := range in {
		s, err := in[i].step()
		if err != nil {
			return fmt.Errorf("step %d %w", i, err)
		}
		(*l)[i] = s
	}
	return nil
}

func (o *object) step() (Step, error) {
	var found []Step
	fields := reflect.ValueOf(o).Elem()
	for i := range fields.NumField() {
		if content := fields.Field(i); !content.IsNil() {
			found = append(found, content.Elem().Interface().(Step))
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("has %d kinds instead of one", len(found))
	}
	return found[0], nil
}
