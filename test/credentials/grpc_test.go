//go:build linux

package credentials

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/nono-run/nono/test/internet"
)

// acme is a service that speaks gRPC.
type acme struct {
	grpc_testing.UnimplementedTestServiceServer
	gone chan struct{} // closed when a client went away in the middle of an answer
}

// UnaryCall repeats what it gets, and says more in a trailer; without anything it refuses.
func (*acme) UnaryCall(ctx context.Context, q *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	if len(q.GetPayload().GetBody()) == 0 {
		return nil, status.Error(codes.FailedPrecondition, "there is nothing in it")
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("behind", "this")); err != nil {
		return nil, err
	}
	return &grpc_testing.SimpleResponse{Payload: q.GetPayload()}, nil
}

// FullDuplexCall answers each message with itself.
func (*acme) FullDuplexCall(s grpc_testing.TestService_FullDuplexCallServer) error {
	for {
		q, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&grpc_testing.StreamingOutputCallResponse{Payload: q.GetPayload()}); err != nil {
			return err
		}
	}
}

// StreamingOutputCall sends one message and then waits for the client to go.
func (a *acme) StreamingOutputCall(_ *grpc_testing.StreamingOutputCallRequest, s grpc_testing.TestService_StreamingOutputCallServer) error {
	if err := s.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
		return err
	}
	<-s.Context().Done()
	close(a.gone)
	return s.Context().Err()
}

// TestGRPC: gRPC's own client, unchanged but for having no TLS, with a service that wants a key:
// trailers, a refusal that is nothing but trailers, both directions at once, and a client that goes
// away, which the service hears of.
func TestGRPC(t *testing.T) {
	const key = "a-key-of-acme's"
	i := internet.Here(t)
	i.Authority.Set("acme.example", netip.MustParseAddr("6.6.6.80"))
	service := &acme{gone: make(chan struct{})}
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, service)
	i.Web.Handle("acme.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		server.ServeHTTP(w, r)
	}))
	u := newUser(t)
	u.Env = []string{"ACME_KEY=" + key}
	policy := u.Write("acme.hcl", `
credential "acme" {
  upstream = "https://acme.example"
  source   = "env://ACME_KEY"
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "ACME_API_KEY", base_url = "ACME_BASE_URL" }
}
`)
	r := u.Succeeds(u.inside("-c "+policy+" --approve --read "+base, base+"/bin/client"))
	for n, want := range []string{
		"answered hello, then [this]", "refused: FailedPrecondition, there is nothing in it",
		"both ways: 0 1 2", "cancelled: Canceled",
	} {
		if lines := strings.Split(r.Stdout, "\n"); n >= len(lines) || lines[n] != want {
			t.Errorf("%q is not what it says: %s", want, r)
		}
	}
	select {
	case <-service.gone:
	case <-time.After(30 * time.Second):
		t.Error("the service still works for nobody")
	}
}
