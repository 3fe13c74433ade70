package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/ticket"
	"github.com/nono-run/nono/sdk/wire"
)

// NewServer is a gRPC server that serves the layer to whoever check accepts, and takes descriptors
// from the lifeline's end. It is for test kits; a layer's main calls [Main].
func NewServer(l Layer, end *lifeline.Layer, check peer.Check) *grpc.Server {
	s := grpc.NewServer(
		grpc.Creds(peer.Credentials(check)),
		grpc.MaxRecvMsgSize(wire.MaxMessage),
		grpc.MaxSendMsgSize(wire.MaxMessage),
		grpc.ForceServerCodecV2(codec.Layer),
	)
	layerpb.RegisterLayerServer(s, &server{
		layer: l, descriptors: end, session: newSession(end),
	})
	return s
}

// server translates calls. It recovers no panic, and neither does gRPC: a layer in an unknown state
// must not go on answering.
type server struct {
	layerpb.UnimplementedLayerServer
	layer       Layer
	descriptors *lifeline.Layer
	session     *Session

	mu        sync.Mutex
	described *Description
}

// fits makes an answer one that core understands, or says what core lacks.
func fits(m proto.Message, core *Core) error {
	// The common case, in which nothing that can be said here is unknown there.
	if slices.Equal(core.Features, wire.Features()) {
		return nil
	}
	known := make(map[string]bool, len(core.Features))
	for _, feature := range core.Features {
		known[feature] = true
	}
	if err := wire.Fit(m, func(feature string) bool { return known[feature] }); err != nil {
		return own(fmt.Errorf("%w, and this is nono %s", err, core.Version))
	}
	return nil
}

// describe is the layer's answer, asked for once: all of a process goes by the same one.
func (s *server) describe() Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.described == nil { // not sync.OnceValue, which catches a panic and raises it from elsewhere
		d := s.layer.Describe()
		d.Build = Build
		_, d.Forgets = s.layer.(Forgetter)
		s.described = &d
	}
	return *s.described
}

// Describe implements layerpb.LayerServer.
func (s *server) Describe(
	_ context.Context, req *layerpb.DescribeRequest,
) (*layerpb.DescribeResponse, error) {
	d := s.describe()
	// Core goes by the lifetime; a Start that is never called, or one that is missing, would be
	// found out much later.
	if _, starter := s.layer.(Starter); starter == (d.Lifetime == Ephemeral) {
		return nil, own(fmt.Errorf("a layer of the lifetime %q: has Start and Finish: %t",
			d.Lifetime, starter))
	}
	if _, commander := s.layer.(Commander); commander != (len(d.Subcommands) > 0) {
		return nil, own(fmt.Errorf("it lists %d subcommands, and can run any: %t",
			len(d.Subcommands), commander))
	}
	m, err := encodeDescription(d)
	if err != nil {
		return nil, own(err)
	}
	core := decodeCore(req.GetCore())
	return m, fits(m, &core)
}

// Plan implements layerpb.LayerServer.
func (s *server) Plan(ctx context.Context, m *layerpb.PlanRequest) (*layerpb.PlanResponse, error) {
	req, err := decodePlanRequest(m)
	if err != nil {
		return nil, misunderstood(err)
	}
	if err := s.begin(ctx, &req.Run); err != nil {
		return nil, err
	}
	resp, err := s.layer.Plan(ctx, req)
	if err != nil {
		return nil, own(err)
	}
	if resp == nil {
		return nil, own(errors.New("the layer returned neither a plan nor an error"))
	}
	out, err := encodePlanResponse(resp)
	if err != nil {
		return nil, own(err)
	}
	return out, fits(out, &req.Core)
}

// Start implements layerpb.LayerServer.
func (s *server) Start(
	ctx context.Context, m *layerpb.StartRequest,
) (*layerpb.StartResponse, error) {
	starter, ok := s.layer.(Starter)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the layer has no Start")
	}
	req, err := decodeStartRequest(m)
	if err != nil {
		return nil, misunderstood(err)
	}
	if req.Listeners, err = s.takeListeners(ctx, m.GetListeners()); err != nil {
		return nil, misunderstood(err)
	}
	if err := s.begin(ctx, &req.Run); err != nil {
		return nil, err
	}
	resp, err := starter.Start(ctx, req)
	if err != nil {
		return nil, own(err)
	}
	if resp == nil {
		return &layerpb.StartResponse{}, nil
	}
	out := &layerpb.StartResponse{HasState: resp.State != nil, State: resp.State}
	if resp.Rest != nil {
		if lifetime := s.describe().Lifetime; lifetime != Bracket {
			return nil, own(fmt.Errorf("a layer of the lifetime %q has something left to do after Start",
				lifetime))
		}
		out.Lingers = true
		go func() {
			resp.Rest(context.WithoutCancel(ctx))
			_ = s.session.rested() // where core is gone the process is about to be, too
		}()
	}
	return out, fits(out, &req.Core)
}

// Forget implements layerpb.LayerServer.
func (s *server) Forget(
	ctx context.Context, m *layerpb.ForgetRequest,
) (*layerpb.ForgetResponse, error) {
	forgetter, ok := s.layer.(Forgetter)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the layer has no Forget")
	}
	var run Run
	if err := s.begin(ctx, &run); err != nil {
		return nil, err
	}
	resp, err := forgetter.Forget(ctx, &ForgetRequest{
		Core: decodeCore(m.GetCore()), StateDir: string(m.GetStateDir()), Sessions: m.GetSessions(),
		Session: run.Session,
	})
	switch {
	case err != nil:
		return nil, own(err)
	case resp == nil:
		return &layerpb.ForgetResponse{}, nil
	}
	return &layerpb.ForgetResponse{Freed: resp.Freed}, nil
}

// Finish implements layerpb.LayerServer.
func (s *server) Finish(
	ctx context.Context, m *layerpb.FinishRequest,
) (*layerpb.FinishResponse, error) {
	starter, ok := s.layer.(Starter)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the layer has no Finish")
	}
	req, err := decodeFinishRequest(m)
	if err != nil {
		return nil, misunderstood(err)
	}
	if err := s.begin(ctx, &req.Run); err != nil {
		return nil, err
	}
	resp, err := starter.Finish(ctx, req)
	if err != nil {
		return nil, own(err)
	}
	if resp == nil {
		return &layerpb.FinishResponse{}, nil
	}
	return &layerpb.FinishResponse{Lines: slices.Clone(resp.Lines)}, nil
}

// Session implements layerpb.LayerServer.
func (s *server) Session(stream layerpb.Layer_SessionServer) error {
	if s.describe().Lifetime == Ephemeral {
		return status.Error(codes.FailedPrecondition, ErrNoSession.Error())
	}
	if !s.session.open(stream) {
		return status.Error(codes.AlreadyExists, "the session is open already")
	}
	return s.session.serve()
}

// begin gives a call what does not come with its message: the session, once core has opened it, and
// the host variables where libraries look for them. Core opens the stream before it makes the call,
// but the two may be taken up in either order here.
func (s *server) begin(ctx context.Context, run *Run) error {
	for name, value := range run.HostVariables {
		if err := os.Setenv(name, value); err != nil {
			return misunderstood(wire.At(err, "host variable %s", name))
		}
	}
	if s.describe().Lifetime == Ephemeral {
		return nil
	}
	select {
	case <-s.session.opened:
		run.Session = s.session
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *server) takeListeners(
	ctx context.Context, in []*layerpb.Descriptor,
) (map[string]Socket, error) {
	out := make(map[string]Socket, len(in))
	for _, d := range in {
		socket, err := s.takeListener(ctx, d)
		if err != nil {
			for _, taken := range out {
				_ = taken.Close()
			}
			return nil, wire.At(err, "listener %q", d.GetName())
		}
		out[d.GetName()] = socket
	}
	return out, nil
}

func (s *server) takeListener(ctx context.Context, d *layerpb.Descriptor) (Socket, error) {
	network, err := wire.Networks.Decode(d.GetNetwork())
	if err != nil {
		return Socket{}, err
	}
	token, err := lifeline.ParseToken(d.GetToken())
	if err != nil {
		return Socket{}, err
	}
	socket := Socket{Network: network}
	if len(d.GetSecret()) > 0 {
		socket.shared = true
		if socket.secret, err = ticket.Parse(d.GetSecret()); err != nil {
			return Socket{}, err
		}
		if socket.address, err = netip.ParseAddrPort(d.GetAddress()); err != nil {
			return Socket{}, err
		}
	}
	socket.file, err = s.descriptors.Take(ctx, token)
	return socket, err
}

// own marks an error as the layer's own words. Without it gRPC would take a wrapped context error
// for a cancelled call.
func own(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Unknown, err.Error())
}

// misunderstood is a request that this layer cannot read: it was built for another core.
func misunderstood(err error) error {
	return status.Errorf(codes.InvalidArgument, "the layer does not understand the request: %v", err)
}

// Interface guard.
var _ layerpb.LayerServer = (*server)(nil)
