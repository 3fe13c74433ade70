package proxy

import (
	"bytes"
	"io"
	"mime"
	"net/http"
)

// indexTypes are the types of pages on which a package manager finds where packages are.
var indexTypes = map[string]bool{
	"text/html":                               true,
	"application/vnd.pypi.simple.v1+html":     true,
	"application/vnd.pypi.simple.v1+json":     true,
	"application/vnd.pypi.simple.latest+html": true,
	"application/vnd.pypi.simple.latest+json": true,
}

// turnLinks sees to the links of an index: those that name the service's own host lead into the
// listener instead, for that host is not reached from inside. A link to another host stays.
func (p *Proxy) turnLinks(res *http.Response) {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || !indexTypes[kind] || res.StatusCode != http.StatusOK ||
		res.Request.Method != http.MethodGet || res.Header.Get("Content-Encoding") != "" {
		return
	}
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	res.Body = newOwnLinks(res.Body, p.upstream.Host)
}

// ownLinks is a page whose links to one host begin at the root of whatever host it is from: what
// stands between the quote and the path is left out.
//
//	"https://packages.corp.example/files/a.whl"  becomes  "/files/a.whl"
type ownLinks struct {
	body  io.ReadCloser
	forms [][]byte // a link's beginning, with its quote and the slash after the host

	seen  []byte // read, and perhaps the beginning of a form
	ready []byte // to be handed on
	err   error
}

func newOwnLinks(body io.ReadCloser, host string) *ownLinks {
	l := &ownLinks{body: body}
	for _, quote := range []string{`"`, `'`} {
		for _, port := range []string{"", ":443"} {
			l.forms = append(l.forms, []byte(quote+"https://"+host+port+"/"))
		}
	}
	return l
}

// Read implements io.Reader.
func (l *ownLinks) Read(p []byte) (int, error) {
	for len(l.ready) == 0 && l.err == nil {
		var n int
		n, l.err = l.body.Read(p)
		l.seen = append(l.seen, p[:n]...)
		l.turn()
	}
	n := copy(p, l.ready)
	l.ready = l.ready[n:]
	if len(l.ready) > 0 {
		return n, nil
	}
	return n, l.err
}

// turn hands on what was seen, but for an end that may be the beginning of a form.
func (l *ownLinks) turn() {
	l.ready = nil
	for {
		at, length := l.next()
		if at < 0 {
			break
		}
		l.ready = append(l.ready, l.seen[:at+1]...) // with its quote
		l.seen = l.seen[at+length-1:]               // from its slash on
	}
	held := 0
	if l.err == nil {
		held = blots(l.forms).beginning(l.seen)
	}
	l.ready = append(l.ready, l.seen[:len(l.seen)-held]...)
	l.seen = append([]byte(nil), l.seen[len(l.seen)-held:]...)
}

// next is where the first form stands, and how long it is; -1 for nowhere.
func (l *ownLinks) next() (at, length int) {
	at = -1
	for _, form := range l.forms {
		if i := bytes.Index(l.seen, form); i >= 0 && (at < 0 || i < at) {
			at, length = i, len(form)
		}
	}
	return at, length
}

// Close implements io.Closer.
func (l *ownLinks) Close() error { return l.body.Close() }
