// Command goplugin runs a program beside so many plugins of go-plugin's that do nothing, by gRPC:
// each is started, asked once whether it is there, and ended. There is no sandbox, no policy and
// nothing of nono's in it, so it is what processes for layers cost with that library at least.
//
//	goplugin 4 true
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

var handshake = plugin.HandshakeConfig{
	ProtocolVersion: 1, MagicCookieKey: "NONO_BENCH_PLUGIN", MagicCookieValue: "here",
}

// nothing is a plugin without a service of its own.
type nothing struct {
	plugin.NetRPCUnsupportedPlugin
}

// GRPCServer implements plugin.GRPCPlugin.
func (nothing) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient implements plugin.GRPCPlugin.
func (nothing) GRPCClient(
	context.Context, *plugin.GRPCBroker, *grpc.ClientConn,
) (any, error) {
	return nothing{}, nil
}

func main() {
	if os.Getenv(handshake.MagicCookieKey) != "" {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake, Plugins: plugin.PluginSet{"nothing": nothing{}},
			GRPCServer: plugin.DefaultGRPCServer, Logger: hclog.NewNullLogger(),
		})
		return
	}
	err := host(os.Args[1:])
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		os.Exit(ended.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "goplugin:", err)
		os.Exit(125)
	}
}

// host starts the plugins, one beside the other, runs the program, and ends them.
func host(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: goplugin PLUGINS PROGRAM [ARGUMENT]")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	defer plugin.CleanupClients()
	var starts sync.WaitGroup
	failed := make([]error, count)
	for i := range count {
		client := plugin.NewClient(&plugin.ClientConfig{
			HandshakeConfig: handshake, Plugins: plugin.PluginSet{"nothing": nothing{}},
			Cmd: exec.Command(self), Managed: true, Logger: hclog.NewNullLogger(),
			AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		})
		starts.Go(func() {
			connection, err := client.Client()
			if err == nil {
				err = connection.Ping()
			}
			failed[i] = err
		})
	}
	starts.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	program := exec.Command(args[1], args[2:]...)
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	return program.Run()
}
