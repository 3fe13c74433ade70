package load

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Way is how a client gets to the server.
type Way struct {
	// Proxy is host:port of an HTTP proxy; empty is straight.
	Proxy string
	// Name is the server's; Tunnels and Requests are the ports at which it serves them.
	Name              string
	Tunnels, Requests string
	// Once says that the proxy keeps no connection for a second request, and does not say so.
	Once bool
	// Token is sent along with requests.
	Token string
	// Authority is whose certificate the server has, in PEM; where it is empty there is no TLS.
	Authority string
}

// Tunnel opens a tunnel and asks for something; what follows is the caller's.
func (w Way) Tunnel(hello []byte, ask Ask) (net.Conn, error) {
	target := net.JoinHostPort(w.Name, w.Tunnels)
	conn, err := net.Dial("tcp", w.first(target))
	if err != nil {
		return nil, err
	}
	if err := w.begin(conn, target, hello, ask); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (w Way) begin(conn net.Conn, target string, hello []byte, ask Ask) error {
	if w.Proxy != "" {
		if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target); err != nil {
			return err
		}
		if err := established(conn); err != nil {
			return err
		}
	}
	_, err := conn.Write(append(append([]byte(nil), hello...), ask.encode()...))
	return err
}

// first is whom the client connects to.
func (w Way) first(target string) string {
	if w.Proxy != "" {
		return w.Proxy
	}
	return target
}

// established reads the answer to a CONNECT and not a byte more.
func established(conn net.Conn) error {
	var head []byte
	some := make([]byte, 512)
	for !strings.Contains(string(head), "\r\n\r\n") {
		// The server says nothing before it is asked, so that all that comes is the proxy's.
		n, err := conn.Read(some)
		if err != nil {
			return fmt.Errorf("the answer to CONNECT: %w", err)
		}
		if head = append(head, some[:n]...); len(head) > 16<<10 {
			return errors.New("the answer to CONNECT has no end")
		}
	}
	line, rest, _ := strings.Cut(string(head), "\r\n")
	if _, status, _ := strings.Cut(line, " "); !strings.HasPrefix(status, "200") {
		return fmt.Errorf("CONNECT was answered %q, %q", line, rest)
	}
	return nil
}

// Fetch is one tunnel from its beginning to its end, every byte compared.
func (w Way) Fetch(hello []byte, ask Ask) error {
	conn, err := w.Tunnel(hello, ask)
	if err != nil {
		return err
	}
	defer conn.Close()
	return ask.finish(conn)
}

// finish does in an open tunnel what was asked for.
func (a Ask) finish(conn net.Conn) error {
	if a.Up > 0 {
		if _, err := io.Copy(conn, plain{Content(a.Seed, a.Up)}); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	return Same(conn, Content(a.Seed, a.Down))
}

// Requests sends one request after another over a connection that is kept as long as it can be.
type Requests struct {
	Way    Way
	conn   net.Conn
	reader *bufio.Reader
}

// Do sends a request and compares its answer.
func (r *Requests) Do(ask Ask) error {
	if err := r.open(); err != nil {
		return err
	}
	host := r.Way.host()
	target := fmt.Sprintf("/?down=%d&up=%d&seed=%d", ask.Down, ask.Up, ask.Seed)
	if r.Way.Proxy != "" {
		target = "http://" + host + target
	}
	method := http.MethodGet
	if ask.Up > 0 {
		method = http.MethodPost
	}
	kept, err := r.roundTrip(method, target, host, ask)
	if err != nil || !kept {
		r.Close()
	}
	return err
}

func (w Way) host() string { return net.JoinHostPort(w.Name, w.Requests) }

// open opens a connection where there is none.
func (r *Requests) open() error {
	if r.conn != nil {
		return nil
	}
	conn, err := net.Dial("tcp", r.Way.first(r.Way.host()))
	if err != nil {
		return err
	}
	if r.Way.Authority != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(r.Way.Authority))
		conn = tls.Client(conn, &tls.Config{
			RootCAs: pool, ServerName: r.Way.Name, MinVersion: tls.VersionTLS12,
		})
	}
	r.conn, r.reader = conn, bufio.NewReader(conn)
	return nil
}

// begin sends the head of a request, in one piece.
func (r *Requests) begin(method, target, host, rest string) error {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	if r.Way.Token != "" {
		head += "Authorization: Bearer " + r.Way.Token + "\r\n"
	}
	_, err := io.WriteString(r.conn, head+rest)
	return err
}

func (r *Requests) roundTrip(method, target, host string, ask Ask) (kept bool, err error) {
	rest := "\r\n"
	if ask.Up > 0 {
		rest = fmt.Sprintf("Content-Length: %d\r\n\r\n", ask.Up)
	}
	if err = r.begin(method, target, host, rest); err != nil {
		return false, err
	}
	if ask.Up > 0 {
		_, err = io.Copy(r.conn, plain{Content(ask.Seed, ask.Up)})
	}
	if err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(r.reader, &http.Request{Method: method})
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return false, fmt.Errorf("answered %s: %s", answer.Status, textproto.TrimBytes(said))
	}
	return !answer.Close && !r.Way.Once, Same(answer.Body, Content(ask.Seed, ask.Down))
}

// Close gives the connection up.
func (r *Requests) Close() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// Many does something n times, so many at once, and returns how long each took. The first error
// ends it.
func Many(n, beside int, each func(worker, number int) error) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for worker := range beside {
		workers.Go(func() {
			for failed.Load() == nil {
				number := int(next.Add(1)) - 1
				if number >= n {
					return
				}
				began := time.Now()
				if err := each(worker, number); err != nil {
					err = fmt.Errorf("number %d: %w", number, err)
					failed.CompareAndSwap(nil, &err)
				}
				took[number] = time.Since(began)
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return took, nil
}
