package recipe

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk/bytejson"
)

// encode writes the length of the text, the text, and behind it the filter as it is: as JSON it
// would cost nono-init time, while core waits.
func (r *Recipe) encode() ([]byte, error) {
	rest := *r
	rest.Seccomp = nil
	text, err := bytejson.Marshal(rest)
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
	r := &Recipe{}
	if err := parse(data[:size], r); err != nil {
		return nil, err
	}
	r.Seccomp = data[size:]
	return r, nil
}

func parse(text []byte, r *Recipe) error {
	if err := bytejson.Unmarshal(text, r); err != nil {
		return fmt.Errorf("parsing the recipe: %w", err)
	}
	return nil
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
func Rehearse() error { return parse([]byte(rehearsed), new(Recipe)) }
