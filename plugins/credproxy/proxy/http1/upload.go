package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// expectTime is how long a server has to say that it wants a body, where it is asked first.
const expectTime = time.Second

// upload is the body of a request on its way; nil is of one without.
type upload struct {
	wanted chan bool     // what the server says, where it is asked; else nil
	over   chan struct{} // closed when no more is sent
	err    error         // why not all was
}

var errUnwanted = errors.New("the server does not want the body")

// tell tells what came back.
func (u *upload) tell(code int) {
	if u == nil || u.wanted == nil || code != http.StatusContinue && code < http.StatusOK {
		return
	}
	select {
	case u.wanted <- code == http.StatusContinue:
	default: // it was told before
	}
}

// failed is why no more is sent; nil if more may be, or all was.
func (u *upload) failed() error {
	if u == nil {
		return nil
	}
	select {
	case <-u.over:
		return u.err
	default:
		return nil
	}
}

// send sends the body, each piece as it comes. Where the server takes no more of it, there may be
// an answer all the same; where the body is not what was announced, there is nothing to wait for.
func (u *upload) send(c *conn, r *http.Request) {
	u.err = u.sendWanted(c, r)
	_ = r.Body.Close()
	close(u.over)
	switch {
	case errors.Is(u.err, errBody):
		c.over(false)
	case u.err != nil:
		c.spoilt.Store(true)
		c.halfOver()
	default:
		c.halfOver()
	}
}

func (u *upload) sendWanted(c *conn, r *http.Request) error {
	if u.wanted != nil {
		select {
		case yes := <-u.wanted:
			if !yes {
				return errUnwanted
			}
		case <-time.After(expectTime):
		}
	}
	return c.sendBody(r)
}

// Around a chunk's bytes in a buffer there is room for its size before them, and behind them for
// their end and that of all.
const (
	beforeChunk = len("ffffff\r\n")
	behindChunk = len("\r\n0\r\n\r\n")
)

func (c *conn) sendBody(r *http.Request) error {
	buffer := c.of.Buffers.Get()
	defer c.of.Buffers.Put(buffer)
	length := lengthOf(r)
	for left := length; ; {
		n, err := r.Body.Read(buffer[beforeChunk : len(buffer)-behindChunk])
		if err != nil && err != io.EOF {
			return fmt.Errorf("%w: %w", errBody, err)
		}
		piece := buffer[beforeChunk : beforeChunk+n]
		if length < 0 {
			piece = chunk(buffer, n, err == io.EOF)
		} else if left -= int64(n); left < 0 || left > 0 && err == io.EOF {
			return fmt.Errorf("%w: it is not as long as its head says", errBody)
		}
		if len(piece) > 0 {
			if _, err := c.Write(piece); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

var errBody = errors.New("the body of the request")

// chunk is the chunk of n bytes that stand in a buffer; the last one has the end of all behind it.
func chunk(buffer []byte, n int, last bool) []byte {
	begin, end := beforeChunk, beforeChunk+n
	if n > 0 {
		size := strconv.FormatInt(int64(n), 16) + "\r\n"
		begin -= copy(buffer[begin-len(size):], size)
		end += copy(buffer[end:], "\r\n")
	}
	if last {
		end += copy(buffer[end:], "0\r\n\r\n")
	}
	return buffer[begin:end]
}
