package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

const (
	// shortest is how long a key must be to be looked for in answers: a shorter one is found in any
	// text.
	shortest = 8
	// atOnce is how many bytes that may be the beginning of a key are let through, rather than held
	// until more comes. If the rest follows, it is blotted out.
	atOnce = 4
)

// blots are the forms that a key may have in an answer. Each is replaced by asterisks, as many as
// it is long, so that the length of a body stays what its head said.
type blots [][]byte

func newBlots(place policy.KeyPlace, key []byte) blots {
	if len(key) < shortest {
		return nil
	}
	forms := []string{string(key), url.QueryEscape(string(key)), url.PathEscape(string(key))}
	if place.Type == policy.BasicPlace {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(place.Name+":"+string(key))))
	}
	slices.Sort(forms)
	var b blots
	for _, f := range slices.Compact(forms) {
		b = append(b, []byte(f))
	}
	return b
}

// bytes blots out, in place.
func (b blots) bytes(text []byte) {
	for _, form := range b {
		for at := 0; ; {
			i := bytes.Index(text[at:], form[:shortest]) // much of it would be slow
			if i < 0 {
				break
			}
			at += i
			if !bytes.HasPrefix(text[at:], form) {
				at++
				continue
			}
			for range form {
				text[at] = '*'
				at++
			}
		}
	}
}

func (b blots) text(s string) string {
	raw := []byte(s)
	b.bytes(raw)
	return string(raw)
}

func (b blots) header(h http.Header) {
	for _, values := range h {
		for i, v := range values {
			values[i] = b.text(v)
		}
	}
}

// beginning is how many bytes at the end of a text may be the beginning of a form.
func (b blots) beginning(text []byte) int {
	longest := 0
	for _, form := range b {
		for n := min(len(form)-1, len(text)); n > longest; n-- {
			if bytes.HasSuffix(text, form[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// modify looks at the head of an answer, and sees to it that the body is looked at.
func (p *Proxy) modify(res *http.Response) error {
	if res.StatusCode < 100 || res.StatusCode > 999 { // the library's server would panic
		return errors.New("its answer has no status")
	}
	pass := passing(res.Request.Context())
	pass.Status = res.StatusCode
	h := res.Header
	if p.service.Git && res.StatusCode == http.StatusUnauthorized {
		p.keyRefused(res)
	}
	// A service that lets somebody in by a cookie has given him another key. It would not be taken.
	h.Del("Set-Cookie")
	p.blots.header(h)
	p.turn(h)
	if res.StatusCode == http.StatusSwitchingProtocols {
		if body, ok := res.Body.(io.ReadWriteCloser); ok { // else the library refuses it
			res.Body = &upgraded{body, pass}
		}
		return nil
	}
	res.Body = &counted{&blotted{body: res.Body, blots: p.blots, end: func() {
		p.blots.header(res.Trailer)
	}}, &pass.received}
	if p.service.Index {
		p.turnLinks(res)
	}
	return nil
}

// turn makes a redirect within the service one within the listener: the host itself is not reached
// from inside.
func (p *Proxy) turn(h http.Header) {
	for _, name := range []string{"Location", "Content-Location"} {
		at, err := url.Parse(h.Get(name))
		if h.Get(name) == "" || err != nil || !at.IsAbs() || at.User != nil {
			continue
		}
		if at.Scheme == "https" && strings.EqualFold(at.Host, p.upstream.Host) {
			at.Scheme, at.Host = "http", p.address
			h.Set(name, at.String())
		}
	}
}

// upgraded is a connection that became another protocol's, of which all is counted.
type upgraded struct {
	io.ReadWriteCloser
	pass *passage
}

// Read implements io.Reader.
func (u *upgraded) Read(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Read(p)
	u.pass.received.Add(int64(n))
	return n, err
}

// Write implements io.Writer.
func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Write(p)
	u.pass.sent.Add(int64(n))
	return n, err
}

// CloseWrite says that nothing more is sent.
func (u *upgraded) CloseWrite() error { return closeWrite(u.ReadWriteCloser) }

// closeWrite says on a connection that nothing more is sent.
func closeWrite(conn any) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	return half.CloseWrite()
}

// blotted is a body without the key. Bytes are held back only while they are the beginning of the
// key, and enough of it to be likely.
type blotted struct {
	body  io.ReadCloser
	blots blots
	end   func() // called at the end of the body

	window []byte // what is being looked at
	passed int    // how much of its beginning was let through
	ready  int    // up to where it may be let through
	err    error
}

// Read implements io.Reader.
func (b *blotted) Read(p []byte) (int, error) {
	for b.passed == b.ready && b.err == nil {
		if err := b.fill(p); err != nil {
			b.err = err
		}
	}
	n := copy(p, b.window[b.passed:b.ready])
	b.passed += n
	if b.passed == b.ready && b.err != nil {
		return n, b.err
	}
	return n, nil
}

// fill reads once more, with the caller's buffer.
func (b *blotted) fill(scratch []byte) error {
	n, err := b.body.Read(scratch)
	// Of what was let through, only what may be the beginning of the key is still looked at.
	keep := min(b.blots.beginning(b.window[:b.passed]), b.passed)
	b.window = append(append(b.window[:0], b.window[b.passed-keep:]...), scratch[:n]...)
	b.passed = keep
	b.blots.bytes(b.window)
	if err != nil {
		b.ready = len(b.window)
		b.end()
		return err
	}
	held := b.blots.beginning(b.window)
	if held < atOnce {
		held = 0
	}
	b.ready = max(len(b.window)-held, b.passed)
	return nil
}

// Close implements io.Closer.
func (b *blotted) Close() error { return b.body.Close() }

// answer is where an answer goes to.
type answer struct {
	http.ResponseWriter
	ctx   context.Context // the request's
	blots blots
}

// WriteHeader sees the answers that come before the answer (103, for one), which the library hands
// on by itself. To the answer it would add what the service did not say.
func (a *answer) WriteHeader(status int) {
	h := a.Header()
	if status < http.StatusOK {
		h.Del("Set-Cookie")
		a.blots.header(h)
	} else {
		for _, name := range []string{"Content-Type", "Date"} {
			if _, ok := h[name]; !ok {
				h[name] = nil
			}
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap gives the library what else the writer can do.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Hijack takes the connection over. What the client sent together with its request has been read
// already, and the library would lose it. When the proxy is closed, nobody else closes it.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(a.ctx, func() { _ = conn.Close() })
	return &begun{conn, rw.Reader}, rw, nil
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	reader *bufio.Reader
}

// Read implements io.Reader.
func (b *begun) Read(p []byte) (int, error) {
	if b.reader.Buffered() > 0 {
		return b.reader.Read(p[:min(len(p), b.reader.Buffered())])
	}
	return b.Conn.Read(p)
}

// CloseWrite says that nothing more is sent.
func (b *begun) CloseWrite() error { return closeWrite(b.Conn) }
