package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/wire"
)

// Build says which build this program is from: set by the linker for a release, and the same then
// for core and the built-in layers.
//
//	go build -ldflags "-X github.com/nono-run/nono/sdk.Build=ID"
var Build = "dev"

// Version is the release of nono that this program was built with: core's own for core, and the
// SDK's for a layer. It is set by the build, as Build is.
var Version = "0.1.0-dev"

// Main is a layer's main. Started by core for a run, it serves until core is done with the layer:
// when the lifeline ends the process does, at once, for nobody is left to wait for. Started for one
// of the layer's own commands, it runs that. It does not return.
func Main(l Layer) {
	if os.Getenv(wire.CookieKey) != wire.CookieValue {
		fmt.Fprintln(os.Stderr, "this program is a layer of nono: "+
			"`nono run` starts it, it does nothing by itself")
		os.Exit(2)
	}
	if os.Getenv(wire.CommandVariable) != "" {
		command(l)
	}
	serve(l)
}

// command reads what is to be done, and does it.
func command(l Layer) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "nono: reading what the command is to do:", err)
		os.Exit(2)
	}
	if got := os.Getenv(wire.CommandVariable); got != fmt.Sprint(wire.CommandFD) {
		fail(fmt.Errorf("%s is %q", wire.CommandVariable, got))
	}
	raw, err := io.ReadAll(os.NewFile(wire.CommandFD, "request"))
	if err != nil {
		fail(err)
	}
	req, err := decodeSubcommandRequest(raw)
	if err != nil {
		fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), interruptions...)
	code := runCommand(ctx, l, req)
	stop()
	os.Exit(code)
}

// serve serves the contract to core.
func serve(l Layer) {
	// Asked before anything else: if core dies from here on the number is stale, and then nobody
	// can connect.
	parent := os.Getppid()
	if got := os.Getenv(wire.LifelineVariable); got != fmt.Sprint(wire.LifelineFD) {
		fmt.Fprintf(os.Stderr, "nono and this layer do not agree on the lifeline: %s is %q\n",
			wire.LifelineVariable, got)
		os.Exit(2)
	}
	end, err := lifeline.Open(os.NewFile(wire.LifelineFD, "lifeline"), func() { os.Exit(0) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "taking the lifeline:", err)
		os.Exit(2)
	}
	check := peer.Is(parent)
	// go-plugin puts pipes in the place of stdout and stderr, and sends what is written there as
	// calls: the last words of a layer that dies would be lost. Before the first call the process's
	// own are put back.
	stdout, stderr, restore := os.Stdout, os.Stderr, sync.Once{}
	putBack := func() { os.Stdout, os.Stderr = stdout, stderr }
	// What was printed so far, without a newline perhaps, must not run into the line that go-plugin
	// prints for core.
	fmt.Println()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  wire.ProtocolVersion,
			MagicCookieKey:   wire.CookieKey,
			MagicCookieValue: wire.CookieValue,
		},
		Plugins: plugin.PluginSet{wire.PluginName: served{}},
		GRPCServer: func(_ []grpc.ServerOption) *grpc.Server {
			return NewServer(l, end, func(p peer.Process) error { restore.Do(putBack); return check(p) })
		},
		// go-plugin's own lines concern nobody but who debugs it, unless it cannot serve at all.
		Logger: hclog.New(&hclog.LoggerOptions{
			Level: hclog.Error, Output: stderr, DisableTime: true,
		}),
	})
	os.Exit(0)
}

// served tells go-plugin that there is one gRPC service. NewServer has registered it.
type served struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (served) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient implements plugin.GRPCPlugin.
func (served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a layer is nobody's client")
}

// Interface guard.
var _ plugin.GRPCPlugin = served{}
