// Package host is the host's half of the contract: how core, and a test kit, speak to a layer. A
// layer has no use for it.
//
//	client := host.NewClient(conn, line)             // conn was made with DialOptions
//	description, err := client.Describe(ctx)
//	stream, err := client.OpenSession(ctx, handler, host.Beat{...})
//	answer, err := client.Plan(ctx, request)
//
// All that a layer answers is checked here: an error that is a [*BadAnswer] means that the layer
// broke the contract, any other that the call itself failed.
package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/ticket"
	"github.com/nono-run/nono/sdk/wire"
)

// Client calls one layer.
type Client struct {
	rpc      layerpb.LayerClient
	lifeline *lifeline.Host
	// described is what the layer said of itself, and said is how.
	described sdk.Description
	said      *layerpb.DescribeResponse
	// planned is its last answer to Plan.
	planned *layerpb.PlanResponse
}

// NewClient speaks to the layer at the other end of conn, and passes it descriptors over the
// lifeline.
func NewClient(conn grpc.ClientConnInterface, line *lifeline.Host) *Client {
	return &Client{rpc: layerpb.NewLayerClient(strict{conn}), lifeline: line}
}

// DialOptions are what a connection to a layer must be made with: who may be at the other end, and
// how much it may send.
func DialOptions(creds *peer.Creds) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
		// Neither a proxy of the user's nor a name server has a say in how a layer is called.
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
	}
}

// BadAnswer is an answer that breaks the contract.
type BadAnswer struct{ Err error }

// Error implements error.
func (e *BadAnswer) Error() string { return "its answer breaks the contract: " + e.Err.Error() }

// Unwrap is what is wrong with it.
func (e *BadAnswer) Unwrap() error { return e.Err }

func badAnswer[T any](v T, err error) (T, error) {
	if err != nil {
		var none T
		return none, &BadAnswer{err}
	}
	return v, nil
}

// Describe asks the layer what it is. It is the first call.
func (c *Client) Describe(ctx context.Context) (sdk.Description, error) {
	m, err := c.rpc.Describe(ctx, &layerpb.DescribeRequest{Core: core()})
	if err != nil {
		return sdk.Description{}, err
	}
	d, err := badAnswer(decodeDescription(m))
	c.described, c.said = d, m
	return d, err
}

// Said is what the layer answered to Describe, for [Recall].
func (c *Client) Said() ([]byte, error) { return codec.Core.Encode(c.said) }

// Recall reads what a layer answered to Describe another time, and believes no more of it than if
// it were answered now.
func Recall(said []byte) (sdk.Description, error) {
	m := &layerpb.DescribeResponse{}
	if err := codec.Core.Decode(said, m); err != nil {
		return sdk.Description{}, &BadAnswer{err}
	}
	return badAnswer(decodeDescription(m))
}

// Describes reports whether what a layer said of itself comes to this description.
func Describes(said []byte, d sdk.Description) bool {
	now, err := Recall(said)
	return err == nil && reflect.DeepEqual(now, d)
}

// Plan asks for the layer's share of the plan. The session of a layer that is not ephemeral must be
// open by then; req.Session and req.Core are not used.
func (c *Client) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	m, err := encodePlanRequest(req)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	answer, err := c.rpc.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	c.planned = answer
	return badAnswer(takePlan(c.described, answer))
}

// Planned is what the layer answered to Plan, for [RecallPlan]. One with secrets in it is not to be
// had.
func (c *Client) Planned() ([]byte, error) {
	if len(c.planned.GetSecrets()) > 0 {
		return nil, errors.New("there are secrets in it")
	}
	return codec.Core.Encode(c.planned)
}

// RecallPlan reads what the layer of this description answered to Plan another time, and believes
// no more of it than if it were answered now.
func RecallPlan(d sdk.Description, said []byte) (*sdk.PlanResponse, error) {
	m := &layerpb.PlanResponse{}
	if err := codec.Core.Decode(said, m); err != nil {
		return nil, &BadAnswer{err}
	}
	return badAnswer(takePlan(d, m))
}

// Same is a digest of a Plan request: two that have the same differ in nothing but the session's
// name and directory.
func Same(req *sdk.PlanRequest) ([sha256.Size]byte, error) {
	nameless := *req
	nameless.SessionID, nameless.Dir = "", ""
	m, err := encodePlanRequest(&nameless)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("writing the request: %w", err)
	}
	text, err := codec.Core.Encode(m)
	return sha256.Sum256(text), err
}

func takePlan(d sdk.Description, answer *layerpb.PlanResponse) (*sdk.PlanResponse, error) {
	resp, err := decodePlanResponse(answer)
	if err == nil {
		err = takeFacts(d, resp)
	}
	return resp, err
}

// takeFacts checks that the layer said only what a layer of its kind may, of itself, and completes
// it.
func takeFacts(d sdk.Description, resp *sdk.PlanResponse) error {
	for i, f := range resp.Facts {
		if f.Kind() != d.Kind {
			return fmt.Errorf("fact %d: only a %s layer says %s, and this is a %s layer",
				i, f.Kind(), f.Name(), d.Kind)
		}
		var listener, layer string
		switch of := f.(type) {
		case fact.Proxy:
			listener, layer = of.Listener, of.Layer
			resp.Facts[i] = fact.Proxy{Listener: of.Listener, Layer: d.Name}
		case fact.Resolver:
			listener, layer = of.Listener, of.Layer
			resp.Facts[i] = fact.Resolver{Listener: of.Listener, Layer: d.Name}
		case fact.GitHost:
			if _, ok := resp.Secrets[of.Secret]; !ok {
				return fmt.Errorf("fact %d: there is no secret %q", i, of.Secret)
			}
			listener, layer = of.Listener, of.Layer
			of.Layer = d.Name
			resp.Facts[i] = of
		default:
			continue
		}
		if layer != "" {
			return fmt.Errorf("fact %d: whose listener it is, core says", i)
		}
		own := slices.ContainsFunc(resp.Fragment.Steps, func(s fragment.Step) bool {
			l, ok := s.(fragment.Listener)
			return ok && l.Name == listener
		})
		if !own {
			return fmt.Errorf("fact %d: the layer has no listener %q", i, listener)
		}
	}
	return nil
}

// Listener is the socket of a listener step.
type Listener struct {
	File *os.File
	// Shared is there where the socket lies on the host's loopback: how the agent's connections are
	// told from all others.
	Shared *Shared
}

// Shared is a socket that anybody may connect to.
type Shared struct {
	// Secret is in the ticket that each connection of the agent's begins with.
	Secret ticket.Secret
	// Address is how the agent knows the socket.
	Address netip.AddrPort
}

// Start arms the layer and hands it the sockets of its listener steps, which stay the caller's as
// well. req.Listeners and req.Session are not used.
func (c *Client) Start(
	ctx context.Context, req *sdk.StartRequest, listeners map[string]Listener,
) (*sdk.StartResponse, error) {
	m, err := encodeStartRequest(req)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(listeners)) {
		d, err := c.send(name, listeners[name])
		if err != nil {
			return nil, fmt.Errorf("handing over listener %q: %w", name, err)
		}
		m.Listeners = append(m.Listeners, d)
	}
	answer, err := c.rpc.Start(ctx, m)
	if err != nil {
		return nil, err
	}
	started, err := decodeStartResponse(answer)
	if err == nil && started.Lingers && c.described.Lifetime != sdk.Bracket {
		err = fmt.Errorf("a layer of the lifetime %q lingers", c.described.Lifetime)
	}
	return badAnswer(started, err)
}

// Forget has the layer drop what it keeps for sessions. req.Core and req.Session are not used.
func (c *Client) Forget(ctx context.Context, req *sdk.ForgetRequest) (*sdk.ForgetResponse, error) {
	answer, err := c.rpc.Forget(ctx, &layerpb.ForgetRequest{
		Core: core(), StateDir: []byte(req.StateDir), Sessions: req.Sessions,
	})
	if err != nil {
		return nil, err
	}
	return &sdk.ForgetResponse{Freed: answer.GetFreed()}, nil
}

// Finish lets the layer release what it took.
func (c *Client) Finish(ctx context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	m, err := encodeFinishRequest(req)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return c.finish(ctx, m)
}

func (c *Client) finish(
	ctx context.Context, m *layerpb.FinishRequest,
) (*sdk.FinishResponse, error) {
	answer, err := c.rpc.Finish(ctx, m)
	if err != nil {
		return nil, err
	}
	return badAnswer(decodeFinishResponse(answer))
}

// Store is what each call of a run is told, as it can be kept on disk: without the user's
// variables, which may be secrets. Settings that are, the caller leaves out.
func Store(run *sdk.Run) ([]byte, error) {
	kept := *run
	kept.HostVariables = nil
	m, err := encodeRun(&kept)
	if err != nil {
		return nil, fmt.Errorf("storing the run: %w", err)
	}
	return codec.Core.Encode(m)
}

// FinishStored calls Finish for a session whose core is dead, from what [Store] made of its run and
// from what Start returned; nil if it did not return.
func (c *Client) FinishStored(
	ctx context.Context, run []byte, end *sdk.End, state []byte,
) (*sdk.FinishResponse, error) {
	m := &layerpb.FinishRequest{
		Run: &layerpb.Run{}, Stored: true, HasState: state != nil, State: state,
	}
	if err := codec.Core.Decode(run, m.Run); err != nil {
		return nil, fmt.Errorf("reading the stored run: %w", err)
	}
	m.Run.Core = core() // who asks now
	var err error
	if m.End, err = encodeEnd(end); err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	return c.finish(ctx, m)
}

// send passes a listening socket on, and names it for the call that follows.
func (c *Client) send(name string, l Listener) (*layerpb.Descriptor, error) {
	kind, err := networkOf(l.File)
	if err != nil {
		return nil, err
	}
	network, err := wire.Networks.Encode(kind)
	if err != nil {
		return nil, err
	}
	token, err := c.lifeline.Send(l.File)
	d := &layerpb.Descriptor{Name: name, Token: token[:], Network: network}
	if s := l.Shared; s != nil {
		d.Secret, d.Address = s.Secret[:], s.Address.String()
	}
	return d, err
}

// networkOf asks a socket whether it is tcp or udp.
func networkOf(f *os.File) (fragment.Network, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	var kind int
	var askErr error
	err = raw.Control(func(fd uintptr) {
		kind, askErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	})
	if err := errors.Join(err, askErr); err != nil {
		return "", fmt.Errorf("it is no socket: %w", err)
	}
	switch kind {
	case unix.SOCK_STREAM:
		return fragment.TCP, nil
	case unix.SOCK_DGRAM:
		return fragment.UDP, nil
	}
	return "", fmt.Errorf("a socket of type %d", kind)
}
