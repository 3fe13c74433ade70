package fragment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// List is a list of steps that can be written as JSON and read back: each step is an object with
// one key, its kind. Plans have the same.
//
//	[{"bind": {"rule": "filesystem.read.0", "path": "/usr", ...}}, {"env": {...}}]
type List []Step

// Form is a step as JSON has it: exactly one field is set. It is the one table of the kinds and
// what they are called. A list is read into it in one go: reading each step twice, for its kind and
// for its content, takes four times as long.
type Form struct {
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

// entry is a field of Form.
type entry struct {
	name  string
	field int
}

// kinds finds the field of a step's type. Most processes that know steps never ask.
var kinds = sync.OnceValue(func() map[reflect.Type]entry {
	all := map[reflect.Type]entry{}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[Form]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[f.Type.Elem()] = entry{name, i}
	}
	return all
})

// Kind is what the step is called in plans, JSON and messages: "bind", "env" ...
func Kind(s Step) string {
	if k, ok := kinds()[reflect.TypeOf(s)]; ok {
		return k.name
	}
	return fmt.Sprintf("%T", s) // a pointer to a step has the step's methods and passes for one
}

// FormOf is the form of a step.
func FormOf(s Step) (Form, error) {
	var f Form
	k, ok := kinds()[reflect.TypeOf(s)]
	if !ok {
		return f, fmt.Errorf("a %T is no step", s)
	}
	content := reflect.New(reflect.TypeOf(s))
	content.Elem().Set(reflect.ValueOf(s))
	reflect.ValueOf(&f).Elem().Field(k.field).Set(content)
	return f, nil
}

// MarshalJSON implements json.Marshaler.
func (l List) MarshalJSON() ([]byte, error) {
	out := make([]Form, len(l))
	for i, s := range l {
		var err error
		if out[i], err = FormOf(s); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler. A kind or a field that this version does not know is
// an error. Whether the step says something that makes sense is what [Check] tells.
func (l *List) UnmarshalJSON(data []byte) error {
	var in []Form
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("reading steps: %w", err)
	}
	*l = make(List, len(in))
	for i := range in {
		s, err := in[i].Step()
		if err != nil {
			return fmt.Errorf("step %d %w", i, err)
		}
		(*l)[i] = s
	}
	return nil
}

// Step is the step whose form it is.
func (f *Form) Step() (Step, error) {
	var found []Step
	fields := reflect.ValueOf(f).Elem()
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
