//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// tries are what the attacker can do. A value is fields with a bar between them; where bytes are
// meant they are written as in a Go string.
var tries = map[string]func(value string) string{
	"raw":     raw,
	"tunnel":  tunnel,
	"socks":   socks,
	"command": socksCommand,
	"tls":     speakTLS,
	"upload":  upload,
	"direct":  direct,
	"tcp": func(address string) string {
		c, err := net.DialTimeout("tcp", address, patience)
		return answerOf(address, c, err)
	},
	"udp":  udp,
	"icmp": icmp,
	"mptcp": func(address string) string {
		return sendTo(unix.IPPROTO_MPTCP, address, 0)
	},
	"fastopen": func(address string) string {
		return sendTo(0, address, unix.MSG_FASTOPEN)
	},
	"query": query,
}

// patience is how long anything here waits.
const patience = 3 * time.Second

func fields(value string) []string {
	parts := strings.Split(value, "|")
	for i, part := range parts {
		text, err := strconv.Unquote(`"` + part + `"`)
		if err != nil {
			fmt.Fprintf(os.Stderr, "agent: %q: %v\n", part, err)
			os.Exit(2)
		}
		parts[i] = text
	}
	return parts
}

// proxy connects to the proxy that the variables name.
func proxy() (net.Conn, error) {
	u, err := url.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("HTTP_PROXY is %q", os.Getenv("HTTP_PROXY"))
	}
	c, err := net.DialTimeout("tcp", u.Host, patience)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

// converse sends bytes and returns all that comes back.
func converse(c net.Conn, say string) string {
	defer c.Close()
	if _, err := io.WriteString(c, say); err != nil {
		return "writing: " + err.Error()
	}
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return string(answer) + " then " + err.Error()
	}
	return string(answer)
}

// raw sends bytes to the proxy.
func raw(value string) string {
	c, err := proxy()
	if err != nil {
		return err.Error()
	}
	return converse(c, fields(value)[0])
}

// connect has the proxy open a tunnel.
func connect(target string) (net.Conn, error) {
	c, err := proxy()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	if err != nil {
		return nil, err
	}
	head, err := readHead(c)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(head, " 200 ") {
		rest, _ := io.ReadAll(c)
		return nil, errors.New(head + string(rest))
	}
	return c, nil
}

// readHead reads to the end of a header, and not a byte further.
func readHead(c net.Conn) (string, error) {
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
		if _, err := c.Read(b); err != nil {
			return string(head), err
		}
		head = append(head, b[0])
	}
	return string(head), nil
}

// tunnel is TARGET|BYTES: the bytes are sent through a tunnel.
func tunnel(value string) string {
	f := fields(value)
	c, err := connect(f[0])
	if err != nil {
		return err.Error()
	}
	return converse(c, f[1])
}

// direct is ADDRESS|BYTES: the bytes are sent there, with no proxy.
func direct(value string) string {
	f := fields(value)
	c, err := net.DialTimeout("tcp", f[0], patience)
	if err != nil {
		return err.Error()
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return converse(c, f[1])
}

// upload is HOW|TARGET: it sends three million bytes, closes its half, and waits for the answer.
func upload(value string) string {
	f := fields(value)
	var c net.Conn
	var err error
	if f[0] == "direct" {
		c, err = net.DialTimeout("tcp", f[1], patience)
	} else {
		c, err = connect(f[1])
	}
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * patience))
	if _, err := c.Write(make([]byte, 3_000_000)); err != nil {
		return err.Error()
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err.Error()
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

// socks is NAME|PORT|BYTES: the bytes are sent to what SOCKS5 takes for the name of a host.
func socks(value string) string {
	f := fields(value)
	port, _ := strconv.Atoi(f[1])
	c, err := socksAsk(1, 3, append([]byte{byte(len(f[0]))}, f[0]...), uint16(port))
	if err != nil {
		return err.Error()
	}
	return converse(c, f[2])
}

// socksCommand is COMMAND|ADDRESS|PORT, the command by its number.
func socksCommand(value string) string {
	f := fields(value)
	command, _ := strconv.Atoi(f[0])
	port, _ := strconv.Atoi(f[2])
	c, err := socksAsk(byte(command), 1, net.ParseIP(f[1]).To4(), uint16(port))
	if err != nil {
		return err.Error()
	}
	c.Close()
	return "granted"
}

func socksAsk(command, kind byte, host []byte, port uint16) (net.Conn, error) {
	c, err := proxy()
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte{5, 1, 0}); err != nil {
		return nil, err
	}
	answer := make([]byte, 10)
	if _, err := io.ReadFull(c, answer[:2]); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	request := append([]byte{5, command, 0, kind}, host...)
	if _, err := c.Write(binary.BigEndian.AppendUint16(request, port)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, answer); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if answer[1] != 0 {
		return nil, fmt.Errorf("refused with %d", answer[1])
	}
	return c, nil
}

// speakTLS is HOW|TARGET|NAME: TLS with NAME in the hello, to TARGET, and a request for NAME. How
// is words: "direct" takes no proxy, "split" cuts the hello into bytes, "records" into records,
// "ech" encrypts the name behind the target's own, "h2" asks by HTTP/2's name for it.
func speakTLS(value string) string {
	f := fields(value)
	how, target, name := f[0], f[1], f[2]
	var c net.Conn
	var err error
	if strings.Contains(how, "direct") {
		if c, err = net.DialTimeout("tcp", target, patience); err == nil {
			err = c.SetDeadline(time.Now().Add(patience))
		}
	} else {
		c, err = connect(target)
	}
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true}
	if strings.Contains(how, "ech") {
		config.EncryptedClientHelloConfigList, err = base64.StdEncoding.DecodeString(f[3])
		if err != nil {
			return err.Error()
		}
		config.InsecureSkipVerify = false
		config.MinVersion = tls.VersionTLS13
	}
	if strings.Contains(how, "split") || strings.Contains(how, "records") {
		c = &splitter{Conn: c, records: strings.Contains(how, "records")}
	}
	client := tls.Client(c, config)
	if err := client.Handshake(); err != nil {
		return "handshake: " + err.Error()
	}
	host := name
	if host == "" {
		host, _, _ = net.SplitHostPort(target)
	}
	return converse(client, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
}

// A splitter sends the first write, which is the hello, in pieces.
type splitter struct {
	net.Conn
	records bool
	sent    bool
}

// Write implements io.Writer.
func (s *splitter) Write(b []byte) (int, error) {
	if s.sent {
		return s.Conn.Write(b)
	}
	s.sent = true
	const header = 5
	pieces := [][]byte{}
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	if s.records {
		pieces = nil
		for at := header; at < len(b); at += 7 {
			part := b[at:min(at+7, len(b))]
			piece := binary.BigEndian.AppendUint16(append([]byte{}, b[:3]...), uint16(len(part)))
			pieces = append(pieces, append(piece, part...))
		}
	}
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
	}
	for _, piece := range pieces {
		if _, err := s.Conn.Write(piece); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func answerOf(host string, c net.Conn, err error) string {
	if err != nil {
		return err.Error()
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return converse(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
}

// udp sends a datagram and waits for an answer.
func udp(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err.Error()
	}
	_ = c.SetDeadline(time.Now().Add(patience / 10))
	defer c.Close()
	if _, err := c.Write([]byte("ping")); err != nil {
		return err.Error()
	}
	if _, err := c.Read(make([]byte, 100)); err != nil {
		return err.Error()
	}
	return "ok"
}

// sendTo sends by a stream of a protocol, connecting to the address by that or, without flags,
// before.
func sendTo(protocol int, address string, flags int) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return "socket: " + err.Error()
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	if flags == 0 {
		if err := unix.Connect(fd, to); err != nil {
			return "connect: " + err.Error()
		}
	}
	if err := unix.Sendto(fd, []byte("carried out"), flags, to); err != nil {
		return "sendto: " + err.Error()
	}
	return "sent"
}

// icmp sends an echo request, as ping does without privileges.
func icmp(address string) string {
	echo := []byte{8, 0, 0, 0, 0, 0, 0, 1}
	to, err := netip.ParseAddr(address)
	if err != nil {
		return err.Error()
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return "socket: " + err.Error()
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, echo, 0, &unix.SockaddrInet4{Addr: to.As4()}); err != nil {
		return "sendto: " + err.Error()
	}
	return "sent"
}

// query is NETWORK|SERVER|NAME|TYPE: a question to a server of names; without a server to the one
// of resolv.conf.
func query(value string) string {
	f := fields(value)
	server := f[1]
	if server == "" {
		server = resolver()
	}
	kind, _ := strconv.Atoi(f[3])
	name, err := dnsmessage.NewName(f[2] + ".")
	if err != nil {
		return err.Error()
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{
			{Name: name, Type: dnsmessage.Type(kind), Class: dnsmessage.ClassINET},
		},
	}
	packed, err := m.Pack()
	if err != nil {
		return err.Error()
	}
	if f[0] == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	c, err := net.DialTimeout(f[0], net.JoinHostPort(server, "53"), patience)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(packed); err != nil {
		return err.Error()
	}
	answer := make([]byte, 4096)
	n, err := c.Read(answer)
	if err != nil {
		return err.Error()
	}
	if answer = answer[:n]; f[0] == "tcp" {
		answer = answer[min(2, n):]
	}
	var got dnsmessage.Message
	if err := got.Unpack(answer); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s with %d answers", got.RCode, len(got.Answers))
}

// resolver is the one that the machine's resolv.conf names.
func resolver() string {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return "127.0.0.1"
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			return f[1]
		}
	}
	return "127.0.0.1"
}
