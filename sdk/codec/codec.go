// Package codec writes and reads the messages of package layerpb in protobuf's encoding, with code
// that is generated for each of them.
//
//	b, err := codec.Core.Encode(request)
//	err := codec.Core.Decode(b, answer) // "steps[3].bind has the unknown field 9"
//
// The protobuf module does the same by reflection, and makes tables for each message when it first
// meets it. A layer's process lives through a handful of calls, so those tables were a quarter of
// what it cost to start one. They are still made by whoever looks at a message with reflection, as
// tests do.
//
// The two ends differ in what they do with what they do not know. Core reads strictly: a field that
// it does not know is an error that says where it is, for the layer meant something by it. A layer
// passes over what a newer core tells it, and whatever it says can be sent: text of its that is not
// UTF-8 is escaped.
//
// Messages of others on the same connection, those of go-plugin, are left to the protobuf module.
package codec

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec is one end's way to write and to read. Any number of goroutines may use it.
type Codec struct{ layer bool }

// The two ends.
var (
	Core  = Codec{}
	Layer = Codec{layer: true}
)

// Encode writes a message of package layerpb; any other is an error, and so is text of core's that
// is not UTF-8. The policy in it must not change any more: one that comes again is not looked at.
func (c Codec) Encode(m any) ([]byte, error) {
	b, known, err := c.encode(m)
	if !known {
		return nil, foreign(m)
	}
	return b, err
}

// Decode reads a message of package layerpb into one that is empty. An error says where in it
// something is wrong. The policy in what a layer reads may be that of another message too, and is
// not to be changed.
func (c Codec) Decode(b []byte, m any) error {
	known, err := c.decode(b, m)
	if !known {
		return foreign(m)
	}
	return err
}

func foreign(m any) error { return fmt.Errorf("a %T is no message of the contract", m) }

func (c Codec) encode(m any) (b []byte, known bool, err error) {
	w := writer{escape: c.layer}
	known = write(&w, m)
	return w.b, known, w.err
}

func (c Codec) decode(b []byte, m any) (known bool, err error) {
	r := reader{b: b, lenient: c.layer}
	switch known = read(&r, m); {
	case r.fault == nil:
		return known, nil
	case r.fault.at == "":
		return known, r.fault.within(strings.TrimPrefix(fmt.Sprintf("%T", m), "*layerpb."))
	}
	return known, r.fault
}

// Name implements encoding.CodecV2.
func (Codec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (c Codec) Marshal(m any) (mem.BufferSlice, error) {
	b, known, err := c.encode(m)
	if !known {
		return encoding.GetCodecV2(proto.Name).Marshal(m)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, m any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	known, err := c.decode(whole.ReadOnlyData(), m)
	if !known {
		return encoding.GetCodecV2(proto.Name).Unmarshal(data, m)
	}
	return err
}

// Interface guard.
var _ encoding.CodecV2 = Codec{}
