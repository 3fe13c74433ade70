package host

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/wire"
)

// strict is a connection on which the contract's messages are written and read here, and not by
// gRPC: an answer that breaks the contract is told from a call that failed, and a request that is
// too large from one that was refused.
type strict struct{ conn grpc.ClientConnInterface }

// Invoke implements grpc.ClientConnInterface.
func (s strict) Invoke(
	ctx context.Context, method string, request, answer any, options ...grpc.CallOption,
) error {
	sent, err := encode(request)
	if err != nil {
		return err
	}
	var got []byte
	if err := s.conn.Invoke(ctx, method, sent, &got, append(options, asBytes)...); err != nil {
		return err
	}
	return decode(got, answer)
}

// NewStream implements grpc.ClientConnInterface.
func (s strict) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := s.conn.NewStream(ctx, desc, method, append(options, asBytes)...)
	if err != nil {
		return nil, err
	}
	return strictStream{stream}, nil
}

type strictStream struct{ grpc.ClientStream }

// SendMsg implements grpc.ClientStream.
func (s strictStream) SendMsg(m any) error {
	sent, err := encode(m)
	if err != nil {
		return err
	}
	return s.ClientStream.SendMsg(sent)
}

// RecvMsg implements grpc.ClientStream.
func (s strictStream) RecvMsg(m any) error {
	var got []byte
	if err := s.ClientStream.RecvMsg(&got); err != nil {
		return err
	}
	return decode(got, m)
}

// encode writes a request. Most have the whole policy in them.
func encode(m any) ([]byte, error) {
	b, err := codec.Core.Encode(m)
	if n := len(b); err == nil && n > wire.MaxMessage {
		err = fmt.Errorf("it has %d bytes, and at most %d can be sent: "+
			"the policy names too many files, or too long ones", n, wire.MaxMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return b, nil
}

func decode(b []byte, m any) error {
	if err := codec.Core.Decode(b, m); err != nil {
		return &BadAnswer{err}
	}
	return nil
}

// asBytes has gRPC carry messages that are bytes already.
var asBytes = grpc.ForceCodecV2(bytesCodec{})

type bytesCodec struct{}

// Name implements encoding.CodecV2. It is what the bytes are.
func (bytesCodec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (bytesCodec) Marshal(m any) (mem.BufferSlice, error) {
	b, ok := m.([]byte)
	if !ok {
		return nil, fmt.Errorf("a %T is to be sent, and no bytes", m)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (bytesCodec) Unmarshal(data mem.BufferSlice, m any) error {
	b, ok := m.(*[]byte)
	if !ok {
		return fmt.Errorf("bytes have come, and no %T", m)
	}
	*b = data.Materialize()
	return nil
}

// Interface guards.
var (
	_ grpc.ClientConnInterface = strict{}
	_ encoding.CodecV2         = bytesCodec{}
)
