package layerhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/wire"
)

// clientConfig is all that go-plugin is told.
func (l *Layer) clientConfig() *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  wire.ProtocolVersion,
			MagicCookieKey:   wire.CookieKey,
			MagicCookieValue: wire.CookieValue,
		},
		Plugins:          plugin.PluginSet{wire.PluginName: called{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc:       l.newRunner,
		SkipHostEnv:      true,
		StartTimeout:     2 * l.spec.Deadlines.Start, // ours comes first
		Stderr:           &l.tail,
		SyncStdout:       lineLogger(l.logger, "stdout"),
		SyncStderr:       lineLogger(l.logger, "stderr"),
		Logger: quiet{
			Logger: l.spec.Logger, layer: filepath.Base(l.spec.Name), lines: l.logger,
		},
		GRPCDialOptions: append(
			host.DialOptions(l.creds), grpc.WithStreamInterceptor(l.withoutUnused)),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: l.spec.Dir},
	}
}

func (l *Layer) newRunner(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
	// go-plugin has just made the directory, for this layer alone and with mode 0700; it is ours to
	// remove.
	p, err := newProcess(l.spec.Name, l.spec.Binary, cmd, dir, l.logger)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return nil, errors.Join(errors.New("it was ended before it was started"), os.Remove(dir))
	}
	l.process = p
	return p, nil
}

// connect starts the process and returns when the connection stands. go-plugin has no context: when
// ctx ends, the process does, and go-plugin notices that.
func (l *Layer) connect(ctx context.Context) (*grpc.ClientConn, error) {
	stop := context.AfterFunc(ctx, l.kill)
	defer stop()
	protocol, err := l.plugin.Client()
	if err != nil {
		return nil, err
	}
	client, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return nil, fmt.Errorf("go-plugin made a %T", protocol)
	}
	// gRPC connects beside: it has begun by now.
	state := client.Conn.GetState()
	for state == connectivity.Connecting && client.Conn.WaitForStateChange(ctx, state) {
		state = client.Conn.GetState()
	}
	// The socket has served its purpose. Without a name nobody else finds it, and a lost connection
	// cannot be replaced by another's.
	if err := os.RemoveAll(l.process.dir); err != nil {
		return nil, fmt.Errorf("removing its socket: %w", err)
	}
	if state != connectivity.Ready {
		if refused := l.creds.Refused(); refused != nil {
			return nil, refused
		}
		return nil, fmt.Errorf("connecting to it failed (%s)", state)
	}
	return client.Conn, nil
}

// The streams that go-plugin opens on each connection.
const (
	brokerStream = "/plugin.GRPCBroker/StartStream"
	stdioStream  = "/plugin.GRPCStdio/StreamStdio"
)

// withoutUnused leaves streams of go-plugin's closed that nobody uses. The contract has no use for
// the broker. What is printed comes through the other one, but not of a built-in layer, where the
// SDK sees to that. To go-plugin it is as if the layer did not have them.
func (l *Layer) withoutUnused(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if method == brokerStream || method == stdioStream && l.spec.Binary.Builtin {
		return nil, status.Error(codes.Unimplemented, "nobody uses it")
	}
	return open(ctx, desc, conn, method, options...)
}

// called tells go-plugin that there is one gRPC service; its calls are made by host.Client on the
// connection itself.
type called struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (called) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("core serves nothing to a layer")
}

// GRPCClient implements plugin.GRPCPlugin.
func (called) GRPCClient(
	_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn,
) (any, error) {
	return conn, nil
}

// Interface guard.
var _ plugin.GRPCPlugin = called{}
