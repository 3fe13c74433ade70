package plain

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// form is what a head says of the request as a whole.
type form struct {
	asked Asked
	// target is what stands in the first line for a server: a path and a query, or "*".
	target string
	// length and chunked say how the head announces a body.
	length, chunked bool
	// upgrade says that the client asks for WebSocket.
	upgrade bool
}

var crlf = []byte("\r\n")

// headEnd is where a head ends, if it does within what is there; the first seen bytes were looked
// at before.
func headEnd(there []byte, seen int) (int, bool) {
	from := max(0, seen-3)
	// Lines without CR are refused later; here they must not make anybody wait.
	for _, end := range []string{"\r\n\r\n", "\n\n", "\n\r\n"} {
		if at := bytes.Index(there[from:], []byte(end)); at >= 0 {
			return from + at + len(end), true
		}
	}
	return 0, false
}

// check refuses a head that is not as RFC 9112 has it, letter by letter, and returns what is needed
// of it. Everything else is net/http's to parse.
func check(head []byte) (form, error) {
	lines, ok := bytes.CutSuffix(head, []byte("\r\n\r\n"))
	if !ok {
		return form{}, errors.New("a line does not end in CR LF")
	}
	first, lines, _ := bytes.Cut(lines, crlf)
	method, f, err := checkFirst(first)
	if err != nil {
		return form{}, err
	}
	var h headers
	for n := 1; len(lines) > 0; n++ {
		if n > mostHeaders {
			return form{}, fmt.Errorf("it has more than %d headers", mostHeaders)
		}
		var line []byte
		line, lines, _ = bytes.Cut(lines, crlf)
		if err := h.add(line); err != nil {
			return form{}, err
		}
	}
	f.asked.Host, f.asked.HasHost = h.host, h.hosts > 0
	f.length, f.chunked = h.lengths > 0, h.codings > 0
	modern := bytes.HasSuffix(first, []byte("/1.1"))
	body := f.chunked || f.length && h.length != "0"
	f.upgrade = modern && method == "GET" && h.websocket && !body
	switch {
	case h.hosts > 1:
		err = errors.New("there is more than one Host")
	case modern && h.hosts == 0:
		err = errors.New("there is no Host")
	case h.lengths > 1:
		err = errors.New("there is more than one Content-Length")
	case f.length && f.chunked:
		err = errors.New("there is a Content-Length and a Transfer-Encoding")
	case f.chunked && !modern:
		err = errors.New("HTTP/1.0 has no Transfer-Encoding")
	case method == "CONNECT" && body:
		err = errors.New("a CONNECT has no body")
	}
	return f, err
}

// checkFirst reads the first line, and of a request for a proxy the host in it.
func checkFirst(line []byte) (method string, f form, err error) {
	parts := strings.Split(string(line), " ")
	if len(parts) != 3 {
		return "", f, errors.New("the first line is not a method, a target and a version")
	}
	method, target, version := parts[0], parts[1], parts[2]
	switch {
	case !isToken(method):
		return "", f, errors.New("the method is none")
	case version != "HTTP/1.1" && version != "HTTP/1.0":
		return "", f, errors.New("the version is neither HTTP/1.1 nor HTTP/1.0")
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return "", f, fmt.Errorf("%q cannot stand in a target", c)
		}
	}
	scheme, rest, absolute := strings.Cut(target, "://")
	switch {
	case method == "CONNECT":
		f.asked.Authority, f.target = target, target
	case strings.HasPrefix(target, "/"):
		f.target = target
	case target == "*" && method == "OPTIONS":
		f.target = target
	case absolute && strings.EqualFold(scheme, "http"):
		at := strings.IndexAny(rest, "/?")
		if at < 0 {
			at = len(rest)
		}
		f.asked.Authority, f.target = rest[:at], rest[at:]
		if f.asked.Authority == "" {
			return "", f, errors.New("the target names no host")
		}
		if f.target == "" && method == "OPTIONS" {
			f.target = "*"
		} else if !strings.HasPrefix(f.target, "/") {
			f.target = "/" + f.target
		}
	case absolute && strings.EqualFold(scheme, "https"):
		return "", f, errors.New("to a proxy https is spoken through CONNECT")
	default:
		return "", f, errors.New("the target is neither a path nor an http URL")
	}
	return method, f, nil
}

// headers are those of a head that say where a request goes and where it ends.
type headers struct {
	hosts, lengths, codings int
	host, length            string
	websocket               bool
}

func (h *headers) add(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(string(name)) {
		// A line that begins with a space was the continuation of the one before.
		return fmt.Errorf("%.40q is not a header", line)
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("%q cannot stand in a header", c)
		}
	}
	text := strings.Trim(string(value), " \t")
	switch strings.ToLower(string(name)) {
	case "host":
		h.hosts++
		h.host = text
	case "content-length":
		h.lengths++
		h.length = text
		if strings.Trim(text, "0123456789") != "" || text == "" || len(text) > 18 {
			return fmt.Errorf("Content-Length %.40q is no number of bytes", text)
		}
	case "transfer-encoding":
		h.codings++
		if !strings.EqualFold(text, "chunked") || h.codings > 1 {
			return errors.New("the Transfer-Encoding is another one than chunked")
		}
	case "upgrade":
		h.websocket = strings.EqualFold(text, "websocket")
	}
	return nil
}

// isToken reports whether a method or a header could be called so.
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
