// Package peer decides who may speak on the Unix socket between core and a layer: the one process
// at the other end that was meant, and nobody else.
//
// It takes the place of TLS. Both ends run on one kernel, which knows who connected and who
// listened; asking it costs microseconds where AutoMTLS costs a key pair on each side. The layer
// accepts its parent only, core the child it started only:
//
//	grpc.NewServer(grpc.Creds(peer.Credentials(peer.Is(os.Getppid())))) // the layer
//	grpc.WithTransportCredentials(peer.Credentials(peer.Is(child.Pid))) // core
//
// # Limits
//
// The kernel answers with the process that connected, or that called listen. One that hands its
// connected descriptor on, or runs foreign code, is beyond it: a layer is native code with the
// user's rights. A layer that is a script must exec its interpreter and not start it as a child.
package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc/credentials"
)

// Process is who is at the other end of a socket.
type Process struct{ PID, UID int }

// Of asks the kernel who is at the other end of a connected Unix socket.
func Of(c *net.UnixConn) (Process, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Process{}, err
	}
	var p Process
	var askErr error
	if err := raw.Control(func(fd uintptr) { p, askErr = ask(int(fd)) }); err != nil {
		return Process{}, err
	}
	return p, askErr
}

// Check decides about a process.
type Check func(Process) error

// Is accepts the process of that number, if it runs as the same user as this one.
func Is(pid int) Check {
	return func(p Process) error {
		if p.PID != pid || p.UID != os.Geteuid() {
			return fmt.Errorf("process %d of user %d is at the other end of the socket, "+
				"and not process %d of user %d", p.PID, p.UID, pid, os.Geteuid())
		}
		return nil
	}
}

// Creds are gRPC transport credentials that ask a Check about the other end.
type Creds struct {
	check Check
	state *state
}

type state struct {
	mu      sync.Mutex
	refused error
}

// Credentials returns credentials for either end.
func Credentials(check Check) *Creds { return &Creds{check: check, state: &state{}} }

// Refused is why a connection was refused last, or nil. gRPC reports no more than that there is
// none.
func (c *Creds) Refused() error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.refused
}

// ClientHandshake implements credentials.TransportCredentials.
func (c *Creds) ClientHandshake(
	_ context.Context, _ string, conn net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	return c.handshake(conn)
}

// ServerHandshake implements credentials.TransportCredentials.
func (c *Creds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.handshake(conn)
}

func (c *Creds) handshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	info, err := c.decide(conn)
	if err != nil {
		c.state.mu.Lock()
		c.state.refused = err
		c.state.mu.Unlock()
		// Both errors matter to nobody but gRPC, which closes its own; closing here as well keeps the
		// intruder from waiting for it.
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, info, nil
}

func (c *Creds) decide(conn net.Conn) (AuthInfo, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return AuthInfo{}, errors.New("the connection is not a Unix socket")
	}
	p, err := Of(unixConn)
	if err != nil {
		return AuthInfo{}, fmt.Errorf("asking who is at the other end of the socket: %w", err)
	}
	if err := c.check(p); err != nil {
		return AuthInfo{}, err
	}
	return AuthInfo{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		Process:        p,
	}, nil
}

// Info implements credentials.TransportCredentials.
func (c *Creds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: authType}
}

// Clone implements credentials.TransportCredentials. Clones share what Refused reports.
func (c *Creds) Clone() credentials.TransportCredentials {
	return &Creds{check: c.check, state: c.state}
}

// OverrideServerName implements credentials.TransportCredentials. There is no name to override.
func (c *Creds) OverrideServerName(string) error { return nil }

// AuthInfo says who the other end is.
type AuthInfo struct {
	credentials.CommonAuthInfo
	Process Process
}

const authType = "unix peer"

// AuthType implements credentials.AuthInfo.
func (AuthInfo) AuthType() string { return authType }

// Interface guards.
var (
	_ credentials.TransportCredentials = (*Creds)(nil)
	_ credentials.AuthInfo             = AuthInfo{}
)
