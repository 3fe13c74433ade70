package door

import (
	"context"
	"net"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/hello"
	"github.com/nono-run/nono/plugins/netfilter/relay"
)

// hearing is how long a client that is turned away is listened to, so as to tell it why.
const hearing = 2 * time.Second

// arrival is a connection of a program that knows no proxy. What it meant, the address says that it
// dialled.
func (d *Doors) arrival(ctx context.Context, client net.Conn) {
	at, ok := client.LocalAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	dialled := at.AddrPort()
	target := gate.Target{Addr: dialled.Addr().Unmap(), Port: dialled.Port()}
	pass, err := d.gate.Admit(d.meant(target))
	if err != nil {
		first, client, sniffErr := hello.Sniff(client, hearing)
		if sniffErr != nil {
			first = hello.Silence{}
		}
		turnAway(ctx, client, first, err)
		return
	}
	d.arrived(ctx, client, pass)
}

// arrived carries an arrival that was admitted. It has been taken for connected from its beginning,
// so nothing is dialled before it has said what it wants; if it waits for the server, that is found
// by connecting.
func (d *Doors) arrived(ctx context.Context, client net.Conn, pass *gate.Pass) {
	if !pass.Opaque {
		first, again, err := hello.Sniff(client, hearing)
		if err != nil {
			return
		}
		client = again
		if first != (hello.Silence{}) {
			proceed(ctx, client, nil, pass, first)
			return
		}
	}
	server, err := pass.Dial(ctx)
	if err != nil {
		relay.Reset(client)
		return
	}
	carry(ctx, client, server, pass)
}
