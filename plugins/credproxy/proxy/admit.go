package proxy

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// refusal is an answer of the proxy's own.
type refusal struct {
	status int
	why    string
}

// answer tells the client of a refusal.
func (p *Proxy) answer(w http.ResponseWriter, pass *passage, f refusal) {
	pass.Status, pass.Refused = f.status, f.why
	kind, body := p.words(f.why)
	h := w.Header()
	clear(h)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Should-Retry", "false") // a retry does not help, which some SDKs ask for here
	w.WriteHeader(f.status)
	_, _ = w.Write(body) // a client that is gone is told nothing
}

// words are what a client is told, in the form that clients of such services show to people.
func (p *Proxy) words(why string) (kind string, body []byte) {
	if p.service.Git {
		return "text/plain; charset=utf-8", []byte("nono: " + why + "\n")
	}
	type message struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string]message{"error": {"nono", "nono: " + why}})
	if err != nil {
		panic(err) // two strings
	}
	return "application/json", body
}

// admit says why a request is not sent on; nil if it is. What is to be sent is noted in pass.
func (p *Proxy) admit(pass *passage, r *http.Request) *refusal {
	for _, check := range []func(*passage, *http.Request) *refusal{
		p.form, p.upgrade, p.credentials, p.narrow,
	} {
		if refused := check(pass, r); refused != nil {
			return refused
		}
	}
	return nil
}

func bad(why string) *refusal { return &refusal{http.StatusBadRequest, why} }

// form refuses what is no plain request to this listener for something below the service's path.
func (p *Proxy) form(pass *passage, r *http.Request) *refusal {
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace, r.Method == "PRI":
		return &refusal{http.StatusMethodNotAllowed, "the method " + r.Method + " has no meaning here"}
	case !strings.HasPrefix(r.RequestURI, "/") || r.URL.Host != "" || r.URL.Scheme != "":
		return bad("a request here begins with a path, and names no host")
	case r.Host != p.address:
		return bad("the host of the request is not this one")
	}
	at := r.URL.EscapedPath()
	if !clean(at) {
		return bad("the path has empty or dotted parts, or a backslash, which servers understand in " +
			"more than one way")
	}
	pass.path, pass.rawPath, pass.query = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
	return nil
}

// clean reports whether a path means the same to everybody. Two slashes at its beginning would be a
// host, and a dotted part leads out of what is allowed; so does an encoded one on some servers.
func clean(escaped string) bool {
	text, err := url.PathUnescape(escaped)
	if err != nil || strings.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c == '\\' }) {
		return false
	}
	parts := strings.Split(text, "/")
	for i, part := range parts {
		part, _, _ = strings.Cut(part, ";") // of which some servers take no notice
		last := i == len(parts)-1
		if part == "." || part == ".." || part == "" && i > 0 && !last {
			return false
		}
	}
	return true
}

// upgrade refuses to change the protocol to another one than WebSocket.
func (p *Proxy) upgrade(_ *passage, r *http.Request) *refusal {
	if _, asked := r.Header["Upgrade"]; !asked {
		return nil
	}
	if values := r.Header["Upgrade"]; len(values) != 1 || !strings.EqualFold(values[0], "websocket") ||
		r.Method != http.MethodGet {
		return bad("a connection can be upgraded to WebSocket alone")
	}
	return nil
}

// narrow holds the request against the methods and paths of the policy, and against the path that
// the service has.
func (p *Proxy) narrow(pass *passage, r *http.Request) *refusal {
	// Some servers take another method or path from a header.
	if p.service.Git || len(p.service.Methods) > 0 || len(p.paths) > 0 || p.upstream.Path != "" {
		for name := range r.Header {
			if slices.Contains(requestHeaders, dashed(name)) {
				return bad("the header " + name + " would make another request of it")
			}
		}
	}
	if p.service.Git {
		return p.gits(pass, r)
	}
	// HEAD is GET without the body, and a method of its own here.
	if allowed := p.service.Methods; len(allowed) > 0 && !slices.Contains(allowed, r.Method) {
		return &refusal{http.StatusForbidden, "the policy allows " + p.service.Name +
			" the methods " + strings.Join(allowed, ", ") + " only"}
	}
	if base := p.upstream.EscapedPath(); base != "" && pass.Path != base &&
		!strings.HasPrefix(pass.Path, base+"/") {
		return &refusal{http.StatusForbidden, "only what lies below " + base + " is reached here"}
	}
	return p.onPaths(pass.Path)
}

// onPaths refuses what has no name that the policy allows.
func (p *Proxy) onPaths(names ...string) *refusal {
	allowed := len(p.paths) == 0
	for _, g := range p.paths {
		allowed = allowed || slices.ContainsFunc(names, g.matches)
	}
	if !allowed {
		return &refusal{http.StatusForbidden, "the policy allows " + p.service.Name + " the paths " +
			strings.Join(p.service.Paths, ", ") + " only"}
	}
	return nil
}

// requestHeaders are those by which some servers are told another method, or another path.
var requestHeaders = []string{
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Original-Method",
	"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Forwarded-Uri",
}

// glob is a pattern for paths: in a part, "*" is any text; a part "**" is any number of parts.
type glob []string

func newGlob(text string) glob { return strings.Split(text, "/") }

// matches compares part by part, each as it is when it was decoded.
func (g glob) matches(escaped string) bool {
	parts := strings.Split(escaped, "/")
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil {
			return false
		}
		parts[i] = text
	}
	return matchParts(g, parts)
}

func matchParts(g, parts []string) bool {
	for len(g) > 0 {
		if g[0] == "**" {
			for skip := range len(parts) + 1 {
				if matchParts(g[1:], parts[skip:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 || !matchPart(g[0], parts[0]) {
			return false
		}
		g, parts = g[1:], parts[1:]
	}
	return len(parts) == 0
}

// matchPart matches one part, in which "*" is any text without a slash.
func matchPart(pattern, part string) bool {
	if strings.Contains(part, "/") {
		return pattern == part
	}
	first, rest, many := strings.Cut(pattern, "*")
	if !many {
		return pattern == part
	}
	part, ok := strings.CutPrefix(part, first)
	if !ok {
		return false
	}
	for {
		next, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(part, next)
		}
		_, part, ok = strings.Cut(part, next)
		if !ok {
			return false
		}
		rest = after
	}
}
