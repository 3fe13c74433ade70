package door

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/replay"
	"github.com/nono-run/nono/sdk/egress"
)

const socks5Version = statute.VersionSocks5

// newSocks is a server that reads the protocol and leaves all else to us: it resolves nothing, and
// connects nowhere.
func (d *Doors) newSocks() *socks5.Server {
	return socks5.NewServer(
		socks5.WithResolver(asItIs{}),
		socks5.WithConnectHandle(d.socksConnect),
		socks5.WithBindHandle(unsupported),
		socks5.WithAssociateHandle(unsupported),
	)
}

// socks5 serves one client.
func (d *Doors) socks5(client net.Conn) {
	if client.SetReadDeadline(time.Now().Add(greeting)) == nil {
		_ = d.socks.ServeConn(client) // the client was told, in a reply
	}
}

// asItIs leaves a name a name.
type asItIs struct{}

// Resolve implements socks5.NameResolver.
func (asItIs) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// unsupported answers the commands of SOCKS5 that are not CONNECT. UDP is none that a proxy of
// names carries: QUIC falls back to TCP.
func unsupported(_ context.Context, w io.Writer, _ *socks5.Request) error {
	return socks5.SendReply(w, statute.RepCommandNotSupported, nil)
}

func (d *Doors) socksConnect(ctx context.Context, w io.Writer, req *socks5.Request) error {
	conn, ok := w.(net.Conn)
	buffered, isBuffer := req.Reader.(*bufio.Reader)
	if !ok || !isBuffer {
		return errors.New("the library serves something else than a connection")
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	target, err := socksTarget(req.RawDestAddr)
	if err != nil {
		err = d.gate.Refuse(req.RawDestAddr.FQDN, err.Error())
		return errors.Join(err, socks5.SendReply(w, statute.RepRuleFailure, nil))
	}
	pass, server, err := d.open(ctx, d.meant(target))
	if err != nil {
		return errors.Join(err, socks5.SendReply(w, socksCode(err), nil))
	}
	// Which address of the host's is at the other end concerns nobody inside.
	if err := socks5.SendReply(w, statute.RepSuccess, &net.TCPAddr{IP: net.IPv4zero}); err != nil {
		return errors.Join(err, server.Close())
	}
	ahead, _ := buffered.Peek(buffered.Buffered())
	carry(ctx, replay.New(conn, append([]byte(nil), ahead...)), server, pass)
	return nil
}

// socksTarget is what a request asks for, in its plain form.
func socksTarget(at *statute.AddrSpec) (gate.Target, error) {
	if at.AddrType == statute.ATYPDomain {
		return gate.ParseTarget(at.FQDN + ":" + strconv.Itoa(at.Port))
	}
	addr, ok := netip.AddrFromSlice(at.IP)
	if !ok || at.Port == 0 {
		return gate.Target{}, errors.New("it is no address with a port")
	}
	return gate.Target{Addr: addr.Unmap(), Port: uint16(at.Port)}, nil
}

// socksCode is the reply for an error.
func socksCode(err error) uint8 {
	var denied *gate.Denial
	var failed *egress.Error
	switch {
	case errors.As(err, &denied):
		return statute.RepRuleFailure
	case errors.As(err, &failed) && failed.Reason == egress.Refused:
		return statute.RepConnectionRefused
	case errors.As(err, &failed) && failed.Reason == egress.Unreachable:
		return statute.RepNetworkUnreachable
	case errors.As(err, &failed) && failed.Reason == egress.NoAnswer:
		return statute.RepTTLExpired
	}
	return statute.RepHostUnreachable
}
