package plain_test

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/plugins/netfilter/plain"
)

// FuzzHead holds that a head which is accepted means the same to net/http: which host, where the
// body ends, and what there is to send on.
func FuzzHead(f *testing.F) {
	for _, head := range smuggled {
		f.Add(head)
	}
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n",
		"GET http://ok.example?a HTTP/1.1\r\nHost: ok.example\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: ok.example\r\n\r\n",
		"CONNECT ok.example:443 HTTP/1.1\r\nHost: ok.example\r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: ok.example\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		end, ok := plain.HeadEnd(head)
		if !ok {
			return
		}
		head = head[:end]
		asked, target, length, chunked, err := plain.Check(head)
		if err != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			return // then it is refused as well
		}
		host := asked.Authority
		if host == "" {
			host = asked.Host
		}
		// A host with a user or an escape in it net/http cleans; the guide refuses it as it is.
		if req.Host != host && !strings.ContainsAny(host, "%@") {
			t.Errorf("net/http reads the host %q, we %q", req.Host, host)
		}
		if got := slices.Contains(req.TransferEncoding, "chunked"); got != chunked {
			t.Errorf("the body is in chunks to net/http: %t", got)
		}
		if !chunked && !length && req.ContentLength != 0 {
			t.Errorf("the body has %d bytes to net/http, and none to us", req.ContentLength)
		}
		if req.Method != http.MethodConnect && req.URL.RequestURI() != target && req.URL.Opaque == "" &&
			!strings.ContainsAny(target, "?%\"<>\\^`{|}[]") && target != "*" && isASCII(target) {
			t.Errorf("net/http reads the target %q, we %q", req.URL.RequestURI(), target)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
