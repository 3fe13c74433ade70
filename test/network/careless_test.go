//go:build linux

package network

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/nono-run/nono/test/account"
)

// serveCareless is a proxy that takes no care: it connects to whatever it is asked for, reads names
// as sloppily as any program ever has, and passes all bytes on. By it the attacks on a proxy are
// seen to work.
func serveCareless(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go careless(c)
		}
	}()
	return l.Addr().String()
}

func careless(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	if first[0] == 5 {
		carelessSOCKS(c, in)
		return
	}
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") && !strings.HasSuffix(head.String(), "\n\n") {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		head.WriteByte(b)
	}
	method, rest, _ := strings.Cut(head.String(), " ")
	asked, _, _ := strings.Cut(rest, " HTTP/")
	if method == "CONNECT" {
		out, err := sloppily(asked, "443")
		if err != nil {
			fmt.Fprintf(c, "HTTP/1.1 502 %v\r\n\r\n", err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		both(c, in, out)
		return
	}
	asked = strings.TrimPrefix(asked, "http://")
	asked, _, _ = strings.Cut(asked, "/")
	out, err := sloppily(asked, "80")
	if err != nil {
		fmt.Fprintf(c, "HTTP/1.1 502 %v\r\n\r\n", err)
		return
	}
	// The server is asked as a server is, and for the host that the header names.
	before, after, _ := strings.Cut(head.String(), "http://"+asked)
	_, _ = io.WriteString(out, before+after)
	both(c, in, out)
}

func carelessSOCKS(c net.Conn, in *bufio.Reader) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return
	}
	if _, err := in.Discard(int(head[1])); err != nil {
		return
	}
	_, _ = c.Write([]byte{5, 0})
	request := make([]byte, 4)
	if _, err := io.ReadFull(in, request); err != nil {
		return
	}
	host := make([]byte, 4)
	if request[3] == 3 {
		n, err := in.ReadByte()
		if err != nil {
			return
		}
		host = make([]byte, n)
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(in, host); err != nil {
		return
	}
	if _, err := io.ReadFull(in, port); err != nil {
		return
	}
	asked := string(host)
	if request[3] == 1 {
		asked = net.IP(host).String()
	}
	out, err := sloppily(asked, strconv.Itoa(int(binary.BigEndian.Uint16(port))))
	if err != nil {
		_, _ = c.Write([]byte{5, 1, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	both(c, in, out)
}

func both(c net.Conn, in io.Reader, out net.Conn) {
	defer out.Close()
	go func() { _, _ = io.Copy(out, in) }()
	_, _ = io.Copy(c, out)
}

// sloppily connects to what some program would have taken a text for.
func sloppily(asked, port string) (net.Conn, error) {
	for _, end := range []string{"\x00", "%00", `\`, "#", "?", "/", " ", "\r"} {
		asked, _, _ = strings.Cut(asked, end)
	}
	if at := strings.LastIndex(asked, "@"); at >= 0 {
		asked = asked[at+1:]
	}
	host := asked
	if h, p, err := net.SplitHostPort(asked); err == nil {
		host, port = h, p
	} else if bare, p, ok := withoutBrackets(asked); ok {
		host, port = bare, p
	}
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%")
	host = strings.NewReplacer("。", ".", "．", ".", "ｅ", "e").Replace(strings.ToLower(host))
	if address, ok := asNumber(host); ok {
		host = address.String()
	}
	return net.DialTimeout("tcp", net.JoinHostPort(host, port), account.Patience)
}

// withoutBrackets takes what stands behind the last colon of an IPv6 address for a port.
func withoutBrackets(asked string) (host, port string, ok bool) {
	zoneless, _, _ := strings.Cut(asked, "%")
	if _, err := netip.ParseAddr(zoneless); err == nil || strings.Count(asked, ":") < 2 ||
		asked[0] == '[' {
		return "", "", false
	}
	last := strings.LastIndex(asked, ":")
	return asked[:last], asked[last+1:], true
}

// asNumber reads an address as inet_aton does: parts in decimal, octal or hexadecimal, of which the
// last one fills what is left.
func asNumber(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		shift := 8 * (3 - i)
		if i == len(parts)-1 {
			shift = 0
		}
		value |= n << shift
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(value)))), true
}
