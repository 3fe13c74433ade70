package proxy

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
)

// BenchmarkRequest is a request with a small answer over connections that are kept. The client and
// the service are in the same process, and count.
func BenchmarkRequest(b *testing.B) {
	answer := strings.Repeat("x", 1<<10)
	service := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	service.EnableHTTP2 = true
	service.StartTLS()
	defer service.Close()
	roots := x509.NewCertPool()
	roots.AddCert(service.Certificate())
	p, err := New(Service{
		Name: "test", Upstream: "https://example.com/v1", Place: bearer,
		Key: sdk.NewSecret([]byte(key)), Token: sdk.NewSecret([]byte(token)),
	}, Options{
		Roots: roots, Tell: func(Request) {},
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", service.Listener.Addr().String())
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = p.Serve(l) }()
	defer func() { _ = p.Close() }()
	for _, beside := range []int{1, 8} {
		b.Run(fmt.Sprint(beside), func(b *testing.B) {
			b.SetParallelism(beside)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				transport := &http.Transport{DisableCompression: true}
				defer transport.CloseIdleConnections()
				for pb.Next() {
					r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/v1/x", nil)
					if err != nil {
						b.Error(err)
						return
					}
					r.Header.Set("Authorization", "Bearer "+token)
					res, err := transport.RoundTrip(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
		})
	}
}

// BenchmarkBlotted is a large body that is looked at for a key of a usual length.
func BenchmarkBlotted(b *testing.B) {
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = "it is a secret, so says the server\n"[i%35]
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	buffer := make([]byte, 32<<10)
	for b.Loop() {
		body := &blotted{
			body: io.NopCloser(bytes.NewReader(text)), end: func() {},
			blots: newBlots(bearer, []byte("sk-"+strings.Repeat("0123456789", 16))),
		}
		for {
			if _, err := body.Read(buffer); err != nil {
				break
			}
		}
	}
}
