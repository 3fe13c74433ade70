package recipe

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk/fragment"
)

// written is a recipe as it travels. It differs from a [Recipe] where JSON would cost nono-init time, while core waits: the filter
// follows behind the text as it is, and a mount is read in one go instead of once for its kind and once for its content.
type written struct {
	Recipe
	Mounts []mount `json:"mounts"` // instead of the recipe's
}

// mount is a mount step; exactly one field is set.
type mount struct {
	Bind   *fragment.Bind   `json:"bind,omitempty"`
	Tmpfs  *fragment.Tmpfs  `json:"tmpfs,omitempty"`
	Mask   *fragment.Mask   `json:"mask,omitempty"`
	File   *fragment.File   `json:"file,omitempty"`
	Link   *fragment.Link   `json:"link,omitempty"`
	Proc   *fragment.Proc   `json:"proc,omitempty"`
	Devpts *fragment.Devpts `json:"devpts,omitempty"`
}

func toMount(s fragment.Step) (mount, error) {
	switch s := s.(type) {
	case fragment.Bind:
		return mount{Bind: &s}, nil
	case fragment.Tmpfs:
		return mount{Tmpfs: &s}, nil
	case fragment.Mask:
		return mount{Mask: &s}, nil
	case fragment.File:
		return mount{File: &s}, nil
	case fragment.Link:
		return mount{Link: &s}, nil
	case fragment.Proc:
		return mount{Proc: &s}, nil
	case fragment.Devpts:
		return mount{Devpts: &s}, nil
	case fragment.Env, fragment.Landlock, fragment.Seccomp, fragment.Listener, fragment.Dialer: // no mounts
	}
	return mount{}, fmt.Errorf("the recipe mounts a step of the kind %s", fragment.Name(s))
}

func (m mount) step() (fragment.Step, error) {
	switch {
	case m.Bind != nil:
		return *m.Bind, nil
	case m.Tmpfs != nil:
		return *m.Tmpfs, nil
	case m.Mask != nil:
		return *m.Mask, nil
	case m.File != nil:
		return *m.File, nil
	case m.Link != nil:
		return *m.Link, nil
	case m.Proc != nil:
		return *m.Proc, nil
	case m.Devpts != nil:
		return *m.Devpts, nil
	}
	return nil, errors.New("the recipe mounts a step of an unknown kind")
}

// encode writes the length of the text, the text, and the filter.
func (r *Recipe) encode() ([]byte, error) {
	w := written{Recipe: *r, Mounts: make([]mount, len(r.Mounts))}
	w.Seccomp = nil
	for i, s := range r.Mounts {
		var err error
		if w.Mounts[i], err = toMount(s); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	data := binary.NativeEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(r.Seccomp)), uint32(len(text)))
	return append(append(data, text...), r.Seccomp...), nil
}

func decode(data []byte) (*Recipe, error) {
	if len(data) < 4 || uint64(binary.NativeEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, errors.New("the recipe was cut short")
	}
	size, data := binary.NativeEndian.Uint32(data), data[4:]
	var w written
	if err := json.Unmarshal(data[:size], &w); err != nil {
		return nil, fmt.Errorf("parsing the recipe: %w", err)
	}
	r := w.Recipe
	r.Seccomp = data[size:]
	r.Mounts = make(fragment.List, len(w.Mounts))
	for i, m := range w.Mounts {
		var err error
		if r.Mounts[i], err = m.step(); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// Rehearse decodes a recipe that nobody uses. The first time, JSON looks at every type and the kernel fetches the code for it: that takes
// longer than the rest, and can be had while there is time.
func Rehearse() error {
	const sample = `{"mounts": [
		{"tmpfs": {"rule": "r", "path": "/", "size": 1, "mode": 1}}, {"bind": {"path": "/a", "device": 1, "inode": 1}},
		{"file": {"path": "/f", "content": "YQ=="}}, {"link": {"path": "/l", "target": "t"}}, {"mask": {"path": "/m"}},
		{"proc": {"path": "/p"}}, {"devpts": {"path": "/d"}}],
		"landlock": [{"path": "/", "rights": ["read"]}], "listeners": [{"name": "n"}], "dial": [1], "args": ["a"]}`
	_, err := decode(append(binary.NativeEndian.AppendUint32(nil, uint32(len(sample))), sample...))
	return err
}
