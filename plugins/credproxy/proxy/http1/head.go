package http1

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// What is wrong with a head.
var (
	errTooLarge = errors.New("the head of the answer is too large")
	errLine     = errors.New("a line of the answer's head ends in a lone line feed")
	errStatus   = errors.New("the answer does not begin with a status")
	errField    = errors.New("the answer has a malformed header")
	errLength   = errors.New("the answer does not say in one way how long it is")
	errTrailer  = errors.New("the answer has a trailer that would change its meaning")
)

// head is the head of an answer.
type head struct {
	proto, status string
	code          int
	fields        http.Header
}

// readHead reads one; left is how large it may be.
func readHead(in *bufio.Reader, left *int) (h head, err error) {
	text, err := readLines(in, left)
	if err != nil {
		return head{}, err
	}
	first, rest, _ := strings.Cut(text, "\r\n")
	h.proto, h.status, _ = strings.Cut(first, " ")
	digits, reason, _ := strings.Cut(h.status, " ")
	h.code, err = strconv.Atoi(digits)
	if err != nil || len(digits) != len("200") || h.code < 100 ||
		h.proto != "HTTP/1.1" && h.proto != "HTTP/1.0" || !httpguts.ValidHeaderFieldValue(reason) {
		return head{}, errStatus
	}
	h.fields, err = parseFields(rest)
	return h, err
}

// readLines reads lines up to an empty one, and returns all before it.
func readLines(in *bufio.Reader, left *int) (string, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		if *left -= len(part); *left < 0 {
			return "", errTooLarge
		}
		text = append(text, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return "", err
		case !bytes.HasSuffix(text, []byte("\r\n")):
			return "", errLine
		case len(text) == 2 || bytes.HasSuffix(text, []byte("\r\n\r\n")):
			return string(text[:len(text)-2]), nil
		}
	}
}

// parseFields parses lines of "Name: value". A line that goes on with the one before it, as old
// servers wrote, has no name.
func parseFields(text string) (http.Header, error) {
	n := strings.Count(text, "\r\n")
	fields, values := make(http.Header, n), make([]string, 0, n)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch {
		case text == "":
			return fields, nil
		case !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return nil, errField
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if there := fields[name]; there != nil {
			fields[name] = append(there, value)
			continue
		}
		values = append(values, value)
		fields[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return fields, nil
}

// How long a body is that has no length: it is in chunks, or it ends with the connection.
const (
	chunked  = -1
	untilEnd = -2
)

// length is how long the body is after a head; method is the request's.
func (h head) length(method string) (int64, error) {
	coding, coded := h.fields["Transfer-Encoding"]
	lengths, known := h.fields["Content-Length"]
	switch {
	case coded && (known || h.proto != "HTTP/1.1" || len(coding) != 1 ||
		!strings.EqualFold(coding[0], "chunked")):
		return 0, errLength
	case known && (len(lengths) != 1 || lengths[0] == "" ||
		strings.Trim(lengths[0], "0123456789") != ""):
		return 0, errLength
	case h.code < http.StatusOK && (coded || known):
		return 0, errLength
	case method == http.MethodHead, h.code < http.StatusOK, h.code == http.StatusNoContent,
		h.code == http.StatusNotModified:
		return 0, nil
	case coded:
		return chunked, nil
	case known:
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil {
			return 0, errLength
		}
		return n, nil
	}
	return untilEnd, nil
}

// lasts reports whether the connection can be used for another request.
func (h head) lasts() bool {
	return h.proto == "HTTP/1.1" &&
		!httpguts.HeaderValuesContainsToken(h.fields["Connection"], "close")
}

// announced are the trailers that a head says will follow.
func (h head) announced() (http.Header, error) {
	var trailer http.Header
	for _, names := range h.fields["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			if !httpguts.ValidTrailerHeader(name) {
				return nil, errTrailer
			}
			if trailer == nil {
				trailer = http.Header{}
			}
			trailer[name] = nil
		}
	}
	return trailer, nil
}

// response is an answer with this head.
func (h head) response(r *http.Request) *http.Response {
	return &http.Response{
		Status: h.status, StatusCode: h.code, Header: h.fields, Request: r,
		Proto: h.proto, ProtoMajor: 1, ProtoMinor: int(h.proto[len(h.proto)-1] - '0'),
	}
}
