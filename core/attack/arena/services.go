//go:build linux

package arena

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Serve listens as a service of the user's does, greets whoever comes, and says whether anyone came.
func (a *Arena) Serve(network, address string) (at string, reached func() bool) {
	if strings.HasPrefix(network, "unix") && !strings.HasPrefix(address, "@") {
		address = a.Path(address)
		a.Note(os.MkdirAll(filepath.Dir(address), 0o700))
	}
	var came atomic.Bool
	nobody := func() bool { return false }
	if network == "udp4" || network == "unixgram" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			a.Note(err)
			return "", nobody
		}
		a.Cleanup(func() { c.Close() })
		go answerAll(c, &came)
		return c.LocalAddr().String(), func() bool { return Settled(&came) }
	}
	l, err := net.Listen(network, address)
	if err != nil {
		a.Note(err)
		return "", nobody
	}
	a.Cleanup(func() { l.Close() })
	if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
		a.ports.Store(port, true)
	}
	go greetAll(l, &came)
	return l.Addr().String(), func() bool { return Settled(&came) }
}

func answerAll(c net.PacketConn, came *atomic.Bool) {
	for b := make([]byte, 100); ; {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		came.Store(true)
		if from != nil {
			_, _ = c.WriteTo([]byte("hello"), from)
		}
	}
}

func greetAll(l net.Listener, came *atomic.Bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		came.Store(true)
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Second))
			_, _ = c.Read(make([]byte, 100))
			_, _ = c.Write([]byte("hello"))
		}()
	}
}

// Settled gives what is on its way the time to arrive: on a loopback it has arrived when the
// sender's call returns, and the goroutine that notes it needs a moment.
func Settled(came *atomic.Bool) bool {
	for range 20 {
		if came.Load() {
			return true
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 2_000_000}, nil) //nolint:errcheck // an interruption only makes it shorter
	}
	return came.Load()
}

// Visit waits until the attacker has written down a port, comes to it, and says whether it got in.
// A port in a network of the attacker's own may have the number of a service of this arena's, which
// would be visited instead.
func (a *Arena) Visit(file string) (visited func() bool) {
	var reached atomic.Bool
	stop, done := make(chan struct{}), make(chan struct{})
	a.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		for {
			port, err := os.ReadFile(file)
			if _, own := a.ports.Load(string(port)); own {
				return
			}
			if err == nil {
				if c, err := net.Dial("tcp4", "127.0.0.1:"+string(port)); err == nil {
					reached.Store(true)
					c.Close()
				}
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() bool { return Settled(&reached) }
}
