package events

import (
	"crypto/sha256"
	"strings"

	"github.com/nono-run/nono/sdk/bytejson"
)

// Bounds of an event. What a layer says is bounded by its contract, but that leaves room for a
// megabyte.
const (
	maxValue = 4 << 10 // of one field's value
	maxLine  = 2 << 20 // of all of it, each byte escaped
)

// begin is the first line of a session's log, and the chain that starts with it.
func begin(session string) ([]byte, Chain, error) {
	line, err := encode(header{Version, session})
	return line, Chain{Head: sha256.Sum256(line)}, err
}

// link makes an event the next line of a chain.
func (c *Chain) link(e Event) ([]byte, error) {
	line, err := encode(Record{Number: c.Count + 1, Event: e, Previous: c.Head})
	if err != nil {
		return nil, err
	}
	c.Count++
	c.Head = sha256.Sum256(line)
	return line, nil
}

// encode is a line without its end, and without anything that a terminal would act on: people look
// at a log with whatever is at hand.
func encode(v any) ([]byte, error) {
	text, err := bytejson.Marshal(v)
	return bytejson.Visible(text), err
}

// tidy is the event as it is written.
func (e Event) tidy() Event {
	e.Count = max(e.Count, 1)
	e.Time, e.Until = e.Time.UTC(), e.Until.UTC()
	fields := make(map[string]string, len(e.Fields))
	for name, value := range e.Fields {
		if len(value) > maxValue {
			value = strings.ToValidUTF8(value[:maxValue], "") + "..."
		}
		fields[name] = value
	}
	e.Fields = fields
	return e
}
