package proxy

import (
	"context"
	"net/http"
	"strings"
)

// Ask puts a request of our own to the service, in the way of one from inside: with the token, past
// the same checks, by the same connection. The answer's body is thrown away.
func (p *Proxy) Ask(ctx context.Context, target, header string) (Request, error) {
	const here = "ask.invalid" // our own listener's name, if there were one
	token := string(p.service.Token.Reveal())
	target = strings.ReplaceAll(target, "{}", token) // where the key is a part of the path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+here+target, http.NoBody)
	if err != nil {
		return Request{}, err
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = target, "", ""
	r.Header.Set("Authorization", "Bearer "+token)
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	var became Request
	own := *p
	own.address = here
	own.options.Tell = func(told Request) { became = told }
	own.serve(&discarded{http.Header{}}, r)
	return became, nil
}

// discarded is an answer that nobody reads.
type discarded struct{ header http.Header }

// Header implements http.ResponseWriter.
func (d *discarded) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter.
func (*discarded) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (*discarded) Write(p []byte) (int, error) { return len(p), nil }

// Flush implements http.Flusher.
func (*discarded) Flush() {}
