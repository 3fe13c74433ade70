package codec

import (
	"bytes"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/nono-run/nono/sdk/layerpb"
)

// Each call of a run is told its policy, which is most of what a call is told, and nearly always
// the same as the call before was told. So it is written once for all layers and all of their
// calls, and a layer reads it once.

// last is a policy as a message, which does not change any more, and as it is written.
type last struct {
	mu     sync.Mutex
	policy *layerpb.Policy
	text   []byte
}

var told, heard last

func (w *writer) policy(field protowire.Number, m *layerpb.Policy) {
	if m == nil {
		return
	}
	told.mu.Lock()
	defer told.mu.Unlock()
	if told.policy == m {
		w.blob(field, told.text)
		return
	}
	begin := w.begin(field)
	writePolicy(w, m)
	if w.err == nil {
		told.policy, told.text = m, bytes.Clone(w.b[begin:])
	}
	w.end(begin)
}

func (r *reader) policy(name string, m *layerpb.Policy) *layerpb.Policy {
	if !r.lenient {
		return into(r, name, m, readPolicy)
	}
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if m != nil {
		// It is added to, as protobuf has it, and is not this message's alone.
		return into(r, name, proto.CloneOf(m), readPolicy)
	}
	text, _ := protowire.ConsumeBytes(r.b)
	if heard.policy != nil && bytes.Equal(heard.text, text) {
		r.rest()
		return heard.policy
	}
	m = into(r, name, nil, readPolicy)
	if r.fault == nil {
		heard.policy, heard.text = m, bytes.Clone(text)
	}
	return m
}
