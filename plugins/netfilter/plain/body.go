package plain

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// piece is how much of a body is passed on at once.
const piece = 32 << 10

// room stands before and behind a piece for a chunk's length and its end.
const room = 16

var pieces = sync.Pool{New: func() any { return new([room + piece + room]byte) }}

// readError is an error of the side that a body comes from.
type readError struct{ error }

// Unwrap is the error itself.
func (e readError) Unwrap() error { return e.error }

func isFromReader(err error) bool {
	var from readError
	return errors.As(err, &from)
}

// pass sends a body on, each piece as soon as it is there. The trailer is known at its end.
func pass(to *bufio.Writer, body io.Reader, chunked bool, trailer *http.Header) error {
	buffer, _ := pieces.Get().(*[room + piece + room]byte)
	defer pieces.Put(buffer)
	for {
		n, err := body.Read(buffer[room : room+piece])
		if n > 0 {
			whole := buffer[room : room+n]
			if chunked {
				whole = chunk(buffer, n)
			}
			if _, err := to.Write(whole); err != nil {
				return err
			}
			if err := to.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && chunked:
			fmt.Fprint(to, "0\r\n")
			_ = trailer.Write(to)
			fmt.Fprint(to, "\r\n")
			return to.Flush()
		case errors.Is(err, io.EOF):
			return to.Flush()
		case err != nil:
			return readError{err}
		}
	}
}

// chunk makes n bytes in the middle of a buffer a chunk.
func chunk(buffer *[room + piece + room]byte, n int) []byte {
	length := strconv.AppendInt(make([]byte, 0, room), int64(n), 16)
	length = append(length, crlf...)
	begin := room - len(length)
	copy(buffer[begin:], length)
	end := room + n
	end += copy(buffer[end:], crlf)
	return buffer[begin:end]
}
