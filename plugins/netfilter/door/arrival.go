package door

import (
	"context"
	"net"
	"time"

	"github.com/nono-run/nono/plugins/netfilter/gate"
	"github.com/nono-run/nono/plugins/netfilter/hello"
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
	if name, ok := d.names.Name(target.Addr); ok {
		target = gate.Target{Name: name, Port: dialled.Port()}
	}
	pass, server, err := d.open(ctx, target)
	if err != nil {
		first, client, sniffErr := hello.Sniff(client, hearing)
		if sniffErr != nil {
			first = hello.Silence{}
		}
		turnAway(ctx, client, first, err)
		return
	}
	d.carry(ctx, client, server, pass)
}
