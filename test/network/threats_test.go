//go:build linux

package network

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nono-run/nono/test/internet"
)

// An attempt is one way to a host that is denied, by one thing that agent tries. Each has a host of
// its own, EVIL with the address ADDR, so that what arrives says which attempt it was.
type attempt struct {
	threat, does string
	try          string
	// host is the address that is denied, where the attempt is about a certain one.
	host string
	// seen replaces what counts as a success: a packet to ADDR or host, a question for EVIL, or a
	// request for EVIL wherever it arrived.
	seen func(a *arena, outcome string) bool
	// direct attempts take no proxy: outside they are made without the careless one.
	direct bool
}

// An arena is the internet during attacks.
type arena struct {
	*internet.Internet
	sent map[internet.Packet]int // when all is over
	raw  *recorder
}

// onPort is a packet to a port of an allowed host.
func onPort(port uint16) func(*arena, string) bool {
	return func(a *arena, _ string) bool { return a.arrived("6.6.6.10", port) }
}

// granted is what the proxy says.
func granted(_ *arena, outcome string) bool { return outcome == "granted" }

// said is a text that arrived at the server that reads no protocol.
func said(text string) func(*arena, string) bool {
	return func(a *arena, _ string) bool { return a.raw.got(text) }
}

// arrived reports whether a packet went to an address, at a port or, for 0, at any.
func (a *arena) arrived(address string, port uint16) bool {
	for p := range a.sent {
		if p.To.Addr().Unmap() == netip.MustParseAddr(address).Unmap() && (port == 0 || p.To.Port() == port) {
			return true
		}
	}
	return false
}

// A recorder is a server that reads no protocol. It answers whatever it is told as a server of HTTP
// would, so that more follows.
type recorder struct {
	mu   sync.Mutex
	told bytes.Buffer
}

func (r *recorder) got(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(bytes.ToLower(r.told.Bytes()), bytes.ToLower([]byte(text)))
}

func (r *recorder) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for b := make([]byte, 4096); ; {
				n, err := c.Read(b)
				r.mu.Lock()
				r.told.Write(b[:n])
				r.mu.Unlock()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nreached\n")
			}
		}()
	}
}

// Requests as they are sent.
const (
	askEvil  = `GET / HTTP/1.1\r\nHost: EVIL\r\nConnection: close\r\n\r\n`
	askGood  = `GET / HTTP/1.1\r\nHost: api.good.example\r\nConnection: close\r\n\r\n`
	askThere = ` HTTP/1.1\r\nHost: EVIL\r\nConnection: close\r\n\r\n`
)

func attempts(ech string) []attempt {
	var all []attempt
	add := func(threat, does, try string) { all = append(all, attempt{threat: threat, does: does, try: try}) }

	// The plain way: denied hosts by each front door.
	add("E53", "CONNECT", "tunnel=EVIL:443|"+askEvil)
	add("E53", "a request in absolute form", "raw=GET http://EVIL/"+askThere)
	add("E53", "SOCKS5", "socks=EVIL|80|"+askEvil)
	add("E53", "CONNECT to an address", "tunnel=ADDR:80|"+askEvil)
	add("E53", "SOCKS5 to an address", "command=1|ADDR|80")

	// E54: names that one program reads otherwise than another.
	for _, pair := range [][2]string{
		{"a NUL", `EVIL\x00.good.example`},
		{"a NUL, for a suffix", `EVIL\x00.wild.example`},
		{"an escaped NUL", `EVIL%00.good.example`},
		{"a dot at the end", `EVIL.`},
		{"upper case", `UPPER`},
		{"a dot in another script", `DOTTED`},
		{"a wide letter", `WIDE`},
		{"a user before it", `api.good.example@EVIL`},
		{"a backslash", `EVIL\\.good.example`},
		{"a number sign", `EVIL#.good.example`},
		{"a question mark", `EVIL?.good.example`},
		{"a zone", `[::ffff:ADDR%25eth0]`},
		{"a number", `NUMBER`},
		{"a number, in hexadecimal", `HEX`},
		{"octal parts", `OCTAL`},
		{"three parts", `SHORT`},
		{"an address in an IPv6 one", `[::ffff:ADDR]`},
		{"the same, without brackets", `::ffff:ADDR`},
		{"a slash", `EVIL/.good.example`},
		{"white space", `EVIL .good.example`},
		{"a line's end", `EVIL\r\nX: .good.example`},
	} {
		what, name := pair[0], pair[1]
		socksName := strings.NewReplacer("[", "", "]", "").Replace(name)
		add("E54", what+", by CONNECT", "tunnel="+name+":80|"+askEvil)
		add("E54", what+", by SOCKS5", "socks="+socksName+"|80|"+askEvil)
		add("E54", what+", in a request", "raw=GET http://"+name+"/"+askThere)
	}

	// E55: the server name is not the name that was asked for.
	for _, how := range []string{"", "split", "records"} {
		add("E55", "another server name "+how, "tls="+how+"|api.good.example:443|EVIL")
		all = append(all, attempt{
			threat: "E55", does: "another server name, with no proxy " + how, direct: true,
			try: "tls=direct " + how + "|api.good.example:443|EVIL",
		})
	}
	add("E55", "the name of another host that is allowed", "tls=|api.good.example:443|EVIL.good.example")
	all = append(all,
		attempt{
			threat: "E55", does: "no server name", try: "tls=|api.good.example:443|",
			seen: func(a *arena, _ string) bool {
				return slices.ContainsFunc(a.Web.Requests(), func(r internet.Request) bool {
					return r.At.Port() == 443 && r.ServerName == ""
				})
			},
		},
		attempt{threat: "E55", does: "an encrypted server name", try: "tls=ech|api.good.example:443|EVIL|" + ech},
		attempt{
			threat: "E55", does: "an encrypted server name, with no proxy", direct: true,
			try: "tls=ech direct|api.good.example:443|EVIL|" + ech,
		},
	)

	// E56, E62: requests in clear that name another host than the one that was allowed.
	for _, pair := range [][2]string{
		{"another Host", `GET http://raw.good.example/` + askThere},
		{"the Host of another that is allowed", `GET http://raw.good.example/ HTTP/1.1\r\nHost: EVIL.good.example\r\nConnection: close\r\n\r\n`},
		{"two Hosts", `GET http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nHost: EVIL\r\nConnection: close\r\n\r\n`},
		{"a folded Host", `GET http://raw.good.example/ HTTP/1.1\r\nHost:\r\n EVIL\r\nConnection: close\r\n\r\n`},
		{"bare line feeds", `GET http://raw.good.example/ HTTP/1.1\nHost: EVIL\nConnection: close\n\n`},
		{"a request behind another", `GET http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\n\r\nGET http://EVIL/` + askThere},
		{"the same in origin form", `GET http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\n\r\n` + askEvil},
		{"hidden by length and chunks", `POST http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n` + askEvil},
		{"hidden by two lengths", `POST http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nContent-Length: 0\r\nContent-Length: 200\r\n\r\n` + askEvil},
		{"hidden by a coding nobody knows", `POST http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n` + askEvil},
		{"hidden behind a chunk's extension", `POST http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nTransfer-Encoding: chunked\r\n\r\n0;a=\nb\r\n\r\n` + askEvil},
		{"hidden in a GET with a body", `GET http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nContent-Length: 0\r\n\r\n` + askEvil},
		{"a Host with white space before colon", `GET http://raw.good.example/ HTTP/1.1\r\nHost: raw.good.example\r\nHost : EVIL\r\nConnection: close\r\n\r\n`},
	} {
		what, bytes := pair[0], pair[1]
		add("E62", what+", in absolute form", "raw="+bytes)
		origin := strings.ReplaceAll(bytes, "http://raw.good.example/", "/")
		add("E62", what+", in a tunnel", "tunnel=raw.good.example:80|"+origin)
		all = append(all, attempt{
			threat: "E62", does: what + ", with no proxy", direct: true,
			try: "direct=raw.good.example:80|" + origin,
		})
	}
	all = append(all,
		attempt{
			threat: "E62", does: "an upgrade to what nobody here reads",
			try:  `raw=GET http://raw.good.example/upgrade HTTP/1.1\r\nHost: raw.good.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
			seen: said("h2c"),
		},
		attempt{
			threat: "E62", does: "HTTP/2 in clear, at once",
			try:  `tunnel=raw.good.example:80|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
			seen: said(`PRI *`),
		},
	)

	// E57: names as messages.
	add("E57", "a question to the machine's resolver", "query=udp||secret.EVIL|1")
	add("E57", "a question of another type", "query=udp||secret.EVIL|16")
	add("E57", "over TCP", "query=tcp||secret.EVIL|1")
	add("E57", "to a resolver of the agent's choice", "query=udp|ADDR|secret.EVIL|1")
	add("E57", "to that, over TCP", "query=tcp|ADDR|secret.EVIL|1")
	add("E57", "by a CONNECT that is denied", "tunnel=secret.EVIL:443|x")
	add("E57", "by a request that is denied", "raw=GET http://secret.EVIL/"+askThere)
	add("E57", "by SOCKS5", "socks=secret.EVIL|443|x")
	for i := range all {
		all[i].direct = all[i].direct || strings.HasPrefix(all[i].try, "query=")
	}

	// E58: addresses that are no place for a name, or for anybody.
	for _, address := range []string{
		"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.168.1.1", "172.16.0.1",
		"100.64.0.1", "198.18.0.9", "64:ff9b::a9fe:a9fe", "::ffff:10.0.0.1", "2002:a9fe:a9fe::1",
	} {
		host := address
		if strings.Contains(address, ":") {
			host = "[" + address + "]"
		}
		all = append(all,
			attempt{threat: "E58", does: address + ", by CONNECT", try: "tunnel=" + host + ":80|" + askGood, host: address},
			attempt{threat: "E58", does: address + ", in a request", try: "raw=GET http://" + host + "/" + askThere, host: address},
			attempt{threat: "E58", does: address + ", directly", try: "tcp=" + host + ":80", host: address, direct: true},
		)
	}

	// E60: ports at which something else is spoken, and something else at ports for TLS and HTTP.
	all = append(all,
		attempt{threat: "E60", does: "CONNECT to port 22", try: "tunnel=api.good.example:22|x", seen: onPort(22)},
		attempt{threat: "E60", does: "SOCKS5 to port 25", try: "socks=api.good.example|25|x", seen: onPort(25)},
		attempt{threat: "E60", does: "UDP by SOCKS5", try: "command=3|6.6.6.10|443", seen: granted},
		attempt{threat: "E60", does: "a server by SOCKS5", try: "command=2|6.6.6.10|443", seen: granted},
		attempt{
			threat: "E60", does: "plain text at the port of TLS", try: `tunnel=raw.good.example:443|SSH-2.0-x\r\n`,
			seen: said("SSH-2.0-x"),
		},
		attempt{
			threat: "E60", does: "plain text at the port of HTTP", try: `tunnel=raw.good.example:80|SSH-2.0-y\r\n`,
			seen: said("SSH-2.0-y"),
		},
		attempt{
			threat: "E60", does: "the same with no proxy", try: `direct=raw.good.example:80|SSH-2.0-z\r\n`,
			seen: said("SSH-2.0-z"), direct: true,
		},
	)

	// What no proxy has to do with.
	for _, k := range []attempt{
		{threat: "E01", does: "MPTCP", try: "mptcp=ADDR:80"},
		{threat: "E04", does: "a connection made by sending", try: "fastopen=ADDR:80"},
		{threat: "E05", does: "UDP, as QUIC begins", try: "udp=ADDR:443"},
		{threat: "E05", does: "UDP to a resolver", try: "udp=ADDR:53"},
		{threat: "E06", does: "ICMP", try: "icmp=ADDR"},
	} {
		k.direct = true
		all = append(all, k)
	}
	return all
}

// known is the host with the number of an attempt.
func known(n int) (evil, address string) {
	return fmt.Sprintf("evil%d.example", n), fmt.Sprintf("6.66.%d.%d", n/200, n%200+1)
}

// filled is what is tried by the attempt of a number.
func (k attempt) filled(n int) string {
	evil, address := known(n)
	b := netip.MustParseAddr(address).As4()
	value := binary.BigEndian.Uint32(b[:])
	return strings.NewReplacer(
		"EVIL", evil, "ADDR", address, "UPPER", strings.ToUpper(evil),
		"DOTTED", strings.ReplaceAll(evil, ".", "。"), "WIDE", "ｅ"+evil[1:],
		"NUMBER", fmt.Sprint(value), "HEX", fmt.Sprintf("%#x", value),
		"OCTAL", fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		"SHORT", fmt.Sprintf("%d.%d.%d", b[0], b[1], value&0xffff),
	).Replace(k.try)
}

// succeeded reports whether the attempt of a number has reached what it was after.
func (k attempt) succeeded(a *arena, n int, outcome string) bool {
	if k.seen != nil {
		return k.seen(a, outcome)
	}
	evil, address := known(n)
	if k.host != "" {
		address = k.host
	}
	named := func(text string) bool { return strings.Contains(strings.ToLower(text), evil) }
	return a.arrived(address, 0) || a.Authority.Asked(evil) || a.raw.got(evil) ||
		slices.ContainsFunc(a.Web.Requests(), func(r internet.Request) bool {
			return named(r.Host) || named(r.ServerName)
		})
}

// openArena is the internet with the hosts of all attempts.
func openArena(t *testing.T, n int) *arena {
	t.Helper()
	a := &arena{Internet: internet.Here(t), raw: &recorder{}}
	for _, address := range []string{"6.6.6.14:80", "6.6.6.14:443"} {
		go a.raw.serve(a.Listen(t, address))
	}
	a.Authority.Set("api.good.example", netip.MustParseAddr("6.6.6.10"))
	a.Authority.Set("raw.good.example", netip.MustParseAddr("6.6.6.14"))
	for k := range n {
		evil, address := known(k)
		a.Authority.Set(evil, netip.MustParseAddr(address))
		a.Authority.Set("secret."+evil, netip.MustParseAddr(address))
	}
	return a
}

func (a *arena) settle(t *testing.T) {
	t.Helper()
	var err error
	if a.sent, err = a.Tap.Sent(); err != nil {
		t.Fatal(err)
	}
}

const threatPolicy = `network { allow = ["api.good.example", "*.good.example", "*.wild.example"] }`

// plainTries are what attempts are made of, done with the name that is allowed, and all that a
// proxy for HTTP alone needs to understand.
func plainTries() []string {
	return []string{
		`raw=GET http://api.good.example/ HTTP/1.1\r\nHost: api.good.example\r\nConnection: close\r\n\r\n`,
		`raw=GET http://API.good.example./ HTTP/1.1\r\nHost: API.good.example.\r\nConnection: close\r\n\r\n`,
		"tls=|api.good.example:443|api.good.example",
		"tls=split|api.good.example:443|api.good.example",
		"tls=records|api.good.example:443|api.good.example",
	}
}

// otherTries are the same at the other front doors.
func otherTries() []string {
	return []string{
		"tunnel=api.good.example:80|" + askGood,
		"socks=api.good.example|80|" + askGood,
		"direct=api.good.example:80|" + askGood,
		"tls=direct|api.good.example:443|api.good.example",
		"tls=direct split|api.good.example:443|api.good.example",
		"tls=direct records|api.good.example:443|api.good.example",
	}
}

func (u *user) try(cmd *exec.Cmd, tries []string) []string {
	u.T.Helper()
	cmd.Args = append(cmd.Args, tries...)
	return u.lines(cmd, len(tries))
}

// TestThreats makes every attempt outside, by a proxy that takes no care, and inside. Outside each
// has to succeed, and inside none; what is allowed works by the same means.
func TestThreats(t *testing.T) {
	ech := base64.StdEncoding.EncodeToString(internet.Here(t).Web.ECH)
	all := attempts(ech)
	t.Run("outside", func(t *testing.T) { worksOutside(t, all) })
	t.Run("inside", func(t *testing.T) {
		u, a := newUser(t), openArena(t, len(all))
		heldInside(u, a, all, threatPolicy, append(plainTries(), otherTries()...))
	})
}

// worksOutside is the control.
func worksOutside(t *testing.T, all []attempt) {
	u, a := newUser(t), openArena(t, len(all))
	outcomes := make([]string, len(all))
	for _, direct := range []bool{false, true} {
		var tries []string
		var numbers []int
		for n, k := range all {
			if k.direct == direct {
				tries, numbers = append(tries, k.filled(n)), append(numbers, n)
			}
		}
		cmd := u.Command(base+"/bin/agent", "try")
		cmd.Env = append(cmd.Env, "HTTP_PROXY=http://"+serveCareless(t))
		for i, outcome := range u.try(cmd, tries) {
			outcomes[numbers[i]] = outcome
		}
	}
	a.settle(t)
	for n, k := range all {
		if !k.succeeded(a, n, outcomes[n]) {
			t.Errorf("%s %s does not work here: %s: %s", k.threat, k.does, k.filled(n), outcomes[n])
		}
	}
}

// heldInside makes the attempts in a run with a policy, after others that have to work.
func heldInside(u *user, a *arena, all []attempt, policy string, allowed []string) {
	t := u.T
	tries := slices.Clone(allowed)
	for n, k := range all {
		tries = append(tries, k.filled(n))
	}
	outcomes := u.try(u.inside(policy, base+"/bin/agent", "try"), tries)
	a.settle(t)
	for n, try := range allowed {
		if !strings.Contains(outcomes[n], "reached 6.6.6.10") {
			t.Errorf("what is allowed does not work: %s: %s", try, outcomes[n])
		}
	}
	outcomes = outcomes[len(allowed):]
	for n, k := range all {
		if k.succeeded(a, n, outcomes[n]) {
			t.Errorf("%s %s: %s: %s", k.threat, k.does, k.filled(n), outcomes[n])
		}
	}
}
