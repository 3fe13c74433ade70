package recipe

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/fragment"
)

// written is a recipe as JSON has it. Its mounts are forms and no [fragment.List]: what has a
// method of its own for JSON is read once more each time, and nono-init reads while core waits.
type written struct {
	*Recipe

	Mounts []fragment.Form `json:"mounts"`
}

// encode writes the length of the text, the text, and behind it the filter as it is: as JSON it
// would cost nono-init time, while core waits.
func (r *Recipe) encode() ([]byte, error) {
	rest := *r
	rest.Seccomp = nil
	text, err := rest.text()
	if err != nil {
		return nil, err
	}
	data := binary.NativeEndian.AppendUint32(
		make([]byte, 0, 4+len(text)+len(r.Seccomp)), uint32(len(text)),
	)
	return append(append(data, text...), r.Seccomp...), nil
}

func decode(data []byte) (*Recipe, error) {
	if len(data) < 4 || uint64(binary.NativeEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, errors.New("the recipe was cut short")
	}
	size, data := binary.NativeEndian.Uint32(data), data[4:]
	r, err := parse(data[:size])
	if err != nil {
		return nil, err
	}
	r.Seccomp = data[size:]
	return r, nil
}

// text is a recipe without its filter.
func (r *Recipe) text() ([]byte, error) {
	w := written{r, make([]fragment.Form, len(r.Mounts))}
	for i, m := range r.Mounts {
		var err error
		if w.Mounts[i], err = fragment.FormOf(m); err != nil {
			return nil, err
		}
	}
	return bytejson.Marshal(w)
}

func parse(text []byte) (*Recipe, error) {
	w := written{Recipe: new(Recipe)}
	if err := bytejson.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("parsing the recipe: %w", err)
	}
	w.Recipe.Mounts = make(fragment.List, len(w.Mounts))
	for i := range w.Mounts {
		var err error
		if w.Recipe.Mounts[i], err = w.Mounts[i].Step(); err != nil {
			return nil, fmt.Errorf("parsing the recipe: mount %d %w", i, err)
		}
	}
	return w.Recipe, nil
}

// rehearsed is the text of a recipe with a mount of each kind. It stands here as text because
// nono-init never encodes one, and need not learn how.
const rehearsed = `{
	"mounts": [
		{"tmpfs": {}}, {"bind": {}}, {"copy": {}}, {"file": {}},
		{"link": {}}, {"mask": {}}, {"hold": {}}, {"pseudo": {}}
	],
	"listeners": [{}],
	"landlock": [{"rights": ["read"]}],
	"args": [""],
	"streams": [{"kind": "pipe"}, {}, {}]
}`

// Rehearse decodes a recipe that nobody uses. The first time, JSON looks at every type and the
// kernel fetches the code for it: that takes longer than the rest, and can be had while there is
// time.
func Rehearse() error {
	_, err := parse([]byte(rehearsed))
	return err
}
