package http1

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net/http"

	"golang.org/x/net/http/httpguts"
)

// body is the body of an answer. At its end the connection is free for another request.
type body struct {
	c     *conn
	from  io.Reader // what has its end
	res   *http.Response
	lasts bool  // the connection can be used again
	err   error // it is over
}

var errClosed = errors.New("the answer's body is closed")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, b.err
}

func (b *body) end(err error) {
	whole := errors.Is(err, io.EOF)
	if b.err = err; !whole {
		b.err = failure(b.res.Request.Context(), err)
	}
	b.c.over(whole && b.lasts)
}

// Close implements io.Closer. Where the body is not over, the connection is.
func (b *body) Close() error {
	if b.err == nil {
		b.end(errClosed)
	}
	return nil
}

// inChunks is what comes in chunks, with trailers behind the last one.
type inChunks struct {
	chunks io.Reader
	in     *bufio.Reader // where the chunks come from
	res    *http.Response
	most   int // how large the trailers may be
}

// Read implements io.Reader.
func (c *inChunks) Read(p []byte) (int, error) {
	n, err := c.chunks.Read(p)
	if err != io.EOF {
		return n, err
	}
	if err := c.trailers(); err != nil {
		return n, noEOF(err)
	}
	return n, io.EOF
}

func (c *inChunks) trailers() error {
	text, err := readLines(c.in, &c.most)
	if err != nil {
		return err
	}
	fields, err := parseFields(text)
	if err != nil {
		return err
	}
	for name := range fields {
		if !httpguts.ValidTrailerHeader(name) {
			return errTrailer
		}
	}
	if c.res.Trailer == nil {
		c.res.Trailer = http.Header{}
	}
	maps.Copy(c.res.Trailer, fields)
	return nil
}

// exactly is what has a known length.
type exactly struct {
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (e *exactly) Read(p []byte) (n int, err error) {
	if e.left > 0 {
		n, err = e.from.Read(p[:min(int64(len(p)), e.left)])
		e.left -= int64(n)
	}
	if e.left == 0 {
		return n, io.EOF
	}
	return n, noEOF(err)
}

// noEOF is an error that ends something too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
