//go:build linux

package internet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Tap sees each packet that leaves the machine, at the other end of its one cable.
type Tap struct {
	fd int

	mu      sync.Mutex
	sent    map[Packet]int
	flows   map[flow]int // TCP connections, with the generation in which they began
	now     int          // the generation; a new one begins when everything is forgotten
	dropped int
	marks   int // that arrived
	arrived chan struct{}
}

// A Packet is where one went. What the kernels say to each other to find their neighbours is none.
type Packet struct {
	Protocol string // "tcp", "udp", "icmp", or "protocol N"
	To       netip.AddrPort
}

// A flow is one direction of a connection.
type flow struct{ from, to netip.AddrPort }

// String is "tcp 6.6.6.6:80".
func (p Packet) String() string { return p.Protocol + " " + p.To.String() }

// mark is where the tap's own packets go: when one has arrived, so has all that was sent before.
var mark = Packet{"udp", netip.MustParseAddrPort("6.6.6.254:9")}

// openTap is called outside, with the capability that it takes.
func openTap() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "tap")
	net0, err := net.InterfaceByName("net0")
	if err != nil {
		return nil, err
	}
	const room = 32 << 20
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room); err != nil {
		// It is the host's root that may have so much; what is dropped is counted.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	if err != nil {
		return nil, err
	}
	every := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	to := &unix.SockaddrLinklayer{Protocol: every, Ifindex: net0.Index}
	return file, unix.Bind(fd, to)
}

func newTap(o *outside) (*Tap, error) {
	file, err := o.open(errand{Do: "tap"})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t := &Tap{fd: fd, sent: map[Packet]int{}, flows: map[flow]int{}, arrived: make(chan struct{}, 1)}
	go t.listen()
	return t, unix.SetNonblock(fd, false)
}

func (t *Tap) listen() {
	for head := make([]byte, 128); ; {
		n, _, err := unix.Recvfrom(t.fd, head, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if p, ok := parsePacket(head[:n]); ok {
			t.note(p)
		}
	}
}

func (t *Tap) note(p parsed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.Packet == mark {
		t.marks++
		select {
		case t.arrived <- struct{}{}:
		default:
		}
		return
	}
	if p.Protocol == "tcp" {
		// The last words of a connection come when the program that had it is gone. They belong to
		// the test in which it began.
		f := flow{p.from, p.To}
		if p.begins {
			t.flows[f] = t.now
		} else if began, known := t.flows[f]; known && began < t.now {
			return
		}
	}
	t.sent[p.Packet]++
}

// parsed is a packet with what tells connections apart.
type parsed struct {
	Packet
	from   netip.AddrPort
	begins bool // a TCP connection
}

// parsePacket reads the headers of IPv4 and IPv6; anything else is no packet to us.
func parsePacket(b []byte) (p parsed, ok bool) {
	var protocol byte
	var from, to netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		protocol = b[9]
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		b = b[min(int(b[0]&15)*4, len(b)):]
	case len(b) >= 40 && b[0]>>4 == 6:
		protocol = b[6]
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:]
		if protocol == unix.IPPROTO_HOPOPTS && len(b) >= 8 {
			protocol, b = b[0], b[min(8+int(b[1])*8, len(b)):]
		}
	default:
		return parsed{}, false
	}
	var ports [2]uint16
	if len(b) >= 4 && (protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_UDP) {
		ports = [2]uint16{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
	}
	p.from, p.To = netip.AddrPortFrom(from, ports[0]), netip.AddrPortFrom(to, ports[1])
	switch protocol {
	case unix.IPPROTO_TCP:
		const flags, syn, ack = 13, 0x02, 0x10
		p.Protocol = "tcp"
		p.begins = len(b) > flags && b[flags]&(syn|ack) == syn
	case unix.IPPROTO_UDP:
		p.Protocol = "udp"
	case unix.IPPROTO_ICMP:
		p.Protocol = "icmp"
	case unix.IPPROTO_ICMPV6:
		p.Protocol = "icmp"
		return p, len(b) > 0 && !neighbours(b[0])
	default:
		p.Protocol = fmt.Sprint("protocol ", protocol)
	}
	return p, true
}

// neighbours are the types of ICMPv6 with which a kernel finds routers, neighbours and groups.
func neighbours(kind byte) bool {
	return kind >= 130 && kind <= 137 || kind == 143
}

// Settle waits until all that was sent by now has arrived.
func (t *Tap) Settle() error {
	t.mu.Lock()
	before := t.marks
	t.mu.Unlock()
	c, err := net.Dial(mark.Protocol, mark.To.String())
	if err != nil {
		return err
	}
	defer c.Close()
	timeout := time.After(10 * time.Second)
	for {
		_, _ = c.Write([]byte{0}) // the answer to the one before may be that nobody is there
		select {
		case <-t.arrived:
		case <-time.After(50 * time.Millisecond): // where it was dropped
		case <-timeout:
			return errors.New("the tap sees nothing")
		}
		t.mu.Lock()
		after := t.marks
		t.mu.Unlock()
		if after > before {
			return nil
		}
	}
}

// Sent is what has left the machine since the test asked for the internet, and how often. A packet
// that the tap itself lost is an error: then nothing is known.
func (t *Tap) Sent() (map[Packet]int, error) {
	if err := t.Settle(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	lost, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return nil, err
	}
	if t.dropped += int(lost.Drops); t.dropped > 0 {
		return nil, fmt.Errorf("the tap lost %d packets", t.dropped)
	}
	return maps.Clone(t.sent), nil
}

func (t *Tap) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.sent)
	t.now++
	t.dropped = 0
	_, _ = unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
}
