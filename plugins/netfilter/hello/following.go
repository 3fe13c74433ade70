package hello

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
)

// Following looks at what follows a client's first ClientHello, in both directions. A server of TLS
// 1.3 may ask for a second one (HelloRetryRequest), by which an allowed name must not become
// another. Both are in the clear.
//
// Server and Client are shown what each of them sends, from its first byte on and before the other
// one gets it; each may be called by a goroutine of its own. Nothing is kept but a second hello,
// and nothing is looked at once the server has gone on without one.
type Following struct {
	// Check decides about the second hello. Its error is Client's.
	Check func(First) error

	asks   atomic.Int32 // whether the server asks for one
	answer []byte       // how it began, until that is known

	header []byte // of the client's record that is under way, as far as it has come
	left   int    // what is still to come of its content
	hello  bool   // whether it is of a hello
	first  bool   // whether the first hello is over
	over   bool   // whether there is nothing to look for any more
	begun  message
	kept   []byte // records of the second hello
}

// Whether a server asks for a second hello.
const (
	asksUnknown = iota
	asksNo
	asksYes
)

const (
	messageServerHello = 2
	recordGrowth       = 2048 // by what encrypts it, at most
	// longestSecond is as long as a second hello may be: a usual one is as long as the first.
	longestSecond = 16 << 10
	// tellingLength is how much of an answer tells: up to the end of its random.
	tellingLength = recordHeader + messageHeader + 2 + 32
)

// retryRandom stands in a ServerHello that asks for a second ClientHello (RFC 8446, 4.1.3).
var retryRandom = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// Server is shown what the server sends.
func (f *Following) Server(piece []byte) error {
	if f.asks.Load() != asksUnknown {
		return nil
	}
	f.answer = append(f.answer, piece[:min(len(piece), tellingLength-len(f.answer))]...)
	if len(f.answer) < tellingLength {
		return nil
	}
	asks := int32(asksNo)
	if isRetry(f.answer) {
		asks = asksYes
	}
	f.answer = nil
	f.asks.Store(asks)
	return nil
}

// isRetry reports whether an answer asks for a second hello, or may do so: no server splits the
// beginning of its answer into records, and of one that did the random would lie elsewhere.
func isRetry(answer []byte) bool {
	length := int(answer[3])<<8 | int(answer[4])
	if answer[0] != recordHandshake || answer[recordHeader] != messageServerHello {
		return false
	}
	return bytes.HasSuffix(answer, retryRandom) || length < tellingLength-recordHeader
}

// Client is shown what the client sends. After an error nothing of the piece may be passed on.
func (f *Following) Client(piece []byte) error {
	for len(piece) > 0 && !f.over && (!f.first || f.asks.Load() != asksNo) {
		if f.left == 0 {
			n := min(len(piece), recordHeader-len(f.header))
			f.header = append(f.header, piece[:n]...)
			piece = piece[n:]
			if len(f.header) == recordHeader {
				if err := f.begin(); err != nil {
					return f.refused(err)
				}
			}
			continue
		}
		n := min(len(piece), f.left)
		if f.hello {
			if err := f.add(piece[:n]); err != nil {
				return f.refused(err)
			}
		}
		f.left -= n
		piece = piece[n:]
	}
	return nil
}

// begin begins with a record, whose header has come.
func (f *Following) begin() error {
	header := [recordHeader]byte(f.header)
	f.header = f.header[:0]
	f.left = int(header[3])<<8 | int(header[4])
	if f.begun.length == 0 && (header[1] != 3 || f.left > recordLongest+recordGrowth) {
		f.over = true // it is no TLS any more, and no server of TLS reads on
		return nil
	}
	// Between two hellos a client may send data that is encrypted already.
	if f.hello = header[0] == recordHandshake || f.begun.length > 0; !f.hello {
		return nil
	}
	if f.first && f.asks.Load() == asksUnknown {
		return oddity("a second handshake message, for which the server has not asked")
	}
	if f.first {
		f.kept = append(f.kept, header[:]...)
	}
	_, err := record(header)
	return err
}

// add takes a piece of a hello.
func (f *Following) add(piece []byte) error {
	whole, err := f.begun.add(piece)
	if err != nil {
		return err
	}
	if f.first {
		if f.kept = append(f.kept, piece...); len(f.kept) > longestSecond {
			return errLong
		}
	}
	if !whole {
		return nil
	}
	f.begun = message{}
	if !f.first {
		f.first = true // it was decided about before
		return nil
	}
	second, err := parse(joined(f.kept)[messageHeader:])
	f.kept = nil
	f.over = true // there is no third one
	if err != nil {
		return err
	}
	return f.Check(second)
}

// refused is an error of a second hello as a decision.
func (f *Following) refused(err error) error {
	var odd oddity
	switch {
	case errors.As(err, &odd):
		return f.Check(Other{What: string(odd)})
	case errors.Is(err, errLong):
		what := fmt.Sprintf("a second ClientHello of more than %d KiB", longestSecond>>10)
		return f.Check(Other{What: what})
	}
	return err
}
