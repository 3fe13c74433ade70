package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// A page's links to the service itself lead to the listener, however the page arrives; all else is as
// it was.
func TestOwnLinks(t *testing.T) {
	for page, want := range map[string]string{
		`<a href="https://a.example/f/x.whl#sha256=1">x</a>`:  `<a href="/f/x.whl#sha256=1">x</a>`,
		`<a href='https://a.example:443/x'>`:                  `<a href='/x'>`,
		`{"url": "https://a.example/x", "u": "https://a.ex"}`: `{"url": "/x", "u": "https://a.ex"}`,
		`"https://a.example/1""https://a.example/2"`:          `"/1""/2"`,
		`"https://a.example.evil/x" "https://a.example:8443/x" "http://a.example/x" https://a.example/x "https://a.example"`: `"https://a.example.evil/x" "https://a.example:8443/x" "http://a.example/x" https://a.example/x "https://a.example"`,
		`"https://a.exam`: `"https://a.exam`,
		``:                ``,
	} {
		for name, how := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader,
			"with its end": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(newOwnLinks(io.NopCloser(how(strings.NewReader(page))), "a.example"))
			if err != nil || string(got) != want {
				t.Errorf("%s, %s: %q, %v, want %q", page, name, got, err, want)
			}
		}
	}
	broken := newOwnLinks(io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab")))), "a.example")
	if got, err := io.ReadAll(broken); string(got) != "a" || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a page that breaks off: %q, %v", got, err)
	}
}

// Links are turned on the index of a service that has one, and nowhere else.
func TestIndex(t *testing.T) {
	const page, turned = `<a href="https://example.com/files/x">`, `<a href="/files/x">`
	for _, test := range []struct {
		index      bool
		path, kind string
		want       string
	}{
		{true, "/x", "text/html; charset=utf-8", turned},
		{true, "/x", "application/vnd.pypi.simple.v1+json", turned},
		{true, "/x", "application/octet-stream", page},
		{true, "/gone", "text/html", page},
		{false, "/x", "text/html", page},
	} {
		a := start(t, Service{Upstream: "https://example.com", Index: test.index}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			if r.URL.Path == "/gone" {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(w, page)
		})
		if _, body := a.get(test.path, auth); body != test.want {
			t.Errorf("%+v: %s", test, body)
		}
	}
}
