//go:build linux

package internet

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

// Authority is the only server of names, and answers at every address. It remembers what it was
// asked: what a program wants to carry out by a name, it carries to here.
type Authority struct {
	mu      sync.Mutex
	answers map[string]func() []netip.Addr
	queries []Query
}

// A Query is what somebody asked, the name in lower case and without a dot at its end.
type Query struct{ Name, Type string }

func newAuthority() *Authority {
	return &Authority{answers: map[string]func() []netip.Addr{}}
}

// Set gives a name its addresses.
func (a *Authority) Set(name string, addresses ...netip.Addr) {
	a.Change(name, func() []netip.Addr { return addresses })
}

// Change gives a name addresses that are asked for anew each time. They are told with a life of no
// second.
func (a *Authority) Change(name string, addresses func() []netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[name] = addresses
}

// Queries is what was asked since the test asked for the internet.
func (a *Authority) Queries() []Query {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.queries)
}

// Asked reports whether somebody asked for a name, or one beneath it.
func (a *Authority) Asked(name string) bool {
	return slices.ContainsFunc(a.Queries(), func(q Query) bool {
		return q.Name == name || strings.HasSuffix(q.Name, "."+name)
	})
}

func (a *Authority) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queries = nil
	clear(a.answers)
}

// serve answers over UDP and TCP.
func (a *Authority) serve(o *outside) error {
	if err := servePackets(o, "0.0.0.0:53", a.answer); err != nil {
		return err
	}
	l, err := o.listen("tcp", "[::]:53")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.converse(c)
		}
	}()
	return nil
}

func (a *Authority) converse(c net.Conn) {
	defer c.Close()
	for {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		length := make([]byte, 2)
		if _, err := io.ReadFull(c, length); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer := a.answer(question)
		if _, err := c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer)))); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// answer is nil for what is no question.
func (a *Authority) answer(message []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || header.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	a.mu.Lock()
	a.queries = append(a.queries, Query{name, strings.TrimPrefix(q.Type.String(), "Type")})
	addresses, known := a.answers[name]
	a.mu.Unlock()

	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, Authoritative: true,
			RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q},
	}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	} else {
		for _, address := range addresses() {
			var body dnsmessage.ResourceBody
			switch {
			case q.Type == dnsmessage.TypeA && address.Is4():
				body = &dnsmessage.AResource{A: address.As4()}
			case q.Type == dnsmessage.TypeAAAA && address.Is6():
				body = &dnsmessage.AAAAResource{AAAA: address.As16()}
			default:
				continue
			}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body,
			})
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// servePackets answers datagrams at a port of every IPv4 address, from the address that was asked.
func servePackets(o *outside, address string, answer func([]byte) []byte) error {
	c, err := o.listenPacket("udp4", address)
	if err != nil {
		return err
	}
	p := ipv4.NewPacketConn(c)
	if err := p.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return err
	}
	go func() {
		for b := make([]byte, 64<<10); ; {
			n, at, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n]); reply != nil && at != nil {
				_, _ = p.WriteTo(reply, &ipv4.ControlMessage{Src: at.Dst}, from)
			}
		}
	}()
	return nil
}
